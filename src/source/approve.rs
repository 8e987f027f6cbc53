//! Approvals in a repository of the user's own: a line more in the note on a commit. No branch is moved and nothing
//! is checked out.

use git2::{ErrorCode, Oid};

use super::read::APPROVALS;
use super::revert::{Checkout, RevertError};
use super::settings::CommitId;
use super::text;

/// A commit that somebody is about to approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub commit: CommitId,
    /// Full id of its tree.
    pub tree: String,
    /// Who wrote it, as it says.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

impl Checkout {
    /// The commit that a revision names, in every way that `git rev-parse` knows.
    ///
    /// # Errors
    /// It names none.
    pub fn target(&self, revision: &str) -> Result<Target, RevertError> {
        let found = self.repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
        let commit = found.map_err(|_| RevertError::NoRevision {
            revision: text::printable(revision, 120),
            folder: self.folder.clone(),
        })?;
        let author = commit.author();
        let [name, address] =
            [author.name_bytes(), author.email_bytes()].map(|part| text::printable_bytes(part, 100));
        Ok(Target {
            commit: commit.id().into(),
            tree: commit.tree_id().to_string(),
            author: format!("{name} <{address}>"),
            subject: text::printable_bytes(commit.summary_bytes().unwrap_or_default(), 120),
        })
    }

    /// The key that Git signs commits with, as the user has set it (`user.signingkey`).
    #[must_use]
    pub fn signing_key(&self) -> Option<String> {
        let config = self.repository.config().ok()?;
        let path = config.get_path("user.signingkey").ok()?;
        Some(path.to_str()?.to_owned()).filter(|key| !key.is_empty())
    }

    /// Adds a line to the note on a commit, between those that are there: sorted and each once, as
    /// `git notes merge -s cat_sort_uniq` leaves them.
    ///
    /// # Errors
    /// The note can't be read or written, or nobody is set as committer.
    pub fn approve(&self, target: &Target, line: &str) -> Result<(), RevertError> {
        let id: Oid = target.commit.oid().map_err(|error| self.git(&error))?;
        let mut lines = vec![line.to_owned()];
        match self.repository.find_note(Some(APPROVALS), id) {
            Ok(note) => {
                let there = String::from_utf8_lossy(note.message_bytes()).into_owned();
                lines.extend(there.lines().map(ToOwned::to_owned));
            }
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(self.git(&error)),
        }
        lines.sort();
        lines.dedup();
        let who = self.repository.signature().map_err(|_| RevertError::Nobody)?;
        let text = lines.join("\n") + "\n";
        let written = self.repository.note(&who, &who, Some(APPROVALS), id, &text, true);
        written.map(drop).map_err(|error| self.git(&error))
    }
}
