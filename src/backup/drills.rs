//! Which restore point is tried, which part of a repository is read, and what that proves. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{
    known::{Choice, Database, Kind, Past, Point, Store},
    record::reasons,
    retention,
    schedule::{Schedule, Seed},
};

/// Parts in which a repository is read, one a day: all of it in 30 days.
pub const PARTS: u32 = 30;

/// The part that a slot of the daily check reads, counted from 1.
#[must_use]
pub fn part(slot: Timestamp) -> u32 {
    let day = slot.as_second().div_euclid(86_400).rem_euclid(i64::from(PARTS));
    u32::try_from(day).unwrap_or_default() + 1
}

/// Checks that found damage which no later check of the same part found mended: it is said for as long, whatever other
/// parts' checks find meanwhile. The newest first.
#[must_use]
pub fn damaged(store: &Store) -> Vec<&Past> {
    let checks = || store.past.iter().filter(|past| past.kind == Kind::Check);
    let lives = |past: &&Past| store.points.iter().any(|point| point.generation == past.generation);
    let mended = |bad: &Past| {
        let same = |past: &&Past| {
            (past.generation, part(past.started)) == (bad.generation, part(bad.started))
                && past.started > bad.started
        };
        checks().filter(same).any(|past| past.succeeded)
    };
    let bad = checks().filter(|past| past.reason == reasons::DAMAGED).filter(lives);
    let mut left: Vec<&Past> = bad.filter(|past| !mended(past)).collect();
    left.sort_by_key(|past| std::cmp::Reverse(past.started));
    left
}

/// The restore point that is meant, of those of one database with the oldest first. `Random` is the same for the same
/// slot, and another one for the next.
#[must_use]
pub fn pick<'a>(points: &[&'a Point], choice: Choice, seed: &Seed, slot: Timestamp) -> Option<&'a Point> {
    match choice {
        Choice::Newest => points.last().copied(),
        Choice::Oldest => points.first().copied(),
        Choice::Random => {
            let many = u64::try_from(points.len()).unwrap_or_default();
            let index = seed.pick(&slot.as_second().to_be_bytes(), many);
            points.get(usize::try_from(index).unwrap_or_default()).copied()
        }
        Choice::At(time) => {
            points.iter().filter(|point| point.time <= time).max_by_key(|point| point.time).copied()
        }
    }
}

/// What a slot of the schedule for old restore points tries: the oldest and a random one in turn.
#[must_use]
pub fn old_choice(schedule: &Schedule, slot: Timestamp) -> Choice {
    if schedule.ordinal(slot).is_multiple_of(2) { Choice::Oldest } else { Choice::Random }
}

/// What is proven of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// A drill passed lately.
    Yes {
        /// When it began.
        at: Timestamp,
    },
    /// The newest drill failed.
    Failed {
        /// It.
        run: String,
        /// Why, as a constant of [`reasons`].
        reason: String,
    },
    /// The newest passed drill is too old.
    TooOld {
        /// When it began.
        at: Timestamp,
    },
    /// There was none, and the restore points are older than drills may be.
    Never,
    /// There was none yet, and there needn't have been.
    NotYet,
}

/// What drills prove of a database at `now`.
#[must_use]
pub fn verified(database: &Database, store: &Store, max_age: SignedDuration, now: Timestamp) -> Verified {
    // A clock that was ahead for a while proves nothing until its time has come.
    let has_been = |past: &&Past| past.started.duration_since(now) <= retention::SKEW;
    let of_database = |past: &&Past| past.kind.is_drill() && past.database == database.name;
    let ended = || store.past.iter().filter(of_database).filter(has_been);
    let passed = ended().filter(|past| past.succeeded).map(|past| past.started).max();
    // What ended a drill before it could say anything of the restore point says nothing of it.
    let tells = |past: &&Past| {
        past.succeeded || !matches!(past.reason.as_str(), reasons::INTERRUPTED | reasons::NO_SPACE)
    };
    if let Some(failed) = ended().filter(tells).max_by_key(|past| past.started).filter(|past| !past.succeeded)
    {
        return Verified::Failed { run: failed.id.clone(), reason: failed.reason.clone() };
    }
    match passed {
        Some(at) if now.duration_since(at) > max_age => Verified::TooOld { at },
        Some(at) => Verified::Yes { at },
        None => {
            let oldest = store.points_of(&database.name).first().map(|point| point.stored);
            match oldest {
                Some(oldest) if now.duration_since(oldest) > max_age => Verified::Never,
                _ => Verified::NotYet,
            }
        }
    }
}

/// The 95th percentile, by nearest rank; `None` of nothing.
#[must_use]
pub fn p95(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let rank = (values.len() * 95).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}
