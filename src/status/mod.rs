//! (previous, outcome, observed, now) → status. Pure and idempotent: the same state gives the same
//! status, so that a quiet cluster is written nothing. The words that users read.
//!
//! - [`tenant`]: a Tenant's status
//! - [`promises`]: the conditions of promises
//! - [`isolation`]: whether tenants are kept apart, on evidence
//! - [`backups`]: restore points, and whether they can be relied on
//! - [`zone_loss`]: what the loss of a zone would do
//! - [`platform`]: a Platform's status
//! - [`progress`]: which news can wait
//! - [`rollout`]: pods that don't come up
//! - [`set`]: how a condition is kept
//! - [`reader`]: what of it a reader may believe
//! - [`silence`]: what it says while no operator keeps it true
//! - [`why`]: the first thing that is not as it should be, and the next step

pub mod applied;
pub mod audit;
pub mod backups;
pub mod isolation;
pub mod platform;
pub mod progress;
pub mod promises;
pub mod reader;
pub mod rollout;
mod services;
pub mod set;
pub mod silence;
pub mod tenant;
pub mod why;
pub mod zone_loss;
