//! `Platform.spec.backups`: where restore points go, when they are made, how long they stay, and how they are tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::{Duration, Peer, SecretName},
    quantity::Quantity,
    service::Resources,
};

/// Backups of every Tenant's `databases`, `volumes` and `buckets`. Each Tenant has a repository and a key of its own;
/// Jobs make the restore points in the namespace `<namespace>-backup`, which no member reaches, and try them in
/// `<namespace>-drill`. Nothing in a manifest deletes a restore point: what is removed from one is no longer backed up,
/// and its restore points stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.store.objectLock) || self.store.objectLock.days + 2 <= self.retentionDays",
        "message": "objectLock.days + 2 may not be more than retentionDays: locked restore points couldn't be removed in time, and data of a cancelled Tenant could not be erased"
    },
    {
        "rule": "duration(self.erasure.undoGrace) + duration(self.erasure.keyWait) <= duration('672h')",
        "message": "erasure.undoGrace + erasure.keyWait may be 672h (28 days) together, so that data is gone within 30 days of cancellation"
    },
    {
        "rule": "!has(self.store.objectLock) || self.store.objectLock.days <= 28",
        "message": "objectLock.days may be 28 at most, so that data is gone within 30 days of cancellation"
    },
]))]
pub struct Backups {
    /// Where restore points go.
    pub store: Store,
    /// What every Tenant's key is wrapped with.
    pub key: KeySource,
    /// When: a cron line of five fields, in which `H` stands for a value that differs from Tenant to Tenant and stays the
    /// same (`H H(0-5) * * *`: once a night, spread over six hours). At least once a day outside `environment: test`.
    #[serde(default = "default_schedule")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: String,
    /// The IANA time zone of `schedule` and of the drills'.
    #[serde(default = "default_zone")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: String,
    /// How late a missed run may still begin; later it is counted as missed, and the next one is waited for.
    #[serde(default = "hours::<6>")]
    pub starting_deadline: Duration,
    /// Longest time of one run.
    #[serde(default = "hours::<6>")]
    pub run_deadline: Duration,
    /// Most runs at once, over all Tenants.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: u32,
    /// Days that restore points stay, by the store's clock: none is removed earlier, none stays longer, but the newest
    /// good one of each database.
    #[serde(default = "default_retention")]
    #[schemars(range(min = 1, max = 3650))]
    pub retention_days: u32,
    /// A source that holds less than so many percent of the last time fails its run (`Shrunken`), until it is said to be
    /// meant; an empty one always does.
    #[serde(default = "default_least")]
    #[schemars(range(min = 0, max = 100))]
    pub least_percent: u32,
    /// How PostgreSQL databases are dumped and tried.
    #[serde(default)]
    pub postgresql: PostgresDefaults,
    /// How often restore points are tried.
    #[serde(default)]
    pub drills: DrillPolicy,
    /// What limits the time that erasure takes.
    #[serde(default)]
    pub erasure: ErasureTimes,
    /// Most restore points that may expire in one repository in an hour; more are held (`MassDeletionHeld`).
    #[serde(default = "default_brake")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_deletions_per_hour: u32,
}

fn default_schedule() -> String {
    "H H(0-5) * * *".into()
}

fn default_zone() -> String {
    "UTC".into()
}

const fn default_concurrency() -> u32 {
    8
}

const fn default_retention() -> u32 {
    30
}

const fn default_least() -> u32 {
    50
}

const fn default_brake() -> u32 {
    20
}

const fn hours<const HOURS: u64>() -> Duration {
    Duration::from_secs(HOURS * 3600)
}

