//! What a Tenant's status says of its restore points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::DataKind;

/// The restore points of one database, volume or bucket, as the store had them at `observedAt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Its name in the spec.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What it is.
    pub kind: DataKind,
    /// RFC 3339 time of the last look into the store; empty before the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 40))]
    pub observed_at: String,
    /// When the source of the newest good restore point was read, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub newest: Option<String>,
    /// The same of the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub oldest: Option<String>,
    /// How many there are.
    #[serde(default)]
    pub points: u32,
    /// Bytes of the newest.
    #[serde(default)]
    pub bytes: i64,
    /// Restore points that say a time later than the store's: they expire by the store's clock.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub future_dated: u32,
    /// Restore points that are older than `retentionDays` and should be gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overdue: u32,
    /// Restore points that are gone from the store though they are younger than `retentionDays`: nobody may remove them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gone_early: u32,
    /// Share of what the newest restore point consists of that is under Object Lock, in percent; absent where it isn't
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_percent: Option<u32>,
    /// RFC 3339 time of the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub next_run: Option<String>,
    /// Slots of the schedule that no run filled, in the time that the store knows of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u32,
    /// The last run that ended, or the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunStatus>,
    /// The last drill that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<DrillResult>,
    /// When the newest passed drill began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub verified_at: Option<String>,
    /// 95th percentile of the seconds that drills took, of those that passed in the last 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_p95_seconds: Option<i64>,
    /// The same of the age of the data that drills of the newest restore point found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_p95_seconds: Option<i64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStatus {
    /// Its Job.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The slot of the schedule that it fills, RFC 3339.
    #[schemars(length(max = 40))]
    pub slot: String,
    /// What came of it.
    pub result: RunResult,
    /// RFC 3339 time of its end; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub ended: Option<String>,
    /// Seconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// Why, as a PascalCase constant.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub message: String,
    /// The line of a program's output that matters.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub log_line: String,
}

/// What came of a run, a drill or a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum RunResult {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
}

impl RunResult {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// What a drill, or a restore, found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DrillResult {
    /// Its Job.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What came of it.
    pub result: RunResult,
    /// RFC 3339 time of its start.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 40))]
    pub started: String,
    /// Id of the snapshot, shortened.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub snapshot: String,
    /// When its source was read, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 40))]
    pub point: String,
    /// Seconds between the time found in the restored data and the drill's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo_seconds: Option<i64>,
    /// Seconds from the start to the end of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto_seconds: Option<i64>,
    /// Checks that held, of all (`12/12`).
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub checks: String,
    /// Why, as a PascalCase constant.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub message: String,
    /// The line of a program's output that matters.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub log_line: String,
}
