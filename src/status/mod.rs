//! The `status` room.
