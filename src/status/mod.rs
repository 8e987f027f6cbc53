//! (previous, outcome, observed, now) → status. Pure and idempotent: the same state gives the same
//! status, so that a quiet cluster is written nothing. The words that users read.
//!
//! - [`tenant`]: a Tenant's status
//! - [`promises`]: the conditions of promises
//! - [`platform`]: a Platform's status
//! - [`set`]: how a condition is kept

pub mod platform;
pub mod promises;
pub mod set;
pub mod tenant;
