//! A revert commit in a repository of the user's own, on a new branch. Nothing is checked out, nothing is
//! pushed, no branch is moved: what comes of it goes through review as every change does.

use std::path::Path;

use git2::{
    Commit, ErrorCode, FileMode, Index, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult,
    build::TreeUpdateBuilder,
};

use super::read::history;
use super::settings::{CommitId, Limits};
use super::text;

/// Why there is no revert commit.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// Not a repository, or one that can't be used.
    #[error("{folder} can't be used as a Git repository: {problem}")]
    Repository {
        /// The folder.
        folder: String,
        /// What libgit2 says.
        problem: String,
    },
    /// The revision is not there.
    #[error(
        "there is no revision {revision} in {folder}; fetch it first: git fetch, and git log --all shows what there is"
    )]
    NoRevision {
        /// What was asked for.
        revision: String,
        /// The folder.
        folder: String,
    },
    /// What was named can't be taken back.
    #[error("commit {commit} can't be taken back: {problem}")]
    Commit {
        /// What the user wrote, or the commit.
        commit: String,
        /// Why, and the next step.
        problem: &'static str,
    },
    /// Later commits changed the same lines.
    #[error(
        "taking back commit {commit} conflicts with later changes in {}; nothing was written: take back the later \
         commits first, or write the files as they should be",
        files.join(", ")
    )]
    Conflict {
        /// The commit.
        commit: String,
        /// The files.
        files: Vec<String>,
    },
    /// The new branch's name.
    #[error("branch {branch} can't be made: {problem}; name another one with --branch")]
    Branch {
        /// The name.
        branch: String,
        /// Why.
        problem: &'static str,
    },
    /// Nobody is set as author.
    #[error("Git does not know who you are; run git config user.name NAME and git config user.email ADDRESS")]
    Nobody,
    /// Anything else.
    #[error("the repository {folder} can't be read or written: {problem}")]
    Git {
        /// The folder.
        folder: String,
        /// What libgit2 says.
        problem: String,
    },
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The new commit.
    pub commit: CommitId,
    /// The commit that it takes back.
    pub undone: CommitId,
    /// The first line of that commit's message.
    pub subject: String,
    /// Files that are as before, with whether they are gone.
    pub files: Vec<(String, bool)>,
}

/// A repository of the user's own.
pub struct Checkout {
    pub(super) folder: String,
    pub(super) repository: Repository,
}

