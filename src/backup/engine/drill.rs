//! A drill: restores a point into an engine of the Job's own, looks into it, and throws it away.

use jiff::Timestamp;
use tokio::time::Instant;

use super::failure::Failure;
use super::postgres::manifest::Manifest;
use super::postgres::server::Server;
use super::postgres::session::Session;
use super::postgres::transfer::transfer;
use super::postgres::{Programs, observe};
use super::restore::{age, chosen, compare, judge, newer, read_manifest, reading};
use super::run::{Found, Run, phase};
use crate::backup::record::{Phase, Restored, reasons};
use crate::backup::task::Drill;
use crate::store::{Class, Store};

/// The engine's folder below scratch. Short: names of sockets are.
pub const FOLDER: &str = "engine";

/// Seconds that a check of the user's may take.
const CHECK_SECONDS: u64 = 300;

/// Bytes that an empty engine and its log take.
const ENGINE_BYTES: u64 = 256 * 1024 * 1024;

/// Restores, looks, throws away.
///
/// # Errors
/// The point can't be restored, or isn't what it should be; `found` tells what was measured until then.
pub async fn drill(run: &Run<'_>, drill: &Drill, found: &mut Found) -> Result<(), Failure> {
    let restored =
        found.restored.insert(Restored { snapshot: drill.point.snapshot.clone(), ..Restored::default() });
    run.enter(&[], false).await?;
    let programs = Programs::find(run.scratch)?;
    let (version, major) = programs.version(run.deadline).await?;
    found.programs.extend([run.repository.version().await?, version]);
    let manifest = read_manifest(run, &drill.point).await?;
    newer(manifest.header.major(), major)?;
    room(run, drill, &manifest)?;
    let own = manifest.facts() + 1 + 2 * u32::from(drill.try_other);
    restored.checks = own + u32::try_from(drill.checks.len()).unwrap_or(u32::MAX);
    alone(run, drill.try_other, restored).await?;

    let folder = run.scratch.join(FOLDER);
    let since = Instant::now();
    let server = Server::start(&programs, &folder, run.deadline).await?;
    phase(&mut found.phases, "engine", since);
    let looked = look(run, drill, (&programs, &server), &manifest, (restored, &mut found.phases)).await;
    restored.rto_seconds = Timestamp::now().duration_since(run.started).as_secs();
    // Also after a failure; but the failure is what people must hear of.
    let removed = server.remove().await;
    looked.and(removed)
}

/// Refused before anything moves.
fn room(run: &Run<'_>, drill: &Drill, manifest: &Manifest) -> Result<(), Failure> {
    // A volume may be smaller than its claim, and a node's disk fuller than anybody thought.
    let there = drill.room_bytes.min(super::room(run.scratch));
    let needed = manifest.header.bytes + manifest.header.bytes / 4 + ENGINE_BYTES;
    if there >= needed {
        return Ok(());
    }
    let message = format!(
        "the drill's volume has {there} bytes, and the restored database needs about {needed}; give it more"
    );
    Err(Failure::new(reasons::TARGET_TOO_SMALL, message))
}

/// One key opens the repository, and neither another tenant's key nor its credentials do.
///
/// # Errors
/// [`reasons::KEY_NOT_ALONE`], [`reasons::CREDENTIALS_TOO_WIDE`], or the store's trouble.
pub(super) async fn alone(run: &Run<'_>, try_other: bool, restored: &mut Restored) -> Result<(), Failure> {
    let keys = run.names("keys", 100).await?;
    if keys.len() != 1 {
        restored.failed.push("one key".to_owned());
        let message =
            format!("{} keys open the repository, not one; find out who added the others", keys.len());
        return Err(Failure::new(reasons::KEY_NOT_ALONE, message));
    }
    restored.passed += 1;
    if !try_other {
        return Ok(());
    }
    let other = run.repository.with_password(&run.secrets.other_password());
    match other.presence().await {
        Err(failure) if failure.reason == reasons::KEY_MISMATCH => restored.passed += 1,
        Ok(_) => {
            restored.failed.push("other key".to_owned());
            let message = "another tenant's key opens the repository; each tenant needs a key of its own";
            return Err(Failure::new(reasons::KEY_NOT_ALONE, message));
        }
        Err(failure) => return Err(failure),
    }
    other_credentials(run, restored).await
}

async fn other_credentials(run: &Run<'_>, restored: &mut Restored) -> Result<(), Failure> {
    let Some(credentials) = run.secrets.other_credentials()? else {
        // Shared credentials: the Platform says so. There is nothing to try.
        restored.checks -= 1;
        return Ok(());
    };
    let store = Store::open(&run.task.store, &credentials)?;
    let key = format!("{}/config", run.folder());
    match run.deadline.of("trying another tenant's credentials", store.get(&key, 1 << 20)).await? {
        Err(error) if matches!(error.class, Class::Denied) => {
            restored.passed += 1;
            Ok(())
        }
        Ok(_) => {
            restored.failed.push("other credentials".to_owned());
            let message = format!("another tenant's credentials read {key}; limit each to its own prefix");
            Err(Failure::new(reasons::CREDENTIALS_TOO_WIDE, message))
        }
        Err(error) => Err(error.into()),
    }
}

