//! The `cli` room.

pub mod crds;
