//! Git to [`Snapshot`]: the only room that knows git2.
//!
//! ```text
//! resolve ─► fetch ─► read          network: in a fetch process; reading: here, from disk
//! ```
//!
//! Everything that talks to a server happens in a process of its own (`child`): killed at the
//! deadline, confined to one folder. So does merging, which nothing else can bound. The repository is bare, never checked out, so symbolic
//! links, submodules, filters and hooks of a repository have nothing to act on.
//! Every way to be too large, too slow or too deep ends in an error of its own.

mod address;
mod approve;
mod check;
mod child;
mod error;
mod folder;
mod known_hosts;
mod parent;
mod protocol;
mod read;
mod revert;
mod route;
mod settings;
mod snapshot;
mod text;

use std::path::PathBuf;
use std::sync::{Arc, Once};

pub use approve::Target;
pub use child::child_main;
pub use error::{Class, SourceError};
pub use folder::sweep;
pub use parent::{Sandbox, sandbox};
pub use read::{
    APPROVALS, Lineage, Local, LocalError, commit_info, heard, holds, lineage, material, merge_base, read,
};
pub use revert::{Checkout, RevertError, Reverted};
pub use settings::{CommitId, Credentials, DeployKey, Limits, Reference, Secret, Settings};
pub use snapshot::{CommitInfo, Door, File, Person, Snapshot};

use crate::trust::history::Difference;
use protocol::{Done, Operation};

/// The oldest libgit2 without the memory bugs of 2026 (CVE-2026-53583 to -53587, -5917).
const LIBGIT2: (u32, u32, u32) = (1, 9, 7);

/// What a fetch brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that is here now: the one asked for, or a newer one when the reference has
    /// moved on and the server no longer gives the old one.
    pub commit: CommitId,
    /// Bytes received for packs; 0 when nothing was missing.
    pub received: u64,
    /// Bytes of the repository folder.
    pub stored: u64,
    /// Whether the local copy was made anew (shallow), not continued.
    pub fresh: bool,
}

/// What the server's list of references says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tips {
    /// The commit that the source's reference names.
    pub commit: CommitId,
    /// The newest state of the notes with approvals, where there are any and somebody asked.
    pub notes: Option<CommitId>,
}

/// Which commit the source's reference names now: one request for the server's list.
/// A pinned commit is known without asking.
pub async fn resolve(settings: &Settings) -> Result<CommitId, SourceError> {
    Ok(tips(settings, false).await?.commit)
}

/// Like [`resolve`], and `with_notes` also which notes with approvals there are, by the same request.
pub async fn tips(settings: &Settings, with_notes: bool) -> Result<Tips, SourceError> {
    check::check(settings)?;
    if let (Reference::Commit(id), false) = (&settings.reference, with_notes) {
        return Ok(Tips { commit: id.parse()?, notes: None });
    }
    match parent::run(settings, Operation::Resolve).await? {
        Done::Resolved { commit, notes } => Ok(Tips { commit, notes: notes.filter(|_| with_notes) }),
        _ => Err(unexpected()),
    }
}

/// Brings the notes with approvals; returns their newest state, which [`material`] reads, if there are any.
pub async fn fetch_notes(settings: &Settings) -> Result<Option<CommitId>, SourceError> {
    match parent::run(settings, Operation::FetchNotes).await? {
        Done::Notes { tip } => Ok(tip),
        _ => Err(unexpected()),
    }
}

/// Brings a commit into the source's folder: shallow the first time, then only what is new.
/// A damaged or outgrown copy is made anew.
pub async fn fetch(settings: &Settings, commit: &CommitId) -> Result<Fetched, SourceError> {
    fetch_since(settings, commit, None).await
}

/// Like [`fetch`], and brings the history down to `base`, as far as the server has it and the limit in bytes
/// allows. Whether it is here says [`lineage`].
pub async fn fetch_since(
    settings: &Settings,
    commit: &CommitId,
    base: Option<CommitId>,
) -> Result<Fetched, SourceError> {
    match parent::run(settings, Operation::Fetch { commit: *commit, base }).await? {
        Done::Fetched { commit, received, stored, fresh } => Ok(Fetched { commit, received, stored, fresh }),
        _ => Err(unexpected()),
    }
}

/// The first of some merges, which are here, that holds something else than merging its parents gives; and what.
///
/// # Errors
/// `Timeout`, or `Corrupt`.
pub async fn first_changed(
    settings: &Settings,
    merges: Vec<CommitId>,
) -> Result<Option<(CommitId, Difference)>, SourceError> {
    if merges.is_empty() {
        return Ok(None);
    }
    match parent::alone(settings, Operation::Compare { merges }).await {
        Ok(Done::Compared { differs }) => Ok(differs),
        Ok(_) => Err(unexpected()),
        Err(SourceError::Timeout { after, .. }) => {
            Err(SourceError::Timeout { what: "merging again what the forge merged".to_owned(), after })
        }
        Err(error) => {
            read::note_damage(settings, &error)?;
            Err(error)
        }
    }
}

/// [`read`] on a thread of its own, waited for no longer than the source's deadline.
pub async fn snapshot(
    settings: &Settings,
    commit: &CommitId,
    previous: Option<Arc<Snapshot>>,
) -> Result<Snapshot, SourceError> {
    let (settings, commit) = (settings.clone(), *commit);
    let deadline = settings.deadline;
    let (send, receive) = tokio::sync::oneshot::channel();
    let work = move || {
        // The receiver is gone when the deadline has passed: nobody wants the result.
        let _ = send.send(read(&settings, &commit, previous.as_deref()));
    };
    std::thread::Builder::new()
        .name("source-read".to_owned())
        .spawn(work)
        .map_err(|source| SourceError::Disk { path: "a thread".to_owned(), source })?;
    match tokio::time::timeout(deadline, receive).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(SourceError::Corrupt { detail: "reading it ended early".to_owned() }),
        Err(_) => {
            Err(SourceError::Timeout { what: "reading the local repository".to_owned(), after: deadline })
        }
    }
}

/// Whether a fetch process can open `path`: the sandbox, tried rather than believed.
pub async fn probe(settings: &Settings, path: PathBuf) -> Result<bool, SourceError> {
    match parent::run(settings, Operation::Probe { path }).await? {
        Done::Probed { readable } => Ok(readable),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> SourceError {
    SourceError::Child { detail: "it answered another question".to_owned(), source: None }
}

/// Refuses to run with a libgit2 that has known memory bugs. Call it once at start.
///
/// # Errors
/// A sentence that names the version found and the one needed.
pub fn check_libgit2() -> Result<(), String> {
    let found = git2::Version::get().libgit2_version();
    if found >= LIBGIT2 {
        return Ok(());
    }
    let show = |(major, minor, patch): (u32, u32, u32)| format!("{major}.{minor}.{patch}");
    Err(format!(
        "libgit2 {} has known memory bugs; build with libgit2-sys 0.18.8 or newer, which brings libgit2 {}",
        show(found),
        show(LIBGIT2)
    ))
}

/// Settings of libgit2 that hold for the whole process, here and in the fetch process: no
/// configuration from outside, hashes checked on every read.
fn harden() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(true);
        for level in [
            git2::ConfigLevel::System,
            git2::ConfigLevel::Global,
            git2::ConfigLevel::XDG,
            git2::ConfigLevel::ProgramData,
        ] {
            // SAFETY: changes a global of libgit2; `Once` admits one caller, and every use of a
            // repository in this room comes after this call.
            let _ = unsafe { git2::opts::set_search_path(level, "") };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_libgit2_is_new_enough() {
        check_libgit2().expect("libgit2");
    }
}
