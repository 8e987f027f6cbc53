//! What the operator writes down: who changed what, from which commit, and what came of it; conditions that turned; what
//! runs of backups and drills left. One record each, with the digest of the one before.
//!
//! - [`record`], [`health`], [`chain`]: pure; what a record holds, how records hang together, and whether they do
//! - [`disk`], [`keeper`]: the files, and who writes them
//!
//! ```text
//! <data>/trail/lock            held by the one process that writes
//! <data>/trail/000001.jsonl    a segment: a head, then one change a line
//! <data>/trail/head            the last record that is safe on disk: records after it can't go unnoticed
//! <data>/health, backups       the same with conditions, and with runs; the newest segments of each
//! ```
//!
//! Nothing here deletes a change. Records hold names and digests, never content: there is no Secret in them.

pub mod chain;
pub mod disk;
pub mod health;
pub mod keeper;
pub mod record;
