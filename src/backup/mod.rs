//! Backups that are proven by restores.
//!
//! The operator decides and starts Jobs; a Job does the work in the tenant's backup namespace and leaves a record. The
//! operator never opens a repository: what it says it has from records and listings of the store.
//!
//! - [`layout`]: where everything lies in the store
//! - [`task`]: what the operator hands a Job
//! - [`job`]: the Job itself, and its Secret; [`connection`]: a connection Secret as libpq reads it
//! - [`record`]: what a Job leaves behind
//! - [`key`]: a tenant's key, wrapped by the platform's
//! - [`store`]: everything that talks to the store
//! - [`buckets`]: how it stands with buckets of files
//! - [`schedule`], [`zone`]: when runs are due
//! - [`known`], [`past`]: what is known of a tenant's backups; [`settings`]: what shall be
//! - [`decide`]: what to start, what to wait for, and why; [`names`], [`retry`], [`hold`]: its words
//! - [`spread`]: how many may begin at once, over all tenants
//! - [`retention`], [`generation`]: what expires, and which repository is written to
//! - [`wait`]: why what people asked for doesn't begin
//! - [`drills`]: what is tried, and what that proves
//! - [`view`], [`tell`]: what is known of a tenant's backups, and a run in the words of a status
//! - [`volumes`]: what a run of a volume needs beside its Job
//! - [`engine`]: what a Job does

pub mod buckets;
pub mod connection;
pub mod decide;
pub mod drills;
pub mod engine;
pub mod generation;
pub mod hold;
pub mod job;
pub mod key;
pub mod known;
pub mod layout;
pub mod names;
pub mod past;
pub mod record;
pub mod retention;
pub mod retry;
pub mod schedule;
pub mod settings;
pub mod spread;
pub mod store;
pub mod task;
pub mod tell;
pub mod view;
pub mod volumes;
pub mod wait;
pub mod zone;
