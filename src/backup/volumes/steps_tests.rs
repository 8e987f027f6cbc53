use super::*;
use crate::backup::volumes::seen::{Claim, Content};

const BRIDGE: Bridge<'static> = Bridge {
    job: "backup--files-htbxh",
    uid: "job-uid",
    tenant: "acme",
    tenant_uid: "tenant-uid",
    install_id: "install",
    from: "acme",
    claim: "data-app-0",
    to: "acme-backup",
    class: "fast",
};

fn at(minutes: i64) -> Timestamp {
    "2026-11-22T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn next_at(seen: &Seen, minutes: i64) -> Step {
    next(&BRIDGE, seen, at(0), at(minutes))
}

/// What controllers and drivers make of an object that was made.
fn play(seen: &mut Seen, thing: Thing, object: &Value) {
    let meta = Meta { uid: format!("uid-{thing:?}"), ..Meta::read(object) };
    let ours = object["metadata"]["namespace"] == "acme-backup";
    let snapshot = |size: &str| Snapshot {
        meta: meta.clone(),
        ready: true,
        content: "content".into(),
        taken: Some(at(1)),
        size: size.into(),
        error: None,
    };
    match thing {
        Thing::Snapshot if ours => seen.copy = Some(snapshot("3Gi")),
        Thing::Snapshot => {
            seen.taken = Some(snapshot(""));
            let meta = Meta { name: "content".into(), ..Meta::default() };
            seen.content = Some(Content { meta, driver: "d".into(), handle: "h".into() });
        }
        Thing::Content => seen.bridge = Some(Content { meta, driver: "d".into(), handle: "h".into() }),
        Thing::Claim => seen.volume = Some(Claim { meta, bound: true, ..Claim::default() }),
    }
}

fn start() -> Seen {
    let claim = Claim { bound: true, class: "disk".into(), capacity: "2Gi".into(), ..Claim::default() };
    Seen { claim: Some(claim), ..Seen::default() }
}

/// Every state of a run that goes well, in order, and what was made on the way.
fn states() -> (Vec<Seen>, Vec<Value>) {
    let (mut seen, mut states, mut made) = (start(), Vec::new(), Vec::new());
    for _ in 0..20 {
        states.push(seen.clone());
        match next_at(&seen, 2) {
            Step::Make(thing, object) => {
                play(&mut seen, thing, &object);
                made.push(object);
            }
            Step::Tell(time) => {
                assert_eq!(time, at(1), "the source's own snapshot counts");
                seen.told = true;
            }
            Step::Ready => return (states, made),
            step => panic!("{step:?}"),
        }
    }
    panic!("never ready: {seen:?}")
}

#[test]
fn a_run_has_its_volume_in_five_steps() {
    let (states, made) = states();
    assert_eq!(states.len(), 6);
    let kinds: Vec<&str> = made.iter().filter_map(|one| one["kind"].as_str()).collect();
    let snapshot = "VolumeSnapshot";
    assert_eq!(kinds, [snapshot, "VolumeSnapshotContent", snapshot, "PersistentVolumeClaim"]);
    assert_eq!(
        made[1]["spec"]["deletionPolicy"], "Retain",
        "the tenant's own snapshot is not ours to destroy"
    );
    assert_eq!(made[3]["spec"]["resources"]["requests"]["storage"], "3Gi", "the larger of both");
    for object in &made {
        let meta = &object["metadata"];
        assert_eq!(meta["annotations"][super::super::RUN_UID], "job-uid", "{object}");
        let owned = meta["namespace"] == "acme-backup";
        assert_eq!(meta["ownerReferences"].is_array(), owned, "an owner is in the same namespace: {object}");
    }
    // The Secret comes before the claim: a pod that waits for a Secret waits for minutes.
    assert!(states[4].told && states[4].volume.is_none());
}

#[test]
fn whoever_stops_anywhere_takes_away_exactly_what_was_made() {
    let (states, _) = states();
    for (made, seen) in [0, 1, 2, 3, 3, 4].into_iter().zip(&states) {
        let left = left(&BRIDGE, seen);
        assert_eq!(left.len(), made, "{seen:?}");
        assert!(left.iter().all(|(_, _, uid)| uid.starts_with("uid-")), "{left:?}");
    }
    let last = left(&BRIDGE, &states[5]);
    assert!(
        last[0].1.ends_with("/acme-backup/persistentvolumeclaims/tenantry-backup--files-htbxh"),
        "{last:?}"
    );
    assert!(last[3].1.ends_with("/acme/volumesnapshots/tenantry-backup--files-htbxh"), "the source's last");
    // The tenant's own claim and snapshot content are in none of it.
    assert!(!last.iter().any(|(_, path, _)| path.contains("data-app-0") || path.ends_with("/content")));
}

#[test]
fn what_belongs_to_somebody_else_is_neither_used_nor_removed() {
    let (states, _) = states();
    for state in &states[1..] {
        let mut seen = state.clone();
        let taken = seen.taken.as_mut().unwrap();
        taken.meta.run = "another".into();
        let Step::GiveUp(reason, message) = next_at(&seen, 2) else { panic!("used") };
        assert_eq!(reason, reasons::SNAPSHOT_FAILED);
        assert!(message.contains("not this run's"), "{message}");
        assert!(!left(&BRIDGE, &seen).iter().any(|(_, path, _)| path.contains("/namespaces/acme/")));
    }
}

#[test]
fn a_driver_that_fails_is_waited_for_and_then_given_up() {
    let mut seen = start();
    let error = Some(("driver says no".to_owned(), Some(at(1))));
    let meta = Meta { name: "s".into(), uid: "u".into(), run: "job-uid".into() };
    seen.taken = Some(Snapshot { meta, error, ..Snapshot::default() });
    assert_eq!(next_at(&seen, 2), Step::Wait("VolumeSnapshot acme/s: driver says no".into()));
    assert_eq!(
        next_at(&seen, 10),
        Step::GiveUp(reasons::SNAPSHOT_FAILED, "VolumeSnapshot acme/s: driver says no".into())
    );
    seen.taken.as_mut().unwrap().error = None;
    assert!(matches!(next_at(&seen, 30), Step::Wait(_)));
    let Step::GiveUp(_, message) = next_at(&seen, 31) else { panic!("waits for ever") };
    assert!(message.contains("after 30 minutes the run still waits for VolumeSnapshot acme/s"), "{message}");
}

#[test]
fn a_class_that_is_gone_is_waited_for_and_only_where_one_is_needed() {
    let bridge = Bridge { class: "", ..BRIDGE };
    assert!(matches!(next(&bridge, &start(), at(0), at(1)), Step::Wait(_)));
    let (states, _) = states();
    assert_eq!(next(&bridge, &states[5], at(0), at(2)), Step::Ready);
}

#[test]
fn a_copy_that_gets_no_volume_is_waited_for_and_then_given_up() {
    let mut seen = states().0.remove(5);
    seen.volume.as_mut().unwrap().bound = false;
    assert!(matches!(next_at(&seen, 30), Step::Wait(_)));
    assert!(matches!(next_at(&seen, 31), Step::GiveUp(reasons::SNAPSHOT_FAILED, _)));
}

#[test]
fn a_claim_that_is_gone_is_no_source() {
    assert!(matches!(next_at(&Seen::default(), 1), Step::GiveUp(reasons::SOURCE_UNREACHABLE, _)));
}
