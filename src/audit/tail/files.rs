//! The files of a source as they lie there now.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::place::HEAD;

/// Bytes that are read at once of what holds nothing.
const HOLE: usize = 256 * 1024;

/// Where a source's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A log file, and what rotation makes of it: `audit-<time>.log` (kube-apiserver) or `audit.log.1` (logrotate).
    Log(PathBuf),
    /// All files in a folder whose names end so; each is written until the next one in order is there.
    Folder(PathBuf, &'static str),
}

/// What tells files apart at one moment.
pub type Id = (u64, u64);

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub file: String,
    /// Where.
    pub path: PathBuf,
    /// Device and inode.
    pub id: Id,
    /// Bytes.
    pub size: u64,
    /// Last written, in nanoseconds since 1970.
    pub written: (i64, i64),
    /// More will be written to it.
    pub current: bool,
}

impl Watched {
    /// What to look at in messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Log(path) | Self::Folder(path, _) => path,
        }
    }

    /// All files, the oldest first and the one that is being written last.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn files(&self) -> io::Result<Vec<Seen>> {
        let folder = match self {
            Self::Log(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Self::Folder(path, _) => Some(path.as_path()),
        };
        let folder = folder.unwrap_or(Path::new("."));
        let mut seen = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            if !self.is_ours(&file) {
                continue;
            }
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => seen.push(Seen::of(file, entry.path(), &metadata)),
                Ok(_) => {}
                // Removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match self {
            Self::Log(path) => {
                let name = name(path);
                seen.iter_mut().for_each(|one| one.current = one.file == name);
                seen.sort_by(|a, b| (a.current, a.written, &a.file).cmp(&(b.current, b.written, &b.file)));
            }
            Self::Folder(..) => {
                seen.sort_by(|a, b| a.file.cmp(&b.file));
                seen.last_mut().into_iter().for_each(|one| one.current = true);
            }
        }
        Ok(seen)
    }

    fn is_ours(&self, file: &str) -> bool {
        match self {
            Self::Folder(_, end) => file.ends_with(end),
            Self::Log(path) => {
                let name = name(path);
                let (stem, end) =
                    name.rsplit_once('.').map_or((name.as_str(), ""), |(stem, end)| (stem, end));
                let digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
                // lumberjack: audit-2026-11-23T00-17-15.000.log
                let dated = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
                let dated = dated.and_then(|rest| rest.strip_suffix(end)).filter(|rest| digit(rest));
                // logrotate: audit.log.1, audit.log-20261123
                let numbered = file.strip_prefix(&name).and_then(|rest| rest.strip_prefix(['.', '-']));
                let packed = [".gz", ".zst", ".xz", ".bz2"].iter().any(|end| file.ends_with(end));
                file == name || (!packed && (dated.is_some() || numbered.is_some_and(digit)))
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Seen {
    fn of(file: String, path: PathBuf, metadata: &Metadata) -> Self {
        let written = (metadata.mtime(), metadata.mtime_nsec());
        Self { file, path, id: id(metadata), size: metadata.len(), written, current: false }
    }
}

/// Device and inode.
#[must_use]
pub fn id(metadata: &Metadata) -> Id {
    (metadata.dev(), metadata.ino())
}

/// A file's first bytes.
///
/// # Errors
/// It can't be read.
pub fn begin(file: &File) -> io::Result<Vec<u8>> {
    piece(file, 0, usize::try_from(HEAD).unwrap_or(usize::MAX))
}

/// As much as there is at an offset, up to a number of bytes.
///
/// # Errors
/// It can't be read.
pub fn piece(file: &File, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut have) = (vec![0; most], 0);
    while have < most {
        match file.read_at(&mut bytes[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// Opens a file; `None` when its name is gone, or another file's by now.
pub(super) fn look(one: &Seen) -> io::Result<Option<(File, Vec<u8>)>> {
    let file = match File::open(&one.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if id(&file.metadata()?) != one.id {
        return Ok(None);
    }
    let begin = begin(&file)?;
    Ok(Some((file, begin)))
}

/// Bytes of zero at the begin of a file.
pub(super) fn hole(file: &File) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let bytes = piece(file, length, HOLE)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        length += zeros as u64;
        if zeros < bytes.len() || bytes.is_empty() {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_makes_are_ours() {
        let log = Watched::Log("/var/log/audit.log".into());
        for file in [
            "audit.log",
            "audit-2026-11-23T00-17-15.000.log",
            "audit.log.1",
            "audit.log.12",
            "audit.log-20261123",
        ] {
            assert!(log.is_ours(file), "{file}");
        }
        for file in
            ["audit", "audit.log.gz", "audit.log.1.gz", "audit-2026-11-23T00-17-15.000.log.gz", "audit-x.log"]
        {
            assert!(!log.is_ours(file), "{file}");
        }
    }
}
