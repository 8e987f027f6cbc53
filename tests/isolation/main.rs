//! Isolated on evidence: what members may do is asked, and what the API server must refuse is tried, on a real API
//! server with the operator's own rights. One world for all tests, which take turns: they break what all share.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod bed;
mod members;
mod trials;
