//! A keyed, fair queue: one run per key at a time, no key lost, nobody starves.
//!
//! - A key that is asked for twice runs once; asked for while it runs, it runs
//!   once more afterwards.
//! - An earlier request wins over a later one.
//! - Ready keys run in the order in which they were asked for, in two lanes:
//!   urgent (drift, what people edit) before bulk (start-up, periodic), but bulk
//!   gets at least every fifth turn.
//! - A failing key waits by its own backoff and stands in nobody's way.

mod lanes;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::lanes::{Core, Lane, Next, later};
use super::backoff::{self, Backoff};

/// What the queue holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys ready in the urgent lane.
    pub urgent: usize,
    /// Keys ready in the bulk lane.
    pub bulk: usize,
    /// Keys with a request for a later time.
    pub delayed: usize,
    /// Keys taken and not yet done.
    pub running: usize,
    /// How long the key that has been ready for longest has been so.
    pub oldest: Duration,
}

impl Stats {
    /// Keys ready to run now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.urgent + self.bulk
    }
}

#[derive(Debug)]
struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    core: Core<K>,
    closed: bool,
}

/// The queue; clones share it. The number of tasks that call [`Queue::take`]
/// is the concurrency.
#[derive(Debug)]
pub struct Queue<K: Clone + Eq + Hash> {
    shared: Arc<Shared<K>>,
}

impl<K: Clone + Eq + Hash> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self::new(Backoff::RECONCILE)
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue whose failing keys wait by `backoff`.
    #[must_use]
    pub fn new(backoff: Backoff) -> Self {
        let state = State { core: Core::new(backoff), closed: false };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Nothing panics while it holds the lock; were it so, the state is still
    /// whole between two calls of the core.
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, step: impl FnOnce(&mut Core<K>, Instant) -> T) -> T {
        let result = step(&mut self.lock().core, Instant::now());
        self.shared.changed.notify_waiters();
        result
    }

    /// Asks for a run of `key` in the bulk lane.
    pub fn add(&self, key: K) {
        self.change(|core, now| core.add(key, Lane::Bulk, now));
    }

    /// Asks for a run of `key` before those in the bulk lane; a key that waits
    /// there moves up.
    pub fn add_urgent(&self, key: K) {
        self.change(|core, now| core.add(key, Lane::Urgent, now));
    }

    /// Asks for a run of `key` in `wait` from now at the latest.
    pub fn add_after(&self, key: K, wait: Duration) {
        self.change(|core, now| core.add_at(key, Lane::Bulk, later(now, wait)));
    }

    /// Ends the key's row of failures: its next backoff starts small again.
    pub fn forget(&self, key: &K) {
        self.change(|core, _| core.forget(key));
    }

    /// Waits for the next key; `None` once the queue is closed. Dropping the
    /// future loses nothing.
    pub async fn take(&self) -> Option<Taken<K>> {
        loop {
            // Made before the look: it hears every change from here on, polled or not.
            let changed = self.shared.changed.notified();
            let due = {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                if let Some(key) = state.core.take(Instant::now()) {
                    return Some(Taken { key, queue: self.clone(), finished: false });
                }
                state.core.next_due()
            };
            match due {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// What the queue holds. Walks all keys: meant for a scrape, not for a loop.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let now = Instant::now();
        let mut state = self.lock();
        state.core.promote(now);
        state.core.stats(now)
    }

    /// Keys ready to run now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stats().ready()
    }

    /// Whether no key is ready to run now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the queue: every [`Queue::take`], waiting or to come, returns `None`.
    /// Keys that run may finish; what was ready is not run.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_waiters();
    }
}

/// A key that its holder alone may work on. It says how the run ended with
/// [`Taken::done`], [`Taken::done_after`] or [`Taken::retry`]; when it is just
/// dropped (a panic, a cancelled task), that counts as a failure.
#[derive(Debug)]
#[must_use = "dropping it counts as a failed run"]
pub struct Taken<K: Clone + Eq + Hash> {
    key: K,
    queue: Queue<K>,
    finished: bool,
}

impl<K: Clone + Eq + Hash> Taken<K> {
    /// The run is over and needs no other until someone asks; ends the row of
    /// failures.
    pub fn done(mut self) {
        self.finish(Next::Rest);
    }

    /// The run is over and the next is due in `wait` at the latest; ends the row
    /// of failures.
    pub fn done_after(mut self, wait: Duration) {
        self.finish(Next::After(wait));
    }

    /// The run failed: again after the key's backoff, in the lane it came from,
    /// or at once if it was asked for meanwhile.
    pub fn retry(mut self) {
        self.finish(Next::Retry(backoff::unit()));
    }

    fn finish(&mut self, next: Next) {
        if !self.finished {
            self.finished = true;
            self.queue.change(|core, now| core.finish(&self.key, next, now));
        }
    }
}

impl<K: Clone + Eq + Hash> Deref for Taken<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.key
    }
}

impl<K: Clone + Eq + Hash> Drop for Taken<K> {
    fn drop(&mut self) {
        self.finish(Next::Retry(backoff::unit()));
    }
}
