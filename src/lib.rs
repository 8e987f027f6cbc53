//! Tenantry: promises of a multi-tenant service, made true on Kubernetes.
//!
//! The rooms and the one way through them:
//!
//! ```text
//! Git ─► source ─► validate ─► (Tenant/Platform written to the cluster)              the source loop
//! cluster ─► observe::inputs ─► validate ─► desired ─► apply ─► observe ─► status     the tenant loop
//! ```
//!
//! `prove` asks now and then whether what keeps tenants apart is enforced, and `status` says what it found.
//!
//! `api`, `trust`, `validate`, `desired`, `plan` and `status` are pure: no client, no clock, no
//! disk, no environment, no async. `tests/layering` holds them to it.

pub mod api;
pub mod apply;
pub mod audit;
pub mod backup;
pub mod cli;
pub mod controller;
pub mod desired;
pub mod forge;
pub mod hook;
pub mod observe;
pub mod plan;
pub mod prove;
pub mod runtime;
pub mod source;
pub mod status;
pub mod store;
pub mod trail;
pub mod trust;
pub mod validate;
