//! What a Tenant's status says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    backup_status::BackupStatus,
    conditions::{Condition, ConditionStatus},
};

/// What is true of a Tenant: a pure function of the cluster's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TenantStatus {
    /// Generation of the spec that the last pass worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Observations; kstatus' three and one a promise.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the columns of `kubectl get` show.
    pub summary: TenantSummary,
    /// The tenant's namespaces by purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["purpose"]))]
    pub namespaces: Vec<NamespaceStatus>,
    /// The services and where their pods are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub services: Vec<ServiceStatus>,
    /// The restore points of what the Tenant keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 48), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub backups: Vec<BackupStatus>,
    /// What the children were made of last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedStatus>,
    /// What was found out about its isolation last: `Isolated` stands on it, until it is 12 h old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofStatus>,
    /// The last time that somebody changed a child and it was healed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<DriftStatus>,
    /// Every object that we created, or are about to create, and nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), extend("x-kubernetes-list-type" = "atomic"))]
    pub inventory: Vec<InventoryEntry>,
}

/// What the columns of `kubectl get tenants` show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TenantSummary {
    /// Services with all their pods, of services declared (`3/3`).
    #[schemars(length(max = 16))]
    pub services: String,
    /// Zones with ready pods, of zones asked for; the worst service counts (`3/3`).
    #[schemars(length(max = 16))]
    pub zones: String,
    /// Promises kept, of promises asked for (`3/3`).
    #[schemars(length(max = 16))]
    pub promises: String,
    /// The commit that last changed the Tenant's file, shortened.
    #[schemars(length(max = 16))]
    pub commit: String,
    /// RFC 3339 time of the newest good restore point, of what has the oldest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub last_backup: Option<String>,
    /// RFC 3339 time of the newest passed drill, of what has the oldest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub last_drill: Option<String>,
}

/// What the children were made of when all of them were last in the cluster as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AppliedStatus {
    /// Generation of the spec: while it is the present one, what changes beside it comes from elsewhere.
    pub generation: i64,
    /// Digest of what the cluster gives: addresses of nodes, pull Secrets.
    #[schemars(length(max = 64))]
    pub inputs: String,
    /// Whether a change of the Platform or of the operator took its services away, and they are not back yet:
    /// the next wave waits for them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rolling_out: bool,
}

/// What access reviews of its members, and dry runs of what must be refused, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProofStatus {
    /// RFC 3339 time.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Digest of whom it speaks of: the Tenant's members and its namespace.
    #[schemars(length(max = 64))]
    pub subject: String,
    /// Digest of all that was asked: also where else, and which bindings of others there were.
    #[schemars(length(max = 64))]
    pub asked: String,
    /// Whether all was as it must be.
    pub outcome: ConditionStatus,
    /// Why, as a PascalCase constant.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// What was wrong and the next step, or what the evidence covers.
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// What somebody changed, and who did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// The object: `Kind namespace/name`.
    #[schemars(length(max = 512))]
    pub object: String,
    /// The field manager and the fields, without their values.
    #[schemars(length(max = 1024))]
    pub change: String,
}

/// What a namespace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Purpose {
    /// The tenant's workloads run here.
    Workload,
    /// Backup jobs run here; no member reaches it.
    Backup,
    /// Restore points are tried here.
    Drill,
}

/// One of the tenant's namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceStatus {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its uid: a namespace of the same name with another uid is not ours.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// One service and where its pods are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// The service's name.
    #[schemars(length(max = 40))]
    pub name: String,
    /// Pods that should be.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Ready pods by zone, every zone that counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub zones: Vec<ZoneStatus>,
    /// Difference between the fullest and the emptiest zone, in ready pods.
    pub skew: i32,
    /// What is against its pods, where some aren't ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<TroubleStatus>,
    /// What the loss of any one zone would do; absent for services that are asked for one zone only, and before it was
    /// judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_loss: Option<ZoneLossStatus>,
}

/// What is against a service's pods: one of them speaks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TroubleStatus {
    /// The pod's own word (`ImagePullBackOff`, `Unschedulable`), or its controller's.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Which pod, and why.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// What the loss of any one zone would do to a service, the worst of all zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneLossStatus {
    /// The answer.
    pub answer: ZoneLoss,
    /// Which zone, and what would be short; empty where nothing would.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// What the loss of any one zone would do to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // as for ConditionStatus: variant docs would turn the schema's enum into oneOf
pub enum ZoneLoss {
    Survives,
    Unknown,
    NoRoom,
    Breaks,
}

impl ZoneLoss {
    /// The word, as statuses and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Survives => "Survives",
            Self::Unknown => "Unknown",
            Self::NoRoom => "NoRoom",
            Self::Breaks => "Breaks",
        }
    }
}

/// Ready pods in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// The zone.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Ready pods in it.
    pub ready: i32,
}

/// An object that we created, or are about to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub group: String,
    /// Kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Namespace; empty for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// uid of the object that we created; empty until the write came back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Hash of what we applied last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Digest of our own entry in the object's managed fields after that write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub digest: String,
}

impl InventoryEntry {
    /// Whether both entries are of one object, whatever is recorded of it.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.kind, &self.group, &self.namespace, &self.name)
            == (&other.kind, &other.group, &other.namespace, &other.name)
    }

    /// Whether two inventories, sorted as statuses are, name the same objects.
    #[must_use]
    pub fn are_of_the_same(one: &[Self], other: &[Self]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_of(other))
    }
}
