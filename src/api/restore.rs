//! `Restore`: brings a restore point back, for people.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    backup_status::{DrillResult, RunResult},
    tenant::PlatformRef,
};

/// Brings a restore point back: as a new database on the Tenant's own server, or over the live one where that is said in
/// so many words. There is no field for another Tenant, server or environment: it can't go there.
#[derive(Clone, Debug, PartialEq, Eq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Restore",
    plural = "restores",
    category = "tenantry",
    status = "RestoreStatus",
    derive = "PartialEq",
    doc = "Brings a restore point back, as a new database on the Tenant's own server.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("a Restore's name has at most 63 characters"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database"),
    printcolumn(name = "To", type_ = "string", json_path = ".status.database"),
    printcolumn(name = "Result", type_ = "string", json_path = ".status.result"),
    printcolumn(name = "Point", type_ = "string", json_path = ".status.restore.point"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.restore.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.restore.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a Restore can't change: make another one"),
    validation = Rule::new("has(self.to) != has(self.overLive)").message("to names the database that is made, or overLive says that the live one is replaced; not both"),
    validation = Rule::new("!has(self.overLive) || self.overLive == self.tenantRef.name + '/' + self.database").message("overLive confirms what is replaced: write <tenant>/<database>")
)]
pub struct RestoreSpec {
    /// The Tenant.
    pub tenant_ref: PlatformRef,
    /// Name in `Tenant.spec.databases`.
    #[schemars(length(min = 1, max = 30))]
    pub database: String,
    /// RFC 3339: the newest restore point that is not younger; the newest of all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub at: Option<String>,
    /// Database that is made on the same server; it must not be there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z_][a-z0-9_]*$"))]
    pub to: Option<String>,
    /// `<tenant>/<database>`: what is in the live database is lost, and that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub over_live: Option<String>,
}

/// What came of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    /// What came of it.
    pub result: RunResult,
    /// The database that holds the restored data.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub database: String,
    /// What was restored.
    pub restore: DrillResult,
}
