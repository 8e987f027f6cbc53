//! The archive: what is shipped there, what it must be, and what the witness says.

mod account;
mod bed;
mod forks;
pub(crate) mod oracle;
mod shipping;
mod sinks;
mod spool;
mod tampering;
mod witness;
