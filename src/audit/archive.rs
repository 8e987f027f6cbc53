//! What reads an archive: a stream's folder, by paths below it. Pure; the doors are in `cli/audit`.

/// Why an object can't be read; in words, since nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't read {path}: {said}")]
pub struct Unread {
    /// Below the stream's folder.
    pub path: String,
    /// What the disk or the store says.
    pub said: String,
}

/// A stream's folder.
pub trait Archive {
    /// All paths in it, in no order.
    ///
    /// # Errors
    /// It can't be listed.
    fn list(&mut self) -> Result<Vec<String>, Unread>;

    /// An object; `None` when there is none. One that is longer than any of ours comes back empty, as none of ours is: it
    /// isn't what it should be, and who may add objects must not keep anybody from reading the others.
    ///
    /// # Errors
    /// It can't be read.
    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread>;

    /// These are asked for next: where each takes a while they can be on their way.
    fn soon(&mut self, paths: &[String]) {
        let _ = paths;
    }
}
