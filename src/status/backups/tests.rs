use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    api::{
        Platform, Tenant,
        conditions::{ConditionStatus, reasons},
    },
    backup::{
        decide::{self, Known},
        known::{Details, Evidence, Run, Snapshot},
        record::reasons as runs,
        settings::{Beside, settings},
        task::Size,
    },
    store::verdict::Judgement,
    validate::{platform, tenant},
};

pub(super) const NOW: &str = "2026-11-22T12:00:00Z";

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn rules() -> ValidatedPlatform {
    let spec = json!({"backups": {
        "store": {"region": "eu-1", "bucket": "backups", "credentials": {"name": "store"}},
        "key": {"secret": {"name": "key"}},
        "schedule": "0 3 * * *",
        "postgresql": {"image": "postgres:17"},
    }});
    let platform = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "shop"}, "spec": spec});
    platform::validate(&serde_json::from_value::<Platform>(platform).unwrap()).unwrap()
}

pub(super) fn tenant_of(more: serde_json::Value) -> ValidatedTenant {
    let mut spec = json!({
        "platformRef": {"name": "shop"},
        "databases": [{
            "name": "app",
            "connectionSecretRef": {"name": "app-db"},
            "server": {"podSelector": {"matchLabels": {"app": "db"}}, "port": 5432},
        }],
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let tenant = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec});
    tenant::validate(&serde_json::from_value::<Tenant>(tenant).unwrap(), &rules()).unwrap()
}

pub(super) fn past(kind: Kind, started: &str, reason: &str) -> Past {
    let started = time(started);
    Past {
        id: format!("{}-app-{}", kind.word(), started.as_second()),
        kind,
        database: "app".into(),
        slot: Some(time(&format!("{}T03:00:00Z", started.strftime("%Y-%m-%d")))),
        generation: 1,
        started,
        ended: started + SignedDuration::from_secs(90),
        succeeded: reason == runs::SUCCEEDED,
        reason: reason.into(),
        removed: 0,
        details: Some(Box::new(Details {
            rto_seconds: kind.is_drill().then_some(42),
            rpo_seconds: kind.is_drill().then_some(3600),
            checks: (7, 8),
            ..Details::default()
        })),
    }
}

/// A store with a good restore point at each of these times.
pub(super) fn store(points: &[&str], others: Vec<Past>) -> Store {
    let now = time(NOW);
    let point = |at: &&str| Point {
        database: "app".into(),
        generation: 1,
        snapshot: format!("dump-{at}"),
        manifest: format!("manifest-{at}"),
        time: time(at),
        stored: time(at),
        size: Size { rows: 3, bytes: 4096 },
    };
    let points: Vec<Point> = points.iter().map(point).collect();
    let snapshots = points.iter().flat_map(|one| [(&one.snapshot, one.stored), (&one.manifest, one.stored)]);
    let snapshots =
        snapshots.map(|(id, stored)| Snapshot { generation: 1, id: id.clone(), stored }).collect();
    let good = points.iter().map(|one| past(Kind::Backup, &one.stored.to_string(), runs::SUCCEEDED));
    let past: Vec<Past> = good.chain(others).collect();
    let evidence = Evidence::of(past.iter().map(|one| one.ended).chain([now]));
    Store { observed_at: now, clock: now, points, snapshots, past, evidence }
}

pub(super) fn view(tenant: &ValidatedTenant, store: Store, runs: Vec<Run>) -> View {
    let beside = Beside { platform_uid: "uid", paused: false, accepted_deletions: None };
    let settings = settings(rules().backups.as_ref().unwrap(), tenant, beside).unwrap();
    let known = Known { settings: &settings, store: Some(&store), runs: &runs, asked: &[], now: time(NOW) };
    let decision = decide::decide(known);
    View {
        leak: String::new(),
        settings: Arc::new(settings),
        store: Some(Arc::new(store)),
        decision,
        runs,
        words: BTreeMap::new(),
        gone_early: BTreeMap::new(),
        locked: BTreeMap::new(),
        problem: String::new(),
        left: vec![],
        shared_credentials: false,
        buckets: BTreeMap::new(),
    }
}

pub(super) fn verdict(said: Option<Said>) -> Verdict {
    match said {
        Some(Said::Is(verdict)) => verdict,
        other => panic!("{other:?}"),
    }
}

