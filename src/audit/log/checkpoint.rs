//! Checkpoints: c2sp.org/tlog-checkpoint. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::Hash;
use super::note::{Malformed, Note};

/// How far a log has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Over all of them.
    pub root: Hash,
}

impl Checkpoint {
    /// As a note that nobody signed yet.
    #[must_use]
    pub fn note(&self) -> Note {
        Note::new(format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root)))
    }

    /// Reads a note's text. Lines of extensions are passed over.
    ///
    /// # Errors
    /// It isn't one.
    pub fn of(note: &Note) -> Result<Self, Malformed> {
        let wrong = |why| Err(Malformed::Note(why));
        let mut lines = note.text().lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return wrong("fewer than three lines: it is no checkpoint");
        };
        let plain = size == "0" || (!size.starts_with(['0', '+']) && !size.is_empty());
        let Some(size) = size.parse().ok().filter(|_| plain) else {
            return wrong("a size that is no number");
        };
        let Some(root) = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()) else {
            return wrong("a root that is no SHA-256");
        };
        if origin.is_empty() {
            return wrong("no origin");
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back() {
        let one = Checkpoint { origin: "a/b".into(), size: 17, root: [3; 32] };
        assert_eq!(Checkpoint::of(&one.note()).as_ref(), Ok(&one));
        for text in
            ["a\n1\n", "a\n01\nAAAA\n", "a\n1\nAAAA\n", "\n1\nAAAA\n", "a\n-1\nAAAA\n", "a\n+1\nAAAA\n"]
        {
            assert!(Checkpoint::of(&Note::new(text.into())).is_err(), "{text:?}");
        }
    }
}
