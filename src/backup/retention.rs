//! What has expired: by the store's clock, as explicit ids, never by a rule that restic would count by itself. Pure.
//!
//! Nothing younger than the retention is removed, and nothing older stays, with four exceptions that all keep data: the
//! newest good restore point of a database; what belongs to a database or a tenant that isn't backed up any more; what a
//! moved clock makes look old; and more at once than the brake lets pass.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    hold::Hold,
    known::{Kind, Point, Settings, Snapshot, Store},
};

/// How far the store's clock and ours may be apart.
pub const SKEW: SignedDuration = SignedDuration::from_mins(10);
/// The longest time without anything new in the store that counts as gone by. In a longer one the clocks alone may have
/// moved.
pub const SILENCE: SignedDuration = SignedDuration::from_hours(48);
/// How long expired restore points may stay until they are removed, before that is a fault: a run has to be free.
pub const GRACE: SignedDuration = SignedDuration::from_hours(26);
/// Most restore points that one Job removes: the record names both ids of each, and has 4096 bytes.
const BATCH: usize = 20;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What one repository loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The repository.
    pub generation: u32,
    /// Full ids; both of each restore point.
    pub snapshots: Vec<String>,
    /// Whether nothing is left in the repository afterwards.
    pub last: bool,
}

/// What expires now, and what doesn't and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// One for each repository that loses something, the oldest first.
    pub batches: Vec<Batch>,
    /// Why more doesn't.
    pub holds: Vec<Hold>,
    /// When the next restore point expires, by our clock.
    pub next: Option<Timestamp>,
}

/// A restore point, or a snapshot that belongs to none.
#[derive(Clone, Debug)]
struct Item<'a> {
    generation: u32,
    stored: Timestamp,
    ids: Vec<&'a str>,
}

/// What expires at `now`, by our clock.
#[must_use]
pub fn expire(settings: &Settings, store: &Store, now: Timestamp) -> Expiry {
    let mut expiry = Expiry::default();
    if !settings.active {
        return expiry;
    }
    if let Some(hold) = clock(store, now) {
        expiry.holds.push(hold);
        return expiry;
    }
    let clock = store.now(now);
    let days = SignedDuration::from_hours(i64::from(settings.retention_days) * 24);
    let silences = Silences::of(store, clock);
    let mut gone: BTreeMap<u32, Vec<Item<'_>>> = BTreeMap::new();
    for item in items(settings, store) {
        let proven = silences.age(item.stored, clock);
        if proven >= days {
            gone.entry(item.generation).or_default().push(item);
        } else if let Ok(due) = now.saturating_add(days - proven) {
            expiry.next = Some(expiry.next.map_or(due, |next| next.min(due)));
        }
    }
    for (generation, items) in gone {
        let (batch, hold) = brake(settings, store, generation, items, now);
        expiry.holds.extend(hold);
        match batch {
            Some(batch) => expiry.batches.push(batch),
            // The hour's share is used up, or a person has to say something: look again.
            None => expiry.next = now.saturating_add(HOUR).ok().into_iter().chain(expiry.next).min(),
        }
    }
    expiry
}

/// Whether the clocks can't be believed.
#[must_use]
pub fn clock(store: &Store, now: Timestamp) -> Option<Hold> {
    let ahead = store.clock.duration_since(store.observed_at);
    if ahead.abs() > SKEW {
        return Some(Hold::ClockSkew { ahead });
    }
    let clock = store.now(now);
    let until = clock.saturating_add(SKEW).unwrap_or(clock);
    let newest = store.evidence.times().iter().rev().find(|time| **time <= until).copied();
    match newest {
        Some(newest) if clock.duration_since(newest) <= SILENCE => None,
        newest => Some(Hold::ClockUnproven { newest }),
    }
}

/// Stretches of more than [`SILENCE`] in which nothing was stored. They don't count as time: a clock that jumps 31 days
/// ahead makes nothing older. After a real standstill of days, what was stored before stays that much longer.
#[derive(Debug)]
struct Silences(Vec<(Timestamp, Timestamp)>);

impl Silences {
    fn of(store: &Store, clock: Timestamp) -> Self {
        let times = store.evidence.times().iter().copied().filter(|time| *time < clock).chain([clock]);
        let times: Vec<Timestamp> = times.collect();
        let pairs = times.windows(2).map(|pair| (pair[0], pair[1]));
        Self(pairs.filter(|(from, to)| to.duration_since(*from) > SILENCE).collect())
    }

