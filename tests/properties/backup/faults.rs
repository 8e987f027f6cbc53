//! Faults, each with what has to come of it.

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{
    decide::{self, Decision, Known, Want, missed},
    hold::{Hold, reasons as holds},
    known::{Asked, Choice, Evidence, Kind, Past, Run, RunState, Settings, Store},
    record::reasons,
    retention,
    task::Work,
};

use super::known::{add, database, hours, schedule, settings, store, time};

const NOW: &str = "2026-11-22T06:30:00Z";

fn one() -> Settings {
    settings("acme", vec![database("acme", "app", "0 3 * * *", "UTC")], "UTC")
}

/// With a fresh look into the store, whose clock goes on as it did.
fn decide_at(settings: &Settings, store: &Store, runs: &[Run], now: Timestamp) -> Decision {
    let store = Store { observed_at: now, clock: store.now(now), ..store.clone() };
    decide::decide(Known { settings, store: Some(&store), runs, asked: &[], now })
}

fn of(decision: &Decision, kind: Kind) -> Vec<&Want> {
    decision.starts.iter().filter(|want| want.kind == kind).collect()
}

fn run(want: &Want, state: RunState, created: Timestamp, reason: &str) -> Run {
    Run {
        job: want.job.clone(),
        kind: want.kind,
        database: want.database.clone(),
        slot: Some(want.slot),
        state,
        reason: reason.into(),
        created,
        ended: (state != RunState::Active).then_some(created + SignedDuration::from_mins(1)),
        hosts: vec![format!("{}-x", want.job)],
    }
}

/// A store whose newest restore point was made a day before today's slot.
fn yesterday(now: Timestamp) -> Store {
    let mut store = store(&[], 0, now);
    add(&mut store, "app", time("2026-11-21T03:00:05Z"));
    store
}

#[test]
fn b2_one_catch_up_inside_the_deadline() {
    let now = time(NOW);
    let (settings, seen) = (one(), yesterday(now));
    let decision = decide_at(&settings, &seen, &[], now);
    let wants = of(&decision, Kind::Backup);
    assert_eq!(wants.len(), 1, "{decision:?}");
    assert_eq!(wants[0].slot, time("2026-11-22T03:00:00Z"), "the slot that passed while nobody was there");
    // The same again, by whoever: the same name. While it runs, and when it is done, nothing.
    assert_eq!(of(&decide_at(&settings, &seen, &[], now + hours(1) / 60), Kind::Backup)[0].job, wants[0].job);
    for state in [RunState::Active, RunState::Succeeded] {
        let runs = [run(wants[0], state, now, "")];
        let later = decide_at(&settings, &seen, &runs, now + SignedDuration::from_mins(5));
        assert!(of(&later, Kind::Backup).is_empty(), "{state:?}: {later:?}");
    }
}

#[test]
fn b2_after_the_deadline_the_slot_is_missed_and_counted() {
    let now = time("2026-11-22T09:00:01Z");
    let (settings, seen) = (one(), yesterday(now));
    let decision = decide_at(&settings, &seen, &[], now);
    assert!(of(&decision, Kind::Backup).is_empty(), "{decision:?}");
    assert_eq!(decision.databases[0].next, Some(time("2026-11-23T03:00:00Z")));
    // Three days later: one run for the newest slot, and the others are counted.
    let now = time("2026-11-25T03:00:10Z");
    let seen = yesterday(now);
    assert_eq!(of(&decide_at(&settings, &seen, &[], now), Kind::Backup).len(), 1);
    assert_eq!(missed(&settings.databases[0].schedule, "app", &seen, 30, now), 3);
}

#[test]
fn what_was_never_backed_up_does_not_wait_for_its_hour() {
    let now = time("2026-11-22T20:00:00Z");
    let empty = store(&[], 0, now);
    let decision = decide_at(&one(), &empty, &[], now);
    let want = of(&decision, Kind::Backup)[0];
    assert!(matches!(&want.work, Work::Backup(work) if work.initialise && work.before.is_none()), "{want:?}");
    assert_eq!(want.generation, 1);
}

