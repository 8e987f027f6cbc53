//! The engine: what a Job does. One run, one record.
//!
//! - [`failure`], [`snapshot`]: pure
//! - [`program`]: external programs, each with a deadline and an end
//! - [`restic`], [`postgres`]: the two that do the work
//! - [`secrets`]: what lies beside a task
//! - [`run`]: what all kinds of work share
//! - [`backup`], [`drill`], [`restore`], [`keep`]: the kinds of work; [`volume`]: those of volumes
//! - [`proof`]: whether the store has what it took
//! - [`work`]: a task in, a record out

use std::path::Path;

use failure::Failure;

use super::record::reasons;
use crate::store::StoreError;

pub mod backup;
pub mod drill;
pub mod failure;
pub mod keep;
pub mod postgres;
pub mod program;
pub mod proof;
pub mod restic;
pub mod restore;
pub mod run;
pub mod secrets;
pub mod snapshot;
pub mod volume;
pub mod work;

/// A file of the scratch folder that can't be written or removed.
fn disk(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    let reason = if full { reasons::NO_SPACE } else { reasons::INTERRUPTED };
    Failure::new(
        reason,
        format!("{what} ({}) can't be kept: {error}; look at the Job's volume", path.display()),
    )
}

/// Bytes that are free where a folder lies; all of them where nobody can say.
fn room(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}
