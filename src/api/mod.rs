//! What users write and read: types, CEL rules, condition and reason constants.
//!
//! The only place where a field is documented. Pure.
//!
//! - [`platform`], [`brake`], [`forge`], [`hook`], [`verification`], [`approvals`], [`tenant`], [`service`], [`storage`],
//!   [`backup`], [`audit`], [`data`], [`drill`], [`restore`]: what users write
//! - [`platform_status`], [`tenant_status`], [`backup_status`], [`conditions`]: what they read
//! - [`promises`]: the one table of promises
//! - [`kinds`]: the kinds of child, in the order in which they are written
//! - [`marks`]: labels, annotations and field managers
//! - [`common`], [`quantity`], [`finding`]: values that the others share

pub mod approvals;
pub mod audit;
pub mod backup;
pub mod backup_status;
pub mod brake;
pub mod common;
pub mod conditions;
pub mod data;
pub mod drill;
pub mod finding;
pub mod forge;
pub mod hook;
pub mod kinds;
pub mod marks;
pub mod platform;
pub mod platform_status;
pub mod promises;
pub mod quantity;
pub mod restore;
pub mod service;
pub mod storage;
pub mod tenant;
pub mod tenant_status;
pub mod verification;

pub use drill::RestoreDrill;
pub use platform::Platform;
pub use restore::Restore;
pub use tenant::Tenant;