fn told(tenant: &ValidatedTenant, view: &View) -> Told {
    tell(Some(view), (tenant, &BTreeSet::new()), &rules(), &[], time(NOW))
}

pub(super) const TODAY: &str = "2026-11-22T03:00:20Z";

#[test]
fn what_is_fresh_and_tried_is_said_to_be() {
    let tenant = tenant_of(json!({}));
    let drill = past(Kind::Drill, "2026-11-21T07:00:00Z", runs::SUCCEEDED);
    let told = told(&tenant, &view(&tenant, store(&["2026-11-21T03:00:20Z", TODAY], vec![drill]), vec![]));
    let (current, verified) = (verdict(told.current), verdict(told.verified));
    assert_eq!((current.status, current.reason), (ConditionStatus::True, reasons::SUCCEEDED), "{current:?}");
    assert!(current.message.contains("stay 30 days"), "{}", current.message);
    assert_eq!(verified.status, ConditionStatus::True, "{verified:?}");
    assert_eq!(told.last_backup.as_deref(), Some(TODAY));
    assert_eq!(told.last_drill.as_deref(), Some("2026-11-21T07:00:00Z"));
    let one = &told.backups[0];
    assert_eq!((one.points, one.bytes, one.missed), (2, 4096, 0));
    assert_eq!(one.oldest.as_deref(), Some("2026-11-21T03:00:20Z"));
    assert_eq!(one.next_run.as_deref(), Some("2026-11-23T03:00:00Z"));
    assert_eq!((one.rto_p95_seconds, one.rpo_p95_seconds), (Some(42), Some(3600)));
    let run = one.last_run.as_ref().unwrap();
    assert_eq!((run.result, run.seconds), (RunResult::Succeeded, Some(90)));
    let drill = one.last_drill.as_ref().unwrap();
    assert_eq!((drill.checks.as_str(), drill.point.as_str()), ("7/8", "2026-11-21T06:00:00Z"));
}

#[test]
fn restore_points_stay_as_long_as_they_have_to_and_no_longer() {
    let tenant = tenant_of(json!({}));
    let fresh = view(&tenant, store(&["2026-11-21T03:00:20Z", TODAY], vec![]), vec![]);
    let exact = told(&tenant, &fresh);
    let kept = verdict(exact.retention);
    assert_eq!((kept.status, kept.reason), (ConditionStatus::True, reasons::SUCCEEDED), "{kept:?}");
    assert!(kept.message.contains("the oldest is of 2026-11-21T03:00:20Z"), "{}", kept.message);

    let gone = told(&tenant, &View { gone_early: [("app".into(), 2)].into(), ..fresh });
    let early = verdict(gone.retention);
    assert_eq!((early.status, early.reason), (ConditionStatus::False, reasons::RETENTION_NOT_EXACT));
    assert!(early.message.starts_with("2 restore points are gone"), "{}", early.message);
    assert_eq!((gone.backups[0].gone_early, gone.backups[0].overdue), (2, 0));
    assert_eq!(verdict(gone.current).status, ConditionStatus::True, "that is another promise");

    // The newest stays however old it is; what is beside it is overdue a day after the thirty.
    let late = told(&tenant, &view(&tenant, store(&["2026-10-20T03:00:20Z", TODAY], vec![]), vec![]));
    let overdue = verdict(late.retention);
    assert_eq!((overdue.status, overdue.reason), (ConditionStatus::False, reasons::RETENTION_NOT_EXACT));
    assert_eq!((late.backups[0].gone_early, late.backups[0].overdue), (0, 1));
    let none = verdict(told(&tenant, &view(&tenant, store(&[], vec![]), vec![])).retention);
    assert_eq!((none.status, none.reason), (ConditionStatus::Unknown, reasons::NO_BACKUP_YET));
}

#[test]
fn how_much_is_under_lock_is_told_of_the_newest_restore_points_repository() {
    let tenant = tenant_of(json!({}));
    let whole = view(&tenant, store(&[TODAY], vec![]), vec![]);
    let locked = |locked: &[(u32, u32)]| {
        let view = View { locked: locked.iter().copied().collect(), ..whole.clone() };
        told(&tenant, &view).backups[0].locked_percent
    };
    assert_eq!((locked(&[(1, 97), (2, 100)]), locked(&[(2, 100)])), (Some(97), None));
}

