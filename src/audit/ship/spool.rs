//! The spool's folder, as far as the shipper knows it: sealed segments, and small files of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::audit::files;
use crate::audit::spool::Spool;
use crate::audit::spool::names::{EPOCH, Epoch, Name, SEGMENTS};

use super::trouble::Trouble;

/// A segment that will never change again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its first record.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// Its bytes.
    pub bytes: u64,
    /// When it was sealed, by the node's clock.
    pub at: SystemTime,
}

impl Sealed {
    fn name(&self) -> String {
        Name::Sealed(self.first, self.last).file()
    }
}

/// A spool.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// Who writes there, and counts what lies there; `None` when that is another process.
    writer: Option<Spool>,
}

impl Folder {
    /// Reads nothing yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writer: None }
    }

    /// Whose folder it is.
    #[must_use]
    pub fn of(self, writer: Spool) -> Self {
        Self { writer: Some(writer), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The epoch that its records belong to.
    ///
    /// # Errors
    /// `epoch.json` isn't there, or isn't one.
    pub fn epoch(&self) -> Result<String, Trouble> {
        let bytes = self.load(EPOCH)?.ok_or_else(|| trouble(EPOCH, &"it isn't there"))?;
        let epoch: Epoch = serde_json::from_slice(&bytes).map_err(|error| trouble(EPOCH, &error))?;
        Ok(epoch.epoch)
    }

    /// All sealed segments, in order.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn sealed(&self) -> Result<Vec<Sealed>, Trouble> {
        let failed = |error: io::Error| trouble(SEGMENTS, &error);
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path.join(SEGMENTS)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(Name::Sealed(first, last)) = name.to_str().and_then(Name::of) else { continue };
            match entry.metadata() {
                Ok(meta) => {
                    let at = meta.modified().map_err(failed)?;
                    found.push(Sealed { first, last, bytes: meta.len(), at });
                }
                // Forgotten a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        found.sort_unstable_by_key(|one| one.first);
        Ok(found)
    }

    /// A segment's records.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&self, sealed: &Sealed) -> Result<Vec<u8>, Trouble> {
        let name = format!("{SEGMENTS}/{}", sealed.name());
        fs::read(self.path.join(&name)).map_err(|error| trouble(&name, &error))
    }

    /// A small file; `None` when there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub fn load(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        files::load(&self.path.join(name)).map_err(|error| trouble(name, &error))
    }

    /// Replaces a small file: whole or not at all, and on disk when this returns.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        files::save(&self.path.join(name), bytes).map_err(|error| trouble(name, &error))
    }

    /// Adds a line to a small file, on disk when this returns.
    ///
    /// # Errors
    /// It can't be written.
    pub fn append(&self, name: &str, line: &str) -> Result<(), Trouble> {
        files::append(&self.path.join(name), line).map_err(|error| trouble(name, &error))
    }

    /// Removes segments whose records are all below `below`, and that were sealed before `before` where that is given.
    /// The newest one stays: it tells the spool how far it has come. Returns how many it removed.
    ///
    /// # Errors
    /// One can't be removed.
    pub fn forget(&self, below: u64, before: Option<SystemTime>) -> Result<usize, Trouble> {
        let mut sealed = self.sealed()?;
        sealed.pop();
        let old = |one: &&Sealed| one.last < below && before.is_none_or(|before| one.at <= before);
        let mut removed = 0;
        for one in sealed.iter().filter(old) {
            let name = format!("{SEGMENTS}/{}", one.name());
            let done = match &self.writer {
                Some(writer) => writer.forget(one.first),
                None => fs::remove_file(self.path.join(&name)),
            };
            done.map_err(|error| trouble(&name, &error))?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// The moment that long ago.
#[must_use]
pub fn ago(span: Duration) -> SystemTime {
    SystemTime::now().checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn trouble(path: &str, said: &dyn std::fmt::Display) -> Trouble {
    Trouble::Spool { path: path.to_owned(), said: said.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_in_order_and_the_newest_is_never_forgotten() {
        let spool = tempfile::tempdir().unwrap();
        let folder = Folder::new(spool.path());
        assert!(folder.sealed().is_err());
        fs::create_dir(spool.path().join(SEGMENTS)).unwrap();
        for name in [
            "00000000000000000010-00000000000000000019.seg",
            "00000000000000000000-00000000000000000009.seg",
            "00000000000000000020-00000000000000000020.seg",
            "00000000000000000021.open",
            "00000000000000000030-00000000000000000022.seg",
            "7-9.seg",
        ] {
            fs::write(spool.path().join(SEGMENTS).join(name), name).unwrap();
        }
        let firsts = |folder: &Folder| {
            folder.sealed().unwrap().iter().map(|one| (one.first, one.last)).collect::<Vec<_>>()
        };
        assert_eq!(firsts(&folder), [(0, 9), (10, 19), (20, 20)]);
        assert_eq!(folder.read(&folder.sealed().unwrap()[2]).unwrap().len(), 45);
        assert_eq!(folder.forget(10, Some(ago(Duration::from_secs(3600)))).unwrap(), 0);
        assert_eq!(folder.forget(19, None).unwrap(), 1);
        assert_eq!(folder.forget(u64::MAX, None).unwrap(), 1);
        assert_eq!(firsts(&folder), [(20, 20)]);
    }

    #[test]
    fn small_files_are_replaced_whole() {
        let spool = tempfile::tempdir().unwrap();
        let folder = Folder::new(spool.path());
        assert_eq!(folder.load("a"), Ok(None));
        folder.save("a", b"one").unwrap();
        folder.save("a", b"two").unwrap();
        folder.append("a", "three\n").unwrap();
        assert_eq!(folder.load("a"), Ok(Some(b"twothree\n".to_vec())));
        assert_eq!(folder.epoch().unwrap_err().reason(), "SpoolDamaged");
        folder.save("epoch.json", br#"{"epoch":"20261123T000000Z-01234567","previous":null}"#).unwrap();
        assert_eq!(folder.epoch().unwrap(), "20261123T000000Z-01234567");
    }
}
