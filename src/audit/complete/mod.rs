//! Whether the log is complete: what the source says it sent, what arrived, and what is proved to be in the archive.
//! Pure.
//!
//! - [`counters`]: what an API server counts; [`reconcile`]: how that fits what was received
//! - [`canary`]: requests of our own that must show up
//! - [`pairs`]: requests that began and never ended
//! - [`state`]: what an agent says of itself
//! - [`judge`]: the verdict over all agents
//!
//! An API server that is subverted can leave events out, and its counter with them: this narrows the hole before the
//! first receipt, and doesn't close it.

pub mod canary;
pub mod counters;
pub mod judge;
pub mod pairs;
pub mod reconcile;
pub mod state;
