//! How far each file was read, as it is kept on disk. Pure.

use serde::{Deserialize, Serialize};

use crate::trail::record::hash;

/// Bytes at a file's begin that tell it from others: an event's id is among them.
pub const HEAD: u64 = 1024;

/// What a file is known by, whatever its name: numbers of inodes are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many bytes of its begin.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Head {
    /// Of a file's first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: hash(bytes) }
    }

    /// Whether a file that begins like this is the one. Of a file of which nothing was read, nothing is known.
    #[must_use]
    pub fn fits(&self, begin: &[u8]) -> bool {
        let mine = usize::try_from(self.bytes).ok().and_then(|bytes| begin.get(..bytes));
        mine.is_some_and(|mine| self.bytes == 0 || Self::of(mine) == *self)
    }
}

/// A file that was read, or is being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name when it was last seen.
    pub file: String,
    /// Its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// What else it is known by.
    pub head: Head,
    /// Bytes that were read and acknowledged.
    pub offset: u64,
    /// Nothing more is expected of it: it was followed by another file, and read to its end.
    pub whole: bool,
}

impl Known {
    /// A name for it that no other file has.
    #[must_use]
    pub fn identity(&self) -> String {
        let short = self.head.sha256.get(..16).unwrap_or("empty");
        format!("{:x}-{:x}-{short}", self.device, self.inode)
    }
}

/// How far a source was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The log that its records went to.
    pub epoch: String,
    /// Records of that log that were acknowledged when this was written.
    pub acked: u64,
    /// Files that were there.
    pub files: Vec<Known>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_begin() {
        let head = Head::of(b"abc");
        assert!(head.fits(b"abc") && head.fits(b"abcdef"));
        assert!(!head.fits(b"ab") && !head.fits(b"abd"));
        assert!(Head::default().fits(b"") && Head::default().fits(b"x"));
        let known = Known { file: "f".into(), device: 1, inode: 16, head, offset: 3, whole: false };
        assert_eq!(known.identity(), "1-10-ba7816bf8f01cfea");
    }
}
