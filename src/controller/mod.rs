//! Wiring: drivers that read as a table of contents. No logic of their own.
//!
//! - [`context`]: what the drivers share
//! - [`tenant`], [`platform`], [`source`], [`forge`]: one driver a loop
//! - [`hooks`]: push hooks, taken to the source loop
//! - [`room`]: counts now and then whether a lost zone's pods would find room
//! - [`audit`]: whether the audit log is complete
//! - [`backup`]: backups, drills and restores
//! - [`prove`]: asks and tries whether tenants are kept apart
//! - [`turn`]: how far a pass over a Tenant may go
//! - [`outcome`]: what a pass came to → when the next one is due
//! - [`pause`]: people can always stop it
//! - [`health`]: what turned is written down
//! - [`events`]: for people who describe a Tenant
//! - [`supervise`]: starts and stops them with leadership

pub mod audit;
pub mod backup;
pub mod context;
pub mod events;
pub mod forge;
mod health;
pub mod hooks;
pub mod outcome;
pub mod pause;
pub mod platform;
pub mod prove;
pub mod room;
pub mod source;
pub mod supervise;
pub mod tenant;
pub mod turn;
