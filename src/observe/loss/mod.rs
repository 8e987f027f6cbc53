//! Would the pods of a zone find room elsewhere if it were gone? Counted from every pod and node now and then, and
//! played through before it happens. Pure.
//!
//! - [`census`]: pods and nodes → what is asked for, what is free
//! - [`objects`]: what is decoded of them
//! - [`pack`]: one zone away, its pods into the rest

pub mod census;
pub mod objects;
pub mod pack;

pub use census::{Census, Group, Place};
pub use pack::{Fit, Fits, fits};
