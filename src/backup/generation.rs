//! Which repository is written to. Under Object Lock each week has one of its own: a pack that a later restore point still
//! needs is never older than a week, so that it is under lock as long as the restore point has to be. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::known::{Kind, Store};

/// How long a repository is written to under Object Lock.
pub const AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The repository that the next restore point goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its generation.
    pub number: u32,
    /// Whether it may have to be made: it never had a restore point. One that had is never made again: if it is gone,
    /// that has to be said.
    pub initialise: bool,
}

/// The repository to write to at `now`, by the store's clock.
#[must_use]
pub fn current(store: &Store, locked: bool, now: Timestamp) -> Current {
    let good = || store.past.iter().filter(|past| past.kind == Kind::Backup && past.succeeded);
    let had: BTreeSet<u32> =
        store.points.iter().map(|point| point.generation).chain(good().map(|past| past.generation)).collect();
    let seen = store.snapshots.iter().map(|snapshot| snapshot.generation).chain(had.iter().copied()).max();
    let Some(number) = seen else { return Current { number: 1, initialise: true } };
    let stored = store.snapshots.iter().filter(|one| one.generation == number).map(|one| one.stored);
    let first = stored.chain(good().filter(|past| past.generation == number).map(|past| past.started)).min();
    if locked && first.is_some_and(|first| now.duration_since(first) >= AGE) {
        return Current { number: number + 1, initialise: true };
    }
    Current { number, initialise: !had.contains(&number) }
}

/// Days that the erasure of everything takes at most: the lock runs from the last restore point on, and the key can be
/// destroyed when nobody may take the erasure back any more. Both begin with the cancellation.
#[must_use]
pub fn erasure_days(lock_days: u32, undo_grace: SignedDuration, key_wait: SignedDuration) -> u32 {
    let seconds = undo_grace.as_secs().saturating_add(key_wait.as_secs()).max(0);
    let days = u32::try_from(seconds.unsigned_abs().div_ceil(86_400)).unwrap_or(u32::MAX);
    lock_days.max(days)
}

/// Days that are left over for what goes wrong on the way.
pub const SLACK_DAYS: u32 = 2;

/// Whether all of it is over, with [`SLACK_DAYS`] left, in so many days.
#[must_use]
pub fn erasure_fits(lock_days: u32, undo_grace: SignedDuration, key_wait: SignedDuration, days: u32) -> bool {
    erasure_days(lock_days, undo_grace, key_wait).saturating_add(SLACK_DAYS) <= days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::known::Snapshot;

    fn store(snapshots: &[(u32, &str)]) -> Store {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        Store {
            observed_at: time("2026-11-22T00:00:00Z"),
            clock: time("2026-11-22T00:00:00Z"),
            points: vec![],
            snapshots: snapshots
                .iter()
                .map(|(generation, stored)| Snapshot {
                    generation: *generation,
                    id: (*stored).into(),
                    stored: time(stored),
                })
                .collect(),
            past: vec![],
            evidence: crate::backup::known::Evidence::default(),
        }
    }

    #[test]
    fn a_locked_repository_lives_for_a_week() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(current(&store(&[]), true, now), Current { number: 1, initialise: true });
        let young = store(&[(1, "2026-11-08T01:00:00Z"), (2, "2026-11-15T00:00:01Z")]);
        assert_eq!(current(&young, true, now).number, 2);
        let old = store(&[(1, "2026-11-08T01:00:00Z"), (2, "2026-11-15T00:00:00Z")]);
        assert_eq!(current(&old, true, now), Current { number: 3, initialise: true });
        assert_eq!(current(&old, false, now).number, 2);
    }

    #[test]
    fn what_had_a_restore_point_is_never_made_again() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut gone = store(&[]);
        gone.past.push(crate::backup::known::Past {
            id: "backup-app-1".into(),
            kind: Kind::Backup,
            database: "app".into(),
            slot: None,
            generation: 1,
            started: "2026-11-21T00:00:00Z".parse().unwrap(),
            ended: "2026-11-21T00:01:00Z".parse().unwrap(),
            succeeded: true,
            reason: "Succeeded".into(),
            removed: 0,
            details: None,
        });
        assert_eq!(current(&gone, false, now), Current { number: 1, initialise: false });
        gone.past[0].succeeded = false;
        assert_eq!(current(&gone, false, now), Current { number: 1, initialise: true });
        // Its week began with its first run, also where what that stored has gone.
        let mut thinned = store(&[(1, "2026-11-21T00:00:00Z")]);
        thinned.past.append(&mut gone.past);
        thinned.past[0].started = "2026-11-15T00:00:00Z".parse().unwrap();
        assert_eq!(current(&thinned, true, now).number, 1, "that run failed");
        thinned.past[0].succeeded = true;
        assert_eq!(current(&thinned, true, now).number, 2);
    }

    #[test]
    fn erasure_has_to_fit() {
        let days = |days: i64| SignedDuration::from_hours(days * 24);
        assert!(erasure_fits(14, days(14), days(14), 30));
        assert!(!erasure_fits(14, days(15), days(14), 30), "15 + 14 + 2 = 31");
        assert!(erasure_fits(28, days(7), days(7), 30));
        assert!(!erasure_fits(29, days(7), days(7), 30), "29 + 2 = 31");
        assert!(!erasure_fits(0, days(28), SignedDuration::from_secs(1), 30), "part of a day is a day");
    }
}
