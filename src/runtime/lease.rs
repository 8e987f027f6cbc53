//! Leadership by a `coordination.k8s.io/v1` Lease: client-go's algorithm.
//!
//! A replica watches the Lease's record change and measures, on its own monotonic
//! clock, how long ago it last saw it change; clocks of two machines are never
//! compared. Every write carries the resourceVersion it is based on, so that of
//! two replicas one wins. `leaseTransitions` counts terms (the fencing counter).
//!
//! The law that the rest of the program leans on: **no write starts, or outlives
//! its deadline, past lease end − margin.** [`Leadership::write`] is its only door.

mod api;
mod decide;
mod elector;
mod leadership;
mod silence;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::api::{KubeLease, LeaseApi, Record, Stored};
pub use self::elector::Elector;
pub use self::leadership::{Leadership, Role, WriteError};
pub use self::silence::{Silence, silence};

/// Name of the Lease that replicas compete for, in the operator's namespace.
pub const NAME: &str = "tenantry";

/// The periods of the election. They hold for all replicas of one Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who we are: unique for each *process*, see [`identity`].
    pub identity: String,
    /// For how long others leave an unchanged record alone.
    pub duration: Duration,
    /// After this long without a renewal the leader steps down by itself.
    pub renew_deadline: Duration,
    /// Pause between two looks at the Lease; up to a fifth is added as jitter.
    pub retry: Duration,
    /// Time before the lease's end in which nothing may be under way.
    pub margin: Duration,
    /// Deadline of each call for the Lease.
    pub call: Duration,
}

impl Settings {
    /// client-go's pause (2 s) in a shorter Lease than its 15 s, 2 s of margin and 3 s a call: who saw the
    /// last renewal a pause late still leads within 15 s after a leader has died. An older version with
    /// another duration is no harm: a record holds for as long as it says itself.
    #[must_use]
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            duration: Duration::from_secs(12),
            renew_deadline: Duration::from_secs(8),
            retry: Duration::from_secs(2),
            margin: Duration::from_secs(2),
            call: Duration::from_secs(3),
        }
    }
}

/// An identity that no other process has, also not the next one in the same Pod:
/// `base` (say, the Pod's name) and a random number.
#[must_use]
pub fn identity(base: &str) -> String {
    format!("{base}_{:016x}", rand::random::<u64>())
}
