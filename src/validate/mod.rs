//! Raw input → `Validated*`: every way that input can be wrong is found here, once, for every door
//! (Git, CLI, reconcile). Pure.
//!
//! - [`problem`]: what a semantic check finds
//! - [`platform`], [`tenant`], [`service`]: the rules, object by object
//! - [`ground`]: a valid Tenant, held against the cluster
//! - [`cidr`], [`names`]: values that the rules speak of

pub mod cidr;
pub mod ground;
pub mod names;
pub mod platform;
pub mod problem;
pub mod service;
pub mod tenant;
