//! The queue without a clock or a waker: every step is a function of `now`.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::Stats;
use crate::runtime::backoff::Backoff;

/// Bulk gets at least one turn after this many urgent ones.
const URGENT_TURNS: u32 = 4;

/// Who goes first. The order matters: `Bulk < Urgent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Bulk,
    Urgent,
}

/// What follows a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing, until the next request.
    Rest,
    /// Another run after this long.
    After(Duration),
    /// Another run after the key's backoff, with this jitter (0..=1).
    Retry(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Idle,
    Ready { lane: Lane, ticket: u64, since: Instant },
    Running { lane: Lane, again: Option<Lane> },
}

#[derive(Debug)]
struct Entry {
    place: Place,
    /// Key into `timers`, and the lane that the timer asks for.
    timer: Option<((Instant, u64), Lane)>,
    failures: u32,
}

impl Entry {
    fn new() -> Self {
        Self { place: Place::Idle, timer: None, failures: 0 }
    }
}

/// Keys, where each of them is, and when.
///
/// Invariants: `ready_*` holds exactly the entries in `Place::Ready`, under their
/// ticket; `timers` holds exactly the entries with a timer; an idle entry without
/// timer and failures is not kept.
#[derive(Debug)]
pub(super) struct Core<K> {
    entries: HashMap<K, Entry>,
    urgent: BTreeMap<u64, K>,
    bulk: BTreeMap<u64, K>,
    timers: BTreeMap<(Instant, u64), K>,
    /// Source of tickets: FIFO order in a lane, ties between timers.
    tickets: u64,
    /// Urgent turns since bulk had its last one, while bulk was waiting.
    streak: u32,
    backoff: Backoff,
}

