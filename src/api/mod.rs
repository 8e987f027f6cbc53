//! What users write and read: types, CEL rules, condition and reason constants.
//!
//! The only place where a field is documented. Pure.

pub mod finding;