#[test]
fn an_old_restore_point_is_overdue() {
    let tenant = tenant_of(json!({}));
    let current =
        |points: &[&str]| verdict(told(&tenant, &view(&tenant, store(points, vec![]), vec![])).current);
    let late = current(&["2026-11-21T03:00:20Z"]);
    assert_eq!((late.status, late.reason), (ConditionStatus::False, reasons::BACKUP_OVERDUE), "{late:?}");
    assert!(late.message.contains("one was due at 2026-11-22T03:00:00Z"), "{}", late.message);
    let none = current(&[]);
    assert_eq!((none.status, none.reason), (ConditionStatus::Unknown, reasons::NO_BACKUP_YET), "{none:?}");
}

#[test]
fn a_run_that_only_people_mend_is_said_at_once_with_its_last_words() {
    let tenant = tenant_of(json!({}));
    let mut failed = past(Kind::Backup, "2026-11-22T03:00:30Z", runs::SHRUNKEN);
    failed.details = Some(Box::new(Details {
        message: "app holds 3 rows, and held 90000".into(),
        log_line: "pg_dump: last words".into(),
        ..Details::default()
    }));
    let told = told(&tenant, &view(&tenant, store(&["2026-11-21T03:00:20Z"], vec![failed.clone()]), vec![]));
    let current = verdict(told.current);
    assert_eq!((current.status, current.reason), (ConditionStatus::False, runs::SHRUNKEN));
    for part in ["held 90000", "pg_dump: last words", &format!("acceptShrunken: {}", failed.id)] {
        assert!(current.message.contains(part), "no {part} in {}", current.message);
    }
    let run = told.backups[0].last_run.as_ref().unwrap();
    assert_eq!((run.result, run.log_line.as_str()), (RunResult::Failed, "pg_dump: last words"));
}

#[test]
fn a_killed_run_is_told_from_its_job() {
    let tenant = tenant_of(json!({}));
    let killed = Run {
        job: "backup-app-x".into(),
        kind: Kind::Backup,
        database: "app".into(),
        slot: Some(time("2026-11-22T03:00:00Z")),
        state: RunState::Failed,
        reason: runs::OUT_OF_MEMORY.into(),
        created: time("2026-11-22T03:00:00Z"),
        ended: Some(time("2026-11-22T03:01:00Z")),
        hosts: vec![],
    };
    let mut view = view(&tenant, store(&["2026-11-21T03:00:20Z"], vec![]), vec![killed]);
    view.words.insert("backup-app-x".into(), ("needed more than 256Mi".into(), "Killed".into()));
    let told = told(&tenant, &view);
    let current = verdict(told.current);
    assert_eq!(current.reason, runs::OUT_OF_MEMORY, "{current:?}");
    assert!(current.message.contains("needed more than 256Mi: Killed"), "{}", current.message);
    assert_eq!(told.backups[0].last_run.as_ref().unwrap().message, "needed more than 256Mi");
}

#[test]
fn a_volume_is_told_like_a_database() {
    let tenant = tenant_of(json!({"volumes": [{"name": "files", "claim": "files-app-0"}]}));
    let mut view = view(&tenant, store(&[TODAY], vec![]), vec![]);
    let mut store = view.store.as_deref().cloned().unwrap();
    store.points.push(Point { database: "volume.files".into(), ..store.points[0].clone() });
    view.store = Some(Arc::new(store));
    let told = told(&tenant, &view);
    let kinds: Vec<_> = told.backups.iter().map(|one| (one.name.as_str(), one.kind, one.points)).collect();
    let volume = DataKind::PersistentVolumeClaim;
    assert_eq!(kinds, [("app", DataKind::Database, 1), ("files", volume, 1)]);
    let current = verdict(told.current);
    assert!(current.message.starts_with("every database and volume is backed up"), "{current:?}");
    Arc::make_mut(&mut view.settings).databases[1].unsupported = Some("there is no class".into());
    let current = verdict(self::told(&tenant, &view).current);
    assert_eq!((current.status, current.reason), (ConditionStatus::False, reasons::VOLUME_NOT_SUPPORTED));
    assert!(current.message.contains("volume files: there is no class; or leave"), "{}", current.message);
    Arc::make_mut(&mut view.settings).databases[1].unsupported = None;
    view.left = vec!["VolumeSnapshot tenantry-backup--files-1".into()];
    let current = verdict(self::told(&tenant, &view).current);
    assert_eq!((current.status, current.reason), (ConditionStatus::False, reasons::SNAPSHOTS_LEFT));
}

