//! What stays, what goes and what is tried, where no fault is needed to get it wrong.

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{
    decide::{self, Decision, Known, Want},
    hold::Hold,
    known::{Evidence, Kind, Past, Run, RunState, Settings, Store},
    retention,
    task::Work,
};

use super::known::{add, database, hours, schedule, settings, store, time};

const NOW: &str = "2026-11-22T06:30:00Z";

/// With nothing of the weekly upkeep due.
fn one() -> Settings {
    let new_year = schedule("0 0 1 1 *", "UTC", &[]);
    let all = settings("acme", vec![database("acme", "app", "0 3 * * *", "UTC")], "UTC");
    Settings { check: new_year.clone(), prune: new_year, ..all }
}

fn decided(settings: &Settings, store: &Store, runs: &[Run], now: Timestamp) -> Decision {
    decide::decide(Known { settings, store: Some(store), runs, asked: &[], now })
}

fn of(decision: &Decision, kind: Kind) -> Vec<&Want> {
    decision.starts.iter().filter(|want| want.kind == kind).collect()
}

fn ended(job: &str, kind: Kind, state: RunState, at: Timestamp) -> Run {
    Run {
        job: job.into(),
        kind,
        database: String::new(),
        slot: None,
        state,
        reason: String::new(),
        created: at - SignedDuration::from_mins(1),
        ended: Some(at),
        hosts: vec![],
    }
}

/// Packs that were rewritten would be there twice, as long as the lock of the old ones.
#[test]
fn under_lock_nothing_is_rewritten_but_what_is_emptied() {
    let now = time(NOW);
    let weekly = schedule("0 6 * * *", "UTC", &[]);
    let loose = Settings { prune: weekly, max_deletions_per_hour: 100, ..one() };
    let locked = Settings { locked: true, ..loose.clone() };
    let mut seen = store(&["app"], 40, now);
    assert_eq!(of(&decided(&loose, &seen, &[], now), Kind::Prune).len(), 1);
    // Each week has its repository: the first holds what has expired, the second some of it, the third is written to.
    let turn = [now - hours(31 * 24), now - hours(5 * 24)];
    let generation = |stored: Timestamp| 1 + turn.iter().filter(|turn| stored > **turn).count() as u32;
    seen.points.iter_mut().for_each(|point| point.generation = generation(point.stored));
    seen.snapshots.iter_mut().for_each(|one| one.generation = generation(one.stored));
    seen.past.iter_mut().for_each(|past| past.generation = generation(past.started));
    let decision = decided(&locked, &seen, &[], now);
    assert!(of(&decision, Kind::Prune).is_empty(), "{decision:?}");
    let mut gone = seen.clone();
    let mut expired = |generation: u32, empties: bool| {
        let decision = decided(&locked, &gone, &[], now);
        let want = of(&decision, Kind::Expire)[0];
        let Work::Expire { snapshots, prune, retire, .. } = &want.work else { panic!("{want:?}") };
        assert_eq!((want.generation, *prune, *retire), (generation, empties, empties), "{want:?}");
        gone.snapshots.retain(|one| !snapshots.contains(&one.id));
        gone.points.retain(|point| !snapshots.contains(&point.snapshot));
    };
    expired(1, true);
    expired(2, false);
}

/// What a run removed is seen by the next look: before, the same would be removed, and counted, once more.
#[test]
fn a_removal_waits_until_the_last_one_was_seen() {
    let now = time(NOW);
    let settings = Settings { max_deletions_per_hour: 100, ..one() };
    let mut seen = store(&["app"], 40, now);
    let removed = [ended("expire-g0001-x", Kind::Expire, RunState::Succeeded, now - hours(1) / 60)];
    assert_eq!(of(&decided(&settings, &seen, &removed, now), Kind::Expire).len(), 1);
    seen.observed_at = now - hours(1) / 12;
    seen.clock = seen.observed_at;
    assert!(of(&decided(&settings, &seen, &removed, now), Kind::Expire).is_empty());
}

/// A Job is the only one that knows what it did until its record was read.
#[test]
fn a_job_stays_until_its_record_was_seen() {
    let now = time(NOW);
    let mut seen = store(&["app"], 3, now);
    let done = [ended("backup-app-x", Kind::Backup, RunState::Succeeded, now - hours(1))];
    assert_eq!(decided(&one(), &seen, &done, now).finished, Vec::<String>::new());
    seen.past[2].id = "backup-app-x".into();
    assert_eq!(decided(&one(), &seen, &done, now).finished, ["backup-app-x"]);
}

/// What was stored while the store's clock was a month ahead proves nothing of the days since.
#[test]
fn times_that_have_not_come_prove_nothing() {
    let now = time(NOW);
    let mut seen = store(&["app"], 3, now);
    let before = now - hours(72);
    seen.evidence = Evidence::of([before, now + hours(24 * 31)]);
    assert_eq!(retention::clock(&seen, now), Some(Hold::ClockUnproven { newest: Some(before) }));
    seen.evidence = Evidence::of([before, now + SignedDuration::from_mins(5)]);
    assert_eq!(retention::clock(&seen, now), None);
}

#[test]
fn what_is_overdue_is_said_after_its_grace() {
    let now = time(NOW);
    let mut seen = store(&[], 0, now);
    for age in [30 * 24 + 27, 30 * 24 + 25, 1] {
        add(&mut seen, "app", now - hours(age));
    }
    let count =
        |now| (retention::overdue(&one(), &seen, now), retention::overdue_of(&one(), &seen, "app", now));
    assert_eq!(count(now), (1, 1));
    assert_eq!(count(now + hours(2)), (2, 2), "the newest never is");
}

/// The oldest and any other, in turn.
#[test]
fn old_restore_points_are_tried() {
    let mut settings = one();
    settings.databases[0].old_points = schedule("0 5 * * *", "UTC", &[]);
    let (mut oldest, mut others) = (0, 0);
    for day in 0..8 {
        let now = time(NOW) + hours(24 * day);
        let mut seen = store(&["app"], 20, now);
        let newest = seen.past[19].clone();
        seen.past.push(Past { id: "drill-app-x".into(), kind: Kind::Drill, started: now, ..newest });
        let decision = decided(&settings, &seen, &[], now);
        let Work::Drill(drill) = &of(&decision, Kind::OldDrill)[0].work else { panic!("{decision:?}") };
        let place = seen.points.iter().position(|point| point.snapshot == drill.point.snapshot).unwrap();
        assert_eq!(drill.rpo_limit_seconds, None, "an old one is as old as it is");
        oldest += usize::from(place == 0);
        others += usize::from((1..19).contains(&place));
    }
    assert!(oldest >= 4 && others >= 2, "{oldest} {others}");
}

/// Clocks that were wrong together showed a month that hasn't come: what ran then has filled no slot of today.
#[test]
fn runs_of_a_future_fill_their_own_slots_only() {
    let now = time(NOW);
    let mut seen = store(&["app"], 3, now - hours(24));
    (seen.observed_at, seen.clock) = (now, now);
    let started = now + hours(24 * 31);
    let future = Past { id: "backup-app-x".into(), started, ended: started, ..seen.past[2].clone() };
    seen.past.push(future);
    assert_eq!(of(&decided(&one(), &seen, &[], now), Kind::Backup).len(), 1);
}
