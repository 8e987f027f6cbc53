//! Push hooks: a Git server, or a job that runs there, says that there is something new, and the source looks at once.
//!
//! - [`signature`], [`limit`], [`answer`]: pure; who may ask, how often, and what they are told
//! - [`token`], [`keys`], [`keep`]: pure; who else may ask: tokens of an issuer, its keys, and how long they are believed
//! - [`issuer`]: asks the issuer for its keys, beforehand and never while a hook waits
//! - [`server`]: the listener
//!
//! A hook triggers a look and nothing else. Nothing of its body is read for what it says, kept or logged.

pub mod answer;
pub mod issuer;
pub mod keep;
pub mod keys;
pub mod limit;
pub mod server;
pub mod signature;
pub mod token;
