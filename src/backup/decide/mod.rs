//! What to start now for one tenant, what to wait for, and why. The same knowledge gives the same decision: whoever
//! decides, and however often, one slot has one run. Pure.
//!
//! - [`backups`]: the slots of each database, retries, what was missed
//! - [`upkeep`]: what expires, is given back and is read
//! - [`trials`]: drills and restores

mod backups;
mod trials;
mod upkeep;

use jiff::{SignedDuration, Timestamp};

pub use backups::{Due, missed};

use super::{
    hold::Hold,
    known::{Asked, Kind, Past, Run, RunState, Settings, Store},
    names, retention,
    retry::{self, Again},
    schedule::Schedule,
    spread::Bid,
    task::Work,
};

/// How old a look into the store may be for anything to be decided by it.
pub const LOOK: SignedDuration = SignedDuration::from_mins(15);

/// Everything that a decision is made of.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What shall be.
    pub settings: &'a Settings,
    /// The last look into the store; `None` before the first.
    pub store: Option<&'a Store>,
    /// The tenant's Jobs.
    pub runs: &'a [Run],
    /// What people asked for.
    pub asked: &'a [Asked],
    /// The time, by our clock.
    pub now: Timestamp,
}

/// A run that shall begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// What it is for.
    pub kind: Kind,
    /// Name of its Job.
    pub job: String,
    /// The database; empty where it is about none.
    pub database: String,
    /// The slot that it fills.
    pub slot: Timestamp,
    /// Since when it is due; later than now only while it is weighed.
    pub due: Timestamp,
    /// Generation of the repository.
    pub generation: u32,
    /// How many times the memory that the spec names.
    pub memory_times: u32,
    /// The task.
    pub work: Work,
}

/// What to do for one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What may begin now, as far as this tenant is concerned: the most urgent first. The Platform's budget has the last
    /// word ([`super::spread::admit`]).
    pub starts: Vec<Want>,
    /// How each database stands, in the order of the settings.
    pub databases: Vec<Due>,
    /// Why something isn't done, for the whole tenant.
    pub holds: Vec<Hold>,
    /// Jobs that have ended and aren't needed any more: what they did is in the store, and later runs were good.
    pub finished: Vec<String>,
    /// When to decide again, if nothing happens before.
    pub next: Option<Timestamp>,
}

impl Decision {
    /// What the budget has to know of the starts.
    #[must_use]
    pub fn bids(&self, tenant: &str) -> Vec<Bid> {
        let bid = |want: &Want| Bid {
            kind: want.kind,
            due: want.due,
            tenant: tenant.to_owned(),
            job: want.job.clone(),
        };
        self.starts.iter().map(bid).collect()
    }
}

/// Decides.
#[must_use]
pub fn decide(known: Known<'_>) -> Decision {
    let mut decision = Decision::default();
    let store = match look(known) {
        Ok(store) => store,
        Err(hold) => {
            decision.databases = backups::unknown(known, &hold);
            decision.holds.push(hold);
            return decision;
        }
    };
    let mut wants = trials::asked(known, store);
    if known.settings.active {
        let (due, backups) = backups::wanted(known, store);
        decision.databases = due;
        wants.extend(backups);
        wants.extend(trials::scheduled(known, store));
    }
    let upkeep = upkeep::wanted(known, store);
    decision.holds.extend(upkeep.holds);
    wants.extend(upkeep.wants);
    decision.next = upkeep.next;
    let (now, later): (Vec<Want>, Vec<Want>) = wants.into_iter().partition(|want| want.due <= known.now);
    let times = later.iter().map(|want| want.due).chain(decision.databases.iter().filter_map(|due| due.next));
    decision.next = times.chain(decision.next).min();
    decision.starts = together(known, now);
    decision.finished = finished(known, store);
    decision
}

/// The store as it was seen, if that can be believed.
fn look<'a>(known: Known<'a>) -> Result<&'a Store, Hold> {
    let store = known.store.ok_or(Hold::StoreUnknown { seen: None })?;
    let age = known.now.duration_since(store.observed_at);
    if age > LOOK || age < -SignedDuration::from_mins(1) {
        return Err(Hold::StoreUnknown { seen: Some(store.observed_at) });
    }
    match retention::clock(store, known.now) {
        // Stores refuse requests of another time: whatever began now would fail.
        Some(hold @ Hold::ClockSkew { .. }) => Err(hold),
        _ => Ok(store),
    }
}

