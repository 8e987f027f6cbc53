//! Stores: the same questions to every kind of real server, and what differs.

mod bed;
mod files;
mod fitness;
mod inventory;
mod keys;
mod objects;
mod pod;
mod restic;
mod scoped;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
