//! What is found at the start: which log this is, where it goes on, and what of it is gone.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::audit::frame::{Lost, recover};
use crate::audit::own::Own;

use super::disk::{Disk, Held, replace};
use super::names::{ACKED, EPOCH, Epoch, LOCK, Name, PROVER, Previous, SEGMENTS, SOURCES, acked_of};
use super::{Sealed, Settings};

/// What stays when a log ends and another begins in its folder; all else is the ended one's.
const STAYS: [&str; 4] = [LOCK, EPOCH, SEGMENTS, SOURCES];
/// Where that goes, with the log's name.
const ENDED: &str = "ended-";

/// Why a spool can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// Two agents.
    #[error("another agent writes in {}; give each its own --spool", .0.display())]
    Taken(PathBuf),
    /// Segments of nobody knows which log.
    #[error(
        "{} has segments, and its file epoch.json {}: put it back from where it was, or move the folder away, and a new \
         log begins", .0.display(), .1
    )]
    Epoch(PathBuf, String),
    /// Two segments have the same records.
    #[error(
        "{} has record {} in two segments; an agent never leaves that. Move the one away that doesn't belong here",
        .0.display(), .1
    )]
    Overlap(PathBuf, u64),
}

impl OpenError {
    pub(super) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk { action, path: path.to_owned(), source }
    }
}

/// What was found, for the log and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether the log began just now.
    pub new: bool,
    /// The number of the next record.
    pub next: u64,
    /// Bytes of a write that was cut off; nobody was told of them.
    pub torn: u64,
    /// Acknowledged records that can't be read any more.
    pub lost: Vec<Lost>,
}

/// Where the writer goes on.
pub(super) struct Start {
    pub lock: Held,
    pub epoch: Epoch,
    pub next: u64,
    /// The segment to go on with: its first record, and its bytes.
    pub open: Option<(u64, u64)>,
    pub sealed: Sealed,
    /// Records that are in the archive.
    shipped: u64,
    /// What the agent has to say first.
    pub own: Vec<Vec<u8>>,
    new: bool,
    torn: u64,
    lost: Vec<(Lost, &'static str)>,
}

impl Start {
    pub(super) fn found(&self) -> Found {
        let lost = self.lost.iter().map(|(lost, _)| *lost).collect();
        Found { new: self.new, next: self.next, torn: self.torn, lost }
    }
}

/// Sealed segments in a folder.
pub(super) fn sealed_files(disk: &dyn Disk, segments: &Path) -> io::Result<Sealed> {
    let files = disk.files(segments)?;
    let sealed = files.iter().filter_map(|(file, bytes)| match Name::of(file)? {
        Name::Sealed(first, last) => Some((first, (last, *bytes))),
        Name::Open(_) => None,
    });
    Ok(sealed.collect())
}

pub(super) fn open(disk: &dyn Disk, settings: &Settings) -> Result<Start, OpenError> {
    let folder = settings.folder.as_path();
    let segments = folder.join(SEGMENTS);
    let wrong = |action| move |error| OpenError::disk(action, folder, error);
    disk.make_folder(&segments).map_err(wrong("make the folder"))?;
    let lock = disk.lock(&folder.join(LOCK)).map_err(wrong("lock"))?;
    let lock = lock.ok_or_else(|| OpenError::Taken(folder.to_owned()))?;
    let sealed = sealed_files(disk, &segments).map_err(wrong("read"))?;
    let opens = open_files(disk, &segments).map_err(wrong("read"))?;
    let (epoch, new) = epoch(disk, folder, sealed.is_empty() && opens.is_empty())?;
    let hint = if new { 0 } else { hint(disk, folder) };
    let shipped = if new { 0 } else { shipped(disk, folder) };
    let (own, lost) = (Vec::new(), Vec::new());
    let mut start = Start { lock, epoch, next: 0, open: None, sealed, shipped, own, new, torn: 0, lost };
    start.follow(folder)?;
    for (index, first) in opens.iter().enumerate() {
        // What comes later than the last of them was never acknowledged, or the hint knows of it.
        let known = opens.get(index + 1).copied().unwrap_or(hint);
        start.go_on(disk, folder, &segments, *first, known)?;
    }
    if hint > start.next {
        start.open = None;
        start.skip_to(hint);
    }
    disk.sync_folder(&segments).map_err(wrong("sync"))?;
    start.tell(settings);
    Ok(start)
}

fn open_files(disk: &dyn Disk, segments: &Path) -> io::Result<Vec<u64>> {
    let files = disk.files(segments)?;
    let open = |(file, _): &(String, u64)| match Name::of(file)? {
        Name::Open(first) => Some(first),
        Name::Sealed(..) => None,
    };
    let mut opens: Vec<u64> = files.iter().filter_map(open).collect();
    opens.sort_unstable();
    Ok(opens)
}

/// Which log this is; whether it begins now.
fn epoch(disk: &dyn Disk, folder: &Path, empty: bool) -> Result<(Epoch, bool), OpenError> {
    let path = folder.join(EPOCH);
    let wrong = |what: &str| OpenError::Epoch(folder.to_owned(), what.to_owned());
    let known: Option<Epoch> = match disk.read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(OpenError::disk("read", &path, error)),
    };
    let previous = match known {
        None if !empty => return Err(wrong("is gone")),
        None => None,
        Some(epoch) if !empty => return Ok((epoch, false)),
        Some(epoch) => {
            let records = hint(disk, folder);
            if records == 0 {
                // Its first record was never written.
                return Ok((epoch, false));
            }
            // All segments are gone. Which number is next is not known for sure, and no number may come twice.
            Some(Previous { epoch: epoch.epoch, records })
        }
    };
    let epoch = Epoch::begin(Timestamp::now(), rand::random(), previous);
    let text = serde_json::to_vec(&epoch).unwrap_or_default();
    replace(disk, &path, &text).map_err(|error| OpenError::disk("write", &path, error))?;
    let ended = epoch.previous.as_ref().map_or("unknown", |previous| &previous.epoch);
    put_away(disk, folder, ended).map_err(|error| OpenError::disk("clear", folder, error))?;
    Ok((epoch, true))
}

