//! The tenant loop and the source loop: the real operator with its own rights, a real API server with
//! controllers and simulated nodes, and a real Git server. One world for all tests; each has Tenants of
//! its own.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod backups;
mod brake;
mod children;
mod drift;
mod foreign;
mod guards;
mod hooks;
mod lifecycle;
mod limits;
mod namespaces;
mod network;
mod redeploy;
mod rollout;
mod secrets;
mod source;
mod source_faults;
mod ssh;
mod storage;
mod trail;
mod verified;
mod zones;