#[test]
fn b3_out_of_memory_is_tried_once_with_twice_the_memory() {
    let now = time(NOW);
    let (settings, seen) = (one(), yesterday(now));
    let first = decide_at(&settings, &seen, &[], now).starts.remove(0);
    let failed = run(&first, RunState::Failed, now, reasons::OUT_OF_MEMORY);
    let soon = decide_at(&settings, &seen, std::slice::from_ref(&failed), now + SignedDuration::from_mins(2));
    assert!(of(&soon, Kind::Backup).is_empty(), "it waits: {soon:?}");
    let later = now + SignedDuration::from_mins(7);
    let decision = decide_at(&settings, &seen, std::slice::from_ref(&failed), later);
    let second = of(&decision, Kind::Backup)[0].clone();
    assert_eq!((second.memory_times, second.job.as_str()), (2, format!("{}-2", first.job).as_str()));
    let again = run(&second, RunState::Failed, later, reasons::OUT_OF_MEMORY);
    let last = decide_at(&settings, &seen, &[failed, again], later + hours(1));
    assert!(of(&last, Kind::Backup).is_empty());
    let hold = last.databases[0].hold.as_ref().unwrap();
    assert_eq!(hold.reason(), holds::GIVEN_UP);
    assert!(hold.to_string().contains(reasons::OUT_OF_MEMORY), "{hold}");
}

#[test]
fn b4_only_locks_of_our_own_dead_runs_may_go() {
    let now = time(NOW);
    let (settings, seen) = (one(), yesterday(now));
    let first = decide_at(&settings, &seen, &[], now).starts.remove(0);
    let dead = run(&first, RunState::Failed, now, reasons::INTERRUPTED);
    let mut drill =
        run(&Want { kind: Kind::Drill, job: "drill-app-1".into(), ..first }, RunState::Active, now, "");
    drill.hosts = vec!["alive".into()];
    // Whatever else is said of it, who is alive holds its lock.
    let other = Run { hosts: vec!["alive".into()], ..dead.clone() };
    let decision = decide_at(&settings, &seen, &[dead.clone(), other, drill], now + hours(1));
    let Work::Backup(work) = &of(&decision, Kind::Backup)[0].work else { panic!("no backup") };
    assert_eq!(work.dead_hosts, dead.hosts);
    // The failed Job stays until a later run was good: its host is only known there.
    assert!(decision.finished.is_empty(), "{decision:?}");
}

#[test]
fn b7_clocks_that_differ_start_and_remove_nothing() {
    let now = time(NOW);
    for minutes in [-20, 20] {
        let mut seen = store(&["app"], 40, now);
        seen.clock = now + SignedDuration::from_mins(minutes);
        let decision = decide_at(&one(), &seen, &[], now);
        assert!(decision.starts.is_empty(), "{decision:?}");
        assert_eq!(decision.holds[0].reason(), reasons::CLOCK_SKEW);
        assert!(decision.holds[0].to_string().contains("1200 s"), "{}", decision.holds[0]);
    }
    let fine = store(&["app"], 40, now);
    assert!(
        !decide_at(&one(), &fine, &[], now).starts.is_empty(),
        "with clocks alike there is something to do"
    );
}

#[test]
fn b7_future_dates_of_the_source_change_no_retention() {
    let now = time(NOW);
    let mut seen = store(&["app"], 40, now);
    for point in &mut seen.points {
        point.time = now + hours(24 * 365);
    }
    assert!(seen.points.iter().all(tenantry::backup::known::Point::is_future_dated));
    let mut settings = one();
    settings.max_deletions_per_hour = 100;
    let expiry = retention::expire(&settings, &seen, now);
    assert_eq!(
        expiry.batches[0].snapshots.len(),
        20,
        "ten points are older than 30 days, by the store's clock"
    );
}

#[test]
fn a_store_that_nobody_looked_into_starts_nothing() {
    let now = time(NOW);
    let mut seen = yesterday(now);
    seen.observed_at = now - hours(1);
    seen.clock = seen.observed_at;
    let settings = one();
    let decision =
        decide::decide(Known { settings: &settings, store: Some(&seen), runs: &[], asked: &[], now });
    assert!(decision.starts.is_empty());
    assert_eq!(decision.holds[0].reason(), holds::STORE_UNKNOWN);
}

