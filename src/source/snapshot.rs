//! What the rest of the house sees of Git: one revision's files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{api::finding::Finding, validate::folders::Folders};

use super::settings::{CommitId, Limits};

/// The YAML files of one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The commit that was read.
    pub revision: CommitId,
    /// Id of what the watched folders hold: equal ids, equal files.
    pub tree: String,
    /// The files by their path from the root of the repository.
    pub files: BTreeMap<String, File>,
    /// What could not be taken, sorted by path; a file that has a finding is not in `files`.
    pub findings: Vec<Finding>,
    /// Per folder: its tree and what was wrong with its own entries. Lets the next read take
    /// over whole folders.
    pub(super) folders: BTreeMap<String, Seen>,
    /// What the reading depended on besides the commit.
    pub(super) basis: Basis,
}

/// A folder as it was read.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub tree: git2::Oid,
    pub findings: Vec<Finding>,
    /// Entries of this folder, for the limit.
    pub entries: usize,
}

/// Two snapshots can share folders only if these are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    pub folders: Folders,
    pub limits: Limits,
}

/// One YAML file.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Git's id of the content.
    pub blob: String,
    /// The content: any bytes.
    pub bytes: Arc<[u8]>,
    /// The last commit that changed this file, as far as the local history goes.
    pub commit: CommitId,
    /// What may be in it.
    pub door: Door,
}

impl fmt::Debug for File {
    /// Without the content, which may be long or private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("blob", &self.blob)
            .field("bytes", &self.bytes.len())
            .field("commit", &self.commit)
            .field("door", &self.door)
            .finish()
    }
}

/// Through which folder a file comes, and so what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `path`: Tenants only.
    Tenants,
    /// `platformPath`: Platforms only.
    Platform,
}

/// One line about a commit, for people. Everything in it was written by whoever made the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Who wrote it.
    pub author: Person,
    /// Who made the commit of it.
    pub committer: Person,
    /// The first line of the message, escaped and bounded.
    pub subject: String,
}

/// Somebody, as a commit names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, escaped and bounded.
    pub name: String,
    /// The mail address, escaped and bounded.
    pub email: String,
    /// When, as their clock said.
    pub time: jiff::Timestamp,
}
