//! The trail's files. Appended to and synced, never rewritten; a write that was cut off is cut away at the next
//! start.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::{Checked, Entry, FORMAT, Piece, Segment, Tip, Verified, check, verify};
use super::record::hash;

/// A segment that is longer is followed by another one.
const SEGMENT: u64 = 4 * 1024 * 1024;
const HEAD: &str = "head";
const LOCK: &str = "lock";
const EXTENSION: &str = ".jsonl";

/// The trail, open for writing.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    /// Held as long as we write.
    _lock: File,
    head: File,
    segment: File,
    number: u32,
    length: u64,
    tip: Tip,
    most: u64,
}

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes of a write that was cut off; they are gone now.
    pub torn: usize,
    /// What is wrong with the last segment; a new one names it.
    pub broken: Option<String>,
}

impl Disk {
    /// Opens the trail in a folder, which is created when missing.
    ///
    /// # Errors
    /// The disk, or another process that writes there.
    pub fn open(folder: &Path) -> io::Result<(Self, Found)> {
        Self::open_with(folder, SEGMENT)
    }

    fn open_with(folder: &Path, most: u64) -> io::Result<(Self, Found)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = file(&folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another operator writes here; give each its own --data-dir"));
            }
        }
        let head = file(&folder.join(HEAD))?;
        let known = fs::read_to_string(folder.join(HEAD)).unwrap_or_else(|_| "not text".to_owned());
        let names = names(folder)?;
        let Some(last) = names.last() else {
            let broken = (!known.is_empty()).then(|| "every record is gone".to_owned());
            let tip = Tip::from_text(&known).unwrap_or_default();
            let tip = Tip { hash: hash(b""), ..tip };
            let start = if broken.is_some() { tip } else { Tip::default() };
            let disk = Self::begin(folder, lock, head, start, 1, broken.clone(), most)?;
            return Ok((disk, Found { torn: 0, broken }));
        };
        let number = number(last).unwrap_or_default();
        let path = folder.join(last);
        let bytes = fs::read(&path)?;
        let checked = check(&bytes);
        let tip = checked.tip().cloned().unwrap_or_default();
        match judge(&checked, &known, before(folder, &names)?.as_ref()) {
            Ok(()) => {
                let segment = file(&path)?;
                let torn = bytes.len() - checked.good;
                if torn > 0 {
                    segment.set_len(checked.good as u64)?;
                    segment.sync_all()?;
                }
                let length = checked.good as u64;
                let folder = folder.to_owned();
                let mut disk = Self { folder, _lock: lock, head, segment, number, length, tip, most };
                disk.mark()?;
                Ok((disk, Found { torn, broken: None }))
            }
            Err(problem) => {
                let known = Tip::from_text(&known).map_or(0, |head| head.sequence);
                let start = Tip { sequence: tip.sequence.max(known), hash: hash(&bytes) };
                let disk = Self::begin(folder, lock, head, start, number + 1, Some(problem.clone()), most)?;
                Ok((disk, Found { torn: 0, broken: Some(problem) }))
            }
        }
    }

    /// A trail that goes on with a new segment.
    fn begin(
        folder: &Path,
        lock: File,
        head: File,
        tip: Tip,
        number: u32,
        broken: Option<String>,
        most: u64,
    ) -> io::Result<Self> {
        let segment = file(&folder.join(name(number)))?;
        let folder = folder.to_owned();
        let mut disk = Self { folder, _lock: lock, head, segment, number, length: 0, tip, most };
        disk.start(broken)?;
        Ok(disk)
    }

    /// Writes the first line of a segment.
    fn start(&mut self, broken: Option<String>) -> io::Result<()> {
        let entry = Entry::Segment(Segment { format: FORMAT, number: self.number, broken });
        self.write(vec![entry])?;
        // The name of the file is safe, too.
        File::open(&self.folder)?.sync_all()
    }

    /// Appends records: when this returns they are safe on disk.
    ///
    /// # Errors
    /// The disk. Then open it again: what was cut off is cut away.
    pub fn append<E: Into<Entry>>(&mut self, records: Vec<E>) -> io::Result<()> {
        if self.length >= self.most {
            self.number += 1;
            self.segment = file(&self.folder.join(name(self.number)))?;
            self.length = 0;
            self.start(None)?;
        }
        self.write(records.into_iter().map(Into::into).collect())
    }

    /// Which segment is being written.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Removes all but the newest segments.
    ///
    /// # Errors
    /// The disk.
    pub fn keep(&self, newest: usize) -> io::Result<()> {
        let names = names(&self.folder)?;
        let old = names.len().saturating_sub(newest.max(1));
        names[..old].iter().try_for_each(|name| fs::remove_file(self.folder.join(name)))
    }

    /// What the newest segments hold, as far as it verifies.
    ///
    /// # Errors
    /// The disk.
    pub fn newest(&self, segments: usize) -> io::Result<Vec<Entry>> {
        let names = names(&self.folder)?;
        let mut entries = Vec::new();
        for name in &names[names.len().saturating_sub(segments)..] {
            let lines = check(&fs::read(self.folder.join(name))?).lines;
            entries.extend(lines.into_iter().map(|(_, entry)| entry));
        }
        Ok(entries)
    }

    fn write(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        let mut tip = self.tip.clone();
        let text: String = entries.into_iter().map(|entry| tip.push(entry)).collect();
        self.segment.write_all_at(text.as_bytes(), self.length)?;
        self.segment.sync_data()?;
        self.length += text.len() as u64;
        self.tip = tip;
        self.mark()
    }

    /// Keeps the tip: from now on, records up to it can't go unnoticed.
    fn mark(&mut self) -> io::Result<()> {
        self.head.write_all_at(self.tip.to_text().as_bytes(), 0)?;
        self.head.sync_data()
    }
}

