//! The archive: what is shipped there, what it must be, and what the witness says.

mod account;
mod bed;
mod forks;
mod shipping;
mod sinks;
mod spool;
mod tampering;
mod witness;
