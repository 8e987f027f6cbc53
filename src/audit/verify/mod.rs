//! Whether an archive is what was written: no cluster is asked, and nobody is believed but two public keys. Pure.
//!
//! - [`stream`]: one stream, from its first segment to its newest checkpoint; `walk`: along its segments
//! - [`objects`]: every tile, bundle and checkpoint against what the segments make
//! - [`gaps`]: what the agent itself says is missing
//! - `end`: what is left when all segments were seen
//! - [`expired`]: beginnings that retention took
//! - [`epochs`]: streams of one agent, one after the other
//! - [`nodes`]: hashes from tiles, for proofs
//! - [`report`]: what was found

mod end;
pub mod epochs;
pub mod expired;
pub mod gaps;
pub mod nodes;
pub mod objects;
pub mod report;
pub mod stream;
mod walk;

#[cfg(test)]
mod tests;
