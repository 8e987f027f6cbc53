//! Volumes: the files of a copy that nobody writes to, saved as two snapshots of the repository like a database; and the
//! way back, into a drill's own folder.

pub mod manifest;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::time::Instant;

use self::manifest::{Manifest, Sample, scan};
use super::backup::{save, shrunken};
use super::drill::{FOLDER, alone, exceeded, too_old};
use super::failure::Failure;
use super::restore::{age, judge, read_point, same_point};
use super::run::{Found, Run, phase};
use super::{disk, proof};
use crate::backup::record::{Point, Restored, reasons};
use crate::backup::task::{PointRef, Size, Volume, VolumeDrill};

/// What restore points of volumes are made with, where those of databases name their server.
const ENGINE: &str = "files";

/// Saves the files of one volume.
///
/// # Errors
/// Nothing that counts as a restore point was made.
pub async fn backup(run: &Run<'_>, volume: &Volume, found: &mut Found) -> Result<(), Failure> {
    let time = run.secrets.taken()?;
    run.enter(&volume.dead_hosts, false).await?;
    found.programs.push(run.repository.version().await?);
    let since = Instant::now();
    let turn = volume.slot.clone();
    let sample = Sample::Some { most: volume.sampled_files, turn };
    let facts = look(run, Path::new(&volume.path), sample).await?;
    let (claim, path) = (volume.claim.clone(), volume.path.clone());
    let manifest = Manifest { time, claim, path, ..facts };
    check(volume, manifest.size())?;
    phase(&mut found.phases, "manifest", since);

    let since = Instant::now();
    let indexes = proof::indexes(run).await?;
    let tags = |part: &str| {
        let tags =
            [format!("kind={part}"), format!("volume={}", volume.claim), format!("run={}", run.task.id)];
        tags.to_vec()
    };
    let (of_manifest, of_data) = (tags("manifest"), tags("volume"));
    let data = run.repository.save_folder(&volume.path, &run.task.tenant, &of_data);
    let saved = save(run, volume.initialise, (&of_manifest, &manifest), data).await?;
    phase(&mut found.phases, "dump", since);
    found.point = Some(Point {
        snapshot: saved.data.snapshot_id.clone(),
        manifest: saved.manifest.snapshot_id.clone(),
        time: manifest.time.clone(),
        lsn: String::new(),
        engine: ENGINE.to_owned(),
        size: manifest.size(),
        stored_bytes: saved.stored_bytes(),
        manifest_sha256: saved.sha256.clone(),
    });
    let since = Instant::now();
    proof::durable(run, &saved.snapshots(), &indexes).await?;
    phase(&mut found.phases, "proof", since);
    Ok(())
}

/// Fails for a volume that is empty, or has lost most of what it held, before anything is saved.
fn check(volume: &Volume, size: Size) -> Result<(), Failure> {
    if volume.shrink_acknowledged {
        return Ok(());
    }
    if size.rows == 0 {
        let message = format!("claim {} holds no file; if that is meant, acknowledge it", volume.claim);
        return Err(Failure::new(reasons::EMPTY_SOURCE, message));
    }
    let before = volume.before.unwrap_or_default();
    shrunken("files", size.rows, before.rows, volume.least_percent)?;
    shrunken("bytes", size.bytes, before.bytes, volume.least_percent)
}

/// Restores, looks, throws away.
///
/// # Errors
/// The point can't be restored, or isn't what it should be.
pub async fn drill(run: &Run<'_>, drill: &VolumeDrill, found: &mut Found) -> Result<(), Failure> {
    let snapshot = drill.point.snapshot.clone();
    let restored = found.restored.insert(Restored { snapshot, ..Restored::default() });
    run.enter(&[], false).await?;
    found.programs.push(run.repository.version().await?);
    let manifest = read(run, &drill.point).await?;
    let there = drill.room_bytes.min(super::room(run.scratch));
    fits(&manifest, there)?;
    restored.checks = manifest.facts() + 2 + 2 * u32::from(drill.try_other);
    alone(run, drill.try_other, restored).await?;
    let folder = run.scratch.join(FOLDER);
    std::fs::create_dir(&folder).map_err(|error| disk("the drill's folder", &folder, &error))?;
    let same = bring_back(run, &drill.point, (&manifest, &folder), (restored, &mut found.phases)).await;
    restored.rpo_seconds = age(run, &manifest.time);
    let fresh = match exceeded(restored, drill.rpo_limit_seconds) {
        Some(limit) => {
            let message = format!(
                "the restored files are {} s old, and may be {limit} s; look why no newer backup is there",
                restored.rpo_seconds
            );
            too_old(restored, message)
        }
        None => {
            restored.passed += 1;
            Ok(())
        }
    };
    restored.rto_seconds = Timestamp::now().duration_since(run.started).as_secs();
    let removed = remove(&folder).map_err(|error| disk("what the drill left", &folder, &error));
    same.and(fresh).and(removed)
}

async fn read(run: &Run<'_>, point: &PointRef) -> Result<Manifest, Failure> {
    let manifest: Manifest = read_point(run, point).await?;
    same_point((manifest.version, manifest::VERSION), &manifest.time, point)?;
    Ok(manifest)
}

/// Refused before anything moves.
fn fits(manifest: &Manifest, there: u64) -> Result<(), Failure> {
    let needed = manifest.bytes + manifest.bytes / 10 + 4096 * (manifest.files + manifest.directories);
    if there >= needed {
        return Ok(());
    }
    let message =
        format!("the drill's folder has {there} bytes, and the files need about {needed}; give it more");
    Err(Failure::new(reasons::TARGET_TOO_SMALL, message))
}

/// Restores, and holds what came against the manifest.
async fn bring_back(
    run: &Run<'_>,
    point: &PointRef,
    (manifest, folder): (&Manifest, &Path),
    (restored, phases): (&mut Restored, &mut Vec<crate::backup::record::Phase>),
) -> Result<(), Failure> {
    let since = Instant::now();
    run.repository.restore(&point.snapshot, &manifest.path, folder).await?;
    phase(phases, "restore", since);
    let since = Instant::now();
    let names = manifest.samples.keys().cloned().collect();
    let there = look(run, folder, Sample::These(names)).await?;
    restored.bytes = there.bytes;
    let differences = manifest.differences(&there);
    phase(phases, "checks", since);
    let wrong = u32::try_from(differences.len()).unwrap_or(u32::MAX);
    restored.passed += manifest.facts().saturating_sub(wrong);
    judge(&differences, restored)
}

/// Looks at all files of a folder, beside what else the process does.
async fn look(run: &Run<'_>, folder: &Path, sample: Sample) -> Result<Manifest, Failure> {
    let root: PathBuf = folder.to_owned();
    let looking = tokio::task::spawn_blocking(move || scan(&root, &sample));
    let ended = run.deadline.of("reading the files", looking).await?;
    ended.map_err(|error| Failure::new(reasons::INTERRUPTED, format!("reading the files: {error}")))?
}

/// Removes a folder, also where those who wrote it kept everybody from writing.
///
/// # Errors
/// Something is left.
pub fn remove(folder: &Path) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&path)?.flatten() {
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    std::fs::remove_dir_all(folder)
}
