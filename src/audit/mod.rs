//! The audit log: nothing that was acknowledged is lost, and everything can be proved, in an account of its own.
//!
//! - [`frame`], [`leaf`]: a record as it lies in a segment, and what stands in the tree for it
//! - [`log`]: the formats of transparency logs
//! - [`prove`]: from a segment to tiles and a root
//! - [`layout`]: where everything lies in the archive
//! - [`own`]: what the agent itself says
//! - [`spool`]: records on disk, before anybody is told that they were taken
//! - [`tail`]: files that grow, followed through rotation
//! - [`events`], [`webhook`]: what the API server posts
//! - [`agent`]: all of it, on a control-plane node
pub mod agent;
pub mod events;
pub mod frame;
pub mod layout;
pub mod leaf;
pub mod log;
pub mod own;
pub mod prove;
pub mod spool;
pub mod tail;
pub mod webhook;