/// Moves what others keep of a log that ended, so that it isn't taken for the new one's.
fn put_away(disk: &dyn Disk, folder: &Path, epoch: &str) -> io::Result<()> {
    let away = folder.join(format!("{ENDED}{epoch}"));
    let goes = |file: &str| !STAYS.contains(&file) && !file.starts_with(ENDED);
    let files = disk.files(folder)?.into_iter().map(|(file, _)| file);
    let files: Vec<String> = files.filter(|file| goes(file)).collect();
    if files.is_empty() {
        return Ok(());
    }
    disk.make_folder(&away)?;
    for file in files {
        disk.rename(&folder.join(&file), &away.join(&file))?;
    }
    disk.sync_folder(&away)?;
    disk.sync_folder(folder)
}

/// Records that are known to have been acknowledged, or a few less.
fn hint(disk: &dyn Disk, folder: &Path) -> u64 {
    let acked = disk.read(&folder.join(ACKED)).map_or(0, |bytes| acked_of(&bytes));
    acked.max(shipped(disk, folder))
}

/// Records that are in the archive: segments are forgotten only after the shipper has said so.
fn shipped(disk: &dyn Disk, folder: &Path) -> u64 {
    let prover = disk.read(&folder.join(PROVER)).ok();
    let prover = prover.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    prover.and_then(|prover| prover["next"].as_u64()).unwrap_or_default()
}

impl Start {
    /// Goes through the names of sealed segments.
    fn follow(&mut self, folder: &Path) -> Result<(), OpenError> {
        let names: Vec<(u64, u64)> = self.sealed.iter().map(|(first, (last, _))| (*first, *last)).collect();
        for (first, last) in names {
            if first < self.next {
                return Err(OpenError::Overlap(folder.to_owned(), first));
            }
            self.skip_to(first);
            self.next = last + 1;
        }
        Ok(())
    }

    /// Goes on with this number. What was shipped may be gone from here; nothing else.
    fn skip_to(&mut self, first: u64) {
        let from = self.next.max(self.shipped);
        if from < first {
            self.lost.push(((from, first - 1), "their segment is gone"));
        }
        self.next = first;
    }

    /// Goes on with a segment that was being written.
    fn go_on(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        segments: &Path,
        first: u64,
        known: u64,
    ) -> Result<(), OpenError> {
        if first < self.next {
            return Err(OpenError::Overlap(folder.to_owned(), first));
        }
        self.seal_open(disk, segments)?;
        self.skip_to(first);
        let path = segments.join(Name::Open(first).file());
        let wrong = |action| move |error| OpenError::disk(action, segments, error);
        let bytes = disk.read(&path).map_err(wrong("read"))?;
        let kept = recover(&bytes, first, known);
        let length = kept.keep as u64;
        self.torn += (bytes.len() - kept.keep) as u64;
        let mut file = disk.open(&path).map_err(wrong("open"))?;
        if kept.keep < bytes.len() {
            file.cut(length).map_err(wrong("cut"))?;
        }
        // A killed agent may have left records that are in no disk yet; those that follow will say that they are.
        file.sync().map_err(wrong("sync"))?;
        self.next = kept.next;
        if kept.lost.is_empty() {
            self.open = Some((first, length));
            return Ok(());
        }
        self.lost.extend(kept.lost.iter().map(|lost| (*lost, "damage in the spool")));
        // Sealed as it is, so that the next start doesn't find the same damage once more. Its name ends where its
        // records do.
        let tail = kept.lost.last().filter(|(_, last)| *last + 1 == kept.next);
        let end = tail.map_or(kept.next, |(from, _)| *from);
        self.open = Some((first, length));
        let next = std::mem::replace(&mut self.next, end);
        self.seal_open(disk, segments)?;
        self.next = next;
        Ok(())
    }

    /// Seals what was being written: nothing is added to it any more.
    fn seal_open(&mut self, disk: &dyn Disk, segments: &Path) -> Result<(), OpenError> {
        let Some((first, length)) = self.open.take() else { return Ok(()) };
        let path = segments.join(Name::Open(first).file());
        let done = if length == 0 {
            disk.remove(&path)
        } else {
            let sealed = Name::Sealed(first, self.next - 1);
            self.sealed.insert(first, (self.next - 1, length));
            disk.rename(&path, &segments.join(sealed.file()))
        };
        done.map_err(|error| OpenError::disk("seal", &path, error))
    }

    /// What the agent has to say first.
    fn tell(&mut self, settings: &Settings) {
        let now = Timestamp::now();
        if self.next == 0 {
            let Settings { cluster, agent, .. } = settings;
            let start = Own::EpochStart { epoch: &self.epoch, cluster, agent };
            self.own.push(start.record(now));
        }
        let epoch = self.epoch.epoch.as_str();
        let gaps = self.lost.iter();
        let gaps = gaps.map(|((first, last), why)| Own::Gap { epoch, first: *first, last: *last, why });
        self.own.extend(gaps.map(|gap| gap.record(now)));
    }
}
