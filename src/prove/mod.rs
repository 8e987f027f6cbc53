//! Isolation is true on evidence only: who may do what is asked of the API server, what it must refuse is tried by
//! dry run, and two Tenants of the operator's own try whether the network keeps them apart. Evidence grows old.
//!
//! - [`questions`]: the fixed table of what each member must and must not be able to do
//! - [`judge`]: answers → what is proven
//! - [`schedule`]: who is asked about next
//! - [`doors`]: what the probe of the network found, and what it means
//! - [`stage`]: the two Tenants of the probe, and its pod
//! - [`reviews`]: asks the API server
//! - [`prober`]: tries, as somebody who may only try
//! - [`network`]: lets the probe's pod knock, and reads what it says
//! - [`knock`]: what runs in the probe's pods

pub mod doors;
pub mod judge;
pub mod knock;
pub mod network;
pub mod prober;
pub mod questions;
pub mod reviews;
pub mod schedule;
pub mod stage;
