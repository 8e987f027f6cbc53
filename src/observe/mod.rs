//! The `observe` room.