impl std::fmt::Debug for Checkout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkout").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Checkout {
    /// Opens the repository in a folder, with its user's own configuration: it says who commits.
    ///
    /// # Errors
    /// There is none.
    pub fn open(folder: &Path) -> Result<Self, RevertError> {
        let name = folder.display().to_string();
        match Repository::open(folder) {
            Ok(repository) => Ok(Self { folder: name, repository }),
            Err(error) => Err(RevertError::Repository { folder: name, problem: words(&error) }),
        }
    }

    pub(super) fn git(&self, error: &git2::Error) -> RevertError {
        RevertError::Git { folder: self.folder.clone(), problem: words(error) }
    }

    fn head(&self) -> Result<Commit<'_>, RevertError> {
        self.repository.head().and_then(|head| head.peel_to_commit()).map_err(|error| self.git(&error))
    }

    /// The YAML files at the repository's head, by path; larger ones than a source takes are left out.
    ///
    /// # Errors
    /// The repository can't be read.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, RevertError> {
        let limits = Limits::default();
        let tree = self.head()?.tree().map_err(|error| self.git(&error))?;
        let mut found: Vec<(String, Oid)> = Vec::new();
        let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let Ok(name) = entry.name() else { return TreeWalkResult::Skip };
            let yaml = Path::new(name).extension().is_some_and(|one| one == "yaml" || one == "yml");
            let plain =
                entry.kind() == Some(ObjectType::Blob) && entry.filemode() != i32::from(FileMode::Link);
            if yaml && plain && found.len() < limits.files {
                found.push((format!("{folder}{name}"), entry.id()));
            }
            TreeWalkResult::Ok
        });
        walked.map_err(|error| self.git(&error))?;
        let mut files = Vec::new();
        for (path, id) in found {
            let blob = self.repository.find_blob(id).map_err(|error| self.git(&error))?;
            if blob.size() as u64 <= limits.file_bytes {
                files.push((path, blob.content().to_vec()));
            }
        }
        Ok(files)
    }

    /// The commit that a text names: at least 7 digits of its id.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<CommitId> {
        let hex = (7..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let commit = self.repository.find_commit_by_prefix(text).ok().filter(|_| hex)?;
        Some(commit.id().into())
    }

    /// Takes back a whole commit.
    ///
    /// # Errors
    /// It conflicts with later ones, is no part of the head's history, or the branch can't be made.
    pub fn revert(&self, commit: CommitId, branch: &str) -> Result<Reverted, RevertError> {
        let reference = self.check_branch(branch)?;
        let head = self.head()?;
        let (undone, parent) = self.undone(commit, &head)?;
        let mainline = u32::from(undone.parent_count() > 1);
        let mut index = self
            .repository
            .revert_commit(&undone, &head, mainline, None)
            .map_err(|error| self.git(&error))?;
        if index.has_conflicts() {
            return Err(RevertError::Conflict { commit: commit.short(), files: conflicts(&index) });
        }
        let tree = index.write_tree_to(&self.repository).map_err(|error| self.git(&error))?;
        let author = undone.author();
        let message = format!(
            "Revert \"{}\"\n\nThis reverts commit {commit} by {}: the state of {} is back.\n",
            subject(&undone),
            text::printable_bytes(author.name_bytes(), 100),
            CommitId::from(parent.id()).short(),
        );
        self.commit(&head, &undone, tree, &message, &reference)
    }

    /// Takes back the last change of one file, for a Tenant that is alone in it.
    ///
    /// # Errors
    /// The file came with its last change, or the branch can't be made.
    pub fn restore(&self, tenant: &str, path: &str, branch: &str) -> Result<Reverted, RevertError> {
        let reference = self.check_branch(branch)?;
        let head = self.head()?;
        let paths = [path.to_owned()];
        let found = history::attribute(&self.repository, head.id().into(), None, &paths, &[path])
            .map_err(|error| RevertError::Git { folder: self.folder.clone(), problem: error.to_string() })?;
        let last = found.get(path).copied().unwrap_or_else(|| head.id().into());
        let (undone, parent) = self.undone(last, &head)?;
        let before = parent.tree().and_then(|tree| tree.get_path(Path::new(path)));
        let Ok(before) = before else {
            let problem = "the Tenant's file came with it, and nothing is older; to end the Tenant write lifecycle: \
                           Cancelled into the file";
            return Err(RevertError::Commit { commit: last.short(), problem });
        };
        let tree = head.tree().and_then(|tree| {
            TreeUpdateBuilder::new()
                .upsert(path, before.id(), FileMode::Blob)
                .create_updated(&self.repository, &tree)
        });
        let tree = tree.map_err(|error| self.git(&error))?;
        let message = format!(
            "Roll back Tenant {tenant} to {}\n\nThis takes back what commit {last} (\"{}\") changed in {path}.\n",
            CommitId::from(parent.id()).short(),
            subject(&undone),
        );
        self.commit(&head, &undone, tree, &message, &reference)
    }

    /// The commit, when it is part of the head's history, and what was before it.
    fn undone(&self, id: CommitId, head: &Commit<'_>) -> Result<(Commit<'_>, Commit<'_>), RevertError> {
        let refuse = |problem| RevertError::Commit { commit: id.short(), problem };
        let oid = id.oid().map_err(|error| self.git(&error))?;
        let commit = self.repository.find_commit(oid).map_err(|error| self.git(&error))?;
        let inside = oid == head.id()
            || self.repository.graph_descendant_of(head.id(), oid).map_err(|error| self.git(&error))?;
        if !inside {
            return Err(refuse(
                "it is not part of the present branch; check out the branch that the operator follows",
            ));
        }
        match commit.parent(0) {
            Ok(parent) => Ok((commit, parent)),
            Err(_) => Err(refuse("nothing is older in this copy of the repository")),
        }
    }

    /// The full name of a branch that may be made.
    fn check_branch(&self, branch: &str) -> Result<String, RevertError> {
        let full = format!("refs/heads/{branch}");
        let refuse = |problem| RevertError::Branch { branch: text::printable(branch, 120), problem };
        if !git2::Branch::name_is_valid(branch).unwrap_or(false) || !git2::Reference::is_valid_name(&full) {
            return Err(refuse("Git allows no such name"));
        }
        match self.repository.find_reference(&full) {
            Ok(_) => Err(refuse("there is one of that name")),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(full),
            Err(error) => Err(self.git(&error)),
        }
    }

    /// Writes the commit and its branch.
    fn commit(
        &self,
        head: &Commit<'_>,
        undone: &Commit<'_>,
        tree: Oid,
        message: &str,
        reference: &str,
    ) -> Result<Reverted, RevertError> {
        let id = CommitId::from(undone.id());
        if tree == head.tree_id() {
            let problem = "its changes are not there any more: somebody took it back already";
            return Err(RevertError::Commit { commit: id.short(), problem });
        }
        let who = self.repository.signature().map_err(|_| RevertError::Nobody)?;
        let made = self.repository.find_tree(tree).and_then(|tree| {
            let files = self.changed(head, &tree)?;
            let commit = self.repository.commit(None, &who, &who, message, &tree, &[head])?;
            // Never by force: a branch of that name that came meanwhile stays as it is.
            self.repository.reference(reference, commit, false, "tenantry rollback")?;
            Ok((commit, files))
        });
        let (commit, files) = made.map_err(|error| self.git(&error))?;
        Ok(Reverted { commit: commit.into(), undone: id, subject: subject(undone), files })
    }

    /// Files that differ between the head and a tree.
    fn changed(&self, head: &Commit<'_>, tree: &git2::Tree<'_>) -> Result<Vec<(String, bool)>, git2::Error> {
        let diff = self.repository.diff_tree_to_tree(Some(&head.tree()?), Some(tree), None)?;
        let file = |delta: git2::DiffDelta<'_>| {
            let path = delta.old_file().path().or_else(|| delta.new_file().path())?;
            let gone = delta.status() == git2::Delta::Deleted;
            Some((text::printable_bytes(path.as_os_str().as_encoded_bytes(), 300), gone))
        };
        Ok(diff.deltas().filter_map(file).collect())
    }
}

fn subject(commit: &Commit<'_>) -> String {
    text::printable_bytes(commit.summary_bytes().unwrap_or_default(), 120)
}

fn words(error: &git2::Error) -> String {
    text::printable(error.message(), 300)
}

fn conflicts(index: &Index) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for conflict in index.conflicts().into_iter().flatten().flatten() {
        let entry = conflict.our.or(conflict.their).or(conflict.ancestor);
        files.extend(entry.map(|entry| text::printable_bytes(&entry.path, 300)));
    }
    files.sort();
    files.dedup();
    files
}
