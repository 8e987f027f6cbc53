//! Raw input → `Validated*`: every way that input can be wrong is found here, once, for every door
//! (Git, CLI, reconcile). Pure.
//!
//! Text and shape, in the order in which a file passes through:
//!
//! - [`yaml`]: bytes → JSON values, each with its line and column
//! - [`manifest`]: which documents are Tenants and Platforms of ours, and are they sound
//! - [`schema`], [`cel`]: the shape and the rules that the CRDs ask for, offline
//! - [`set`]: do several files claim one resource
//! - [`place`], [`sink`], [`text`]: positions, bounds and harmless words of findings
//!
//! Meaning:
//!
//! - [`problem`]: what a semantic check finds
//! - [`platform`], [`tenant`], [`service`]: the rules, object by object
//! - [`image`], [`mounts`], [`storage`], [`resources`]: the rules of a service's parts
//! - [`ground`]: a valid Tenant, held against the cluster
//! - [`cross`]: what a repository's files mean for the cluster; [`root`]: what they may not say of backups
//! - [`offline`]: what files mean without one
//! - [`approvals`]: the rules of who approves what
//! - `backup`: what is backed up, when, and for how long
//! - [`hook`]: who may ask a source for a look
//! - [`cidr`], [`folders`], [`names`], [`pattern`], [`ssh_url`]: values that the rules speak of

pub mod approvals;
mod backup;
pub mod cel;
pub mod cidr;
pub mod cross;
pub mod folders;
pub mod ground;
pub mod hook;
pub mod image;
pub mod json;
pub mod manifest;
pub mod mounts;
pub mod names;
pub mod offline;
pub mod pattern;
pub mod place;
pub mod platform;
pub mod problem;
pub mod resources;
pub mod root;
pub mod schema;
pub mod service;
pub mod set;
pub mod sink;
pub mod ssh_url;
pub mod storage;
pub mod tenant;
pub mod text;
pub mod yaml;