#[test]
fn b17_removed_databases_and_tenants_lose_nothing() {
    let now = time(NOW);
    let seen = store(&["app", "old"], 60, now);
    let removed = |settings: &Settings| {
        let expiry = retention::expire(settings, &seen, now);
        expiry.batches.into_iter().flat_map(|batch| batch.snapshots).collect::<Vec<_>>()
    };
    let mut settings = one();
    settings.max_deletions_per_hour = 100;
    let some = removed(&settings);
    assert!(!some.is_empty() && some.iter().all(|id| id.contains("-app-")), "only what is listed: {some:?}");
    settings.databases.clear();
    assert!(removed(&settings).is_empty(), "no database is listed");
    let mut stopped = Settings { max_deletions_per_hour: 100, ..one() };
    assert!(!removed(&stopped).is_empty());
    stopped.active = false;
    assert!(removed(&stopped).is_empty(), "the Tenant isn't active");
    assert!(decide_at(&stopped, &seen, &[], now).starts.is_empty());
}

#[test]
fn b17_a_wave_of_deletions_is_held_until_somebody_means_it() {
    let now = time(NOW);
    let seen = store(&["app"], 30, now);
    let mut settings = one();
    settings.retention_days = 1;
    let decision = decide_at(&settings, &seen, &[], now);
    assert!(of(&decision, Kind::Expire).is_empty(), "{decision:?}");
    let Some(hold @ Hold::MassDeletion { points: 29, accept, .. }) = decision.holds.first() else {
        panic!("{:?}", decision.holds)
    };
    assert_eq!(hold.reason(), holds::MASS_DELETION_HELD);
    assert!(hold.to_string().contains(&format!("tenantry.dev/accept-deletions={accept}")), "{hold}");
    // What was said holds for that wave: a later one is held again.
    settings.accepted_deletions = Some(*accept);
    let decision = decide_at(&settings, &seen, &[], now);
    assert_eq!(of(&decision, Kind::Expire).len(), 1, "{decision:?}");
    settings.accepted_deletions = Some(time("2020-01-01T00:00:00Z"));
    assert!(of(&decide_at(&settings, &seen, &[], now), Kind::Expire).is_empty());
}

#[test]
fn b17_the_hour_has_its_share() {
    let now = time(NOW);
    let mut seen = store(&["app"], 36, now);
    let mut settings = one();
    settings.max_deletions_per_hour = 8;
    let many = |seen: &Store| {
        retention::expire(&settings, seen, now).batches.first().map(|one| one.snapshots.len() / 2)
    };
    assert_eq!(many(&seen), Some(6));
    seen.past.push(Past {
        id: "expire-g0001-x".into(),
        kind: Kind::Expire,
        database: String::new(),
        slot: None,
        generation: 1,
        started: now - hours(1) / 2,
        ended: now - hours(1) / 2,
        succeeded: true,
        reason: "Succeeded".into(),
        removed: 10,
        details: None,
    });
    assert_eq!(many(&seen), Some(3), "five of eight are gone in this hour");
}

#[test]
fn b17_a_schedule_that_flaps_makes_no_herd() {
    let mut now = time(NOW);
    let mut seen = yesterday(now);
    let mut made = 0;
    for turn in 0..50 {
        let line = format!("{} {} * * *", turn, turn % 6);
        let mut settings = one();
        settings.databases[0].schedule = schedule(&line, "UTC", &[]);
        seen.observed_at = now;
        seen.clock = now;
        if let Some(want) = of(&decide_at(&settings, &seen, &[], now), Kind::Backup).first() {
            made += 1;
            assert!(want.slot <= now);
            add(&mut seen, "app", now);
        }
        now += SignedDuration::from_mins(1);
    }
    assert_eq!(made, 1, "whoever has a restore point since the slot needs no other");
}

#[test]
fn the_newest_good_restore_point_stays_whatever_its_age() {
    let now = time(NOW);
    let mut seen = store(&[], 0, now);
    add(&mut seen, "app", now - hours(24 * 90));
    seen.evidence = Evidence::of((0..100).map(|day| now - hours(24 * day)));
    assert_eq!(retention::expire(&one(), &seen, now).batches, vec![]);
    add(&mut seen, "app", now - hours(1));
    assert_eq!(retention::expire(&one(), &seen, now).batches[0].snapshots.len(), 2);
}

#[test]
fn what_a_dead_run_left_expires_with_the_rest() {
    let now = time(NOW);
    let mut seen = store(&["app"], 40, now);
    let lost =
        tenantry::backup::known::Snapshot { generation: 1, id: "lost".into(), stored: now - hours(24 * 31) };
    seen.snapshots.push(lost);
    let settings = Settings { max_deletions_per_hour: 100, ..one() };
    let expired = |seen: &Store| retention::expire(&settings, seen, now).batches;
    assert!(expired(&seen)[0].snapshots.contains(&"lost".to_owned()));
    // Where no restore point is known any more, nobody knows what it is worth.
    seen.points.clear();
    assert_eq!(expired(&seen), vec![]);
}