/// An S3 bucket. It is checked before the first byte goes there and every five minutes (`StoreReady`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.credentials) || has(self.role)",
    "message": "credentials names a Secret with aws-access-key-id and aws-secret-access-key, or role names a role to assume"
}]))]
pub struct Store {
    /// `https://host[:port]` of the S3 API; AWS' own for the region when absent. `http://` only in `environment: test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^@/\s]+$"))]
    pub endpoint: Option<String>,
    /// The region.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: String,
    /// The bucket.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]+$"))]
    pub bucket: String,
    /// Prefix of every key; below it each Platform and Tenant has a folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256), regex(pattern = r"^[A-Za-z0-9._/-]*$"))]
    pub prefix: String,
    /// Account that must own the bucket; asked on each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 12), regex(pattern = r"^[0-9]{12}$"))]
    pub expected_owner: Option<String>,
    /// Addresses as `endpoint/bucket` rather than `bucket.endpoint`.
    #[serde(default)]
    pub path_style: bool,
    /// Secret with `ca.crt`, in PEM, that the server's certificate is checked against besides the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretName>,
    /// Secret with `aws-access-key-id` and `aws-secret-access-key`; what the operator's pod has from its platform (web
    /// identity) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretName>,
    /// A role to assume; each run then gets credentials for its Tenant's folder alone. Without it every run has
    /// `credentials`, the status says `SharedCredentials`, and what keeps Tenants apart is their keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Object Lock that the bucket must have. Without it nothing keeps who has the credentials from deleting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// Addresses of the store, for the NetworkPolicies of the Jobs; when empty every address outside the cluster on the
    /// endpoint's port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub egress: Vec<Peer>,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// `arn:aws:iam::222222222222:role/tenantry-backup`.
    #[schemars(length(min = 20, max = 2048), regex(pattern = r"^arn:[^:\s]+:iam::[0-9]{12}:role/\S+$"))]
    pub arn: String,
    /// External id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// `https://…` of the token service; AWS' own for the region when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^@/\s]+$"))]
    pub sts_endpoint: Option<String>,
}

/// Object Lock that a bucket must have as its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLock {
    /// Compliance can't be shortened by anyone; Governance can, by who may.
    #[serde(default)]
    pub mode: LockMode,
    /// Days; at least 8, since a repository is written to for a week.
    #[serde(default = "default_lock_days")]
    #[schemars(range(min = 8, max = 3650))]
    pub days: u32,
}

const fn default_lock_days() -> u32 {
    14
}

/// Mode of an Object Lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the field says it, and variant docs would turn the schema's enum into oneOf
pub enum LockMode {
    #[default]
    Compliance,
    Governance,
}

impl LockMode {
    /// As S3 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        }
    }
}

/// What every Tenant's key is wrapped with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySource {
    /// Secret in the operator's namespace; its `key` holds 64 hexadecimal digits (`openssl rand -hex 32`). Keep a copy
    /// elsewhere: without it nobody can restore.
    pub secret: SecretName,
}

/// How PostgreSQL databases are dumped and tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PostgresDefaults {
    /// Image with `pg_dump`, `psql`, `initdb` and `postgres` of the databases' major version, on glibc (`postgres:17`);
    /// a Tenant's database may name another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Numeric user of the image's own `postgres`, whom an engine needs to start: 999 when absent, as in PostgreSQL's own
    /// images; CloudNativePG's have 26.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub run_as_user: Option<i64>,
    /// Requests and limits of a Job's pod.
    pub resources: Resources,
    /// Room that a drill's engine has on its node's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Quantity>,
    /// Tables whose contents a run checksums, in turn, beside the row counts of all.
    #[schemars(range(min = 0, max = 100))]
    pub sampled_tables: u32,
}

/// How often restore points are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DrillPolicy {
    /// When each database's newest restore point is tried: a cron line as in `backups.schedule`.
    #[schemars(length(min = 1, max = 128))]
    pub schedule: String,
    /// When an old one is tried, the oldest and a random one in turn.
    #[schemars(length(min = 1, max = 128))]
    pub old_points: String,
    /// `RestoreVerified` is False when the newest passed drill is older.
    pub max_age: Duration,
    /// Oldest data that a drill of the newest restore point may find; `RPOExceeded` beyond it.
    pub rpo: Duration,
    /// Most drills at once, over all Tenants.
    #[schemars(range(min = 1, max = 100))]
    pub concurrency: u32,
}

impl Default for DrillPolicy {
    fn default() -> Self {
        Self {
            schedule: "H H(6-11) * * H".into(),
            old_points: "H H(12-17) H * *".into(),
            max_age: hours::<{ 8 * 24 }>(),
            rpo: hours::<26>(),
            concurrency: 2,
        }
    }
}

/// What limits the time that erasure takes: a lock, and these, run at once from a Tenant's cancellation on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ErasureTimes {
    /// How long an erasure can be taken back.
    pub undo_grace: Duration,
    /// How long the key's service waits before it destroys a key.
    pub key_wait: Duration,
}

impl Default for ErasureTimes {
    fn default() -> Self {
        Self { undo_grace: hours::<{ 7 * 24 }>(), key_wait: hours::<{ 7 * 24 }>() }
    }
}
