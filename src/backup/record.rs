//! What a Job leaves behind: one line of canonical JSON, as an object in the store and as the last words of its
//! container. It holds no secret and no data of the tenant's: names of tables and counts are in the manifest, which
//! lies in the repository. Pure.

use serde::{Deserialize, Serialize};

use super::task::Size;

/// Version of the form.
pub const VERSION: u32 = 1;

/// Most bytes of a record: what a container's last words may have.
pub const MOST_BYTES: usize = 4096;

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// As [`super::task::Work::word`].
    pub kind: String,
    /// The Job.
    pub id: String,
    /// The installation.
    pub install_id: String,
    /// The Platform.
    pub platform: String,
    /// The tenant.
    pub tenant: String,
    /// The database, where it is about one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// Slot of the schedule that it fills, RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slot: String,
    /// Generation of the repository.
    pub generation: u32,
    /// RFC 3339 times by the Job's clock.
    pub started: String,
    /// See `started`.
    pub ended: String,
    /// How far the store's clock is before the Job's, in seconds.
    #[serde(default)]
    pub store_clock_ahead_seconds: i64,
    /// Whether it is good.
    pub succeeded: bool,
    /// `Succeeded`, or why not: see [`reasons`].
    pub reason: String,
    /// Why, for people: what, where, the next step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The line of a program's output that matters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_line: String,
    /// What a backup made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// What else is on the server of a backup; absent where that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Neighbours>,
    /// What a drill or a restore found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// Ids that an expiry removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Versions of the programs: tenantry, restic, pg_dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// How long its parts took. A backup's: `manifest` (counting and checksums), `dump`, `proof` (reading back). A
    /// drill's: `engine`, `restore`, `checks`. A restore's: `restore`, `checks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
}

/// A part of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// A restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Full id of the snapshot with the dump.
    pub snapshot: String,
    /// Full id of the snapshot with the manifest.
    pub manifest: String,
    /// When the source was read: the server's clock in the exported snapshot, RFC 3339.
    pub time: String,
    /// The server's position in its log then; empty where it doesn't say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lsn: String,
    /// The engine: `PostgreSQL 17.2`.
    pub engine: String,
    /// What it held.
    pub size: Size,
    /// Bytes that the run added to the store.
    pub stored_bytes: u64,
    /// SHA-256 of the manifest, hexadecimal.
    pub manifest_sha256: String,
}

/// The databases of a server, by their names there. Templates are left out, and `postgres` where it has no tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Neighbours {
    /// The one that the run dumped.
    pub own: String,
    /// The others, in order; as many as fit into a record.
    pub others: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Neighbours {
    /// Most bytes of names: the record has to fit into a container's last words with all else that it says.
    const MOST_BYTES: usize = 1024;

    /// Of as many as fit.
    #[must_use]
    pub fn of(own: String, mut others: Vec<String>) -> Self {
        let mut room = Self::MOST_BYTES;
        let fit = others.iter().take_while(|name| {
            // Quotes, a comma, and what a name may need to be escaped as.
            let size =
                name.chars().map(|c| if c.is_control() || c == '"' || c == '\\' { 6 } else { c.len_utf8() });
            let size = size.sum::<usize>() + 3;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        let fit = fit.count();
        let more = others.len() - fit;
        others.truncate(fit);
        Self { own, others, more }
    }
}

/// What a drill or a restore found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restored {
    /// The snapshot.
    pub snapshot: String,
    /// Seconds between the time found in the restored data and the drill's start.
    pub rpo_seconds: i64,
    /// Seconds from the start to the end of the checks.
    pub rto_seconds: i64,
    /// Checks that held, of all.
    pub passed: u32,
    /// See `passed`.
    pub checks: u32,
    /// Names of those that did not hold; at most ten.
    pub failed: Vec<String>,
    /// Bytes restored.
    pub bytes: u64,
    /// The database that was made.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub database: String,
}

/// Reasons of records. Conditions show the same words; they are API.
pub mod reasons {
    /// It is good.
    pub const SUCCEEDED: &str = "Succeeded";
    /// The run was killed, or ended without a word.
    pub const INTERRUPTED: &str = "Interrupted";
    /// It took longer than it may.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    /// The pod needed more memory than it may have.
    pub const OUT_OF_MEMORY: &str = "OutOfMemory";
    /// Somebody else holds a lock on the repository.
    pub const LOCK_HELD: &str = "LockHeld";
    /// Some of the source couldn't be read.
    pub const PARTIAL_READ: &str = "PartialRead";
    /// The source is empty.
    pub const EMPTY_SOURCE: &str = "EmptySource";
    /// The source holds far less than the last time.
    pub const SHRUNKEN: &str = "Shrunken";
    /// The source refuses, or doesn't answer.
    pub const SOURCE_UNREACHABLE: &str = "SourceUnreachable";
    /// No snapshot of the volume, or no copy of it, could be made.
    pub const SNAPSHOT_FAILED: &str = "SnapshotFailed";
    /// The dump failed.
    pub const DUMP_FAILED: &str = "DumpFailed";
    /// The store refuses, or doesn't answer.
    pub const STORE_UNREACHABLE: &str = "StoreUnreachable";
    /// The store's clock and the Job's are too far apart.
    pub const CLOCK_SKEW: &str = "ClockSkew";
    /// The store no longer takes the credentials.
    pub const CREDENTIALS_EXPIRED: &str = "CredentialsExpired";
    /// The key doesn't open the repository.
    pub const KEY_MISMATCH: &str = "KeyMismatch";
    /// There is no repository where one must be.
    pub const REPOSITORY_MISSING: &str = "RepositoryMissing";
    /// The repository, or a restore point in it, is damaged.
    pub const DAMAGED: &str = "Damaged";
    /// The disk of the node, or the volume, is full.
    pub const NO_SPACE: &str = "NoSpace";
    /// What was written isn't in the store.
    pub const NOT_DURABLE: &str = "NotDurable";
    /// The restored data would not fit.
    pub const TARGET_TOO_SMALL: &str = "TargetTooSmall";
    /// The engine here is not the one of the dump.
    pub const ENGINE_VERSION_MISMATCH: &str = "EngineVersionMismatch";
    /// The restored data is older than it may be.
    pub const RPO_EXCEEDED: &str = "RPOExceeded";
    /// Restored data isn't what the manifest says, or a check of the user's doesn't hold.
    pub const CHECK_FAILED: &str = "CheckFailed";
    /// More than one key opens the repository, or somebody else's does.
    pub const KEY_NOT_ALONE: &str = "KeyNotAlone";
    /// Another tenant's credentials reach this one's backups.
    pub const CREDENTIALS_TOO_WIDE: &str = "CredentialsTooWide";
    /// The restore could not be done.
    pub const RESTORE_FAILED: &str = "RestoreFailed";
    /// The database to restore to is there already.
    pub const TARGET_EXISTS: &str = "TargetExists";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_thousands_of_databases_fits_into_a_record() {
        let many: Vec<String> = (0..5000).map(|n| format!("\u{1}tenant-{n:04}")).collect();
        let found = Neighbours::of("app".into(), many.clone());
        assert!(serde_json::to_vec(&found).unwrap().len() < 1200, "{found:?}");
        assert_eq!(found.others, many[..found.others.len()]);
        assert_eq!(found.others.len() + found.more, 5000);
        let few = Neighbours::of("app".into(), vec!["shop".into()]);
        assert_eq!((few.others.len(), few.more), (1, 0));
    }
}
