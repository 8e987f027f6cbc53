//! The notes with approvals, as Git stores them: one blob a commit, by the commit's id, in folders of two digits once
//! there are many.

use git2::{ObjectType, Oid, Repository, Tree};

use super::super::error::SourceError;
use super::super::settings::CommitId;
use super::walk::damaged;
use crate::trust::approval::Note;

/// Where approvals are, in every repository.
pub const APPROVALS: &str = "refs/notes/tenantry-approvals";

/// Commits with a note that are looked at, the newest.
const NOTED: usize = 256;

/// Bytes of one note.
const NOTE_BYTES: usize = 256 * 1024;

/// The notes on some commits, in their order.
pub(super) fn notes(
    repository: &Repository,
    tip: CommitId,
    commits: &[CommitId],
) -> Result<Vec<Note>, SourceError> {
    let top = tip.oid().and_then(|id| repository.find_commit(id)?.tree()).map_err(|error| damaged(&error))?;
    let mut found = Vec::new();
    for commit in commits.iter().map(ToString::to_string) {
        let blobs = blobs(repository, &top, &commit);
        if !blobs.is_empty() {
            found.push(Note { commit, content: content(repository, &blobs)? });
        }
        if found.len() == NOTED {
            break;
        }
    }
    Ok(found)
}

/// The blobs of a commit: a hand-made tree may have it at several depths.
fn blobs(repository: &Repository, tree: &Tree<'_>, id: &str) -> Vec<Oid> {
    let whole = tree.get_name(id).filter(|entry| entry.kind() == Some(ObjectType::Blob));
    let mut found: Vec<Oid> = whole.map(|entry| entry.id()).into_iter().collect();
    // Two digits at a time: the names get shorter, so this ends.
    if let Some((folder, rest)) = id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())
        && let Some(entry) = tree.get_name(folder).filter(|entry| entry.kind() == Some(ObjectType::Tree))
        && let Ok(tree) = repository.find_tree(entry.id())
    {
        found.extend(blobs(repository, &tree, rest));
    }
    found
}

fn content(repository: &Repository, blobs: &[Oid]) -> Result<Option<Vec<u8>>, SourceError> {
    let odb = repository.odb().map_err(|error| damaged(&error))?;
    let mut whole = Vec::new();
    for id in blobs {
        let (size, _) = odb.read_header(*id).map_err(|error| damaged(&error))?;
        if size + whole.len() > NOTE_BYTES {
            return Ok(None);
        }
        whole.extend_from_slice(odb.read(*id).map_err(|error| damaged(&error))?.data());
        whole.push(b'\n');
    }
    Ok(Some(whole))
}
