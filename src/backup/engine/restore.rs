//! A restore for people: to a new database on the source's server, or, asked for, over the live one.

use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::disk;
use super::failure::Failure;
use super::postgres::manifest::{self, DUMP, FILE, Manifest, identifier, literal};
use super::postgres::session::Session;
use super::postgres::transfer::{contents, transfer, without_event_triggers};
use super::postgres::{Programs, observe};
use super::run::{Found, Run, phase};
use super::secrets::Variables;
use crate::backup::record::{Restored, reasons};
use crate::backup::task::{PointRef, Restore};

/// The file of [`chosen`].
pub const LIST: &str = "contents.list";

/// Restores a point, and compares it with its manifest.
///
/// # Errors
/// Nothing was restored, or it isn't what the manifest says. A database that was made for it is removed again when
/// the restore itself fails; the live one is then as it was.
pub async fn restore(run: &Run<'_>, restore: &Restore, found: &mut Found) -> Result<(), Failure> {
    run.enter(&[], false).await?;
    let programs = Programs::find(run.scratch)?;
    found.programs.push(run.repository.version().await?);
    let live = run.secrets.connection()?;
    let manifest = read_manifest(run, &restore.point).await?;
    let name = restore.to.clone().unwrap_or_else(|| value(&live, "PGDATABASE"));
    let restored = found.restored.insert(Restored {
        snapshot: restore.point.snapshot.clone(),
        database: name.clone(),
        rpo_seconds: age(run, &manifest.header.time),
        checks: manifest.facts(),
        ..Restored::default()
    });
    fits(&programs, run, &live, &manifest).await?;
    let target = if restore.to.is_some() { with(&live, &name) } else { live.clone() };
    if restore.to.is_some() {
        make(&programs, run, &live, &name, &manifest).await?;
    }
    let since = Instant::now();
    let moved = async {
        let mut writing = writing(&programs, &target, restore);
        if manifest.header.event_triggers > 0
            && restore.to.is_some()
            && !is_superuser(&programs, run, &live).await?
        {
            tracing::warn!("event triggers are left out of the copy: only a superuser may make them");
            writing =
                writing.arg("--use-list").arg(chosen(run, &programs, &restore.point, run.scratch).await?);
        }
        transfer(&reading(run, &restore.point), &writing, run.deadline).await
    };
    let moved = moved.await;
    match moved {
        Ok(bytes) => restored.bytes = bytes,
        Err(failure) => {
            if restore.to.is_some() {
                // Half a database would only be taken for a whole one.
                let sql = format!("DROP DATABASE IF EXISTS {}", identifier(&name));
                let _ = programs.sql(&live, "removing half a restore", &sql, run.deadline).await;
            }
            return Err(failure);
        }
    }
    phase(&mut found.phases, "restore", since);
    let since = Instant::now();
    let differences = compare(run, &programs, &target, &manifest).await?;
    phase(&mut found.phases, "checks", since);
    let seconds = jiff::Timestamp::now().duration_since(run.started).as_secs();
    restored.rto_seconds = seconds;
    restored.passed = restored.checks.saturating_sub(u32::try_from(differences.len()).unwrap_or(u32::MAX));
    judge(&differences, restored)
}

/// Fails when something differs; the Job's log tells all of it.
///
/// # Errors
/// [`reasons::CHECK_FAILED`].
pub fn judge(differences: &[String], restored: &mut Restored) -> Result<(), Failure> {
    let Some(first) = differences.first() else { return Ok(()) };
    for difference in differences {
        tracing::error!(difference, "what was restored is not what was backed up");
    }
    restored.failed.push("manifest".to_owned());
    let message = format!(
        "{} of the manifest's facts don't hold in what was restored; the Job's log names them",
        differences.len()
    );
    Err(Failure::new(reasons::CHECK_FAILED, message).said(first))
}

/// The manifest of a point, whose snapshots must be there and tell the time that the record tells.
///
/// # Errors
/// [`reasons::DAMAGED`] names the object.
pub async fn read_manifest(run: &Run<'_>, point: &PointRef) -> Result<Manifest, Failure> {
    let manifest: Manifest = read_point(run, point).await?;
    let version = (manifest.version, manifest::VERSION);
    same_point(version, &manifest.header.time, point)?;
    Ok(manifest)
}

