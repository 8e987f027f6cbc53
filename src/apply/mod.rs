//! Server-side apply in kind order, inventory, prune: `Objects<Prepared>` → `Objects<Applied>`. The only
//! room that writes.
//!
//! - [`manifest`]: an object as it goes over the wire, with its hash
//! - [`order`]: the set as a list, in kind order
//! - [`plan`]: what has to be written and deleted; pure
//! - [`pass`]: does it
//! - [`drift`]: what somebody changed, and who; pure
//! - [`heal`]: puts it back
//! - [`prune`]: deletes what the inventory says we made
//! - [`scale`]: how many pods each Deployment has
//! - [`runs`]: Jobs of backups and drills, and what belongs to them
//! - [`writer`]: the calls, each with its deadline and only while we lead
//! - [`dry`]: the same writes, only tried: for plans
//! - [`customers`]: what Git writes: Tenants, and a Platform's own rules
//! - [`status`]: status, and nothing else of our own kinds

pub mod customers;
pub mod drift;
pub mod dry;
pub mod heal;
pub mod manifest;
pub mod order;
pub mod pass;
pub mod plan;
pub mod prune;
pub mod runs;
pub mod scale;
pub mod status;
pub mod writer;

pub use pass::{Failure, Pass, Request, run};
pub use writer::Writer;
