//! The witness: in the archive's own account it reads everything that agents ship, makes the proofs again, and cosigns
//! a checkpoint only where history goes on from what it cosigned before. Who has an agent's key can't rewrite a log then.
//!
//! - [`memory`], [`refused`]: pure; what is kept of a stream, and why nothing is cosigned
//! - [`remote`]: a stream's folder in the archive
//! - [`walk`]: one stream, from what is remembered to its newest checkpoint
//! - [`round`]: all streams, one after the other
//!
//! It believes nothing but its own memory and the agents' public keys.

pub mod memory;
pub mod refused;
pub mod remote;
pub mod round;
pub mod walk;
