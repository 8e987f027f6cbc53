//! Which commit last changed a file, as far as the local history goes.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Commit, DiffOptions, Repository, Tree};

use super::super::error::SourceError;
use super::super::settings::CommitId;
use super::walk::damaged;

/// Commits looked at. A file that none of them changed is attributed to the oldest.
const COMMITS: usize = 1000;

/// For each path, the newest commit on the first-parent line down to `stop` that changed it.
/// Where the line ends first (a shallow boundary, the root, the bound), the last commit that is
/// known to have this content.
pub(in crate::source) fn attribute(
    repository: &Repository,
    head: CommitId,
    stop: Option<CommitId>,
    paths: &[String],
    folders: &[&str],
) -> Result<BTreeMap<String, CommitId>, SourceError> {
    let mut wanted: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let mut found = BTreeMap::new();
    let head = head.oid().map_err(|error| damaged(&error))?;
    let mut commit = repository.find_commit(head).map_err(|error| damaged(&error))?;
    for _ in 0..COMMITS {
        if wanted.is_empty() {
            break;
        }
        let Some(parent) = parent(&commit) else { break };
        let (old, new) = (parent.tree(), commit.tree());
        let (old, new) = (old.map_err(|error| damaged(&error))?, new.map_err(|error| damaged(&error))?);
        for path in changes(repository, &old, &new, folders)? {
            if wanted.remove(path.as_str()) {
                found.insert(path, CommitId::from(commit.id()));
            }
        }
        if stop == Some(CommitId::from(parent.id())) {
            break;
        }
        commit = parent;
    }
    let oldest = CommitId::from(commit.id());
    found.extend(wanted.into_iter().map(|path| (path.to_owned(), oldest)));
    Ok(found)
}

/// The first parent; `None` at the root and where a shallow copy ends.
fn parent<'r>(commit: &Commit<'r>) -> Option<Commit<'r>> {
    commit.parent(0).ok().filter(|parent| parent.tree().is_ok())
}

fn changes(
    repository: &Repository,
    old: &Tree<'_>,
    new: &Tree<'_>,
    folders: &[&str],
) -> Result<Vec<String>, SourceError> {
    if old.id() == new.id() {
        return Ok(Vec::new());
    }
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).ignore_submodules(true).disable_pathspec_match(true);
    for folder in folders.iter().filter(|folder| !folder.is_empty()) {
        options.pathspec(folder);
    }
    let diff = repository.diff_tree_to_tree(Some(old), Some(new), Some(&mut options));
    let diff = diff.map_err(|error| damaged(&error))?;
    let path = |delta: git2::DiffDelta<'_>| delta.new_file().path()?.to_str().map(str::to_owned);
    Ok(diff.deltas().filter_map(path).collect())
}
