//! A task in, a record out.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::postgres::manifest::FILE;
use super::program::Deadline;
use super::run::{Found, Places, Run};
use super::{backup, drill, keep, restore, volume};
use crate::backup::record::{MOST_BYTES, Record, VERSION, reasons};
use crate::backup::task::{Task, Work};
use crate::trail::record::canonical;

/// Seconds after the deadline in which each step says what it was at; then the run is cut off.
const GRACE: u64 = 15;

/// Does the work, leaves the record in the store, and returns it. A run whose record can't be left has failed.
pub async fn work(task: &Task, places: &Places) -> Record {
    let started = Timestamp::now();
    let deadline = Deadline::after(task.deadline_seconds);
    let whole = Deadline::after(task.deadline_seconds.saturating_add(GRACE));
    let mut found = Found::default();
    let run = Run::new(task, places, deadline, started);
    let secrets = super::secrets::Secrets::new(&places.secrets).canaries();
    // What an earlier container of the same pod left.
    clean(&places.scratch);
    let done = match &run {
        Ok(run) => tokio::select! {
            done = whole.of("the run", dispatch(run, &mut found)) => done.and_then(|done| done),
            () = asked_to_end() => Err(interrupted()),
        },
        Err(failure) => Err(failure.clone()),
    };
    // A run that was cut off leaves nothing either.
    clean(&places.scratch);
    let skew = run.as_ref().map_or(0, Run::skew);
    let record =
        record(task, (started, Timestamp::now(), skew), found, done.map_err(|why| why.without(&secrets)));
    let Ok(run) = run else { return record };
    keep_record(&run, record, &secrets).await
}

/// Removes all of the tenant's data from the scratch folder.
fn clean(scratch: &Path) {
    let _ = volume::remove(&scratch.join(drill::FOLDER));
    let _ = std::fs::remove_file(scratch.join(FILE));
}

async fn dispatch(run: &Run<'_>, found: &mut Found) -> Result<(), Failure> {
    match &run.task.work {
        Work::Backup(task) => backup::backup(run, task, found).await,
        Work::Expire { snapshots, prune, retire, dead_hosts } => {
            keep::expire(run, (snapshots, *prune), dead_hosts, found).await?;
            if *retire { keep::retire(run).await } else { Ok(()) }
        }
        Work::Check { part, of } => keep::check(run, (*part, *of), found).await,
        Work::Drill(task) => drill::drill(run, task, found).await,
        Work::Restore(task) => restore::restore(run, task, found).await,
        Work::Volume(task) => volume::backup(run, task, found).await,
        Work::VolumeDrill(task) => volume::drill(run, task, found).await,
    }
}

fn interrupted() -> Failure {
    Failure::new(reasons::INTERRUPTED, "the pod was asked to end before the run was done; it is tried again")
}

/// Until Kubernetes ends the pod.
async fn asked_to_end() {
    let Ok(mut asked) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    asked.recv().await;
}

fn record(
    task: &Task,
    (started, ended, skew): (Timestamp, Timestamp, i64),
    found: Found,
    done: Result<(), Failure>,
) -> Record {
    let succeeded = done.is_ok();
    let Failure { reason, message, log_line } =
        done.err().unwrap_or_else(|| Failure::new(reasons::SUCCEEDED, ""));
    let (database, slot) = match &task.work {
        Work::Backup(backup) => (backup.database.clone(), backup.slot.clone()),
        Work::Drill(drill) => (drill.database.clone(), String::new()),
        Work::Restore(restore) => (restore.database.clone(), String::new()),
        Work::Volume(volume) => (volume.database.clone(), volume.slot.clone()),
        Work::VolumeDrill(drill) => (drill.database.clone(), String::new()),
        Work::Expire { .. } | Work::Check { .. } => Default::default(),
    };
    let Found { point, neighbours, restored, removed, programs, phases } = found;
    Record {
        version: VERSION,
        kind: task.work.word().to_owned(),
        id: task.id.clone(),
        install_id: task.install_id.clone(),
        platform: task.platform.clone(),
        tenant: task.tenant.clone(),
        database,
        slot,
        generation: task.generation,
        started: started.to_string(),
        ended: ended.to_string(),
        store_clock_ahead_seconds: skew,
        succeeded,
        reason: reason.to_owned(),
        message,
        log_line,
        point,
        neighbours,
        restored,
        removed,
        programs: std::iter::once(concat!("tenantry ", env!("CARGO_PKG_VERSION")).to_owned())
            .chain(programs)
            .collect(),
        phases,
    }
}

/// Leaves the record in the store, and reads it back.
async fn keep_record(run: &Run<'_>, record: Record, secrets: &[String]) -> Record {
    let started = record.started.parse().unwrap_or(run.started);
    let key = run.task.place.record(started, &record.kind, &record.id);
    let body = canonical(json!(record));
    match run.store.put_proved(&key, body.as_bytes()).await {
        Ok(()) => record,
        Err(error) if record.succeeded => {
            let Failure { reason, message, .. } = Failure::from(error).without(secrets);
            Record { succeeded: false, reason: reason.to_owned(), message, ..record }
        }
        Err(error) => {
            // The run's own failure is told; this one is only its echo.
            tracing::error!(%error, "the record can't be left in the store");
            record
        }
    }
}

/// The record as a container's last words: what doesn't fit is left to the object in the store.
#[must_use]
pub fn last_words(record: &Record) -> String {
    let mut record = record.clone();
    loop {
        let words = canonical(json!(record));
        if words.len() <= MOST_BYTES {
            return words;
        }
        if !record.removed.is_empty() {
            record.removed.truncate(record.removed.len() / 2);
        } else if !record.phases.is_empty() || !record.programs.is_empty() {
            record.phases.clear();
            record.programs.clear();
        } else {
            record.restored = None;
            record.log_line.clear();
            record.message = record.message.chars().take(record.message.chars().count() / 2).collect();
            if record.message.is_empty() {
                return words;
            }
        }
    }
}

/// Leaves the last words where the kubelet reads them.
///
/// # Errors
/// The file can't be written.
pub fn leave(record: &Record, report: &Path) -> std::io::Result<()> {
    std::fs::write(report, last_words(record))
}
