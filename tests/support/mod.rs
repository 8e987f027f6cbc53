//! What tests with a real cluster share: one world a test binary, and a kit a test.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "the names say it")]

pub mod crash;
pub mod helm;
pub mod issuer;
pub mod kit;
pub mod objects;
pub mod signed;
pub mod world;

pub use kit::Kit;
pub use objects::{Call, at};
pub use world::World;

/// What a test ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
