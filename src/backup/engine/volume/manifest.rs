//! What a volume held: how many files, their names and sizes as one checksum, and checksums of some files' contents, which
//! others are chosen for the next time.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backup::engine::failure::Failure;
use crate::backup::record::reasons;
use crate::backup::task::Size;

/// Version of the form.
pub const VERSION: u32 = 1;

/// Largest file whose contents are checksummed beside restic's own checksums.
const LARGEST: u64 = 64 << 20;

/// What a volume held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// When the snapshot was taken, RFC 3339.
    pub time: String,
    /// The claim.
    pub claim: String,
    /// Where its copy was mounted: the folder of the snapshot that the files are in.
    pub path: String,
    /// Files.
    pub files: u64,
    /// Folders below the volume's own.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// SHA-256 over the kind, name, size or target of everything, in order. Sockets, devices and pipes aren't in it.
    pub tree: String,
    /// SHA-256 of some files' contents, by their paths.
    pub samples: BTreeMap<String, String>,
}

impl Manifest {
    /// In the words of records: files are rows.
    #[must_use]
    pub fn size(&self) -> Size {
        Size { rows: self.files, bytes: self.bytes }
    }

    /// How many facts a restored copy is held against.
    #[must_use]
    pub fn facts(&self) -> u32 {
        u32::try_from(5 + self.samples.len()).unwrap_or(u32::MAX)
    }

    /// What is otherwise in a restored copy, one line a fact.
    #[must_use]
    pub fn differences(&self, restored: &Self) -> Vec<String> {
        let counts = [
            ("files", self.files, restored.files),
            ("folders", self.directories, restored.directories),
            ("links", self.links, restored.links),
            ("bytes", self.bytes, restored.bytes),
        ];
        let counts = counts.into_iter().filter(|(_, was, is)| was != is);
        let mut all: Vec<String> =
            counts.map(|(what, was, is)| format!("{what}: {was} were saved, {is} came back")).collect();
        if self.tree != restored.tree {
            all.push("names or sizes of files differ".to_owned());
        }
        let samples = self.samples.iter().filter(|(path, sum)| restored.samples.get(*path) != Some(*sum));
        all.extend(samples.map(|(path, _)| format!("file {path}: its contents differ, or it is missing")));
        all
    }
}

/// Which files' contents are checksummed.
#[derive(Clone, Debug)]
pub enum Sample {
    /// So many, others for each turn.
    Some {
        /// At most.
        most: u32,
        /// Any text; another one chooses others.
        turn: String,
    },
    /// These, where they are there.
    These(Vec<String>),
}

/// Looks at everything below a folder. Time, claim and path are left empty.
///
/// # Errors
/// [`reasons::PARTIAL_READ`]: something can't be read.
pub fn scan(root: &Path, sample: &Sample) -> Result<Manifest, Failure> {
    let mut manifest = Manifest { version: VERSION, ..Manifest::default() };
    let mut tree = Sha256::new();
    let mut chosen = Chosen { sample, paths: BTreeMap::new() };
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let mut below = Vec::new();
        for name in names(&root.join(&folder))? {
            let path = folder.join(name);
            let whole = root.join(&path);
            let found = fs::symlink_metadata(&whole).map_err(|error| unreadable(&whole, &error))?;
            if let Some(what) = kind(&whole, &found)? {
                tree.update(path.as_os_str().as_bytes());
                tree.update([0]);
                tree.update(&what);
                tree.update([b'\n']);
            }
            if found.is_dir() {
                manifest.directories += 1;
                below.push(path);
            } else if found.is_file() {
                manifest.files += 1;
                manifest.bytes += found.len();
                chosen.weigh(&path, found.len());
            } else if found.is_symlink() {
                manifest.links += 1;
            }
        }
        open.extend(below.into_iter().rev());
    }
    manifest.tree = hex::encode(tree.finalize());
    for path in chosen.paths.into_values() {
        let sum = checksum(&root.join(&path), sample)?;
        manifest.samples.insert(path, sum);
    }
    Ok(manifest)
}

/// Names in a folder, in the order of their bytes.
fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, Failure> {
    let fail = |error: &std::io::Error| unreadable(folder, error);
    let entries = fs::read_dir(folder).map_err(|error| fail(&error))?;
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(|error| fail(&error))?;
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}

