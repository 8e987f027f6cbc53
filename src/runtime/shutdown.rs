//! Stopping in order: a signal, a word to everybody, a deadline.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How long work under way may take to end after a signal.
pub const GRACE: Duration = Duration::from_secs(10);

/// Asks everybody who holds the [`Shutdown`] to stop; clones share it.
#[derive(Clone, Debug)]
pub struct Trigger(Arc<watch::Sender<bool>>);

impl Trigger {
    /// Asks for the stop. Asking twice changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Tells when it is time to stop; clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A shutdown and its trigger.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(Arc::new(sender)), Self(receiver))
    }

    /// Whether the stop was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the stop is asked for; for ever if the last trigger goes without.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs the work until it ends or the stop is asked for; `None` if the work
    /// was dropped.
    pub async fn unless_requested<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            result = work => Some(result),
        }
    }
}

/// Pulls the trigger on SIGTERM and SIGINT. A second signal ends the process at
/// once, with status 130.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn on_signals(trigger: Trigger) -> io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let signal = next().await;
        info!(signal, "stopping; a second signal ends at once");
        trigger.stop();
        let signal = next().await;
        warn!(signal, "stopped without waiting");
        std::process::exit(130);
    });
    Ok(())
}

/// Waits for the tasks to end, at most `grace`, then aborts the rest. Returns how
/// many were aborted.
pub async fn drain<T: 'static>(mut tasks: JoinSet<T>, grace: Duration) -> usize {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_ok() {
        return 0;
    }
    let left = tasks.len();
    warn!(left, seconds = grace.as_secs_f64(), "tasks did not end in time");
    tasks.shutdown().await;
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn everybody_hears_the_stop_also_who_asks_late() {
        let (trigger, shutdown) = Shutdown::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert_eq!(shutdown.unless_requested(async { 7 }).await, Some(7));
        trigger.stop();
        trigger.stop();
        early.await.unwrap();
        drop(trigger);
        assert!(shutdown.is_requested());
        shutdown.requested().await;
        assert_eq!(shutdown.unless_requested(std::future::pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trigger_is_not_a_stop() {
        let (trigger, shutdown) = Shutdown::new();
        drop(trigger);
        let waited = tokio::time::timeout(Duration::from_secs(60), shutdown.requested()).await;
        assert!(waited.is_err() && !shutdown.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn draining_has_a_deadline() {
        let mut tasks = JoinSet::new();
        tasks.spawn(sleep(Duration::from_secs(3)));
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        tasks.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        let start = Instant::now();
        assert_eq!(drain(tasks, GRACE).await, 1);
        assert_eq!(start.elapsed(), GRACE);
        assert_eq!(Arc::strong_count(&alive), 1, "the task that did not end is gone");
        assert_eq!(drain(JoinSet::<()>::new(), GRACE).await, 0);
    }
}
