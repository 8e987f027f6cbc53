//! What makes a process of it: leadership, the queue, metrics, health, telemetry, shutdown.
//!
//! Nothing here knows what a Tenant is; the `controller` room wires it up.

pub mod api_client;
pub mod backoff;
pub mod call;
pub mod health;
pub mod http;
pub mod https;
pub mod lease;
pub mod metrics;
pub mod queue;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
