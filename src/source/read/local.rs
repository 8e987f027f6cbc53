//! A repository on this machine, as somebody cloned it: two revisions of it can be compared without a
//! server, and without touching the work tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use git2::Repository;

use super::super::check::folders_of;
use super::super::error::SourceError;
use super::super::settings::{CommitId, Limits};
use super::super::snapshot::{Basis, Snapshot};
use super::super::{harden, text};
use super::walk::{Gathered, Walk};
use super::{APPROVALS, bounded, gather, lineage, walk_folders};
use crate::trust::approval::Material;

/// Longest time for comparing the commits between two revisions.
const DEADLINE: Duration = Duration::from_secs(120);

/// Why a revision of a local repository can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No repository is there.
    #[error("{folder} is in no Git repository ({detail}); go into one, or name it with --repo DIR")]
    NoRepository {
        /// The folder that was named.
        folder: String,
        /// What libgit2 says.
        detail: String,
    },
    /// The revision is not there.
    #[error("there is no revision {revision} in {folder}; {next}")]
    NoRevision {
        /// What was asked for.
        revision: String,
        /// The repository.
        folder: String,
        /// The next step.
        next: &'static str,
    },
    /// Two revisions without a common ancestor.
    #[error("{one} and {two} have no common ancestor in {folder}; {next}")]
    NoMergeBase {
        /// A commit.
        one: String,
        /// The other.
        two: String,
        /// The repository.
        folder: String,
        /// The next step.
        next: &'static str,
    },
    /// Objects are missing or damaged.
    #[error(
        "commit {commit} of {folder} can't be read ({detail}); git fsck says what is damaged, and in a partial clone git fetch --refetch brings what is missing"
    )]
    Damaged {
        /// The commit, shortened.
        commit: String,
        /// The repository.
        folder: String,
        /// What is damaged.
        detail: String,
    },
    /// A limit, or a folder that can't be.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The next step where the history was cut off.
const SHALLOW: &str = "it is a shallow clone, which may lack it: git fetch --unshallow (fetch-depth: 0 in a GitHub workflow, GIT_DEPTH: 0 in GitLab)";

/// A repository on this machine.
#[allow(missing_debug_implementations)] // a Repository has none
pub struct Local {
    repository: Repository,
    folder: String,
}

impl Local {
    /// Opens the repository that a folder is in.
    ///
    /// # Errors
    /// There is none.
    pub fn open(folder: &Path) -> Result<Self, LocalError> {
        harden();
        trust_owner();
        let shown = text::printable_bytes(folder.as_os_str().as_encoded_bytes(), 200);
        match Repository::discover(folder) {
            Ok(repository) => {
                let top = repository.workdir().unwrap_or(repository.path()).as_os_str();
                let folder = text::printable_bytes(top.as_encoded_bytes(), 200);
                Ok(Self { repository, folder })
            }
            Err(error) => {
                Err(LocalError::NoRepository { folder: shown, detail: text::printable(error.message(), 200) })
            }
        }
    }

    /// The commit that a revision names, in every way that `git rev-parse` knows.
    ///
    /// # Errors
    /// It names none.
    pub fn commit(&self, revision: &str) -> Result<CommitId, LocalError> {
        let found = self.repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
        found.map(|commit| CommitId::from(commit.id())).map_err(|_| LocalError::NoRevision {
            revision: text::printable(revision, 120),
            folder: self.folder.clone(),
            next: self.next("git branch --all and git log show what there is"),
        })
    }

    /// The newest commit that both have in their history.
    ///
    /// # Errors
    /// There is none, or the history was cut off before it.
    pub fn merge_base(&self, one: CommitId, two: CommitId) -> Result<CommitId, LocalError> {
        let ids = one.oid().and_then(|one| Ok((one, two.oid()?)));
        let found = ids.and_then(|(one, two)| self.repository.merge_base(one, two));
        found.map(CommitId::from).map_err(|_| LocalError::NoMergeBase {
            one: one.short(),
            two: two.short(),
            folder: self.folder.clone(),
            next: self.next("compare them with two dots instead of three"),
        })
    }

    /// The files of a commit below `path`, and those below `platform_path`, within the limits of a source.
    /// Nothing is written. A folder that isn't there is an error, or empty with `absent_is_empty`.
    ///
    /// # Errors
    /// A folder isn't there, a limit is passed, or objects are missing.
    pub fn read(
        &self,
        commit: CommitId,
        path: &str,
        platform_path: Option<&str>,
        absent_is_empty: bool,
    ) -> Result<Snapshot, LocalError> {
        let basis = Basis { folders: folders_of(path, platform_path)?, limits: Limits::default() };
        let walked = Walk::new(&self.repository, &basis.limits, None, commit).and_then(|mut walk| {
            let (tree, findings) = walk_folders(&self.repository, &mut walk, commit, &basis.folders)?;
            Ok((tree, findings, walk.finish()))
        });
        let (tree, mut findings, gathered) = match walked {
            Ok(walked) => walked,
            Err(SourceError::PathNotFound { .. }) if absent_is_empty => Default::default(),
            Err(SourceError::Corrupt { detail }) => {
                let (commit, folder) = (commit.short(), self.folder.clone());
                return Err(LocalError::Damaged { commit, folder, detail });
            }
            Err(error) => return Err(error.into()),
        };
        let Gathered { files, folders, .. } = gathered;
        findings.extend(folders.values().flat_map(|seen| seen.findings.iter().cloned()));
        let folders = BTreeMap::new();
        Ok(Snapshot { revision: commit, tree, files, findings: bounded(findings), folders, basis })
    }

    /// What the approvals of a change are judged by: the notes are those of this repository.
    ///
    /// # Errors
    /// The history between the two is too long, was cut off, or objects are missing.
    pub fn material(&self, base: CommitId, head: CommitId) -> Result<Material, LocalError> {
        let repository = &self.repository;
        let tip = repository.refname_to_id(APPROVALS).ok().map(CommitId::from);
        let gathered =
            lineage::lineage(repository, Some(base), head).and_then(|lineage| match lineage.missing {
                Some(_) => Err(SourceError::Corrupt { detail: "its history was cut off".to_owned() }),
                None => gather(repository, Some(base), head, lineage, tip, DEADLINE),
            });
        gathered.map_err(|error| match error {
            SourceError::Corrupt { detail } => {
                LocalError::Damaged { commit: head.short(), folder: self.folder.clone(), detail }
            }
            error => error.into(),
        })
    }

    fn next(&self, otherwise: &'static str) -> &'static str {
        if self.repository.is_shallow() { SHALLOW } else { otherwise }
    }
}

/// In the containers of CI systems a clone often belongs to another user than ours, and where people say
/// that this is fine (`safe.directory`) is a file that we don't read. It protects those who let a
/// repository's configuration start programs; we read objects and references, and start none.
fn trust_owner() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: changes a global of libgit2; `Once` admits one caller, and no other code of this room
        // depends on it: the operator opens objects alone, without a repository around them.
        let _ = unsafe { git2::opts::set_verify_owner_validation(false) };
    });
}
