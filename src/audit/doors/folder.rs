//! An archive that was downloaded: `aws s3 sync`, `rclone copy`, or whatever keeps names.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::archive::{Archive, Unread};
use super::super::layout::{CHECKPOINTS, SEGMENTS, Stream};
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
        match fs::read(self.root.join(path)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unread(path, &error)),
        }
    }
}
