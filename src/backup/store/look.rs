//! A look at a store: before the first byte, and every five minutes.

use super::checks::Findings;
use crate::backup::layout::Place;
use crate::store::verdict::Owner;
use crate::store::{Class, Store};

/// The key that conditional writes are tried on, below the Platform's part. No tenant has a dot in its name.
#[must_use]
pub fn key(prefix: &str, platform: &str) -> String {
    Place::of(prefix, platform, "store.probe").prefix
}

impl Store {
    /// Asks everything that [`super::checks::judge`] wants to know. Writes one object, once.
    pub async fn look(&self, probe_key: &str) -> Findings {
        let bucket = self.owned().await;
        // The rest would fail in the same way, or be asked of a stranger.
        if !matches!(bucket, Ok(Owner::Right | Owner::NotAsked | Owner::Untold)) {
            let untold = || bucket.clone().err().unwrap_or_else(|| self.fault(Class::Denied, "ask", "", ""));
            return Findings {
                versioned: Err(untold()),
                lock: Err(untold()),
                noncurrent_days: Err(untold()),
                conditional: Err(untold()),
                ahead: self.clock().ahead(),
                bucket,
            };
        }
        let (versioned, lock, noncurrent_days, conditional) = tokio::join!(
            self.versioned(),
            self.default_lock(),
            self.noncurrent_days(),
            self.refuses_to_overwrite(probe_key)
        );
        Findings { bucket, versioned, lock, noncurrent_days, conditional, ahead: self.clock().ahead() }
    }
}
