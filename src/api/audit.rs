//! `Platform.spec.audit`, and what a status says of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose audit log must be complete. Agents are told where to ship by their own arguments: the cluster has no say in who
/// keeps its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The agents that must be heard: one for each API server, by the name that it ships under (its node's).
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub agents: Vec<String>,
}

/// An agent, as it was heard within five minutes before `observedAt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditAgent {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Which spool of it.
    #[schemars(length(max = 64))]
    pub epoch: String,
    /// Records that it acknowledged.
    pub records: i64,
    /// Records that are in the archive, under a signed checkpoint.
    pub shipped: i64,
    /// Records that the witness vouches for.
    pub verified: i64,
    /// RFC 3339 time of the last checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub checkpoint: Option<String>,
    /// RFC 3339 time of the witness' last cosignature, by its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub witnessed: Option<String>,
    /// RFC 3339 time at which the oldest record was received that isn't verified: now minus that is the lag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub oldest_unverified: Option<String>,
    /// Bytes in its spool.
    pub spool_bytes: i64,
    /// Stretches of acknowledged records that are lost, as `first-last`; the newest 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 48)), extend("x-kubernetes-list-type" = "atomic"))]
    pub gaps: Vec<String>,
}

/// The audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditStatus {
    /// RFC 3339 time of the figures. They are written every five minutes; the condition follows at once.
    #[schemars(length(max = 40))]
    pub observed_at: String,
    /// The agents.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub agents: Vec<AuditAgent>,
}
