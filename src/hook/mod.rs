//! Push hooks: a Git server says that there is something new, and the source looks at once.
//!
//! - [`signature`], [`limit`], [`answer`]: pure; who may ask, how often, and what they are told
//! - [`server`]: the listener
//!
//! A hook triggers a look and nothing else. Nothing of its body is read for what it says, kept or logged.

pub mod answer;
pub mod limit;
pub mod server;
pub mod signature;