/// Those that can go on at once, with one another and with what runs already.
fn together(known: Known<'_>, mut wants: Vec<Want>) -> Vec<Want> {
    wants.sort_by(|a, b| (a.kind, a.due, &a.job).cmp(&(b.kind, b.due, &b.job)));
    let mut going: Vec<Kind> =
        known.runs.iter().filter(|run| run.state == RunState::Active).map(|run| run.kind).collect();
    let mut starts = Vec::new();
    for want in wants {
        if going.iter().all(|kind| want.kind.goes_with(*kind)) {
            going.push(want.kind);
            starts.push(want);
        }
    }
    starts
}

/// Runs of one slot that have ended, each once: the store's word counts more than the cluster's.
fn ended<'a>(known: Known<'a>, store: &'a Store, kind: Kind, database: &'a str) -> Vec<Past> {
    let mut list: Vec<Past> = store.past_of(kind, database).cloned().collect();
    let runs = known.runs.iter().filter(|run| run.kind == kind && run.database == database);
    for past in runs.filter_map(Run::past) {
        if !list.iter().any(|one| one.id == past.id) {
            list.push(past);
        }
    }
    list
}

fn is_active(known: Known<'_>, job: &str) -> bool {
    known.runs.iter().any(|run| run.job == job && run.state == RunState::Active)
}

/// The next try of a slot: its number, counted from 1, and when.
#[derive(Debug)]
enum Try {
    /// This one.
    At { number: u32, at: Timestamp, memory_times: u32 },
    /// One goes on.
    Runs,
    /// None any more; the last.
    GivenUp(Past),
}

/// What comes next in a slot that no run has filled.
fn next_try(known: Known<'_>, ended: &[Past], kind: Kind, of: &str, slot: Timestamp) -> Try {
    let failures: Vec<Past> =
        ended.iter().filter(|past| past.slot == Some(slot) && !past.succeeded).cloned().collect();
    let mut number = u32::try_from(failures.len()).unwrap_or(u32::MAX).saturating_add(1);
    let job = |number| names::job(kind, of, slot, number);
    if (1..=number).any(|one| is_active(known, &job(one))) {
        return Try::Runs;
    }
    // A name that was used is never used again, even if its record says otherwise.
    while ended.iter().any(|past| past.id == job(number)) {
        number += 1;
    }
    if failures.is_empty() {
        return Try::At { number, at: slot, memory_times: 1 };
    }
    match retry::again(&failures) {
        Some(Again { at, memory_times }) => Try::At { number, at, memory_times },
        None => failures
            .into_iter()
            .max_by_key(|past| past.ended)
            .map_or(Try::At { number, at: slot, memory_times: 1 }, Try::GivenUp),
    }
}

/// Whether a good run filled the slot, or began after it. Of runs in a future that a clock showed for a while only their
/// own slots are filled.
fn is_filled(ended: &[Past], slot: Timestamp, now: Timestamp) -> bool {
    let after = |past: &Past| past.started >= slot && past.started.duration_since(now) <= retention::SKEW;
    ended.iter().any(|past| past.succeeded && (past.slot == Some(slot) || after(past)))
}

/// The newest slot and the next one.
fn slots(schedule: &Schedule, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    (schedule.newest(now), schedule.next(now))
}

/// Jobs that nobody needs any more. A failed one stays until a later run of its kind was good: its hosts are those whose
/// locks may be removed, and people look at its log.
fn finished(known: Known<'_>, store: &Store) -> Vec<String> {
    let seen = |run: &Run| store.past.iter().any(|past| past.id == run.job);
    let later = |run: &Run| {
        let same = store.past.iter().filter(|past| past.kind == run.kind && past.database == run.database);
        same.into_iter().any(|past| past.succeeded && past.started > run.created)
    };
    known
        .runs
        .iter()
        .filter(|run| run.ended.is_some_and(|ended| store.observed_at > ended))
        .filter(|run| match run.state {
            RunState::Active => false,
            RunState::Succeeded => seen(run),
            RunState::Failed => later(run),
        })
        .map(|run| run.job.clone())
        .collect()
}

/// Hosts of our own runs that are dead: their locks, and no others, may be removed.
fn dead_hosts(known: Known<'_>) -> Vec<String> {
    let dead = known.runs.iter().filter(|run| run.state != RunState::Active);
    let alive: Vec<&String> =
        known.runs.iter().filter(|run| run.state == RunState::Active).flat_map(|run| &run.hosts).collect();
    let mut hosts: Vec<String> =
        dead.flat_map(|run| run.hosts.clone()).filter(|host| !alive.contains(&host)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}
