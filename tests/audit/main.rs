//! The audit log, against real servers.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod archive;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