    /// The age at `clock` of what was stored then, as far as there is proof of it.
    fn age(&self, stored: Timestamp, clock: Timestamp) -> SignedDuration {
        let silent = self.0.iter().map(|(from, to)| to.duration_since(stored.max(*from)));
        let unproven =
            silent.filter(|time| time.is_positive()).fold(SignedDuration::ZERO, |sum, time| sum + time);
        clock.duration_since(stored) - unproven
    }
}

/// What may expire at all: restore points of databases that are backed up, but for the newest of each, and snapshots that
/// belong to no restore point while there is a newer one.
fn items<'a>(settings: &'a Settings, store: &'a Store) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for database in &settings.databases {
        let points = store.points_of(&database.name);
        let older = points.len().saturating_sub(1);
        items.extend(points.iter().take(older).map(|point| Item {
            generation: point.generation,
            stored: point.stored,
            ids: vec![&point.snapshot, &point.manifest],
        }));
    }
    let newest = store.points.iter().map(|point| point.stored).max();
    let lost = orphans(store).into_iter().filter(|one| newest.is_some_and(|newest| newest > one.stored));
    items.extend(lost.map(|one| Item { generation: one.generation, stored: one.stored, ids: vec![&one.id] }));
    // A snapshot that is still in the store is the only one that can be removed.
    let there: BTreeSet<&str> = store.snapshots.iter().map(|one| one.id.as_str()).collect();
    for item in &mut items {
        item.ids.retain(|id| there.contains(id));
    }
    items.retain(|item| !item.ids.is_empty());
    items.sort_by(|a, b| (a.stored, &a.ids).cmp(&(b.stored, &b.ids)));
    items
}

/// Snapshots that belong to no good restore point: runs that died left them.
fn orphans(store: &Store) -> Vec<&Snapshot> {
    let known: BTreeSet<&str> = store
        .points
        .iter()
        .flat_map(|point: &Point| [point.snapshot.as_str(), point.manifest.as_str()])
        .collect();
    store.snapshots.iter().filter(|one| !known.contains(one.id.as_str())).collect()
}

/// Counts what one repository loses in an hour.
fn brake(
    settings: &Settings,
    store: &Store,
    generation: u32,
    items: Vec<Item<'_>>,
    now: Timestamp,
) -> (Option<Batch>, Option<Hold>) {
    let most = usize::try_from(settings.max_deletions_per_hour).unwrap_or(usize::MAX);
    let accepted = |item: &Item<'_>| settings.accepted_deletions.is_some_and(|until| item.stored <= until);
    let wave = items.iter().filter(|item| !accepted(item)).count();
    let newest = items.iter().map(|item| item.stored).max();
    let hold = newest.filter(|_| wave > most).map(|accept| Hold::MassDeletion {
        generation,
        points: wave,
        most: settings.max_deletions_per_hour,
        accept,
    });
    let removed: u32 = store
        .past
        .iter()
        .filter(|past| matches!(past.kind, Kind::Expire | Kind::Prune) && past.generation == generation)
        .filter(|past| past.removed > 0 && now.duration_since(past.ended) < HOUR)
        .map(|past| past.removed.div_ceil(2))
        .sum();
    let left = most.saturating_sub(usize::try_from(removed).unwrap_or(usize::MAX));
    let all: usize = store.snapshots.iter().filter(|one| one.generation == generation).count();
    let (free, counted): (Vec<_>, Vec<_>) = items.into_iter().partition(accepted);
    let counted = counted.into_iter().take(if hold.is_some() { 0 } else { left });
    let snapshots: Vec<String> =
        free.into_iter().chain(counted).take(BATCH).flat_map(|item| item.ids).map(str::to_owned).collect();
    let last = snapshots.len() == all;
    let batch = (!snapshots.is_empty()).then_some(Batch { generation, snapshots, last });
    (batch, hold)
}

/// Those of one database.
#[must_use]
pub fn overdue_of(settings: &Settings, store: &Store, database: &str, now: Timestamp) -> usize {
    let (most, clock) = (longest(settings), store.now(now));
    let points = store.points_of(database);
    let older = points.len().saturating_sub(1);
    points.iter().take(older).filter(|point| clock.duration_since(point.stored) > most).count()
}

fn longest(settings: &Settings) -> SignedDuration {
    SignedDuration::from_hours(i64::from(settings.retention_days) * 24) + GRACE
}

/// Restore points that should be gone: expired for longer than [`GRACE`]. The verdict `RetentionExact` is that there are
/// none.
#[must_use]
pub fn overdue(settings: &Settings, store: &Store, now: Timestamp) -> usize {
    let (most, clock) = (longest(settings), store.now(now));
    items(settings, store).iter().filter(|item| clock.duration_since(item.stored) > most).count()
}
