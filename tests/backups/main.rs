//! Backups, drills and restores with a real PostgreSQL, restic and a real store, and what becomes of them when things
//! go wrong. No Kubernetes: the worker is what runs in a Job's container.

#![allow(missing_docs, clippy::unwrap_used, reason = "the names of tests are their documentation")]

mod bed;
mod credentials;
mod drills;
mod keeping;
mod restores;
mod runs;
mod sources;
mod stores;
mod volumes;
