//! Whether the store has what it said that it took: objects are read back with fresh requests, and restic's names are
//! their own checksums.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::failure::Failure;
use super::run::Run;
use super::snapshot::is_named_after;
use crate::backup::record::reasons;

/// Bytes of a snapshot's object; restic's are below one KiB.
const SNAPSHOT: usize = 1 << 20;

/// Questions at once.
const AT_ONCE: usize = 16;

/// Files of the index; a repository with more is pruned first.
const MOST_INDEXES: usize = 100_000;

/// What the index has: names of its files.
///
/// # Errors
/// The store's trouble.
pub async fn indexes(run: &Run<'_>) -> Result<Vec<String>, Failure> {
    run.names("index", MOST_INDEXES).await
}

/// Checks that the snapshots' objects, and every pack of the index files that are new since `before`, are in the store.
///
/// # Errors
/// [`reasons::NOT_DURABLE`] names the object.
pub async fn durable(run: &Run<'_>, snapshots: &[&str], before: &[String]) -> Result<(), Failure> {
    for id in snapshots {
        let key = format!("{}{id}", run.task.place.snapshots(run.task.generation));
        let content = run.deadline.of("reading back", run.store.get(&key, SNAPSHOT)).await?;
        match content {
            Ok(content) if is_named_after(id, &content) => {}
            Ok(_) => return Err(lost(&key, "it has another content")),
            Err(error) if error.is_absent() => return Err(lost(&key, "it is not there")),
            Err(error) => return Err(error.into()),
        }
    }
    for index in indexes(run).await?.iter().filter(|index| !before.contains(index)) {
        let packs = run.repository.packs(index).await?;
        stream::iter(packs)
            .map(|pack| there(run, pack))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}

async fn there(run: &Run<'_>, pack: String) -> Result<(), Failure> {
    let two = pack.get(..2).unwrap_or_default();
    let key = format!("{}/data/{two}/{pack}", run.folder());
    match run.deadline.of("reading back", run.store.listed(&key)).await? {
        Ok(size) if size > 0 => Ok(()),
        Ok(_) => Err(lost(&key, "it is empty")),
        Err(error) if error.is_absent() => Err(lost(&key, "it is not there")),
        Err(error) => Err(error.into()),
    }
}

fn lost(key: &str, why: &str) -> Failure {
    let message = format!(
        "the store said that {key} was written, but {why}; do not trust it with backups before this is \
                           understood"
    );
    Failure::new(reasons::NOT_DURABLE, message)
}
