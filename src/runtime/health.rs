//! Whether the process is alive and whether it is ready, each with a reason.
//!
//! Alive: no worker died or is stuck in one job. Ready: every watch is fresh and
//! nothing blocks (a missing CRD, say). Leadership plays no part: a standby
//! replica is ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A watch that is silent for longer than this is taken for dead: three times
/// the 205 s after which kube gives up on a silent stream.
pub const WATCH_MAX_AGE: Duration = Duration::from_secs(3 * 205);

/// A worker that spends longer than this on one job is taken for stuck.
pub const JOB_MAX_AGE: Duration = Duration::from_secs(300);

/// The state of one watch, as [`Health::watch_ages`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchAge {
    /// What is watched.
    pub name: String,
    /// Time since the last event or bookmark, or since the watch was announced.
    pub age: Duration,
    /// Whether the first list is done.
    pub synced: bool,
}

#[derive(Debug)]
struct Watch {
    beat: Instant,
    synced: bool,
}

#[derive(Debug)]
enum Worker {
    Idle,
    Busy(Instant),
    Dead,
}

#[derive(Debug, Default)]
struct State {
    watches: BTreeMap<String, Watch>,
    workers: BTreeMap<String, Worker>,
    blocks: BTreeMap<&'static str, String>,
}

/// The health of the process; clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<Mutex<State>>,
    watch_max_age: Duration,
    job_max_age: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(WATCH_MAX_AGE, JOB_MAX_AGE)
    }
}

impl Health {
    /// Health with other limits than [`WATCH_MAX_AGE`] and [`JOB_MAX_AGE`].
    #[must_use]
    pub fn new(watch_max_age: Duration, job_max_age: Duration) -> Self {
        Self { state: Arc::default(), watch_max_age, job_max_age }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a watch: not ready until its first list is done.
    #[must_use]
    pub fn watch(&self, name: impl Into<String>) -> WatchBeat {
        let name = name.into();
        self.lock().watches.insert(name.clone(), Watch { beat: Instant::now(), synced: false });
        WatchBeat { health: self.clone(), name }
    }

    /// A watch was answered or renewed: `name` as it was announced. Quiet watches end and begin anew
    /// without an event, and that is life too. Unknown names are passed over.
    pub fn beat(&self, name: &str) {
        if let Some(watch) = self.lock().watches.get_mut(name) {
            watch.beat = Instant::now();
        }
    }

    /// Forgets every worker: they were ended on purpose.
    pub fn forget_workers(&self) {
        self.lock().workers.clear();
    }

    /// Forgets a watch that was ended on purpose. One that just dies stays, and
    /// grows stale.
    pub fn forget_watch(&self, name: &str) {
        self.lock().watches.remove(name);
    }

    /// The watches and their ages.
    #[must_use]
    pub fn watch_ages(&self) -> Vec<WatchAge> {
        let now = Instant::now();
        let age = |(name, watch): (&String, &Watch)| WatchAge {
            name: name.clone(),
            age: now.saturating_duration_since(watch.beat),
            synced: watch.synced,
        };
        self.lock().watches.iter().map(age).collect()
    }

    /// Announces a worker. When its handle is dropped without
    /// [`WorkerBeat::leave`], the process counts as dead.
    #[must_use]
    pub fn worker(&self, name: impl Into<String>) -> WorkerBeat {
        let name = name.into();
        self.lock().workers.insert(name.clone(), Worker::Idle);
        WorkerBeat { health: self.clone(), name, left: false }
    }

    /// Not ready, for this reason, until [`Health::unblock`] with the same key.
    pub fn block(&self, key: &'static str, reason: impl Into<String>) {
        self.lock().blocks.insert(key, reason.into());
    }

    /// Takes a block away, if there is one.
    pub fn unblock(&self, key: &'static str) {
        self.lock().blocks.remove(key);
    }

    /// # Errors
    /// The first reason, in one line, why the process should be restarted.
    pub fn alive(&self) -> Result<(), String> {
        for (name, worker) in &self.lock().workers {
            match worker {
                Worker::Dead => return Err(format!("worker {name} died")),
                Worker::Busy(since) if since.elapsed() > self.job_max_age => {
                    let seconds = since.elapsed().as_secs();
                    return Err(format!("worker {name} is stuck in one job for {seconds} s"));
                }
                Worker::Busy(_) | Worker::Idle => {}
            }
        }
        Ok(())
    }

    /// # Errors
    /// The first reason, in one line, why the process is not ready.
    pub fn ready(&self) -> Result<(), String> {
        if let Some(reason) = self.lock().blocks.values().next() {
            return Err(one_line(reason));
        }
        for WatchAge { name, age, synced } in self.watch_ages() {
            let seconds = age.as_secs();
            if age > self.watch_max_age {
                let limit = self.watch_max_age.as_secs();
                return Err(format!("watch {name} is stale: nothing for {seconds} s (limit {limit} s)"));
            }
            if !synced {
                return Err(format!("watch {name} is not synced yet (waiting for {seconds} s)"));
            }
        }
        Ok(())
    }
}

/// A block's reason may come from a server.
fn one_line(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(512).collect()
}

/// The handle with which a watch says that it is alive.
#[derive(Clone, Debug)]
pub struct WatchBeat {
    health: Health,
    name: String,
}

impl WatchBeat {
    fn with(&self, change: impl FnOnce(&mut Watch)) {
        if let Some(watch) = self.health.lock().watches.get_mut(&self.name) {
            watch.beat = Instant::now();
            change(watch);
        }
    }

