//! `RestoreDrill`: one try of a restore point, which people may ask for at any time. The operator has one for each
//! database, `<tenant>-<database>`, which shows the last drill by `Platform.spec.backups.drills`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    backup_status::{DrillResult, RunResult},
    tenant::PlatformRef,
};

/// One try of a restore point: it is restored into an engine of its own in `<namespace>-drill`, held against the manifest
/// of its run, and thrown away.
#[derive(Clone, Debug, PartialEq, Eq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "RestoreDrill",
    plural = "restoredrills",
    category = "tenantry",
    status = "RestoreDrillStatus",
    derive = "PartialEq",
    doc = "One try of a restore point: restored into an engine of its own, held against the manifest, thrown away.",
    validation = Rule::new("size(self.metadata.name) <= 80").message("a RestoreDrill's name has at most 80 characters"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database"),
    printcolumn(name = "Volume", type_ = "string", json_path = ".spec.volume"),
    printcolumn(name = "Result", type_ = "string", json_path = ".status.result"),
    printcolumn(name = "RPO", type_ = "string", json_path = ".status.rpo"),
    printcolumn(name = "RTO", type_ = "string", json_path = ".status.rto"),
    printcolumn(name = "Checks", type_ = "string", json_path = ".status.drill.checks"),
    printcolumn(name = "Point", type_ = "string", json_path = ".status.drill.point", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.drill.reason"),
    printcolumn(name = "Started", type_ = "date", json_path = ".status.drill.started"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.drill.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a drill can't change: make another one"),
    validation = Rule::new("has(self.database) != has(self.volume)").message("exactly one of database and volume")
)]
pub struct RestoreDrillSpec {
    /// The Tenant.
    pub tenant_ref: PlatformRef,
    /// Name in `Tenant.spec.databases`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 30))]
    pub database: String,
    /// Name in `Tenant.spec.volumes`, instead of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 30))]
    pub volume: Option<String>,
    /// Which restore point.
    #[serde(default)]
    pub point: PointChoice,
    /// RFC 3339: the newest restore point that is not younger; with `point: At`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub at: Option<String>,
}

/// Which restore point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum PointChoice {
    #[default]
    Newest,
    Oldest,
    Random,
    At,
}

/// What came of a drill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreDrillStatus {
    /// What came of it.
    pub result: RunResult,
    /// Between the time found in the restored data and the start (`3h2m`), for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub rpo: String,
    /// From the start to the end of the checks (`42s`), for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub rto: String,
    /// What it found.
    pub drill: DrillResult,
}

impl RestoreDrillSpec {
    /// What decisions and records call what is tried.
    #[must_use]
    pub fn subject(&self) -> String {
        self.volume.as_deref().map_or_else(|| self.database.clone(), crate::backup::volumes::key)
    }
}
