//! Real nodes in three zones, containers that really run, and things that get killed: a service, a node or
//! a whole zone fails, others take its place, and the status says so meanwhile.
//!
//! One cluster for all tests, which take turns: what one kills, another would miss. As root on Linux, or
//! on any cluster: `TENANTRY_TEST_CONTEXT` names a context of your kubeconfig and `TENANTRY_TEST_IMAGE` an
//! image of `tests/programs/web` that its nodes can pull; its default StorageClass keeps what volumes hold.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod autoscale;
mod backups;
mod chart;
mod keeps;
mod leaders;
mod leftovers;
mod operator;
mod outages;
mod probe;
mod recovery;
mod refused;
mod running;
mod scenes;
mod site;
mod story;
mod stubborn;
mod volumes;
mod writes;
