//! A backup: the manifest and the dump of one snapshot of the database, saved as two snapshots of the repository.

use std::pin::pin;

use tokio::time::Instant;

use super::failure::Failure;
use super::postgres::Programs;
use super::postgres::manifest::{DUMP, FILE, Manifest, sample, write_sentinel};
use super::postgres::neighbours::neighbours;
use super::postgres::observe;
use super::postgres::session::Session;
use super::restic::Presence;
use super::run::{Found, Run, phase};
use super::secrets::Variables;
use super::snapshot::Summary;
use super::{disk, proof};
use crate::backup::record::{Point, reasons};
use crate::backup::task::{Backup, Size};
use crate::trail::record::hash;

/// Dumps one database.
///
/// # Errors
/// Nothing that counts as a restore point was made. Where a snapshot lies in the store all the same, `found` names it.
pub async fn backup(run: &Run<'_>, backup: &Backup, found: &mut Found) -> Result<(), Failure> {
    run.enter(&backup.dead_hosts, false).await?;
    let programs = Programs::find(run.scratch)?;
    found.programs.push(run.repository.version().await?);
    let connection = run.secrets.connection()?;
    let since = Instant::now();
    if backup.sentinel {
        let sql = write_sentinel(&run.task.id);
        programs.sql(&connection, "writing the sentinel", &sql, run.deadline).await?;
    }
    // Lives until the dump is done: the exported snapshot is its transaction's.
    let mut session = Session::open(&programs, &connection, run.deadline)?;
    let (manifest, exported) = manifest(run, backup, &mut session).await?;
    check_rows(backup, &manifest)?;
    phase(&mut found.phases, "manifest", since);

    let since = Instant::now();
    let indexes = proof::indexes(run).await?;
    let dump = dump(run, backup, &programs, &connection, &exported);
    let saved = save(run, backup.initialise, (&tags(run, backup, "manifest"), &manifest), dump).await?;
    drop(session);
    phase(&mut found.phases, "dump", since);
    found.neighbours = neighbours(&programs, &connection, run.deadline).await;

    let size = manifest.size(saved.data.total_bytes_processed);
    found.programs.push(format!("PostgreSQL {}", manifest.header.server_version));
    found.point = Some(Point {
        snapshot: saved.data.snapshot_id.clone(),
        manifest: saved.manifest.snapshot_id.clone(),
        time: manifest.header.time.clone(),
        lsn: manifest.header.lsn.clone().unwrap_or_default(),
        engine: format!("PostgreSQL {}", manifest.header.server_version),
        size,
        stored_bytes: saved.stored_bytes(),
        manifest_sha256: saved.sha256.clone(),
    });
    let since = Instant::now();
    proof::durable(run, &saved.snapshots(), &indexes).await?;
    phase(&mut found.phases, "proof", since);
    check_bytes(backup, size)
}

/// Exports a snapshot and counts what it holds.
async fn manifest(
    run: &Run<'_>,
    backup: &Backup,
    session: &mut Session,
) -> Result<(Manifest, String), Failure> {
    let header = observe::begin(session, true).await?;
    let exported = header.snapshot.clone();
    let tables = observe::tables(session).await?;
    let sentinel = if backup.sentinel { observe::sentinel(session, &tables).await? } else { None };
    let slot = backup.slot.parse().unwrap_or(run.started);
    let turn = sample(tables.len(), backup.sampled_tables, slot);
    let manifest = observe::count(session, (header, tables), |index, _| turn.contains(&index)).await?;
    Ok((Manifest { sentinel, ..manifest }, exported))
}

/// Fails for a source that is empty, or has lost most of its rows, before anything is saved.
fn check_rows(backup: &Backup, manifest: &Manifest) -> Result<(), Failure> {
    let rows = manifest.size(0).rows;
    if backup.shrink_acknowledged {
        return Ok(());
    }
    if rows == 0 && manifest.header.large_objects == 0 {
        let message = format!(
            "database {} has no row in {} tables; if that is meant, acknowledge it",
            manifest.header.name,
            manifest.tables.len()
        );
        return Err(Failure::new(reasons::EMPTY_SOURCE, message));
    }
    let before = backup.before.unwrap_or_default().rows;
    shrunken("rows", rows, before, backup.least_percent)
}

/// The same for the dump's bytes: it lies in the store, but doesn't count.
fn check_bytes(backup: &Backup, size: Size) -> Result<(), Failure> {
    if backup.shrink_acknowledged {
        return Ok(());
    }
    let before = backup.before.unwrap_or_default().bytes;
    shrunken("bytes", size.bytes, before, backup.least_percent)
}

