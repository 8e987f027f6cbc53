//! What is put into the archive for one segment, known before the first put. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::prove::Object;
use crate::trail::record::hash;

/// Paths below the stream's folder, each with the SHA-256 of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The segment's first record.
    pub first: u64,
    /// Its last.
    pub last: u64,
    objects: BTreeMap<String, String>,
}

impl Journal {
    /// Of a segment and all that comes with it.
    pub fn of<'a>(first: u64, last: u64, objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let named = |one: &Object| (one.path.clone(), hash(&one.content));
        Self { first, last, objects: objects.into_iter().map(named).collect() }
    }

    /// As it lies on disk.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What [`Self::bytes`] gave; `None` when it isn't that.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it speaks of this segment.
    #[must_use]
    pub fn is_of(&self, first: u64, last: u64) -> bool {
        (self.first, self.last) == (first, last)
    }

    /// Whether this very content was to be put there.
    #[must_use]
    pub fn has(&self, path: &str, content: &[u8]) -> bool {
        self.objects.get(path).is_some_and(|known| *known == hash(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_its_objects_again_and_no_others() {
        let one = Object { path: "tile/0/000".into(), content: b"abc".to_vec() };
        let journal = Journal::of(3, 9, [&one]);
        let read = Journal::read(&journal.bytes()).unwrap();
        assert_eq!(read, journal);
        assert!(read.is_of(3, 9) && !read.is_of(3, 10));
        assert!(read.has("tile/0/000", b"abc"));
        assert!(!read.has("tile/0/000", b"abd") && !read.has("tile/0/001", b"abc"));
        assert_eq!(Journal::read(b"{}"), None);
        assert_eq!(hash(b"abc")[..8], *"ba7816bf");
    }
}
