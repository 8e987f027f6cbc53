//! The slots of each database. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::backup::{
    generation,
    hold::Hold,
    known::{Database, Kind, Past, Store},
    names,
    record::reasons,
    schedule::Schedule,
    task::{Backup, Volume, Work},
    volumes::SOURCE,
};

use super::{Known, Try, Want, dead_hosts, ended, is_filled, next_try, slots};

/// How one database stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub database: String,
    /// When the next run is due; in the past while it waits.
    pub next: Option<Timestamp>,
    /// Why it isn't made now.
    pub hold: Option<Hold>,
}

/// Databases of which nothing can be said.
pub(super) fn unknown(known: Known<'_>, hold: &Hold) -> Vec<Due> {
    let one = |database: &Database| Due {
        database: database.name.clone(),
        next: database.schedule.next(known.now),
        hold: Some(hold.clone()),
    };
    known.settings.databases.iter().map(one).collect()
}

/// What is due of each database, now or later.
pub(super) fn wanted(known: Known<'_>, store: &Store) -> (Vec<Due>, Vec<Want>) {
    let (mut all, mut wants) = (Vec::new(), Vec::new());
    for database in &known.settings.databases {
        let (due, want) = one(known, store, database);
        all.push(due);
        wants.extend(want);
    }
    (all, wants)
}

fn one(known: Known<'_>, store: &Store, database: &Database) -> (Due, Option<Want>) {
    let (newest, next) = slots(&database.schedule, known.now);
    let mut due = Due { database: database.name.clone(), next, hold: None };
    let Some(slot) = newest.filter(|_| database.unsupported.is_none()) else { return (due, None) };
    let ended = ended(known, store, Kind::Backup, &database.name);
    if is_filled(&ended, slot, known.now) {
        return (due, None);
    }
    // What was never backed up doesn't wait for its hour.
    let first = store.points_of(&database.name).is_empty();
    let late = known.now.duration_since(slot) > known.settings.starting_deadline;
    let begun = ended.iter().any(|past| past.slot == Some(slot));
    if late && !first && !begun {
        return (due, None);
    }
    match next_try(known, &ended, Kind::Backup, &database.name, slot) {
        Try::Runs => (due, None),
        Try::GivenUp(last) if !accepts(database, &last) => {
            due.hold = Some(Hold::GivenUp { run: last.id, reason: last.reason });
            (due, None)
        }
        Try::GivenUp(_) => {
            let number = u32::try_from(ended.iter().filter(|past| past.slot == Some(slot)).count());
            let number = number.unwrap_or(u32::MAX).saturating_add(1);
            (due, Some(want(known, store, database, &ended, (slot, known.now, number, 1))))
        }
        Try::At { number, at, memory_times } => {
            due.next = Some(at.max(slot)).filter(|at| *at > known.now).or(due.next);
            (due, Some(want(known, store, database, &ended, (slot, at, number, memory_times))))
        }
    }
}

/// Whether somebody said that what this run found is meant.
fn accepts(database: &Database, past: &Past) -> bool {
    matches!(past.reason.as_str(), reasons::SHRUNKEN | reasons::EMPTY_SOURCE)
        && database.accept_shrunken.as_ref() == Some(&past.id)
}

fn want(
    known: Known<'_>,
    store: &Store,
    database: &Database,
    ended: &[Past],
    (slot, due, number, memory_times): (Timestamp, Timestamp, u32, u32),
) -> Want {
    let current = generation::current(store, known.settings.locked, store.now(known.now));
    // It holds for the run after it, and no longer.
    let last = ended.iter().max_by_key(|past| past.started);
    let before = store.points_of(&database.name).last().map(|point| point.size);
    let shrink_acknowledged = last.is_some_and(|last| accepts(database, last));
    let work = match &database.claim {
        Some(claim) => Work::Volume(Volume {
            database: database.name.clone(),
            claim: claim.clone(),
            path: SOURCE.to_owned(),
            slot: slot.to_string(),
            initialise: current.initialise,
            before,
            least_percent: database.least_percent,
            shrink_acknowledged,
            sampled_files: database.sampled_tables,
            dead_hosts: dead_hosts(known),
        }),
        None => Work::Backup(Backup {
            database: database.name.clone(),
            slot: slot.to_string(),
            initialise: current.initialise,
            before,
            least_percent: database.least_percent,
            shrink_acknowledged,
            sampled_tables: database.sampled_tables,
            sentinel: database.sentinel,
            dead_hosts: dead_hosts(known),
        }),
    };
    Want {
        kind: Kind::Backup,
        job: names::job(Kind::Backup, &database.name, slot, number),
        database: database.name.clone(),
        slot,
        due,
        generation: current.number,
        memory_times,
        work,
    }
}

/// Slots of the last `days` that are over and that no run of this database, good or bad, began to fill. Those before its
/// first run don't count.
#[must_use]
pub fn missed(schedule: &Schedule, database: &str, store: &Store, days: u32, now: Timestamp) -> usize {
    let mut starts: Vec<Timestamp> = store
        .past_of(Kind::Backup, database)
        .map(|past| past.started)
        .filter(|start| *start <= now)
        .collect();
    starts.sort_unstable();
    let Some(first) = starts.first().copied() else { return 0 };
    let from =
        now.saturating_sub(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(first).max(first);
    let slots: Vec<Timestamp> = schedule.between(from, now, 5000).collect();
    let empty = |pair: &&[Timestamp]| {
        let next = starts.partition_point(|start| *start < pair[0]);
        starts.get(next).is_none_or(|start| *start >= pair[1])
    };
    slots.windows(2).filter(empty).count()
}
