//! What keeps a repository as it should be: expired snapshots leave it, and its packs are read again and again.

use super::failure::Failure;
use super::run::{Found, Run};
use super::snapshot::is_id;
use crate::backup::record::reasons;

/// Snapshots of a generation: more never live at once.
const MOST_SNAPSHOTS: usize = 1_000_000;

/// Removes these snapshots and nothing else.
///
/// # Errors
/// An id isn't one, somebody else is in the repository, or a snapshot is still there afterwards.
pub async fn expire(
    run: &Run<'_>,
    (snapshots, prune): (&[String], bool),
    dead_hosts: &[String],
    found: &mut Found,
) -> Result<(), Failure> {
    if let Some(wrong) = snapshots.iter().find(|id| !is_id(id)) {
        let message = format!("{wrong:?} is no full id of a snapshot; nothing was removed");
        return Err(Failure::new(reasons::REPOSITORY_MISSING, message));
    }
    run.enter(dead_hosts, true).await?;
    found.programs.push(run.repository.version().await?);
    let there = run.names("snapshots", MOST_SNAPSHOTS).await?;
    // Those that an earlier try of the same run removed are gone already.
    let left: Vec<String> = snapshots.iter().filter(|id| there.contains(id)).cloned().collect();
    let removed = if left.is_empty() { Ok(()) } else { run.repository.forget(&left).await };
    // What is gone is gone, also when restic failed over the next one.
    let still = run.names("snapshots", MOST_SNAPSHOTS).await?;
    found.removed = snapshots.iter().filter(|id| !still.contains(id)).cloned().collect();
    removed?;
    if let Some(id) = snapshots.iter().find(|id| still.contains(id)) {
        let message =
            format!("snapshot {id} is still in the store after it was removed; may the run's role delete?");
        return Err(Failure::new(reasons::STORE_UNREACHABLE, message));
    }
    if prune { run.repository.prune().await } else { Ok(()) }
}

/// Reads one part of all packs, and checks every byte.
///
/// # Errors
/// [`reasons::DAMAGED`] names the object.
pub async fn check(run: &Run<'_>, (part, of): (u32, u32), found: &mut Found) -> Result<(), Failure> {
    if part == 0 || part > of {
        return Err(Failure::new(reasons::INTERRUPTED, format!("there is no part {part} of {of}")));
    }
    run.enter(&[], false).await?;
    found.programs.push(run.repository.version().await?);
    run.repository.check(part, of).await
}