/// Everything between the empty engine and the verdict.
async fn look(
    run: &Run<'_>,
    drill: &Drill,
    (programs, server): (&Programs, &Server),
    manifest: &Manifest,
    (restored, phases): (&mut Restored, &mut Vec<Phase>),
) -> Result<(), Failure> {
    let since = Instant::now();
    let owner = server.prepare(&manifest.header).await?;
    let restoring = programs.call("pg_restore", &owner).args(["-d", "restored", "--exit-on-error"]);
    // Comments: those on extensions are the superuser's, who does not restore.
    let restoring = restoring.args(["--no-owner", "--no-privileges", "--no-comments"]);
    let mut restoring = restoring.args(["--no-publications", "--no-subscriptions"]);
    if manifest.header.event_triggers > 0 {
        let list = chosen(run, programs, &drill.point, &run.scratch.join(FOLDER)).await?;
        restoring = restoring.arg("--use-list").arg(list);
    }
    restored.bytes = transfer(&reading(run, &drill.point), &restoring, run.deadline).await?;
    phase(phases, "restore", since);
    let since = Instant::now();
    fresh(run, drill, (programs, server), manifest, restored).await?;
    let differences = compare(run, programs, &server.superuser(), manifest).await?;
    let wrong = u32::try_from(differences.len()).unwrap_or(u32::MAX);
    // One of the facts was the time.
    restored.passed += manifest.facts().saturating_sub(wrong);
    let same = judge(&differences, restored);
    let checked = checks(run, drill, (programs, server), restored).await;
    phase(phases, "checks", since);
    same.and(checked)
}

/// RPO: how old what was restored is, by the source's clock.
async fn fresh(
    run: &Run<'_>,
    drill: &Drill,
    (programs, server): (&Programs, &Server),
    manifest: &Manifest,
    restored: &mut Restored,
) -> Result<(), Failure> {
    // Without a sentinel the time is that of the manifest, read from the repository beside the dump.
    restored.rpo_seconds = age(run, &manifest.header.time);
    if let Some(expected) = &manifest.sentinel {
        let mut session = Session::open(programs, &server.superuser(), run.deadline)?;
        observe::begin(&mut session, false).await?;
        let tables = observe::tables(&mut session).await?;
        let Some(row) = observe::sentinel(&mut session, &tables).await? else {
            return too_old(restored, "the sentinel's row is not in what was restored".to_owned());
        };
        restored.rpo_seconds = age(run, &row.at);
        if row != *expected {
            let message =
                format!("the sentinel's row in what was restored is of {}, not of {}", row.at, expected.at);
            return too_old(restored, message);
        }
    }
    match exceeded(restored, drill.rpo_limit_seconds) {
        Some(limit) => {
            let message = format!("what was restored is {} s old, more than {limit} s", restored.rpo_seconds);
            too_old(restored, message)
        }
        None => Ok(()),
    }
}

/// The limit, where what was restored is older.
pub(super) fn exceeded(restored: &Restored, limit_seconds: Option<u64>) -> Option<i64> {
    limit_seconds.and_then(|limit| i64::try_from(limit).ok()).filter(|limit| restored.rpo_seconds > *limit)
}

/// # Errors
/// [`reasons::RPO_EXCEEDED`].
pub(super) fn too_old(restored: &mut Restored, message: String) -> Result<(), Failure> {
    restored.failed.push("RPO".to_owned());
    Err(Failure::new(reasons::RPO_EXCEEDED, message))
}

/// The user's checks: all of them, and the first failure is told.
async fn checks(
    run: &Run<'_>,
    drill: &Drill,
    (programs, server): (&Programs, &Server),
    restored: &mut Restored,
) -> Result<(), Failure> {
    let reader = server.reader(CHECK_SECONDS.min(run.deadline.left()));
    let mut verdict = Ok(());
    for check in &drill.checks {
        let doing = format!("check {}", check.name);
        let answer = programs.sql(&reader, &doing, &check.sql, run.deadline).await;
        let failure = match answer {
            Ok(lines) if lines == ["t"] || lines == ["true"] => {
                restored.passed += 1;
                continue;
            }
            Ok(lines) => {
                let lines = lines.len();
                let message = format!(
                    "{doing} of the user's does not hold: {lines} lines came back, and not one `true`"
                );
                Failure::new(reasons::CHECK_FAILED, message)
            }
            Err(failure) if failure.reason == reasons::DEADLINE_EXCEEDED => return Err(failure),
            Err(failure) => Failure { reason: reasons::CHECK_FAILED, ..failure },
        };
        tracing::error!(check = check.name, line = failure.log_line, "a check does not hold");
        if restored.failed.len() < 10 {
            restored.failed.push(super::failure::shortened(&check.name, 64));
        }
        verdict = verdict.and(Err(failure));
    }
    verdict
}