#[test]
fn shared_credentials_are_said() {
    let tenant = tenant_of(json!({}));
    let mut view = view(&tenant, store(&[TODAY], vec![]), vec![]);
    view.shared_credentials = true;
    let current = verdict(told(&tenant, &view).current);
    assert_eq!((current.status, current.reason), (ConditionStatus::True, reasons::SHARED_CREDENTIALS));
}

/// B11: the rotating check finds a tampered pack, and the next days' checks read other parts.
#[test]
fn b11_damage_is_said_until_the_same_part_was_read_again() {
    let tenant = tenant_of(json!({}));
    let mut bad = past(Kind::Check, "2026-10-22T12:00:00Z", runs::DAMAGED);
    bad.details.as_mut().unwrap().log_line = "pack 4bf2 contains 1 errors".into();
    let other = past(Kind::Check, "2026-10-23T12:00:00Z", runs::SUCCEEDED);
    let current = |checks: Vec<Past>| {
        let checks = store(&[TODAY], checks);
        verdict(told(&tenant, &view(&tenant, checks, vec![])).current)
    };
    let said = current(vec![bad.clone(), other.clone()]);
    assert_eq!((said.status, said.reason), (ConditionStatus::False, runs::DAMAGED), "{said:?}");
    assert!(said.message.contains("g0001") && said.message.contains("pack 4bf2"), "{said:?}");
    let again = past(Kind::Check, "2026-11-21T12:00:00Z", runs::SUCCEEDED);
    assert_eq!(current(vec![bad, other, again]).status, ConditionStatus::True);
}

#[test]
fn b15_what_a_drill_left_is_said() {
    let tenant = tenant_of(json!({}));
    let mut view = view(&tenant, store(&[TODAY], vec![past(Kind::Drill, TODAY, runs::SUCCEEDED)]), vec![]);
    view.leak = "Job acme-drill/drill-app-1 had to end long ago".into();
    let told = verdict(told(&tenant, &view).verified);
    assert_eq!((told.status, told.reason), (ConditionStatus::False, reasons::DRILL_LEAK));
    assert!(told.message.contains("acme-drill/drill-app-1"), "{told:?}");
}

#[test]
fn drills_prove_for_as_long_as_they_may_and_no_longer() {
    let tenant = tenant_of(json!({}));
    let old = ["2026-11-10T03:00:20Z", TODAY];
    let verified = |points: &[&str], drills: Vec<Past>| {
        verdict(told(&tenant, &view(&tenant, store(points, drills), vec![])).verified)
    };
    let passed = |at: &str| past(Kind::Drill, at, runs::SUCCEEDED);
    assert_eq!(verified(&[TODAY], vec![]).reason, reasons::NOT_DRILLED_YET);
    assert_eq!(verified(&[TODAY], vec![]).status, ConditionStatus::Unknown);
    assert_eq!(verified(&old, vec![]).reason, reasons::NEVER_DRILLED);
    assert_eq!(verified(&old, vec![passed("2026-11-14T12:00:00Z")]).status, ConditionStatus::True);
    assert_eq!(verified(&old, vec![passed("2026-11-14T11:59:59Z")]).reason, reasons::DRILL_TOO_OLD);
    let failed = past(Kind::OldDrill, "2026-11-20T00:00:00Z", runs::CHECK_FAILED);
    let both = vec![passed("2026-11-19T00:00:00Z"), failed];
    let wrong = verified(&old, both.clone());
    assert_eq!((wrong.status, wrong.reason), (ConditionStatus::False, runs::CHECK_FAILED), "{wrong:?}");
    let after = both.into_iter().chain([passed("2026-11-21T00:00:00Z")]).collect();
    assert_eq!(verified(&old, after).status, ConditionStatus::True, "the newest counts");
    let cut = past(Kind::Drill, "2026-11-21T00:00:00Z", runs::INTERRUPTED);
    let cut = verified(&old, vec![passed("2026-11-20T00:00:00Z"), cut]);
    assert_eq!(cut.status, ConditionStatus::True, "it says nothing of the restore point");
}

