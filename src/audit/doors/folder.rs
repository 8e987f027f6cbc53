//! An archive that was downloaded: `aws s3 sync`, `rclone copy`, or whatever keeps names.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::super::archive::{Archive, Unread};
use super::super::layout::{CHECKPOINTS, SEGMENTS, Stream};
use super::super::pack::MOST_UNPACKED;
use super::stream_of;

/// A stream's folder on disk.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// Folders deeper than this below the one that was named are not looked into.
const MOST_DEPTH: usize = 8;

/// All streams in a folder, by name.
///
/// # Errors
/// It can't be read.
pub fn streams(root: &Path) -> std::io::Result<Vec<(Stream, Folder)>> {
    let root = root.canonicalize()?;
    let mut found = Vec::new();
    let mut open = vec![(root, 0)];
    while let Some((folder, depth)) = open.pop() {
        let is_stream = [SEGMENTS, CHECKPOINTS].iter().any(|name| folder.join(name).is_dir());
        if is_stream {
            let stream = stream_of(&folder.to_string_lossy());
            found.extend(stream.map(|stream| (stream, Folder { root: folder })));
            continue;
        }
        if depth < MOST_DEPTH {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push((entry.path(), depth + 1));
                }
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

impl Folder {
    fn unread(&self, path: &str, error: &std::io::Error) -> Unread {
        Unread { path: self.root.join(path).display().to_string(), said: error.to_string() }
    }
}

impl Archive for Folder {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        let (mut found, mut open) = (Vec::new(), vec![String::new()]);
        while let Some(below) = open.pop() {
            let failed = |error| self.unread(&below, &error);
            for entry in fs::read_dir(self.root.join(&below)).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = format!("{below}{}", entry.file_name().to_string_lossy());
                if entry.file_type().map_err(failed)?.is_dir() {
                    open.push(path + "/");
                } else {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        let read = || -> std::io::Result<Vec<u8>> {
            let file = fs::File::open(self.root.join(path))?;
            let (most, mut content) = (MOST_UNPACKED as u64, Vec::new());
            let is_longer = file.metadata()?.len() > most;
            file.take(if is_longer { 0 } else { most }).read_to_end(&mut content)?;
            Ok(content)
        };
        match read() {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unread(path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_any_of_ours_keeps_nobody_from_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Folder { root: folder.path().to_owned() };
        for (name, length) in [("long", MOST_UNPACKED as u64 + 1), ("most", MOST_UNPACKED as u64)] {
            fs::File::create(folder.path().join(name)).unwrap().set_len(length).unwrap();
        }
        assert_eq!(archive.get("long"), Ok(Some(Vec::new())));
        assert_eq!(archive.get("most").unwrap().map(|all| all.len()), Some(MOST_UNPACKED));
        assert_eq!(archive.get("none"), Ok(None));
    }
}
