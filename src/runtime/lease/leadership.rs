//! What the rest of the program sees of the election.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

/// Who leads, as far as this replica knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// This replica, in this term (the Lease's `leaseTransitions`).
    Leading {
        /// The fencing counter: higher with each change of leadership.
        term: i32,
    },
    /// Not this replica.
    Standby {
        /// Who else, when known.
        holder: Option<String>,
    },
}

/// Why a guarded write brought nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E: std::error::Error + 'static> {
    /// It was not started: we do not lead, or not for long enough.
    #[error("not the leader")]
    NotLeader,
    /// It was dropped after this long; whether it took effect is unknown.
    #[error("not finished within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// It failed by itself.
    #[error("write failed")]
    Failed(#[source] E),
}

/// The moment at which a renewal was *sent*, on both clocks. Others count from
/// when they see it, which is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Renewal {
    pub at: Instant,
    pub wall: SystemTime,
}

impl Renewal {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }

    /// The time that has passed, by the clock that says more: the monotonic one
    /// stands still while the machine sleeps, the other one may be set back.
    fn age(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        self.at.elapsed().max(wall)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Standby {
        holder: Option<String>,
    },
    /// `usable` is the lease duration less the margin, counted from `renewal`.
    Leading {
        term: i32,
        renewal: Renewal,
        usable: Duration,
    },
    /// No election: one-shot commands and tests.
    Always,
}

impl State {
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Standby { holder } => Role::Standby { holder: holder.clone() },
            Self::Leading { term, .. } => Role::Leading { term: *term },
            Self::Always => Role::Leading { term: 0 },
        }
    }

    pub(super) fn budget(&self) -> Option<Duration> {
        match self {
            Self::Standby { .. } => None,
            Self::Leading { renewal, usable, .. } => {
                usable.checked_sub(renewal.age()).filter(|left| !left.is_zero())
            }
            Self::Always => Some(Duration::MAX),
        }
    }
}

/// The elector's end: it changes the state and waits for writes to end.
#[derive(Debug)]
pub(super) struct Office {
    pub state: watch::Sender<State>,
    writes: Arc<watch::Sender<usize>>,
}

impl Office {
    pub(super) fn open() -> (Self, Leadership) {
        let (state, seen) = watch::channel(State::Standby { holder: None });
        let writes = Arc::new(watch::Sender::new(0));
        let leadership = Leadership { state: seen, writes: Arc::clone(&writes), _keep: None };
        (Self { state, writes }, leadership)
    }

    /// Changes the state; wakes those who wait only when the role changes.
    pub(super) fn set(&self, next: State) {
        self.state.send_if_modified(|state| {
            let changed = state.role() != next.role();
            *state = next;
            changed
        });
    }

    /// Waits until no guarded write is under way.
    pub(super) async fn idle(&self) {
        let mut writes = self.writes.subscribe();
        // The sender is ours, so the channel cannot be closed.
        let _ = writes.wait_for(|count| *count == 0).await;
    }
}

/// A view of the election; cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    state: watch::Receiver<State>,
    writes: Arc<watch::Sender<usize>>,
    /// Keeps the channel of [`Leadership::always`] open.
    _keep: Option<Arc<watch::Sender<State>>>,
}

impl Leadership {
    /// Leadership without an election, for commands that run once and for tests.
    #[must_use]
    pub fn always() -> Self {
        let (sender, state) = watch::channel(State::Always);
        Self { state, writes: Arc::new(watch::Sender::new(0)), _keep: Some(Arc::new(sender)) }
    }

    /// Whether a write may start now.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.write_budget().is_some()
    }

    /// Time left until lease end − margin; `None` when no write may start.
    /// [`Duration::MAX`] without an election.
    #[must_use]
    pub fn write_budget(&self) -> Option<Duration> {
        self.state.borrow().budget()
    }

    /// What the election last said. For whether to write, ask
    /// [`Leadership::is_leader`], which also looks at the clock.
    #[must_use]
    pub fn role(&self) -> Role {
        self.state.borrow().role()
    }

    /// Waits until the role (leading, the term, the holder) is another one than
    /// this handle last returned or, at first, than when it was cloned. Never
    /// returns once the election is over.
    pub async fn changed(&mut self) -> Role {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.state.borrow_and_update().role()
    }

    /// Waits until this replica leads and returns the term.
    pub async fn leading(&mut self) -> i32 {
        loop {
            let role = self.state.borrow_and_update().role();
            match role {
                Role::Leading { term } if self.is_leader() => return term,
                // Leading by an outdated renewal: the next one does not change the role.
                Role::Leading { .. } => tokio::time::sleep(Duration::from_millis(100)).await,
                Role::Standby { .. } => {
                    self.changed().await;
                }
            }
        }
    }

    /// Waits until this replica does not lead in `term` (any more).
    pub async fn lost(&mut self, term: i32) {
        while self.state.borrow_and_update().role() == (Role::Leading { term }) {
            if self.state.changed().await.is_err() {
                // The elector is gone (a panic): the lease runs out by the clock.
                while let Some(left) = self.write_budget() {
                    tokio::time::sleep(left).await;
                }
                return;
            }
        }
    }

    /// Runs a write for at most `limit` and at most the write budget. The
    /// election does not release the Lease while one is under way.
    ///
    /// # Errors
    /// [`WriteError::NotLeader`] when the write was not started,
    /// [`WriteError::Timeout`] when it was dropped, else its own error.
    pub async fn write<T, E: std::error::Error + 'static>(
        &self,
        limit: Duration,
        write: impl Future<Output = Result<T, E>>,
    ) -> Result<T, WriteError<E>> {
        // Counted first, asked afterwards: a release in between sees the count.
        let _counted = Counted::new(&self.writes);
        let budget = self.write_budget().ok_or(WriteError::NotLeader)?;
        let limit = limit.min(budget);
        match tokio::time::timeout(limit, write).await {
            Ok(result) => result.map_err(WriteError::Failed),
            Err(_) => Err(WriteError::Timeout(limit)),
        }
    }
}

struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
