//! What a Tenant keeps, and what is backed up of it: `databases`, `volumes`, `buckets`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::{Labels, SecretName},
    quantity::Quantity,
};

/// A PostgreSQL database that is backed up, and whose restore points are tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Name, unique in the Tenant.
    #[schemars(length(min = 1, max = 30), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Secret in the tenant's namespace with `host`, `port`, `dbname`, `user` (or `username`) and `password`; `sslmode` and
    /// `ca.crt` if there are any. What CloudNativePG makes for an application is right. A user who may read everything
    /// (`pg_read_all_data`) is enough.
    pub connection_secret_ref: SecretName,
    /// Who answers at that address: the only peer that the backup's pods reach besides the store.
    pub server: DatabaseServer,
    /// Image with the programs of the server's major version; the Platform's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Numeric user of that image's own `postgres`; the Platform's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub run_as_user: Option<i64>,
    /// Cron line; the Platform's when absent. It may ask for more runs, never for less than one a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: Option<String>,
    /// Room that a drill's engine has on its node's disk; the Platform's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Quantity>,
    /// SQL that must hold in restored data: a query that gives one row with one column, `true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<Check>,
    /// Writes the time into a table of ours (`tenantry.sentinel`) before each run, so that a drill finds it in the data
    /// itself. Without it nothing is ever written into the database.
    #[serde(default)]
    pub sentinel: bool,
    /// The run (`status.backups[].lastRun.name`) whose source may be empty, or so much smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub accept_shrunken: Option<String>,
}

/// Who answers for a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.service), has(self.podSelector), has(self.cidr)].filter(x, x).size() == 1",
    "message": "exactly one of service, podSelector and cidr"
}]))]
pub struct DatabaseServer {
    /// A service of this Tenant (`spec.services[].name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub service: Option<String>,
    /// Pods in the tenant's namespace, by labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<Labels>,
    /// Addresses elsewhere (`10.1.2.3/32`), within `Platform.spec.limits.egress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 49))]
    pub cidr: Option<String>,
    /// Port of the server, or of its pods.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

const fn default_port() -> i32 {
    5432
}

/// SQL that must hold in restored data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Name, unique in its database.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The query; it runs read only, for a minute at most.
    #[schemars(length(min = 1, max = 2048))]
    pub sql: String,
}

/// A bucket with files of the tenant: versioning, a rule that keeps old versions for `retentionDays`, encryption and the
/// public access block are set, and verified again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Name, unique in the Tenant.
    #[schemars(length(min = 1, max = 30), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The bucket's own name.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]+$"))]
    pub bucket: String,
    /// `https://host[:port]`; AWS' own for the region when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^@/\s]+$"))]
    pub endpoint: Option<String>,
    /// The region.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// Account that must own it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 12), regex(pattern = r"^[0-9]{12}$"))]
    pub expected_owner: Option<String>,
    /// Secret in the operator's namespace with credentials that may set the bucket's rules.
    pub credentials: SecretName,
}

/// A claim in the tenant's namespace whose files are backed up from a snapshot of the volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Name, unique in the Tenant.
    #[schemars(length(min = 1, max = 30), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The PersistentVolumeClaim.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// Cron line; the Platform's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: Option<String>,
    /// Room that a drill has on its node's disk for the restored files; the Platform's `postgresql.scratch` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Quantity>,
    /// The run (`status.backups[].lastRun.name`) whose volume may be empty, or so much smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub accept_shrunken: Option<String>,
}

/// Something that holds data and is not backed up, with the reason why that is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupExclusion {
    /// What it is.
    pub kind: DataKind,
    /// Name of the claim, or of the database on a server that `databases` lists. `*` at the end stands for any rest.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Why, for auditors.
    #[schemars(length(min = 3, max = 512))]
    pub reason: String,
}

impl BackupExclusion {
    /// Whether it leaves out that thing.
    #[must_use]
    pub fn covers(&self, kind: DataKind, name: &str) -> bool {
        self.kind == kind
            && match self.name.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => self.name == name,
            }
    }
}

/// Something that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum DataKind {
    Database,
    PersistentVolumeClaim,
    Bucket,
}

impl DataKind {
    /// The word that Kubernetes, or a person, has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "Database",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Bucket => "Bucket",
        }
    }
}
