//! From a local repository to a [`Snapshot`]: no network, no checkout.

mod changes;
pub(super) mod history;
mod lineage;
mod local;
mod names;
mod notes;
mod walk;

use std::time::{Duration, Instant};

use git2::{Commit, Repository};

use crate::{
    api::finding::Finding,
    trust::approval::{Material, Word},
    validate::folders::Folders,
};

use super::check;
use super::error::SourceError;
use super::folder::Folder;
use super::settings::{CommitId, Settings};
use super::snapshot::{Basis, CommitInfo, Door, Person, Snapshot};
use super::{harden, text};
pub use lineage::Lineage;
pub use local::{Local, LocalError};
pub use notes::APPROVALS;
use walk::{Gathered, Root, Walk, damaged};

pub(super) use changes::differing;
pub(super) use lineage::whole;

/// Findings kept of one revision; the rest is counted.
const FINDINGS: usize = 1000;

/// Reads the watched folders of a commit that [`fetch`](super::fetch) brought. Blocking.
///
/// Files and folders that are the same as in `previous` are taken over from it. One bad entry is
/// a finding and does not keep the others from being read.
///
/// # Errors
/// `PathNotFound`, `TooManyFiles`, `TooLarge`, or `Corrupt`: then the copy is marked, and the next
/// `fetch` makes it anew.
pub fn read(
    settings: &Settings,
    commit: &CommitId,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, SourceError> {
    let basis = Basis { folders: check::folders(settings)?, limits: settings.limits.clone() };
    let previous = previous.filter(|previous| previous.basis == basis);
    with_repository(settings, |repository| snapshot(repository, *commit, previous, basis))
}

/// Who made a commit, when, and what it says.
///
/// # Errors
/// `Corrupt` when the commit is not here.
pub fn commit_info(settings: &Settings, commit: &CommitId) -> Result<CommitInfo, SourceError> {
    with_repository(settings, |repository| {
        let commit = find_commit(repository, *commit)?;
        Ok(CommitInfo {
            author: person(&commit.author()),
            committer: person(&commit.committer()),
            subject: text::printable_bytes(commit.summary_bytes().unwrap_or_default(), 120),
        })
    })
}

/// The commits of a head that are not in the history of `base`. Blocking.
///
/// # Errors
/// `HistoryTooLong`, `TooLarge`, or `Corrupt`.
pub fn lineage(settings: &Settings, base: Option<CommitId>, head: CommitId) -> Result<Lineage, SourceError> {
    with_repository(settings, |repository| lineage::lineage(repository, base, head))
}

/// What the approvals of a change are judged by; `notes` is what [`fetch_notes`](super::fetch_notes) brought. Blocking.
///
/// # Errors
/// `Timeout`, or `Corrupt`.
pub fn material(
    settings: &Settings,
    accepted: Option<CommitId>,
    head: CommitId,
    lineage: Lineage,
    notes: Option<CommitId>,
) -> Result<Material, SourceError> {
    with_repository(settings, |repository| {
        gather(repository, accepted, head, lineage, notes, settings.deadline)
    })
}

/// The same, with what a forge says of approvals: the commits that it names are looked at, too. Blocking.
///
/// # Errors
/// `Timeout`, or `Corrupt`.
pub fn heard(
    settings: &Settings,
    accepted: Option<CommitId>,
    head: CommitId,
    material: Material,
    words: Vec<Word>,
) -> Result<Material, SourceError> {
    let new: Vec<CommitId> = material.commits.iter().filter_map(|(id, _)| id.parse().ok()).collect();
    let material = Material { words, ..material };
    with_repository(settings, |repository| {
        let asked = asked(&material);
        let changes = changes::changes(repository, accepted, head, &new, &asked, settings.deadline)?;
        Ok(Material { changes, ..material })
    })
}

fn gather(
    repository: &Repository,
    accepted: Option<CommitId>,
    head: CommitId,
    lineage: Lineage,
    tip: Option<CommitId>,
    deadline: Duration,
) -> Result<Material, SourceError> {
    let new: Vec<CommitId> = lineage.commits.iter().map(|(id, _)| *id).collect();
    let notes = tip.map(|tip| notes::notes(repository, tip, &new)).transpose()?.unwrap_or_default();
    let commits = lineage.commits.into_iter().map(|(id, raw)| (id.to_string(), raw)).collect();
    let material = Material { commits, notes, ..Material::default() };
    let changes = changes::changes(repository, accepted, head, &new, &asked(&material), deadline)?;
    Ok(Material { changes, ..material })
}

/// The commits that somebody may have approved.
fn asked(material: &Material) -> Vec<CommitId> {
    let noted = material.notes.iter().map(|note| &note.commit);
    noted.chain(material.words.iter().map(|word| &word.commit)).filter_map(|id| id.parse().ok()).collect()
}

/// The newest commit that both have in their history, as far as that is here. Blocking.
///
/// # Errors
/// The folder can't be used.
pub fn merge_base(
    settings: &Settings,
    one: CommitId,
    other: CommitId,
) -> Result<Option<CommitId>, SourceError> {
    with_repository(settings, |repository| {
        let found = one.oid().and_then(|one| repository.merge_base(one, other.oid()?));
        // A history that was cut off, or two that never met: the caller can't tell them apart, nor need it.
        Ok(found.ok().map(CommitId::from))
    })
}

/// Whether a commit and its tree are here. Blocking.
///
/// # Errors
/// The folder can't be used.
pub fn holds(settings: &Settings, commit: &CommitId) -> Result<bool, SourceError> {
    with_repository(settings, |repository| {
        let found = commit.oid().and_then(|id| repository.find_commit(id)?.tree().map(drop));
        Ok(found.is_ok())
    })
}

fn person(signature: &git2::Signature<'_>) -> Person {
    Person {
        name: text::printable_bytes(signature.name_bytes(), 100),
        email: text::printable_bytes(signature.email_bytes(), 200),
        time: jiff::Timestamp::from_second(signature.when().seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    }
}

/// Runs `work` on the local repository while no fetch can change it.
fn with_repository<T>(
    settings: &Settings,
    work: impl FnOnce(&Repository) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    harden();
    let folder = Folder::new(&settings.repository);
    let disk = |source| SourceError::Disk { path: settings.repository.display().to_string(), source };
    folder.create().map_err(disk)?;
    let end = Instant::now() + settings.deadline;
    let _lock = loop {
        match folder.lock_shared().map_err(disk)? {
            Some(lock) => break lock,
            None if Instant::now() >= end => return Err(SourceError::Busy),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let result = open(&folder).and_then(|repository| work(&repository));
    if let Err(error) = &result {
        note_damage(settings, error)?;
    }
    result
}

/// Of a damaged copy the next fetch makes a new one.
pub(super) fn note_damage(settings: &Settings, error: &SourceError) -> Result<(), SourceError> {
    let disk = |source| SourceError::Disk { path: settings.repository.display().to_string(), source };
    match error {
        SourceError::Corrupt { .. } => Folder::new(&settings.repository).mark_corrupt().map_err(disk),
        _ => Ok(()),
    }
}

/// The objects alone. The fetch process wrote the folder, and a process that was taken over could
/// have put anything there: its configuration, alternates and references are not looked at.
pub(super) fn open(folder: &Folder) -> Result<Repository, SourceError> {
    let objects = folder.git().join("objects");
    let Some(path) = objects.to_str() else {
        let source = std::io::Error::other("the path is not valid UTF-8");
        return Err(SourceError::Disk {
            path: text::printable_bytes(objects.as_os_str().as_encoded_bytes(), 200),
            source,
        });
    };
    let opened = git2::Odb::new().and_then(|odb| {
        odb.add_disk_alternate(path)?;
        Repository::from_odb(odb)
    });
    opened.map_err(|error| damaged(&error))
}

fn find_commit(repository: &Repository, id: CommitId) -> Result<Commit<'_>, SourceError> {
    id.oid().and_then(|id| repository.find_commit(id)).map_err(|error| damaged(&error))
}

fn snapshot(
    repository: &Repository,
    revision: CommitId,
    previous: Option<&Snapshot>,
    basis: Basis,
) -> Result<Snapshot, SourceError> {
    let mut walk = Walk::new(repository, &basis.limits, previous, revision)?;
    let (tree, mut findings) = walk_folders(repository, &mut walk, revision, &basis.folders)?;
    let Gathered { mut files, folders, changed } = walk.finish();
    let watched = watched(&basis.folders);
    let stop = previous.map(|previous| previous.revision);
    for (path, commit) in history::attribute(repository, revision, stop, &changed, &watched)? {
        if let Some(file) = files.get_mut(&path) {
            file.commit = commit;
        }
    }
    findings.extend(folders.values().flat_map(|seen| seen.findings.iter().cloned()));
    Ok(Snapshot { revision, tree, files, findings: bounded(findings), folders, basis })
}

/// Walks both watched folders; returns the id of what they hold and findings about themselves.
fn walk_folders(
    repository: &Repository,
    walk: &mut Walk<'_>,
    revision: CommitId,
    folders: &Folders,
) -> Result<(String, Vec<Finding>), SourceError> {
    let top = find_commit(repository, revision)?.tree().map_err(|error| damaged(&error))?;
    let Folders { tenants, platform } = folders;
    let tenants_tree = walk::find(&top, tenants)?.map_err(|problem| SourceError::PathNotFound {
        path: tenants.clone(),
        commit: revision.short(),
        problem,
    })?;
    let mut tree = tenants_tree.to_string();
    let mut findings = Vec::new();
    if let Some(path) = platform {
        match walk::find(&top, path)? {
            Ok(id) => {
                tree = format!("{tree}+{id}");
                walk.root(&Root { path, tree: id, door: Door::Platform, except: Some(tenants) })?;
            }
            // Tenants go on without the Platform's file: it stays as it is in the cluster.
            Err(problem) => findings.push(
                Finding::of_file(path, format!("the source's platformPath is not a folder here: {problem}"))
                    .hint("correct platformPath or bring the folder back"),
            ),
        }
    }
    walk.root(&Root { path: tenants, tree: tenants_tree, door: Door::Tenants, except: platform.as_deref() })?;
    Ok((tree, findings))
}

/// The folders whose history matters; none when the root is one of them: then all of it does.
fn watched(folders: &Folders) -> Vec<&str> {
    let all: Vec<&str> =
        [Some(folders.tenants.as_str()), folders.platform.as_deref()].into_iter().flatten().collect();
    if all.contains(&"") { Vec::new() } else { all }
}

/// Sorted, and at most [`FINDINGS`] of them.
fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort();
    let more = findings.len().saturating_sub(FINDINGS);
    if more > 0 {
        findings.truncate(FINDINGS);
        findings.push(Finding::of_file(".", format!("{more} more findings of this kind are not listed")));
    }
    findings
}
