//! The audit log: nothing that was acknowledged is lost, and everything can be proved, in an account of its own.
//!
//! - [`frame`], [`leaf`]: a record as it lies in a segment, and what stands in the tree for it
//! - [`log`]: the formats of transparency logs
//! - [`prove`]: from a segment to tiles and a root
//! - [`pack`]: a segment, compressed
//! - [`layout`], [`archive`]: where everything lies in the archive, and what reads it
//! - [`files`]: small files that are whole or not there
//! - [`ship`]: from the spool to the archive
//! - [`witness`]: what the archive's own account says of it
//! - [`doors`]: an archive on disk, and one in a bucket
//! - [`verify`]: whether an archive is what was written
//! - [`complete`]: whether everything arrives, and comes all the way
//! - [`policy`]: which requests the API server logs, and whether these are the right ones
//! - [`evidence`]: what proves one event; [`search`]: which event
//! - [`own`]: what the agent itself says
//! - [`spool`]: records on disk, before anybody is told that they were taken
//! - [`tail`]: files that grow, followed through rotation
//! - [`events`], [`webhook`]: what the API server posts
//! - [`agent`]: all of it, on a control-plane node

pub mod agent;
pub mod archive;
pub mod complete;
pub mod doors;
pub mod events;
pub mod evidence;
pub mod files;
pub mod frame;
pub mod layout;
pub mod leaf;
pub mod log;
pub mod own;
pub mod pack;
pub mod policy;
pub mod prove;
pub mod search;
pub mod ship;
pub mod spool;
pub mod tail;
pub mod verify;
pub mod webhook;
pub mod witness;
