//! What keeps a repository as it should be: expired snapshots leave it, and its packs are read again and again.

use super::failure::Failure;
use super::run::{Found, Run};
use super::snapshot::is_id;
use crate::backup::record::reasons;

/// Snapshots of a generation: more never live at once.
const MOST_SNAPSHOTS: usize = 1_000_000;

/// Objects of a repository that holds nothing: its settings, its key, files of the index.
const MOST_LEFT: usize = 1000;

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

/// Removes what is left of a repository that holds nothing any more: its settings last. Where the bucket locks what it is
/// given, the versions stay as long as their lock, and can be brought back until then.
///
/// # Errors
/// The store's trouble.
pub async fn retire(run: &Run<'_>) -> Result<(), Failure> {
    let prefix = format!("{}/", run.folder());
    let listing = run.deadline.of("listing the store", run.store.list(&prefix, "", MOST_LEFT)).await??;
    let holds =
        |key: &str| ["data/", "snapshots/"].iter().any(|part| key.starts_with(&format!("{prefix}{part}")));
    if listing.cut || listing.objects.iter().any(|object| holds(&object.key)) {
        tracing::info!(repository = run.folder(), "it still holds something, and stays");
        return Ok(());
    }
    let settings = format!("{prefix}config");
    let (last, first): (Vec<_>, Vec<_>) =
        listing.objects.iter().map(|object| object.key.as_str()).partition(|key| *key == settings);
    for key in first.into_iter().chain(last) {
        run.deadline.of("removing what is left", run.store.remove(key)).await??;
    }
    tracing::info!(repository = run.folder(), "it was emptied, and is gone");
    Ok(())
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