#[test]
fn a_shrunken_source_goes_on_when_somebody_means_it() {
    let now = time(NOW);
    let (mut settings, seen) = (one(), yesterday(now));
    let first = decide_at(&settings, &seen, &[], now).starts.remove(0);
    let failed = [run(&first, RunState::Failed, now, reasons::SHRUNKEN)];
    let later = now + hours(1);
    let held = decide_at(&settings, &seen, &failed, now + SignedDuration::from_mins(10));
    assert!(of(&held, Kind::Backup).is_empty(), "{held:?}");
    settings.databases[0].accept_shrunken = Some(first.job);
    let decision = decide_at(&settings, &seen, &failed, later);
    let Work::Backup(work) = &of(&decision, Kind::Backup)[0].work else { panic!("no backup") };
    assert!(work.shrink_acknowledged);
}

#[test]
fn one_writer_and_nobody_beside_a_removal() {
    let now = time(NOW);
    let mut settings = settings(
        "acme",
        vec![database("acme", "app", "0 3 * * *", "UTC"), database("acme", "crm", "0 3 * * *", "UTC")],
        "UTC",
    );
    settings.max_deletions_per_hour = 100;
    let mut seen = store(&["app", "crm"], 40, now);
    let cut = time("2026-11-22T03:00:00Z");
    seen.points.retain(|point| point.stored < cut);
    seen.past.retain(|past| past.started < cut);
    let decision = decide_at(&settings, &seen, &[], now);
    assert_eq!(of(&decision, Kind::Backup).len(), 1, "{:?}", decision.starts);
    assert!(of(&decision, Kind::Expire).is_empty(), "a backup goes first");
    for (index, one) in decision.starts.iter().enumerate() {
        assert!(decision.starts[index + 1..].iter().all(|other| one.kind.goes_with(other.kind)));
    }
    // While something is removed, no restore point is made.
    let mut expire = run(&decision.starts[0], RunState::Active, now, "");
    expire.kind = Kind::Expire;
    assert!(decide_at(&settings, &seen, &[expire], now).starts.is_empty());
}

#[test]
fn the_first_restore_point_is_tried_at_once_and_then_by_its_schedule() {
    let now = time(NOW);
    let mut seen = store(&["app"], 1, now);
    let settings = one();
    let decision = decide_at(&settings, &seen, &[], now);
    let drill = of(&decision, Kind::Drill)[0].clone();
    let Work::Drill(work) = &drill.work else { panic!("no drill") };
    assert_eq!(
        (work.point.snapshot.as_str(), work.rpo_limit_seconds),
        (seen.points[0].snapshot.as_str(), Some(93_600))
    );
    let done = run(&drill, RunState::Succeeded, now, "").past().unwrap();
    seen.past.push(done);
    let later = decide_at(&settings, &seen, &[], now + SignedDuration::from_mins(1));
    assert!(of(&later, Kind::Drill).is_empty(), "{later:?}");
}

#[test]
fn what_people_ask_for_is_done_once() {
    let now = time(NOW);
    let seen = store(&["app"], 5, now);
    let settings = one();
    let at = Choice::At(now - hours(50));
    let asked = |choice, restore| Asked {
        name: "please".into(),
        created: now - hours(1) / 60,
        database: "app".into(),
        choice,
        restore,
    };
    let both = [asked(at, Some(Some("copy".into()))), asked(Choice::Oldest, None)];
    let known = Known { settings: &settings, store: Some(&seen), runs: &[], asked: &both, now };
    let decision = decide::decide(known);
    let Work::Restore(restore) = &of(&decision, Kind::Restore)[0].work else { panic!("no restore") };
    assert_eq!(restore.point.time, seen.points[1].time.to_string(), "the newest that isn't younger");
    let Work::Drill(drill) = &of(&decision, Kind::AskedDrill)[0].work else { panic!("no drill") };
    assert_eq!(drill.point.snapshot, seen.points[0].snapshot);
    let runs: Vec<Run> = decision.starts.iter().map(|want| run(want, RunState::Failed, now, "")).collect();
    let again = decide::decide(Known { runs: &runs, ..known });
    assert!(
        again.starts.iter().all(|want| !matches!(want.kind, Kind::Restore | Kind::AskedDrill)),
        "{again:?}"
    );
}
