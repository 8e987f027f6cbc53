//! One pass over the watched folders of a revision.

use std::collections::BTreeMap;
use std::ops::Bound;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository, Tree};

use crate::api::finding::Finding;

use super::super::error::SourceError;
use super::super::settings::{CommitId, Limits};
use super::super::snapshot::{Door, File, Seen, Snapshot};
use super::super::text;
use super::names::{self, Kind};

/// Bytes of one folder's listing: far above any real one.
const TREE_BYTES: usize = 32 * 1024 * 1024;

/// A pass under way.
pub(super) struct Walk<'a> {
    repository: &'a Repository,
    odb: Odb<'a>,
    limits: &'a Limits,
    previous: Option<&'a Snapshot>,
    /// Stands in for the commit of changed files until history has been asked.
    revision: CommitId,
    gathered: Gathered,
    entries: usize,
    bytes: u64,
}

/// What a pass found.
#[derive(Default)]
pub(super) struct Gathered {
    pub files: BTreeMap<String, File>,
    pub folders: BTreeMap<String, Seen>,
    /// Paths whose content is not the previous snapshot's.
    pub changed: Vec<String>,
}

/// One of the watched folders.
pub(super) struct Root<'a> {
    pub path: &'a str,
    pub tree: Oid,
    pub door: Door,
    /// The other watched folder, when it lies inside this one.
    pub except: Option<&'a str>,
}

/// A damaged or missing object. Only the whole source can be mended, by fetching anew.
pub(super) fn damaged(error: &git2::Error) -> SourceError {
    SourceError::Corrupt { detail: text::printable(error.message(), 200) }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        limits: &'a Limits,
        previous: Option<&'a Snapshot>,
        revision: CommitId,
    ) -> Result<Self, SourceError> {
        let odb = repository.odb().map_err(|error| damaged(&error))?;
        Ok(Self {
            repository,
            odb,
            limits,
            previous,
            revision,
            gathered: Gathered::default(),
            entries: 0,
            bytes: 0,
        })
    }

    pub(super) fn finish(self) -> Gathered {
        self.gathered
    }

    /// Walks one watched folder.
    pub(super) fn root(&mut self, root: &Root<'_>) -> Result<(), SourceError> {
        self.folder(root, root.path, root.tree, 0)
    }

    fn folder(&mut self, root: &Root<'_>, path: &str, id: Oid, depth: usize) -> Result<(), SourceError> {
        if self.take_over(root, path, id)? {
            return Ok(());
        }
        let tree = self.tree(id)?;
        self.count(tree.len())?;
        let mut findings = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut below = Vec::new();
        for entry in &tree {
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                let shown = names::join(path, &text::printable_bytes(entry.name_bytes(), 100));
                findings.push(finding(&shown, "the name is not valid UTF-8", "rename it"));
                continue;
            };
            let full = names::join(path, name);
            let mut report = |message, hint| findings.push(finding(&full, message, hint));
            match names::classify(entry.filemode(), name) {
                Kind::Ignored => {}
                Kind::Refused { message, hint } => report(message, hint),
                _ if full.len() > self.limits.path_bytes => {
                    report("the path is longer than the limit; it is not read", "use shorter names");
                }
                // A name that only a hand-made tree holds twice: which of the two is meant?
                _ if !seen.insert(name.to_owned()) => {
                    report("the folder holds this name twice", "remove one")
                }
                Kind::Folder if depth + 1 >= self.limits.depth => {
                    report("the folder lies deeper than the limit; it is not read", "move it up");
                }
                Kind::Folder if root.except == Some(full.as_str()) => {}
                Kind::Folder => below.push((full, entry.id())),
                Kind::File => findings.extend(self.file(root, full, entry.id())?),
            }
        }
        self.gathered.folders.insert(path.to_owned(), Seen { tree: id, findings, entries: tree.len() });
        below.into_iter().try_for_each(|(full, id)| self.folder(root, &full, id, depth + 1))
    }

    /// Takes a whole folder over from the previous snapshot when its tree is the same.
    fn take_over(&mut self, root: &Root<'_>, path: &str, id: Oid) -> Result<bool, SourceError> {
        let Some(previous) = self.previous else { return Ok(false) };
        let same = previous.folders.get(path).is_some_and(|seen| seen.tree == id);
        // One watched folder around the other: the inner one is walked on its own account.
        let around = root.except.is_some_and(|except| names::is_in(path, except));
        if !same || around {
            return Ok(false);
        }
        for (folder, seen) in below(&previous.folders, path) {
            self.count(seen.entries)?;
            self.gathered.folders.insert(folder.clone(), seen.clone());
        }
        for (name, file) in below(&previous.files, path) {
            self.insert(name.clone(), file.clone())?;
        }
        Ok(true)
    }

    /// Reads one file, or says why not.
    fn file(&mut self, root: &Root<'_>, path: String, id: Oid) -> Result<Option<Finding>, SourceError> {
        let blob = id.to_string();
        if let Some(file) = self.previous.and_then(|previous| previous.files.get(&path))
            && file.blob == blob
        {
            return self.insert(path, file.clone()).map(|()| None);
        }
        let (size, kind) = self.odb.read_header(id).map_err(|error| damaged(&error))?;
        if kind != ObjectType::Blob {
            return Ok(Some(finding(
                &path,
                "the repository says file, but holds something else",
                "commit it again",
            )));
        }
        if size as u64 > self.limits.file_bytes {
            let message = format!("the file has {size} bytes; the limit is {}", self.limits.file_bytes);
            return Ok(Some(finding(&path, &message, "split it, or raise the source's limits")));
        }
        let bytes = self.odb.read(id).map_err(|error| damaged(&error))?.data().into();
        let file = File { blob, bytes, commit: self.revision, door: root.door };
        self.gathered.changed.push(path.clone());
        self.insert(path, file).map(|()| None)
    }

    fn insert(&mut self, path: String, file: File) -> Result<(), SourceError> {
        if self.gathered.files.len() >= self.limits.files {
            return Err(SourceError::TooManyFiles { what: "YAML files", limit: self.limits.files });
        }
        self.bytes = self.bytes.saturating_add(file.bytes.len() as u64);
        if self.bytes > self.limits.total_bytes {
            let what = "all YAML of the watched folders together".to_owned();
            return Err(SourceError::TooLarge { what, limit: self.limits.total_bytes });
        }
        self.gathered.files.insert(path, file);
        Ok(())
    }

    /// Counts every entry met: a few small trees that name each other can stand for billions.
    fn count(&mut self, entries: usize) -> Result<(), SourceError> {
        self.entries = self.entries.saturating_add(entries);
        if self.entries > self.limits.entries {
            return Err(SourceError::TooManyFiles { what: "entries", limit: self.limits.entries });
        }
        Ok(())
    }

    fn tree(&self, id: Oid) -> Result<Tree<'a>, SourceError> {
        let (size, _) = self.odb.read_header(id).map_err(|error| damaged(&error))?;
        if size > TREE_BYTES {
            let limit = TREE_BYTES as u64;
            return Err(SourceError::TooLarge { what: "the listing of one folder".to_owned(), limit });
        }
        self.repository.find_tree(id).map_err(|error| damaged(&error))
    }
}

