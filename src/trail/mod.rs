//! The change trail: who changed what, from which commit, and what came of it. One record a change, each with
//! the digest of the one before.
//!
//! - [`record`], [`chain`]: pure; what a record holds, how records hang together, and whether they do
//! - [`disk`], [`keeper`]: the files, and who writes them
//!
//! ```text
//! <data>/trail/lock            held by the one process that writes
//! <data>/trail/000001.jsonl    a segment: a head, then one change a line
//! <data>/trail/head            the last record that is safe on disk: records after it can't go unnoticed
//! ```
//!
//! Nothing here deletes a record. Records hold names and digests, never content: there is no Secret in them.

pub mod chain;
pub mod disk;
pub mod keeper;
pub mod record;