/// What of a thing has to be the same in a copy; `None` for what is no file, folder or link.
fn kind(path: &Path, found: &Metadata) -> Result<Option<Vec<u8>>, Failure> {
    Ok(if found.is_dir() {
        Some(b"folder".to_vec())
    } else if found.is_file() {
        Some(format!("file {}", found.len()).into_bytes())
    } else if found.is_symlink() {
        let target = fs::read_link(path).map_err(|error| unreadable(path, &error))?;
        Some([b"link ", target.as_os_str().as_bytes()].concat())
    } else {
        None
    })
}

/// Files whose contents are checksummed, by their rank: the lowest stay.
struct Chosen<'a> {
    sample: &'a Sample,
    paths: BTreeMap<[u8; 32], String>,
}

impl Chosen<'_> {
    fn weigh(&mut self, path: &Path, bytes: u64) {
        // What has no text for a name can't be named in a manifest; its name and size are in the tree.
        let Some(path) = path.to_str() else { return };
        let turn = match self.sample {
            Sample::These(names) => {
                if names.iter().any(|name| name == path) {
                    self.paths.insert(Sha256::digest(path).into(), path.to_owned());
                }
                return;
            }
            Sample::Some { turn, .. } if (1..=LARGEST).contains(&bytes) => turn,
            Sample::Some { .. } => return,
        };
        let rank = Sha256::new().chain_update(turn).chain_update([0]).chain_update(path).finalize();
        self.paths.insert(rank.into(), path.to_owned());
        if let Sample::Some { most, .. } = self.sample
            && self.paths.len() > usize::try_from(*most).unwrap_or(usize::MAX)
        {
            self.paths.pop_last();
        }
    }
}

/// The checksum of a file. In what was restored, one that its mode keeps even its owner from is opened for it.
fn checksum(path: &Path, sample: &Sample) -> Result<String, Failure> {
    let mut opened = File::open(path);
    let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    if matches!(sample, Sample::These(_)) && opened.as_ref().err().is_some_and(denied) {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
        opened = File::open(path);
    }
    let mut file = opened.map_err(|error| unreadable(path, &error))?;
    let (mut sum, mut part) = (Sha256::new(), vec![0; 128 * 1024]);
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(hex::encode(sum.finalize())),
            Ok(read) => sum.update(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!(
        "{} can't be read: {error}; a part of the volume is no backup of it: look at the volume's disk",
        path.display()
    );
    Failure::new(reasons::PARTIAL_READ, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(most: u32, turn: &str) -> Sample {
        Sample::Some { most, turn: turn.to_owned() }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for number in 0..20 {
            fs::write(folder.path().join(format!("a/{number}")), format!("content {number}")).unwrap();
        }
        std::os::unix::fs::symlink("a/1", folder.path().join("link")).unwrap();
        folder
    }

    #[test]
    fn everything_is_counted_and_the_sample_turns() {
        let folder = folder();
        let first = scan(folder.path(), &some(5, "monday")).unwrap();
        assert_eq!((first.files, first.directories, first.links, first.samples.len()), (20, 2, 1, 5));
        assert_eq!(first, scan(folder.path(), &some(5, "monday")).unwrap(), "the same twice");
        let second = scan(folder.path(), &some(5, "tuesday")).unwrap();
        assert_eq!(first.tree, second.tree);
        assert_ne!(first.samples.keys().collect::<Vec<_>>(), second.samples.keys().collect::<Vec<_>>());
    }

    #[test]
    fn each_change_is_a_difference() {
        let folder = folder();
        let before = scan(folder.path(), &some(100, "")).unwrap();
        let look = || scan(folder.path(), &Sample::These(before.samples.keys().cloned().collect())).unwrap();
        assert_eq!(before.differences(&look()), Vec::<String>::new());
        fs::write(folder.path().join("a/7"), "CONTENT 7").unwrap();
        assert_eq!(before.differences(&look()), ["file a/7: its contents differ, or it is missing"]);
        fs::remove_file(folder.path().join("a/7")).unwrap();
        assert!(before.differences(&look()).len() >= 4, "files, bytes, names, contents");
        fs::write(folder.path().join("a/7"), "content 7").unwrap();
        fs::rename(folder.path().join("a/b"), folder.path().join("a/c")).unwrap();
        assert_eq!(before.differences(&look()), ["names or sizes of files differ"]);
    }

    #[test]
    fn what_is_locked_goes_all_the_same() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let inner = folder.path().join("a");
        fs::set_permissions(inner.join("b"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o555)).unwrap();
        super::super::remove(&inner).unwrap();
        assert!(!inner.exists());
        super::super::remove(&inner).unwrap();
    }
}
