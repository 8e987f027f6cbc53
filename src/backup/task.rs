//! What the operator hands a Job: all of it may be read by whoever may look at the Job. Secrets are files beside it.
//! Pure.
//!
//! Files, below the folder that `tenantry backup work --secrets` names:
//!
//! ```text
//! password                                        the tenant's key: restic's password
//! aws-access-key-id aws-secret-access-key aws-session-token   credentials for the tenant's prefix, token optional
//! aws-expiration                                  when those end, RFC 3339; the operator renews them before
//! connection/PGHOST connection/PGPORT …           what libpq reads from the environment: the source, or a restore's target
//! other/password other/prefix other/aws-…         drills: another tenant's key or credentials, which must not open this repository
//! volume/time                                     backups of volumes: when the snapshot was taken, RFC 3339
//! ```

use serde::{Deserialize, Serialize};

use super::layout::Place;
use crate::store::address::StoreAddress;

/// The task's environment variable.
pub const VARIABLE: &str = "TENANTRY_TASK";

/// One run of one Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Name of the Job; the same for every try of the same run.
    pub id: String,
    /// The installation.
    pub install_id: String,
    /// The tenant.
    pub tenant: String,
    /// Its Platform.
    pub platform: String,
    /// Where the store is.
    pub store: StoreAddress,
    /// The tenant's part of it.
    pub place: Place,
    /// Generation of the repository.
    pub generation: u32,
    /// Seconds after which the run has failed.
    pub deadline_seconds: u64,
    /// What is to be done.
    pub work: Work,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Work {
    /// Dumps one database.
    Backup(Backup),
    /// Removes snapshots by id, all of them expired, and nothing else.
    Expire {
        /// Full ids.
        snapshots: Vec<String>,
        /// Whether to give space back as well (weekly).
        prune: bool,
        /// Whether nobody writes to this generation again: emptied, it loses its settings and keys, too.
        #[serde(default)]
        retire: bool,
        /// Hosts whose locks may be removed.
        dead_hosts: Vec<String>,
    },
    /// Reads a part of the repository's packs and checks every byte.
    Check {
        /// Part, from 1.
        part: u32,
        /// Of so many.
        of: u32,
    },
    /// Restores into an engine of the Job's own, looks into it, and throws it away.
    Drill(Drill),
    /// Restores to a database that people can use.
    Restore(Restore),
    /// Saves the files of one volume, from a copy that nobody writes to.
    Volume(Volume),
    /// Restores a volume's files into the Job's own folder, looks at them, and throws them away.
    VolumeDrill(VolumeDrill),
}

impl Work {
    /// The word in names and records.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Backup(_) | Self::Volume(_) => "backup",
            Self::Expire { .. } => "expire",
            Self::Check { .. } => "check",
            Self::Drill(_) | Self::VolumeDrill(_) => "drill",
            Self::Restore(_) => "restore",
        }
    }

    /// Whether it tries a restore point.
    #[must_use]
    pub fn is_drill(&self) -> bool {
        matches!(self, Self::Drill(_) | Self::VolumeDrill(_))
    }
}

/// Saves the files of one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// What records name it by: [`super::volumes::key`].
    pub database: String,
    /// The tenant's claim.
    pub claim: String,
    /// Where its copy is mounted.
    pub path: String,
    /// The slot of the schedule that it fills, RFC 3339.
    pub slot: String,
    /// As [`Backup::initialise`].
    pub initialise: bool,
    /// Files (as `rows`) and bytes of the last good run; as [`Backup::before`].
    pub before: Option<Size>,
    /// As [`Backup::least_percent`].
    pub least_percent: u32,
    /// As [`Backup::shrink_acknowledged`].
    pub shrink_acknowledged: bool,
    /// Files whose contents are checksummed this time, beside the names and sizes of all.
    pub sampled_files: u32,
    /// As [`Backup::dead_hosts`].
    pub dead_hosts: Vec<String>,
}

/// Restores a volume's files into the Job's own folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeDrill {
    /// As [`Volume::database`].
    pub database: String,
    /// The restore point.
    pub point: PointRef,
    /// As [`Drill::rpo_limit_seconds`].
    pub rpo_limit_seconds: Option<u64>,
    /// As [`Drill::room_bytes`].
    pub room_bytes: u64,
    /// As [`Drill::try_other`].
    pub try_other: bool,
}

/// Dumps one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Name in `Tenant.spec.databases`.
    pub database: String,
    /// The slot of the schedule that it fills, RFC 3339.
    pub slot: String,
    /// Whether a missing repository is made: only where the store has never had a restore point of this generation.
    pub initialise: bool,
    /// Rows and bytes of the last good run: far less is a failure (`Shrunken`), unless acknowledged.
    pub before: Option<Size>,
    /// Smallest part of `before` that is good, in percent.
    pub least_percent: u32,
    /// An empty, or far smaller, source is meant.
    pub shrink_acknowledged: bool,
    /// Tables whose contents are checksummed this time, beside the row counts of all.
    pub sampled_tables: u32,
    /// Writes the sentinel table (`tenantry.sentinel`) before the dump: the tenant asked for it.
    pub sentinel: bool,
    /// Hosts whose locks may be removed: names of pods of our own runs that are dead.
    pub dead_hosts: Vec<String>,
}

/// How much a source held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of the dump.
    pub bytes: u64,
}

/// Which restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PointRef {
    /// Full id of the snapshot with the dump.
    pub snapshot: String,
    /// Full id of the snapshot with the manifest.
    pub manifest: String,
    /// When the source was read, RFC 3339, as the record says: the restored data must say the same.
    pub time: String,
}

/// Restores into an engine of the Job's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drill {
    /// Name in `Tenant.spec.databases`.
    pub database: String,
    /// The restore point.
    pub point: PointRef,
    /// Longest time between the source's clock in the restore point and the drill's start; none for old points.
    pub rpo_limit_seconds: Option<u64>,
    /// SQL that must hold: one row, one column, `true`.
    pub checks: Vec<SqlCheck>,
    /// Bytes that the Job's volume has.
    pub room_bytes: u64,
    /// Whether another tenant's key and credentials lie beside, to be tried.
    pub try_other: bool,
}

/// SQL of the user's that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqlCheck {
    /// Its name.
    pub name: String,
    /// A query that gives one row with one column: `true`.
    pub sql: String,
}

/// Restores to a database that people can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Name in `Tenant.spec.databases`.
    pub database: String,
    /// The restore point.
    pub point: PointRef,
    /// Database on the source's server that is made, and must not be there yet; none to go over the live one.
    pub to: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_back() {
        let task = Task {
            id: "backup-app-1".into(),
            install_id: "i".into(),
            tenant: "acme".into(),
            platform: "shop".into(),
            store: StoreAddress { region: "r".into(), bucket: "b".into(), ..StoreAddress::default() },
            place: Place::of("", "shop", "acme"),
            generation: 1,
            deadline_seconds: 60,
            work: Work::Check { part: 1, of: 30 },
        };
        let text = serde_json::to_string(&task).unwrap();
        assert!(text.contains(r#""kind":"check""#), "{text}");
        assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), task);
    }
}
