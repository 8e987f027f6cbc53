//! What expires, what is given back, what is read. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::backup::{
    drills, generation,
    hold::Hold,
    known::{Kind, Past, Run, Store},
    names,
    retention::{self, Batch},
    task::Work,
};

use super::{Known, Want, dead_hosts};

/// How often an expiry may begin: its slots.
const STEP: i64 = 10 * 60;

/// What is wanted, and what isn't done and why.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub(super) wants: Vec<Want>,
    pub(super) holds: Vec<Hold>,
    pub(super) next: Option<Timestamp>,
}

pub(super) fn wanted(known: Known<'_>, store: &Store) -> Upkeep {
    let mut upkeep = Upkeep::default();
    if !known.settings.active {
        return upkeep;
    }
    let expiry = retention::expire(known.settings, store, known.now);
    upkeep.holds = expiry.holds;
    upkeep.next = expiry.next;
    let current = generation::current(store, known.settings.locked, store.now(known.now)).number;
    let pruned = prune(known, store, &expiry.batches, current);
    for batch in &expiry.batches {
        // The weekly run removes what has expired as well.
        if !pruned.iter().any(|want| want.generation == batch.generation && want.due <= known.now) {
            let emptied = batch.last && batch.generation != current;
            upkeep.wants.extend(expire(known, store, batch, emptied));
        }
    }
    upkeep.wants.extend(pruned);
    upkeep.wants.extend(checks(known, store));
    upkeep
}

/// Where the store was seen before a removal of ours ended, what is removed already would be removed again.
fn is_fresh(known: Known<'_>, store: &Store) -> bool {
    let removes = |run: &&Run| matches!(run.kind, Kind::Expire | Kind::Prune);
    let mut ended = known.runs.iter().filter(removes).filter_map(|run| run.ended);
    ended.all(|ended| store.observed_at > ended)
}

fn expire(known: Known<'_>, store: &Store, batch: &Batch, emptied: bool) -> Option<Want> {
    if !is_fresh(known, store) {
        return None;
    }
    let second = known.now.as_second();
    let step = |second: i64| Timestamp::from_second(second - second.rem_euclid(STEP));
    let slot = step(second).ok()?;
    let job = |slot| names::job(Kind::Expire, &repository(batch.generation), slot, 1);
    // One in each slot: what failed is tried in the next.
    let slot = if is_used(known, store, &job(slot)) { step(second + STEP).ok()? } else { slot };
    let snapshots = batch.snapshots.clone();
    let work = Work::Expire { snapshots, prune: emptied, retire: emptied, dead_hosts: dead_hosts(known) };
    Some(plain(Kind::Expire, batch.generation, slot, work))
}

/// The weekly run of each repository that may be rewritten. One under lock may not: its packs would be written anew, and
/// the old ones stay as long as their lock; it is emptied when all of it has expired.
fn prune(known: Known<'_>, store: &Store, batches: &[Batch], current: u32) -> Vec<Want> {
    if known.settings.locked || !is_fresh(known, store) {
        return Vec::new();
    }
    let one = |generation: u32| {
        let slot = open_slot(known, store, Kind::Prune, generation)?;
        let batch = batches.iter().find(|batch| batch.generation == generation);
        let snapshots = batch.map(|batch| batch.snapshots.clone()).unwrap_or_default();
        let work = Work::Expire { snapshots, prune: true, retire: false, dead_hosts: dead_hosts(known) };
        Some(plain(Kind::Prune, generation, slot, work))
    };
    generations(store).into_iter().filter(|generation| *generation <= current).filter_map(one).collect()
}

/// A part of each repository that holds restore points.
fn checks(known: Known<'_>, store: &Store) -> Vec<Want> {
    let one = |generation: u32| {
        let slot = open_slot(known, store, Kind::Check, generation)?;
        let work = Work::Check { part: drills::part(slot), of: drills::PARTS };
        Some(plain(Kind::Check, generation, slot, work))
    };
    generations(store).into_iter().filter_map(one).collect()
}

fn generations(store: &Store) -> BTreeSet<u32> {
    store.points.iter().map(|point| point.generation).collect()
}

/// The newest slot if nothing was tried in it yet, or else the next. Slots before the first restore point aren't any.
fn open_slot(known: Known<'_>, store: &Store, kind: Kind, generation: u32) -> Option<Timestamp> {
    let schedule = if kind == Kind::Prune { &known.settings.prune } else { &known.settings.check };
    let first = store.points.iter().filter(|one| one.generation == generation).map(|one| one.stored).min()?;
    let newest = schedule.newest(known.now)?;
    // Removed, expired: what a repository held before may be gone, and slots of then are over.
    let day = SignedDuration::from_hours(24);
    let open = newest > first && known.now.duration_since(newest) <= day;
    let used = is_used(known, store, &names::job(kind, &repository(generation), newest, 1));
    if open && !used { Some(newest) } else { schedule.next(known.now) }
}

fn is_used(known: Known<'_>, store: &Store, job: &str) -> bool {
    known.runs.iter().any(|run| run.job == job) || store.past.iter().any(|past: &Past| past.id == job)
}

fn repository(generation: u32) -> String {
    format!("g{generation:04}")
}

fn plain(kind: Kind, generation: u32, slot: Timestamp, work: Work) -> Want {
    Want {
        kind,
        job: names::job(kind, &repository(generation), slot, 1),
        database: String::new(),
        slot,
        due: slot,
        generation,
        memory_times: 1,
        work,
    }
}
