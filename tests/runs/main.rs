//! What Kubernetes makes of runs: the real operator, API server and Job controller, a real store with roles to assume,
//! and no nodes. The tests say how pods end.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod bed;
mod crowd;
mod ends;
mod leaks;
mod restore;
mod secrets;
mod volumes;
mod written;