#[test]
fn evidence_that_is_too_old_is_none() {
    let tenant = tenant_of(json!({}));
    let seen = view(&tenant, store(&[TODAY], vec![]), vec![]);
    let before = told(&tenant, &seen).backups;
    let later = time(NOW) + SignedDuration::from_mins(16);
    let told = tell(Some(&seen), (&tenant, &BTreeSet::new()), &rules(), &before, later);
    let current = verdict(told.current);
    assert_eq!(
        (current.status, current.reason),
        (ConditionStatus::Unknown, crate::backup::hold::reasons::STORE_UNKNOWN)
    );
    assert_eq!(told.backups, before, "what was seen then stays, with its time");
    // An operator that has just begun takes nothing back.
    let soon = time(NOW) + SignedDuration::from_mins(5);
    let soon = tell(None, (&tenant, &BTreeSet::new()), &rules(), &before, soon);
    assert_eq!((soon.current, soon.verified), (Some(Said::AsBefore), Some(Said::AsBefore)));
    assert_eq!(soon.retention, Some(Said::AsBefore));
    assert_eq!(soon.last_backup.as_deref(), Some(TODAY));
}

#[test]
fn the_same_again_is_no_news_for_a_while() {
    let tenant = tenant_of(json!({}));
    let at = |minutes: i64| {
        let mut seen = store(&[TODAY], vec![]);
        seen.observed_at = time(NOW) + SignedDuration::from_mins(minutes);
        seen.clock = seen.observed_at;
        view(&tenant, seen, vec![])
    };
    let first = told(&tenant, &at(0)).backups;
    let again = |minutes: i64| {
        let now = time(NOW) + SignedDuration::from_mins(minutes);
        tell(Some(&at(minutes)), (&tenant, &BTreeSet::new()), &rules(), &first, now).backups
    };
    assert_eq!(again(5), first);
    assert_ne!(again(10), first, "a look that was long ago is told of anew");
}

#[test]
fn nobody_asked_nothing_said() {
    let tenant = tenant_of(json!({"databases": []}));
    assert_eq!(told(&tenant, &view(&tenant, store(&[], vec![]), vec![])), Told::default());
    let stopped = tenant_of(json!({"lifecycle": "Suspended"}));
    let told = told(&stopped, &view(&stopped, store(&[TODAY], vec![]), vec![]));
    assert_eq!((told.current, told.retention, told.verified), (None, None, None));
    assert_eq!(told.backups[0].points, 1, "what there is, is shown");
}

#[test]
fn a_bucket_of_files_is_kept_broken_or_unknown() {
    let bucket =
        json!({"name": "files", "bucket": "acme-files", "region": "eu-1", "credentials": {"name": "s3"}});
    let tenant = tenant_of(json!({"buckets": [bucket]}));
    let drill = past(Kind::Drill, "2026-11-21T07:00:00Z", runs::SUCCEEDED);
    let mut view = view(&tenant, store(&["2026-11-21T03:00:20Z", TODAY], vec![drill]), vec![]);
    let mut current = |found: Option<(Judgement, &str)>| {
        view.buckets = found.map(|(one, at)| ("files".to_owned(), (one, time(at)))).into_iter().collect();
        let verdict = verdict(told(&tenant, &view).current);
        (verdict.status, verdict.reason, verdict.message)
    };
    let broken = || Judgement::no(reasons::NOT_ENCRYPTED, "set AES-256");
    let (status, reason, _) = current(None);
    assert_eq!((status, reason), (ConditionStatus::Unknown, reasons::BUCKETS_NOT_VERIFIED));
    let (status, _, message) = current(Some((broken(), "2026-11-22T11:00:00Z")));
    assert_eq!(status, ConditionStatus::False);
    assert!(message.contains("bucket files of spec.buckets (NotEncrypted): set AES-256"), "{message}");
    let (status, _, message) = current(Some((broken(), "2026-11-22T08:59:59Z")));
    assert_eq!(status, ConditionStatus::Unknown, "old news are no news");
    assert!(message.contains("2026-11-22T08:59:59Z"), "{message}");
    let good = Judgement { fit: true, reason: reasons::SUCCEEDED, message: "all good".into() };
    assert_eq!(current(Some((good, "2026-11-22T11:00:00Z"))).0, ConditionStatus::True);
}
