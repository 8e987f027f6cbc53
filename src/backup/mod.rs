//! Backups that are proven by restores.
//!
//! The operator decides and starts Jobs; a Job does the work in the tenant's backup namespace and leaves a record. The
//! operator never opens a repository: what it says it has from records and listings of the store.
//!
//! - [`layout`]: where everything lies in the store
//! - [`task`]: what the operator hands a Job
//! - [`record`]: what a Job leaves behind
//! - [`store`]: everything that talks to the store
//! - [`engine`]: what a Job does

pub mod engine;
pub mod layout;
pub mod record;
pub mod store;
pub mod task;
