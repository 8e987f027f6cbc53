//! The `desired` room.
