//! What the spool asks of a disk: so little that a test can be one, and lose power.

use std::any::Any;
use std::fmt;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// A disk. Nothing is safe on it before it was synced: a file's bytes by the file, its name by the folder.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Makes a folder for us alone, and those above it, when missing.
    ///
    /// # Errors
    /// The disk; so do all of the others.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Holds a file against other processes as long as what comes back lives; `None` when another one holds it.
    ///
    /// # Errors
    /// The disk.
    fn lock(&self, path: &Path) -> io::Result<Option<Held>>;

    /// Names and lengths of the files in a folder.
    ///
    /// # Errors
    /// The disk.
    fn files(&self, folder: &Path) -> io::Result<Vec<(String, u64)>>;

    /// All of a file.
    ///
    /// # Errors
    /// The disk, or there is no such file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A file to write, made when missing.
    ///
    /// # Errors
    /// The disk.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>>;

    /// Gives a file another name.
    ///
    /// # Errors
    /// The disk, or there is no such file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The disk, or there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder safe.
    ///
    /// # Errors
    /// The disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Bytes that we could still write.
    ///
    /// # Errors
    /// The disk.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// A lock, held until it is dropped.
pub type Held = Box<dyn Any + Send + Sync>;

/// A file that is written.
pub trait Writable: Send {
    /// Writes all of it at an offset.
    ///
    /// # Errors
    /// The disk; a part may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// The disk.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Makes its bytes safe.
    ///
    /// # Errors
    /// The disk; what was written since the last time may be anything now.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes a small file as a whole: whoever reads it finds the old content or the new one, also after a power cut.
///
/// # Errors
/// The disk.
pub fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = disk.open(&new)?;
    file.cut(0)?;
    file.write_at(content, 0)?;
    file.sync()?;
    drop(file);
    disk.rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| disk.sync_folder(folder))
}

/// The machine's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Held>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn files(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let length = match entry.metadata() {
                Ok(metadata) => metadata.len(),
                // Removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            files.push((entry.file_name().to_string_lossy().into_owned(), length));
        }
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Writable>> {
        Ok(Box::new(open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl Writable for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}