    /// An event or a bookmark came.
    pub fn beat(&self) {
        self.with(|_| {});
    }

    /// The first list (or a new one) is done.
    pub fn synced(&self) {
        self.with(|watch| watch.synced = true);
    }
}

/// The handle with which a worker says what it is at.
#[derive(Debug)]
pub struct WorkerBeat {
    health: Health,
    name: String,
    left: bool,
}

impl WorkerBeat {
    fn set(&self, worker: Worker) {
        if let Some(held) = self.health.lock().workers.get_mut(&self.name) {
            *held = worker;
        }
    }

    /// A job begins, now.
    pub fn busy(&self) {
        self.set(Worker::Busy(Instant::now()));
    }

    /// The job is done; waiting for the next may take any time.
    pub fn idle(&self) {
        self.set(Worker::Idle);
    }

    /// The worker ends on purpose.
    pub fn leave(mut self) {
        self.left = true;
        self.health.lock().workers.remove(&self.name);
    }
}

impl Drop for WorkerBeat {
    fn drop(&mut self) {
        if !self.left {
            self.set(Worker::Dead);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_watch_must_sync_and_stay_fresh() {
        let health = Health::default();
        assert_eq!(health.ready(), Ok(()));
        let tenants = health.watch("tenants");
        advance(12 * SECOND).await;
        assert_eq!(health.ready(), Err("watch tenants is not synced yet (waiting for 12 s)".into()));
        tenants.synced();
        assert_eq!(health.ready(), Ok(()));
        advance(WATCH_MAX_AGE).await;
        assert_eq!(health.ready(), Ok(()));
        advance(SECOND).await;
        assert_eq!(health.ready(), Err("watch tenants is stale: nothing for 616 s (limit 615 s)".into()));
        assert_eq!(health.watch_ages()[0].age, 616 * SECOND);
        tenants.beat();
        assert_eq!(health.ready(), Ok(()));
        drop(tenants);
        advance(2 * WATCH_MAX_AGE).await;
        assert!(health.ready().is_err(), "a watch that just ends is missed");
        health.forget_watch("tenants");
        assert_eq!(health.ready(), Ok(()));
        assert_eq!(health.alive(), Ok(()), "a stale watch is no reason to restart by itself");
    }

    #[test]
    fn blocks_are_said_and_taken_back() {
        let health = Health::default();
        health.block("crds", "the CRD tenants.tenantry.dev is missing:\napply crds/");
        assert_eq!(health.ready(), Err("the CRD tenants.tenantry.dev is missing: apply crds/".into()));
        health.unblock("other");
        health.unblock("crds");
        assert_eq!(health.ready(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_or_dead_worker_is_noticed_and_an_idle_one_is_not() {
        let health = Health::default();
        let (first, second) = (health.worker("tenant-1"), health.worker("tenant-2"));
        advance(100 * JOB_MAX_AGE).await;
        assert_eq!(health.alive(), Ok(()));
        first.busy();
        advance(JOB_MAX_AGE + SECOND).await;
        assert_eq!(health.alive(), Err("worker tenant-1 is stuck in one job for 301 s".into()));
        first.idle();
        second.leave();
        assert_eq!(health.alive(), Ok(()));
        let died = tokio::spawn(async move {
            first.busy();
            panic!("on purpose");
        });
        assert!(died.await.is_err());
        assert_eq!(health.alive(), Err("worker tenant-1 died".into()));
    }
}
