//! Raw text to validated resources: every way in which input can be wrong is
//! found here, once, for every door (Git, CLI, reconcile).
//!
//! Text and shape, in the order in which a file passes through:
//!
//! | module | question |
//! |---|---|
//! | [`place`] | how a JSON pointer becomes a finding with a position |
//! | [`text`] | which characters may not reach a person's terminal |
//! | [`sink`] | how many findings, how long, in which order |
//! | [`yaml`] | bytes → JSON values, each with its line and column |
//! | [`schema`] | does the value have the shape of the CRD; defaults |
//! | [`cel`] | do the CRD's own rules hold, offline |
//! | [`manifest`] | which documents are Tenants and Platforms of ours |
//! | [`set`] | do several files claim one resource |
//!
//! Pure: no client, no clock, no disk.

pub mod place;
pub mod schema;
pub mod sink;
pub mod text;
pub mod yaml;
