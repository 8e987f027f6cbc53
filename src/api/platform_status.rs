//! What a Platform's status says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{audit::AuditStatus, conditions::Condition, finding::Finding};

/// Most findings that a status lists; the rest are counted.
pub const MOST_FINDINGS: usize = 20;

/// What is true of a Platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlatformStatus {
    /// Generation of the spec that the last pass worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the columns of `kubectl get` show.
    pub summary: PlatformSummary,
    /// The repository and what came out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceStatus>,
    /// The audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStatus>,
    /// Namespaces with our marks whose Tenant is gone; they keep running.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["namespace"]))]
    pub orphans: Vec<Orphan>,
}

/// What the columns of `kubectl get platforms` show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlatformSummary {
    /// Tenants that are Ready, of all (`3/3`).
    #[schemars(length(max = 16))]
    pub tenants: String,
    /// Revision that is applied, shortened.
    #[schemars(length(max = 16))]
    pub revision: String,
    /// Namespaces whose Tenant is gone.
    pub orphans: i32,
}

/// The repository and what came out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStatus {
    /// Commit that the reference points to.
    #[schemars(length(max = 64))]
    pub head: String,
    /// Newest commit that passed signatures, history and brake: what Tenants are written from. While a newer `head` is
    /// held, this one stays, also over restarts.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub accepted: String,
    /// Commit whose good files are all in the cluster.
    #[schemars(length(max = 64))]
    pub applied: String,
    /// YAML files below `path`.
    pub files: u32,
    /// Tenants in them that are good.
    pub tenants: u32,
    /// What is wrong in the files; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub findings: Vec<Finding>,
    /// How many things are wrong in all.
    pub finding_count: u32,
}

/// A namespace with our marks whose Tenant is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The Tenant that it was made for.
    #[schemars(length(max = 63))]
    pub tenant: String,
}
