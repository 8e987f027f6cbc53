//! What a run of a volume needs beside its Job: a snapshot of the tenant's volume, and a copy made from it in the
//! namespace of backups. Pure.
//!
//! ```text
//! tenant's namespace                        cluster                     namespace of backups
//! claim ◄─ VolumeSnapshot ◄─ its content ─ handle ─► content of ours ─► VolumeSnapshot ─► claim ─► Job
//! ```
//!
//! The Job comes first: it is what says that the run is under way, and its pod waits for the claim. Everything else has
//! a name that follows from the Job, and the Job's uid as a mark, so whoever leads next goes on, and takes away exactly
//! what the run made. Our content keeps its snapshot (`Retain`): nothing that we remove there takes the tenant's along.
//!
//! - [`objects`]: what is made
//! - [`seen`]: what is there
//! - [`steps`]: what comes next, and what has to go
//! - [`support`]: whether a claim can have snapshots at all

pub mod objects;
pub mod seen;
pub mod steps;
pub mod support;

/// Where a run has the volume that it reads.
pub const SOURCE: &str = "/source";

/// The file of a run's Secret that says when the snapshot was taken.
pub const TAKEN: &str = "volume/time";

/// Annotation on what a run made: the uid of its Job.
pub const RUN_UID: &str = "tenantry.dev/run-uid";
/// Annotation on a Job that was given up before its pod could begin: the reason, and why, with a line break between.
pub const GIVEN_UP: &str = "tenantry.dev/given-up";

/// Annotation on an ended Job whose pod was removed, so that its claim can go: what the pod said, as JSON.
pub const SAID: &str = "tenantry.dev/said";

/// Before the name of a volume where databases have only theirs: no database's name has a dot.
const KEY: &str = "volume.";

/// What records, labels and decisions call a volume of `Tenant.spec.volumes`.
#[must_use]
pub fn key(name: &str) -> String {
    format!("{KEY}{name}")
}

/// The volume's name; `None` for the name of a database.
#[must_use]
pub fn name_of(key: &str) -> Option<&str> {
    key.strip_prefix(KEY)
}