/// Whether two texts name the same moment. PostgreSQL writes all six digits of a second's fraction, and who read its text
/// and writes it again leaves zeros at its end out: one time in ten.
fn is_same(one: &str, other: &str) -> bool {
    match (one.parse::<jiff::Timestamp>(), other.parse::<jiff::Timestamp>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Whether a manifest is that of the point, in a form that is known.
///
/// # Errors
/// [`reasons::DAMAGED`].
pub fn same_point((has, known): (u32, u32), time: &str, point: &PointRef) -> Result<(), Failure> {
    let wrong = |why: String| {
        Err(Failure::new(reasons::DAMAGED, format!("the manifest of the restore point: {why}")))
    };
    if has != known {
        return wrong(format!("it has version {has}, and this tenantry knows {known}"));
    }
    if !is_same(time, &point.time) {
        return wrong(format!("it says {time}, and the record {}", point.time));
    }
    Ok(())
}

/// The manifest of a point, whatever it is of; its snapshots must be there.
///
/// # Errors
/// [`reasons::DAMAGED`] names the object.
pub async fn read_point<T: serde::de::DeserializeOwned>(
    run: &Run<'_>,
    point: &PointRef,
) -> Result<T, Failure> {
    for id in [&point.manifest, &point.snapshot] {
        let key = format!("{}{id}", run.task.place.snapshots(run.task.generation));
        match run.deadline.of("looking at the restore point", run.store.head(&key)).await? {
            Ok(_) => {}
            Err(error) if error.is_absent() => {
                let message = format!(
                    "the restore point's object {key} is gone; where the bucket keeps versions, an \
                                       older one can be brought back"
                );
                return Err(Failure::new(reasons::DAMAGED, message));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let text = run.repository.read(&point.manifest, FILE).await?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::new(reasons::DAMAGED, format!("the manifest of the restore point: {error}"))
    })
}

/// Seconds between the source's clock in what was restored and the run's start.
#[must_use]
pub fn age(run: &Run<'_>, time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, |time| run.started.duration_since(time).as_secs())
}

/// The call that reads a point's dump.
#[must_use]
pub fn reading(run: &Run<'_>, point: &PointRef) -> super::program::Call {
    run.repository.dump(&point.snapshot, DUMP)
}

/// Writes to a folder what of a dump whoever is no superuser can restore, for pg_restore's `--use-list`.
///
/// # Errors
/// The dump can't be read, or the disk is full.
pub async fn chosen(
    run: &Run<'_>,
    programs: &Programs,
    point: &PointRef,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let list = programs.call("pg_restore", &Vec::new()).arg("--list");
    let whole = contents(&reading(run, point), &list, run.deadline).await?;
    let file = folder.join(LIST);
    std::fs::write(&file, without_event_triggers(&whole))
        .map_err(|error| disk("the list of what is restored", &file, &error))?;
    Ok(file)
}

async fn is_superuser(programs: &Programs, run: &Run<'_>, live: &Variables) -> Result<bool, Failure> {
    let ask = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let lines = programs.sql(live, "asking who restores", ask, run.deadline).await?;
    Ok(lines == ["t"])
}

/// Asks a database the manifest's questions.
///
/// # Errors
/// It can't be asked.
pub async fn compare(
    run: &Run<'_>,
    programs: &Programs,
    target: &Variables,
    manifest: &Manifest,
) -> Result<Vec<String>, Failure> {
    let mut session = Session::open(programs, target, run.deadline)?;
    let header = observe::begin(&mut session, false).await?;
    let tables = observe::tables(&mut session).await?;
    let sampled = manifest.sampled();
    let restored =
        observe::count(&mut session, (header, tables), |_, name| sampled.iter().any(|one| one == name))
            .await?;
    Ok(manifest.differences(&restored))
}

/// A server older than the dump can't take it: asked before anything moves.
async fn fits(
    programs: &Programs,
    run: &Run<'_>,
    live: &Variables,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let doing = "asking the target's version";
    let lines = programs.sql(live, doing, "SHOW server_version_num", run.deadline).await?;
    let server = lines.first().and_then(|line| line.parse::<u32>().ok()).unwrap_or_default() / 10_000;
    newer(manifest.header.major(), server)
}

/// # Errors
/// [`reasons::ENGINE_VERSION_MISMATCH`].
pub fn newer(dump: u32, engine: u32) -> Result<(), Failure> {
    if engine >= dump {
        return Ok(());
    }
    let message = format!(
        "the dump is of PostgreSQL {dump}, and the engine here is {engine}: it needs {dump} or newer"
    );
    Err(Failure::new(reasons::ENGINE_VERSION_MISMATCH, message))
}

async fn make(
    programs: &Programs,
    run: &Run<'_>,
    live: &Variables,
    name: &str,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let doing = "making the target database";
    let ask = format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name));
    if !programs.sql(live, doing, &ask, run.deadline).await?.is_empty() {
        let message =
            format!("database {name} is there already, and nothing is restored over it; choose another name");
        return Err(Failure::new(reasons::TARGET_EXISTS, message));
    }
    let header = &manifest.header;
    let (encoding, collate, ctype) =
        (literal(&header.encoding), literal(&header.collate), literal(&header.ctype));
    let sql = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}",
        identifier(name)
    );
    programs.sql(live, doing, &sql, run.deadline).await.map(drop)
}

/// A copy belongs to whoever restores it. What goes over the live database keeps its owners and rights, and is one
/// transaction: all of it, or nothing.
fn writing(programs: &Programs, target: &Variables, restore: &Restore) -> super::program::Call {
    let call = programs.call("pg_restore", target).args(["--no-password", "--exit-on-error", "-d"]);
    let call = call.arg(value(target, "PGDATABASE"));
    if restore.to.is_some() {
        call.args(["--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"])
    } else {
        call.args(["--clean", "--if-exists", "--single-transaction"])
    }
}

fn value(variables: &Variables, name: &str) -> String {
    variables.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn with(variables: &Variables, database: &str) -> Variables {
    let others = variables.iter().filter(|(name, _)| name != "PGDATABASE").cloned();
    others.chain([("PGDATABASE".to_owned(), database.to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_known_by_its_moment_however_that_is_written() {
        let point = |time: &str| PointRef { snapshot: "s".into(), manifest: "m".into(), time: time.into() };
        let same =
            |one: &str, other: &str| same_point((1, 1), one, &point(other)).map_err(|failure| failure.reason);
        // As PostgreSQL writes it, and as the record's reader does.
        assert_eq!(same("2026-11-23T09:24:25.643990Z", "2026-11-23T09:24:25.64399Z"), Ok(()));
        assert_eq!(same("2026-11-23T09:24:25.000000Z", "2026-11-23T09:24:25Z"), Ok(()));
        assert_eq!(same("2026-11-23T09:24:25.643991Z", "2026-11-23T09:24:25.64399Z"), Err(reasons::DAMAGED));
        assert_eq!(same("yesterday", "today"), Err(reasons::DAMAGED));
        assert!(same_point((2, 1), "", &point("")).is_err(), "of a later release");
    }
}
