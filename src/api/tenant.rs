//! `Tenant`: one customer.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::PortRange,
    data::{BackupExclusion, Bucket, Database, Volume},
    quantity::Quantity,
    service::Service,
    tenant_status::{Purpose, TenantStatus},
};

/// One customer of the Platform: a namespace of its own with its isolation, and the services that run in it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    category = "tenantry",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "One customer of a Platform: a namespace of its own with its isolation, and the services that run in it.",
    validation = Rule::new("size(self.metadata.name) <= 40").message("a Tenant's name has at most 40 characters, so that every child's name fits without being cut"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Lifecycle", type_ = "string", json_path = ".spec.lifecycle"),
    printcolumn(name = "Services", type_ = "string", json_path = ".status.summary.services"),
    printcolumn(name = "Zones", type_ = "string", json_path = ".status.summary.zones"),
    printcolumn(name = "Commit", type_ = "string", json_path = ".status.summary.commit"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Backup", type_ = "date", json_path = ".status.summary.lastBackup", priority = 1),
    printcolumn(name = "Drill", type_ = "date", json_path = ".status.summary.lastDrill", priority = 1),
    printcolumn(name = "Promises", type_ = "string", json_path = ".status.summary.promises", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.__namespace__) == has(oldSelf.__namespace__) && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)"
).message("namespace can't change: make a new Tenant and cancel this one"))]
pub struct TenantSpec {
    /// The Platform that sets the rules; can't change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("platformRef can't change: make a new Tenant and cancel this one"))]
    pub platform_ref: PlatformRef,
    /// Name of the tenant's namespace; the Tenant's name when absent; can't change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// Takes over a namespace that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Whether the tenant runs. Cancelled removes workloads and keeps namespace and data.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// Observe reports what would be done and writes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Only Dedicated works yet: a namespace of the tenant's own.
    #[serde(default)]
    pub placement: Placement,
    /// Who may do what in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub members: Vec<Member>,
    /// Limits of the namespace, as in a ResourceQuota; the Platform's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Addresses outside the cluster that the tenant may reach, within `Platform.spec.limits.egress`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub egress: Vec<Egress>,
    /// The workloads. Empty for tenants who deploy with tools of their own: they get isolation, quota and guards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub services: Vec<Service>,
    /// Databases that are backed up and whose restore points are tried, as `Platform.spec.backups` says. Who is taken from
    /// the list is no longer backed up; its restore points stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub databases: Vec<Database>,
    /// Claims whose files are backed up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,
    /// Buckets whose old versions are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub buckets: Vec<Bucket>,
    /// What holds data and is rightly not backed up. Every other claim in the namespace, and every other database on a
    /// listed server, makes `BackupsCurrent` False (`Uncovered`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub backup_exclusions: Vec<BackupExclusion>,
}

/// A Platform by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformRef {
    /// Name of the Platform.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// An existing namespace to take over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// The namespace's `metadata.uid`: proof that exactly this one is meant.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// Whether a tenant runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum Lifecycle {
    #[default]
    Active,
    Suspended,
    Cancelled,
}

/// Whether the operator writes or only reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum Mode {
    #[default]
    Enforce,
    Observe,
}

/// Where a tenant lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum Placement {
    #[default]
    Dedicated,
    Pooled,
}

/// Someone with rights in the tenant's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!self.name.startsWith('system:')",
    "message": "system: subjects belong to the cluster and can't be members"
}]))]
pub struct Member {
    /// A user or a group of the cluster's identity provider.
    pub kind: MemberKind,
    /// Its name there.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Viewer reads; Editor also changes workloads, never isolation.
    pub role: Role,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum MemberKind {
    User,
    Group,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum Role {
    Viewer,
    Editor,
}

/// Limits of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// As in a ResourceQuota: `requests.cpu`, `limits.memory`, `pods`, …
    #[serde(default)]
    #[schemars(extend("maxProperties" = 32))]
    pub hard: BTreeMap<String, Quantity>,
}

/// Addresses outside the cluster that a tenant may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// Name of the rule, unique in its Tenant.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The addresses (`203.0.113.0/24`).
    #[schemars(length(min = 1, max = 49))]
    pub cidr: String,
    /// Ports; empty opens every port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<PortRange>,
}

impl Tenant {
    /// Name of the workload namespace.
    pub fn namespace(&self) -> &str {
        match &self.spec.namespace {
            Some(name) => name,
            None => self.metadata.name.as_deref().unwrap_or_default(),
        }
    }

    /// Names of the namespaces that were made beside it, for backups and drills.
    pub fn namespaces_beside(&self) -> impl Iterator<Item = &str> {
        let all = self.status.iter().flat_map(|status| &status.namespaces);
        all.filter(|one| one.purpose != Purpose::Workload).map(|one| one.name.as_str())
    }
}