impl<K: Clone + Eq + Hash> Core<K> {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            entries: HashMap::new(),
            urgent: BTreeMap::new(),
            bulk: BTreeMap::new(),
            timers: BTreeMap::new(),
            tickets: 0,
            streak: 0,
            backoff,
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn lane(&mut self, lane: Lane) -> &mut BTreeMap<u64, K> {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Bulk => &mut self.bulk,
        }
    }

    /// Asks for a run now. A waiting timer is dropped: this request is earlier.
    pub(super) fn add(&mut self, key: K, lane: Lane, now: Instant) {
        let ticket = self.ticket();
        let entry = self.entries.entry(key.clone()).or_insert_with(Entry::new);
        let timer = entry.timer.take();
        let mut left = None;
        let entered = match &mut entry.place {
            Place::Running { again, .. } => {
                *again = (*again).max(Some(lane));
                false
            }
            Place::Ready { lane: held, ticket: old, .. } if *held < lane => {
                left = Some((*held, *old));
                (*held, *old) = (lane, ticket);
                true
            }
            Place::Ready { .. } => false,
            Place::Idle => {
                entry.place = Place::Ready { lane, ticket, since: now };
                true
            }
        };
        if let Some((at, _)) = timer {
            self.timers.remove(&at);
        }
        if let Some((old_lane, old_ticket)) = left {
            self.lane(old_lane).remove(&old_ticket);
        }
        if entered {
            self.lane(lane).insert(ticket, key);
        }
    }

    /// Asks for a run at `due`. An earlier request, also one for now, wins.
    pub(super) fn add_at(&mut self, key: K, lane: Lane, due: Instant) {
        let ticket = self.ticket();
        let entry = self.entries.entry(key.clone()).or_insert_with(Entry::new);
        if matches!(entry.place, Place::Ready { .. } | Place::Running { again: Some(_), .. }) {
            return;
        }
        let replaced = match &mut entry.timer {
            Some(((at, _), held)) if *at <= due => {
                *held = (*held).max(lane);
                return;
            }
            timer => timer.replace(((due, ticket), lane)),
        };
        if let Some((at, _)) = replaced {
            self.timers.remove(&at);
        }
        self.timers.insert((due, ticket), key);
    }

    /// Turns the timers that are due into requests, in the order of their time.
    pub(super) fn promote(&mut self, now: Instant) {
        while let Some(first) = self.timers.first_entry() {
            if first.key().0 > now {
                break;
            }
            let due = first.key().0;
            let key = first.remove();
            let timer = self.entries.get_mut(&key).and_then(|entry| entry.timer.take());
            let lane = timer.map_or(Lane::Bulk, |(_, lane)| lane);
            self.add(key, lane, due);
        }
    }

    /// The next key to run, which is then running until [`Core::finish`].
    pub(super) fn take(&mut self, now: Instant) -> Option<K> {
        self.promote(now);
        let lane = match (self.urgent.is_empty(), self.bulk.is_empty()) {
            (true, true) => return None,
            (false, true) => Lane::Urgent,
            (false, false) if self.streak < URGENT_TURNS => Lane::Urgent,
            (_, false) => Lane::Bulk,
        };
        self.streak = if lane == Lane::Urgent && !self.bulk.is_empty() { self.streak + 1 } else { 0 };
        let (_, key) = self.lane(lane).pop_first()?;
        let entry = self.entries.entry(key.clone()).or_insert_with(Entry::new);
        entry.place = Place::Running { lane, again: None };
        Some(key)
    }

    /// Ends a run. Anything but a retry also ends the row of failures. Does
    /// nothing for a key that is not running.
    pub(super) fn finish(&mut self, key: &K, next: Next, now: Instant) {
        let backoff = self.backoff;
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Place::Running { lane, again } = entry.place else { return };
        entry.place = Place::Idle;
        entry.failures = if let Next::Retry(_) = next { entry.failures.saturating_add(1) } else { 0 };
        let failures = entry.failures;
        if let Some(lane) = again {
            self.add(key.clone(), lane, now);
            return;
        }
        match next {
            Next::Rest => {}
            Next::After(wait) => self.add_at(key.clone(), Lane::Bulk, later(now, wait)),
            Next::Retry(unit) => self.add_at(key.clone(), lane, now + backoff.delay(failures, unit)),
        }
        self.drop_if_empty(key);
    }

    /// Ends the row of failures, so that the next wait starts small again.
    pub(super) fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failures = 0;
            self.drop_if_empty(key);
        }
    }

    fn drop_if_empty(&mut self, key: &K) {
        let empty = self
            .entries
            .get(key)
            .is_some_and(|e| e.place == Place::Idle && e.timer.is_none() && e.failures == 0);
        if empty {
            self.entries.remove(key);
        }
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn stats(&self, now: Instant) -> Stats {
        let mut stats = Stats {
            urgent: self.urgent.len(),
            bulk: self.bulk.len(),
            delayed: self.timers.len(),
            ..Stats::default()
        };
        for entry in self.entries.values() {
            match entry.place {
                Place::Ready { since, .. } => {
                    stats.oldest = stats.oldest.max(now.saturating_duration_since(since));
                }
                Place::Running { .. } => stats.running += 1,
                Place::Idle => {}
            }
        }
        stats
    }
}

/// What the tests look at.
#[cfg(test)]
impl<K: Clone + Eq + Hash + std::fmt::Debug> Core<K> {
    pub(super) fn kept(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn due_of(&self, key: &K) -> Option<Instant> {
        self.entries.get(key)?.timer.map(|((at, _), _)| at)
    }

    /// The invariants of [`Core`].
    pub(super) fn check(&self) {
        for (key, entry) in &self.entries {
            let in_urgent = self.urgent.values().filter(|k| *k == key).count();
            let in_bulk = self.bulk.values().filter(|k| *k == key).count();
            let expected = match entry.place {
                Place::Ready { lane: Lane::Urgent, .. } => (1, 0),
                Place::Ready { lane: Lane::Bulk, .. } => (0, 1),
                _ => (0, 0),
            };
            assert_eq!((in_urgent, in_bulk), expected, "{key:?}: {entry:?}");
            let timers = self.timers.iter().filter(|(_, k)| *k == key).map(|(at, _)| *at);
            assert_eq!(timers.collect::<Vec<_>>(), Vec::from_iter(entry.timer.map(|(at, _)| at)));
        }
        let homeless = |key: &K| !self.entries.contains_key(key);
        assert!(!self.urgent.values().chain(self.bulk.values()).chain(self.timers.values()).any(homeless));
    }
}

/// `now + wait`, or about thirty years from now when that overflows.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    now + wait.min(FAR)
}
