//! The folder of one source on disk: what lies where, who may use it when.
//!
//! ```text
//! <repository>/lock      held by whoever fetches (alone) or reads (together)
//! <repository>/corrupt   a reader found damage: the next fetch starts anew
//! <repository>/git/      the bare repository
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Paths inside the folder of one source.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(repository: &Path) -> Self {
        Self(repository.to_owned())
    }

    /// The bare repository.
    pub(super) fn git(&self) -> PathBuf {
        self.0.join("git")
    }

    fn mark(&self) -> PathBuf {
        self.0.join("corrupt")
    }

    /// Creates the folder, for us alone.
    pub(super) fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0)
    }

    /// The lock of a fetch; `None` when somebody else is here. The kernel releases it when the
    /// process that holds it dies.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        Self::taken(self.lock_file()?, File::try_lock)
    }

    /// The lock of a reader.
    pub(super) fn lock_shared(&self) -> io::Result<Option<File>> {
        Self::taken(self.lock_file()?, File::try_lock_shared)
    }

    fn lock_file(&self) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).read(true).open(self.0.join("lock"))
    }

    fn taken(file: File, lock: impl Fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<File>> {
        match lock(&file) {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Asks the next fetch to start anew.
    pub(super) fn mark_corrupt(&self) -> io::Result<()> {
        fs::write(self.mark(), b"")
    }

    pub(super) fn is_marked_corrupt(&self) -> bool {
        self.mark().exists()
    }

    /// Removes the repository; the mark goes last, so that a crash in between is noticed.
    pub(super) fn wipe(&self) -> io::Result<()> {
        for removed in [fs::remove_dir_all(self.git()), fs::remove_file(self.mark())] {
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what a killed fetch left behind: temporary packs and lock files. Only under our lock.
    pub(super) fn tidy(&self) -> io::Result<()> {
        visit(&self.git(), &mut |path, _| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(".lock") || name.contains("_git2_") { fs::remove_file(path) } else { Ok(()) }
        })
    }

    /// Bytes of all files in the repository.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        let mut sum = 0;
        visit(&self.git(), &mut |_, metadata| {
            sum += metadata.len();
            Ok(())
        })?;
        Ok(sum)
    }

    /// Packs in the repository: each incremental fetch adds one.
    pub(super) fn packs(&self) -> usize {
        fs::read_dir(self.git().join("objects/pack")).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "pack")).count()
        })
    }
}

/// Calls `each` for every file below a folder; symbolic links are not followed.
fn visit(folder: &Path, each: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            visit(&entry.path(), each)?;
        } else {
            each(&entry.path(), &metadata)?;
        }
    }
    Ok(())
}
