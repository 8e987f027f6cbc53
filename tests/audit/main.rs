//! The audit log with real processes: agents, a real kube-apiserver, and what goes wrong. `cargo bench --bench crash --
//! --audit 1000 200` looks longer.

#![allow(missing_docs, clippy::unwrap_used, reason = "the names of tests are their documentation")]

#[path = "../support/audit/mod.rs"]
mod play;

mod apiserver;
mod archive;
mod counters;
mod crashes;
mod faults;
mod gone;
mod watcher;
mod whole;

use play::Outcome;

/// The program under test.
const BINARY: &str = env!("CARGO_BIN_EXE_tenantry");