/// Whether the last segment can be gone on with: what is wrong must come after the head, which means that it
/// was never said to be safe.
fn judge(checked: &Checked, known: &str, before: Option<&Tip>) -> Result<(), String> {
    let Some(tip) = checked.tip() else {
        return Err(checked.problem.clone().unwrap_or_default());
    };
    let first = &checked.lines[0].0;
    if let (Some(before), Entry::Segment(segment)) = (before, &checked.lines[0].1)
        && segment.broken.is_none()
        && first.sequence != before.sequence + 1
    {
        return Err("it does not follow the segment before it".to_owned());
    }
    match Tip::from_text(known) {
        // A crash after the very first line.
        None if known.is_empty() && tip.sequence == 1 && checked.problem.is_none() => Ok(()),
        None if known.is_empty() => Err("the file head is gone".to_owned()),
        None => Err("the file head can't be read".to_owned()),
        Some(head) if head.sequence > tip.sequence => {
            let why = checked.problem.as_deref().unwrap_or("it was removed");
            Err(format!("record {} is gone: {why}", tip.sequence + 1))
        }
        // A crash between a new segment and its head.
        Some(head) if head.sequence < first.sequence => match before {
            Some(before) if *before == head => Ok(()),
            _ => Err(format!("record {} is not what it was when it was written", head.sequence)),
        },
        Some(head) if checked.lines.iter().any(|(tip, _)| *tip == head) => Ok(()),
        Some(head) => Err(format!("record {} is not what it was when it was written", head.sequence)),
    }
}

/// The last line of the segment before the last.
fn before(folder: &Path, names: &[String]) -> io::Result<Option<Tip>> {
    let Some(index) = names.len().checked_sub(2) else { return Ok(None) };
    Ok(check(&fs::read(folder.join(&names[index]))?).tip().cloned())
}

/// Reads and verifies a whole trail, also while somebody writes to it.
///
/// # Errors
/// It can't be read.
pub fn read(folder: &Path) -> io::Result<Verified> {
    // Before the segments: they may be ahead of it, never behind.
    let head = match fs::read_to_string(folder.join(HEAD)) {
        Ok(text) if text.is_empty() => None,
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let names = names(folder)?;
    let read = |name: &String| fs::read(folder.join(name)).map(|bytes| (name.clone(), bytes));
    let segments = names.iter().map(read).collect::<io::Result<Vec<_>>>()?;
    let pieces: Vec<Piece<'_>> =
        segments.iter().map(|(name, bytes)| Piece { name, bytes: bytes.as_slice() }).collect();
    Ok(verify(&pieces, head.as_deref()))
}

/// Names of the segments, in order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if number(&name).is_some() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn name(number: u32) -> String {
    format!("{number:06}{EXTENSION}")
}

fn number(name: &str) -> Option<u32> {
    name.strip_suffix(EXTENSION)?.parse().ok()
}

fn file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