/// # Errors
/// [`reasons::SHRUNKEN`].
pub(super) fn shrunken(what: &str, now: u64, before: u64, percent: u32) -> Result<(), Failure> {
    if u128::from(now) * 100 >= u128::from(before) * u128::from(percent) {
        return Ok(());
    }
    let message = format!(
        "the source has {now} {what}, less than {percent} % of the {before} of the last good backup; \
                           if that is meant, acknowledge it"
    );
    Err(Failure::new(reasons::SHRUNKEN, message))
}

/// Marks by which people find snapshots with plain restic.
fn tags(run: &Run<'_>, backup: &Backup, kind: &str) -> Vec<String> {
    vec![format!("kind={kind}"), format!("database={}", backup.database), format!("run={}", run.task.id)]
}

/// The two snapshots of a restore point.
pub(super) struct Saved {
    /// That of the manifest.
    pub(super) manifest: Summary,
    /// Of the manifest's text.
    pub(super) sha256: String,
    /// That of what it is about.
    pub(super) data: Summary,
}

impl Saved {
    /// Bytes that the store has of both, packed.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.manifest.data_added_packed + self.data.data_added_packed
    }

    /// Ids of both.
    pub(super) fn snapshots(&self) -> [&str; 2] {
        [&self.manifest.snapshot_id, &self.data.snapshot_id]
    }
}

/// Saves the manifest and, meanwhile, what it is about: restic needs a second to open the repository, each time. Makes the
/// repository where it may and there is nothing yet.
///
/// # Errors
/// One of the two isn't saved.
pub(super) async fn save<T: serde::Serialize>(
    run: &Run<'_>,
    initialise: bool,
    (tags, manifest): (&[String], &T),
    data: impl Future<Output = Result<Summary, Failure>>,
) -> Result<Saved, Failure> {
    let wrong =
        |error: serde_json::Error| Failure::new(reasons::INTERRUPTED, format!("the manifest: {error}"));
    let text = serde_json::to_vec(manifest).map_err(wrong)?;
    let path = run.scratch.join(FILE);
    std::fs::write(&path, &text).map_err(|error| disk("the manifest", &path, &error))?;
    if initialise && run.repository.presence().await? == Presence::Missing {
        make(run).await?;
    }
    let (mut kept, mut data) = (pin!(run.repository.save_file(FILE, &run.task.tenant, tags)), pin!(data));
    let (kept, data) = tokio::select! {
        // Without its manifest it would be no restore point: what saves it is ended.
        kept = &mut kept => (kept?, data.await?),
        // Ended in the middle, restic would leave its lock: it is soon done.
        data = &mut data => {
            let kept = kept.await;
            let data = data?;
            (kept?, data)
        }
    };
    let _ = std::fs::remove_file(path);
    Ok(Saved { manifest: kept, sha256: hash(&text), data })
}

/// A repository is made only where nothing of one lies: what has lost its settings is damaged, not absent.
async fn make(run: &Run<'_>) -> Result<(), Failure> {
    let prefix = format!("{}/", run.folder());
    let listing = run.deadline.of("listing the store", run.store.list(&prefix, "", 1)).await??;
    if let Some(object) = listing.objects.first() {
        let message = format!(
            "the repository has lost its settings ({prefix}config), but {} is there; an older version \
                               of them may be in the store",
            object.key
        );
        return Err(Failure::new(reasons::DAMAGED, message));
    }
    tracing::info!(repository = run.folder(), "a new generation: the repository is made");
    run.repository.initialise().await
}

async fn dump(
    run: &Run<'_>,
    backup: &Backup,
    programs: &Programs,
    connection: &Variables,
    exported: &str,
) -> Result<Summary, Failure> {
    let command = programs.dump(exported, run.deadline);
    let tags = tags(run, backup, "dump");
    run.repository.save_command(DUMP, (&run.task.tenant, &tags), command, connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_less_is_a_failure() {
        assert!(shrunken("rows", 50, 100, 50).is_ok());
        assert!(shrunken("rows", 0, 0, 50).is_ok());
        assert!(shrunken("rows", u64::MAX, u64::MAX, 100).is_ok());
        let failure = shrunken("rows", 49, 100, 50).unwrap_err();
        assert_eq!(failure.reason, reasons::SHRUNKEN);
        assert!(failure.message.contains("49 rows") && failure.message.contains("acknowledge"));
    }
}
