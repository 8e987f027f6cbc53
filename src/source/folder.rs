//! The folder of one source on disk: what lies where, who may use it when.
//!
//! ```text
//! <repository>/lock      held by whoever fetches (alone) or reads (together)
//! <repository>/corrupt   a reader found damage: the next fetch starts anew
//! <repository>/git/      the bare repository
//! ```

use std::collections::BTreeSet;
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

    /// Creates the folder, for us alone; the lock in it says that it is ours.
    pub(super) fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0)?;
        self.lock_file().map(drop)
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

    /// Whether we made it: our lock is in it, and nothing that is not ours.
    fn is_ours(&self) -> bool {
        let entries = fs::read_dir(&self.0).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let Ok(entries) = entries else { return false };
        let names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
        let known = ["lock", "corrupt", "git"];
        names.iter().any(|name| name == "lock")
            && names.iter().all(|name| known.iter().any(|one| name == one))
    }

    /// Removes it with everything in it; `false` when somebody is here.
    fn remove(&self) -> io::Result<bool> {
        let Some(_lock) = self.lock()? else { return Ok(false) };
        self.wipe()?;
        fs::remove_file(self.0.join("lock"))?;
        // Not with what is in it: somebody may have come meanwhile.
        fs::remove_dir(&self.0)?;
        Ok(true)
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

/// Removes the folders of sources that are not among `kept`, by name, and nothing that we didn't make. Returns
/// whether all of them are gone: one that is in use stays for the next time.
pub fn sweep(sources: &Path, kept: &BTreeSet<String>) -> io::Result<bool> {
    let entries = match fs::read_dir(sources) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    let mut all = true;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let folder = Folder(entry.path());
        if entry.file_type()?.is_dir() && !kept.iter().any(|kept| name == kept.as_str()) && folder.is_ours() {
            let gone = folder.remove()?;
            tracing::info!(folder = %entry.path().display(), gone, "the repository of a Platform that is gone");
            all &= gone;
        }
    }
    Ok(all)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_we_made_and_nobody_needs_are_swept() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let sources = root.path().join("sources");
        let nobody = BTreeSet::new();
        assert!(sweep(&sources, &nobody).expect("nothing was made yet"));
        let make = |name: &str, files: &[&str]| {
            let folder = Folder::new(&sources.join(name));
            folder.create().expect("a folder");
            fs::create_dir(folder.git()).expect("a folder");
            files.iter().for_each(|file| fs::write(folder.0.join(file), b"").expect("a file"));
            folder
        };
        make("kept", &["git/HEAD"]);
        make("gone", &["corrupt", "git/HEAD"]);
        Folder::new(&sources.join("young")).create().expect("a folder");
        fs::create_dir_all(sources.join("backup/git")).expect("a folder");
        fs::create_dir(sources.join("empty")).expect("a folder");
        make("notes", &["git/HEAD", "notes.txt"]);
        let used = make("used", &["git/HEAD"]);
        fs::write(sources.join("file"), b"").expect("a file");
        let outside = root.path().join("outside");
        Folder::new(&outside).create().expect("a folder");
        std::os::unix::fs::symlink(&outside, sources.join("link")).expect("a link");

        let left = || {
            let names = fs::read_dir(&sources).expect("a folder").flatten();
            names.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect::<BTreeSet<_>>()
        };
        let kept = ["kept".to_owned()].into();
        let reader = used.lock_shared().expect("a lock").expect("it is free");
        assert!(!sweep(&sources, &kept).expect("swept"), "one is in use");
        assert_eq!(
            left(),
            ["backup", "empty", "file", "kept", "link", "notes", "used"].map(str::to_owned).into()
        );
        drop(reader);
        assert!(sweep(&sources, &kept).expect("swept"));
        assert_eq!(left(), ["backup", "empty", "file", "kept", "link", "notes"].map(str::to_owned).into());
        assert!(outside.join("lock").exists());
    }
}
