//! Where an archive lies: a folder on disk, or a bucket.
//!
//! - [`folder`], [`bucket`]

pub mod bucket;
pub mod folder;

use super::archive::{Archive, Unread};
use super::layout::Stream;

/// A stream's folder, wherever it lies.
#[derive(Debug)]
pub enum Door {
    /// On disk.
    Folder(folder::Folder),
    /// In a bucket.
    Bucket(bucket::Bucket),
}

impl Archive for Door {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        match self {
            Self::Folder(folder) => folder.list(),
            Self::Bucket(bucket) => bucket.list(),
        }
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        match self {
            Self::Folder(folder) => folder.get(path),
            Self::Bucket(bucket) => bucket.get(path),
        }
    }

    fn soon(&mut self, paths: &[String]) {
        match self {
            Self::Folder(folder) => folder.soon(paths),
            Self::Bucket(bucket) => bucket.soon(paths),
        }
    }
}

/// The stream whose folder has this path: its last three parts.
fn stream_of(path: &str) -> Option<Stream> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let (epoch, agent, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Stream { cluster: cluster.into(), agent: agent.into(), epoch: epoch.into() })
}
