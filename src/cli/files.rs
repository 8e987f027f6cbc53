//! Files and folders that the command line names: read once, bounded, in a fixed order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, FileType},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    api::finding::Finding,
    validate::{
        manifest::{Manifests, Schemas, manifests},
        text::sanitize,
        yaml::{self, Limits},
    },
};

/// The name of standard input in findings.
const STDIN: &str = "<stdin>";
/// Folders inside each other; deeper ones are refused, as from Git.
const DEPTH: usize = 16;

/// What was read.
#[derive(Debug, Default)]
pub struct Files {
    /// The bytes by the file's name as findings cite it.
    pub bytes: BTreeMap<String, Vec<u8>>,
    /// What is wrong with names and links, and files too large to read.
    pub findings: Vec<Finding>,
    parsed: Vec<yaml::Parsed>,
    seen: BTreeSet<PathBuf>,
    count: usize,
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A path can't be read.
    #[error("{path} can't be read")]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder holds nothing for us: more likely a slip in the path than what was meant.
    #[error("{0} has no *.yaml or *.yml file; name a folder that has some")]
    Empty(String),
    /// Nothing came in: more likely a command that failed before us than what was meant.
    #[error("standard input is empty; pipe the YAML of Tenants and Platforms into it")]
    NoInput,
}

impl Files {
    /// Reads files, folders and (`-`) standard input.
    ///
    /// # Errors
    /// A path can't be read, a folder has no file for us, or standard input is empty.
    pub fn read(paths: &[PathBuf]) -> Result<Self, FilesError> {
        let mut files = Self::default();
        for path in paths {
            files.add(path)?;
        }
        Ok(files)
    }

    /// Reads one more path.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn add(&mut self, path: &Path) -> Result<(), FilesError> {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            // One byte beyond the limit is enough to see that it is too large.
            let most = Limits::default().bytes as u64 + 1;
            let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
            read.map_err(|source| FilesError::Unreadable { path: STDIN.to_owned(), source })?;
            if bytes.trim_ascii().is_empty() {
                return Err(FilesError::NoInput);
            }
            self.keep(STDIN.to_owned(), bytes);
            return Ok(());
        }
        if !std::fs::metadata(path).map_err(|error| unreadable(path, error))?.is_dir() {
            return self.file(path);
        }
        let before = self.count;
        self.folder(path, 0)?;
        if self.count == before { Err(FilesError::Empty(shown(path))) } else { Ok(()) }
    }

    /// How many files there were.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Which documents are ours, and are they sound.
    pub fn manifests(&mut self, schemas: &Schemas) -> Vec<Manifests> {
        std::mem::take(&mut self.parsed).into_iter().map(|parsed| manifests(parsed, schemas)).collect()
    }

    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), FilesError> {
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| unreadable(path, error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (below, name) = (path.join(entry.file_name()), entry.file_name());
            let kind = entry.file_type().map_err(|error| unreadable(&below, error))?;
            match classify(kind, &name.to_string_lossy(), &below) {
                Kind::Ignored => {}
                Kind::Refused(message, hint) => self.refuse(&below, message, hint),
                Kind::Folder if depth + 1 >= DEPTH => {
                    self.refuse(
                        &below,
                        "the folder lies deeper than the limit; it is not read",
                        "move it up",
                    );
                }
                Kind::Folder => self.folder(&below, depth + 1)?,
                Kind::File => self.file(&below)?,
            }
        }
        Ok(())
    }

    /// Reads a file, unless another path has named it already.
    fn file(&mut self, path: &Path) -> Result<(), FilesError> {
        let real = std::fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        let limits = Limits::default();
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        let size = file.metadata().map_err(|error| unreadable(path, error))?.len();
        let (size, name) = (usize::try_from(size).unwrap_or(usize::MAX), shown(path));
        if size > limits.bytes {
            self.count += 1;
            self.parsed.push(yaml::too_large(&name, size, &limits));
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = file.take(limits.bytes as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(path, error))?;
        self.keep(name, bytes);
        Ok(())
    }

    fn keep(&mut self, name: String, bytes: Vec<u8>) {
        self.count += 1;
        self.parsed.push(yaml::parse(&name, &bytes, &Limits::default()));
        self.bytes.insert(name, bytes);
    }

    fn refuse(&mut self, path: &Path, message: &str, hint: &str) {
        self.count += 1;
        self.findings.push(Finding::of_file(shown(path), message).hint(hint));
    }
}

enum Kind {
    File,
    Folder,
    Ignored,
    Refused(&'static str, &'static str),
}

/// What a folder's entry is to us: the same answers as for a repository.
fn classify(kind: FileType, name: &str, path: &Path) -> Kind {
    if name.starts_with('.') {
        return Kind::Ignored;
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let yaml = matches!(extension, Some("yaml" | "yml"));
    if kind.is_dir() && path.join(".git").exists() {
        return Kind::Refused(
            "this is a submodule or another repository; it is not read",
            "put the files into this repository",
        );
    }
    if kind.is_dir() {
        Kind::Folder
    } else if kind.is_symlink() && (yaml || extension.is_none()) {
        Kind::Refused("this is a symbolic link; links are not followed", "put the file itself here")
    } else if kind.is_file() && yaml {
        Kind::File
    } else {
        Kind::Ignored
    }
}

/// A path as findings cite it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    sanitize(text.strip_prefix("./").unwrap_or(&text), 512)
}

fn unreadable(path: &Path, source: io::Error) -> FilesError {
    FilesError::Unreadable { path: shown(path), source }
}