/// The entries of a sorted map that are `path` or lie below it.
fn below<'m, V>(map: &'m BTreeMap<String, V>, path: &'m str) -> impl Iterator<Item = (&'m String, &'m V)> {
    // Names such as `a-b` sort between `a` and `a/b`: they are skipped, not an end.
    let prefix = path.to_owned();
    map.range::<str, _>((Bound::Included(path), Bound::Unbounded))
        .take_while(move |(name, _)| name.starts_with(&prefix))
        .filter(move |(name, _)| names::is_in(path, name))
}

fn finding(path: &str, message: &str, hint: &str) -> Finding {
    Finding::of_file(text::printable(path, 500), message).hint(hint)
}

/// The tree of a folder in a commit, or why there is none.
pub(super) fn find(root: &Tree<'_>, path: &str) -> Result<Result<Oid, &'static str>, SourceError> {
    if path.is_empty() {
        return Ok(Ok(root.id()));
    }
    match root.get_path(std::path::Path::new(path)) {
        Ok(entry) => Ok(match entry.kind() {
            Some(ObjectType::Tree) => Ok(entry.id()),
            Some(ObjectType::Commit) => Err("it is a submodule"),
            _ if entry.filemode() == 0o120_000 => Err("it is a symbolic link"),
            _ => Err("it is a file"),
        }),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(Err("nothing of that name is there")),
        Err(error) => Err(damaged(&error)),
    }
}
