//! From the spool to the archive: each sealed segment in order, its proof, and then a signed checkpoint.
//!
//! - [`journal`], [`history`], [`trouble`], [`checks`], [`cosigned`]: pure
//! - [`spool`]: the spool's folder, as far as the shipper knows it
//! - [`sink`]: who writes where, and who reads the witness' checkpoint
//! - [`shipper`]: one segment after the other
//! - [`look`]: what is asked of the archive, at the start and every five minutes
//! - [`run`]: all of it, until the process ends
//!
//! ```text
//! <spool>/shipping.zst   the segment under way as it is put, so that a later release puts the same bytes
//! <spool>/journal.json   what is put for it: on disk before the first put, so that we know our own objects again
//! <spool>/roots          size, next record and root of each checkpoint that the witness hasn't confirmed yet
//! <spool>/prover.json    how far it has come, after the last put of a segment
//! <spool>/verified.json  the last checkpoint that the witness confirmed
//! <spool>/fork.json      why nothing is shipped any more; a person removes it
//! ```
//!
//! The writer can't read the archive. Whether an object that is there already is ours, it knows from the journal alone:
//! a put that says "exists" is a success where this very content was tried before, and a fork where it wasn't. So the
//! client must not try anything again by itself: [`crate::store::Store::put_once`].

pub mod checks;
pub mod cosigned;
pub mod history;
pub mod journal;
pub mod look;
pub mod run;
pub mod shipper;
pub mod sink;
pub mod spool;
pub mod trouble;
