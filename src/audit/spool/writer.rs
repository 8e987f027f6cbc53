//! The one thread that writes: frames, one write and one sync a batch, and then the word to whoever waits.
//!
//! A write or a sync that failed may have left anything, so the file is cut back to what was synced before and the same
//! bytes are written again, until it works.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use super::disk::{Disk, Held, Writable};
use super::names::{ACKED, Name, SEGMENTS, acked};
use super::open::{Start, sealed_files};
use super::shared::{Job, Next, Shared};
use super::{Segment, Settings, Trouble};

/// Time between two tries of what failed.
const AGAIN: Duration = Duration::from_millis(200);
/// Time between two notes of how far it has come.
const NOTE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    settings: Settings,
    segments: PathBuf,
    open: Option<Open>,
    /// Frames that are to be written, and whose they are.
    buffer: Vec<u8>,
    jobs: Vec<Job>,
    /// Records that are safe; and those with the ones that are to be written.
    safe: u64,
    next: u64,
    /// Somebody wants it sealed.
    asked: bool,
    synced: Option<Instant>,
    noted: Option<Instant>,
    note: Option<Box<dyn Writable>>,
    _lock: Held,
}

/// The segment that is being written.
struct Open {
    first: u64,
    /// Bytes that are safe.
    length: u64,
    file: Box<dyn Writable>,
    /// When the first record came.
    born: Option<Instant>,
    /// Sealed but for the folder.
    renamed: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        settings: Settings,
        start: Start,
    ) -> io::Result<Self> {
        let segments = settings.folder.join(SEGMENTS);
        let open = match start.open {
            Some((first, length)) => {
                let file = disk.open(&segments.join(Name::Open(first).file()))?;
                let born = (length > 0).then(Instant::now);
                Some(Open { first, length, file, born, renamed: false })
            }
            None => None,
        };
        let note = disk.open(&settings.folder.join(ACKED)).ok();
        let next = start.next;
        Ok(Self {
            shared,
            disk,
            settings,
            segments,
            open,
            buffer: Vec::new(),
            jobs: Vec::new(),
            safe: next,
            next,
            asked: false,
            synced: None,
            noted: None,
            note,
            _lock: start.lock,
        })
    }

    /// Writes until it is closed and nothing waits, or what waits can't be written.
    pub(super) fn run(mut self) {
        loop {
            let worked = if self.is_seal_due() {
                self.seal()
            } else if !self.jobs.is_empty() {
                self.commit()
            } else {
                match self.shared.next(self.settings.batch, self.pause_ends(), self.seal_at()) {
                    Next::Write(jobs) => self.frame(jobs),
                    Next::Look => {}
                    Next::End => break,
                }
                continue;
            };
            if let Err(trouble) = worked {
                self.say(Some(trouble));
                if self.shared.rest(AGAIN) {
                    break;
                }
            }
        }
        self.note();
    }

    fn pause_ends(&self) -> Instant {
        self.synced.map_or_else(Instant::now, |synced| synced + self.settings.pause)
    }

    fn seal_at(&self) -> Option<Instant> {
        Some(self.open.as_ref()?.born? + self.settings.age)
    }

    fn is_seal_due(&mut self) -> bool {
        self.asked |= self.shared.seal_was_asked();
        let Some(open) = self.open.as_ref().filter(|open| open.length > 0) else {
            self.asked = false;
            return false;
        };
        let full = matches!(self.shared.state().trouble, Some(Trouble::Full(_)));
        let long = !self.jobs.is_empty() && open.length + self.buffer.len() as u64 > self.settings.segment;
        // What is sealed can be shipped, and makes room.
        self.asked || full || long || open.renamed || self.seal_at().is_some_and(|at| at <= Instant::now())
    }

    /// Makes the bytes to be written. Their numbers are theirs however often they are tried.
    fn frame(&mut self, jobs: Vec<Job>) {
        let received = Timestamp::now().as_millisecond();
        self.buffer.clear();
        // One long batch isn't kept in memory for ever.
        self.buffer.shrink_to(2 * self.settings.batch);
        self.next = self.safe;
        for job in &jobs {
            self.next = job.batch.append(self.next, self.safe, received, &mut self.buffer);
        }
        self.jobs = jobs;
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.find_room()?;
        self.ensure_open().map_err(|error| trouble(&error))?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let written = open.file.write_at(&self.buffer, open.length).and_then(|()| open.file.sync());
        if let Err(error) = written {
            // Should this fail, too, the next write begins at the same place.
            let _ = open.file.cut(open.length);
            return Err(trouble(&error));
        }
        open.length += self.buffer.len() as u64;
        open.born.get_or_insert_with(Instant::now);
        let length = open.length;
        let (first, now) = (open.first, Instant::now());
        self.synced = Some(now);
        let mut state = self.shared.state();
        (state.next, state.open, state.has_open) = (self.next, (first, length), true);
        state.syncs += 1;
        drop(state);
        // Before the word: whoever has it may look, and must not read of a trouble that has ended.
        self.say(None);
        let mut seq = std::mem::replace(&mut self.safe, self.next);
        for job in self.jobs.drain(..) {
            let end = seq + job.batch.len() as u64;
            if let Some(done) = job.done {
                // Whoever asked may have gone.
                let _ = done.send(seq..end);
            }
            seq = end;
        }
        if self.noted.is_none_or(|noted| noted + NOTE <= now) {
            self.note();
            self.noted = Some(now);
        }
        Ok(())
    }

    /// Whether what is to be written may be.
    fn find_room(&self) -> Result<(), Trouble> {
        let more = self.buffer.len() as u64;
        if let Some(most) = self.settings.most {
            let fits = |used: u64| used == 0 || used + more <= most;
            if !fits(self.shared.state().bytes()) {
                // Somebody else may have removed segments.
                self.list();
                let used = self.shared.state().bytes();
                if !fits(used) {
                    return Err(Trouble::Full(format!("{used} bytes of {most} are used")));
                }
            }
        }
        // A disk that doesn't say how much is free says so when it is full.
        match self.disk.free(&self.settings.folder) {
            Ok(free) if free < self.settings.reserve.saturating_add(more) => Err(Trouble::Full(format!(
                "{free} bytes of the disk are free, of which {} are kept for the shipper",
                self.settings.reserve
            ))),
            _ => Ok(()),
        }
    }

    fn list(&self) {
        self.shared.list(|| sealed_files(self.disk.as_ref(), &self.segments));
    }

    fn ensure_open(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            let first = self.safe;
            let mut file = self.disk.open(&self.segments.join(Name::Open(first).file()))?;
            // Left by a try that failed.
            file.cut(0)?;
            self.disk.sync_folder(&self.segments)?;
            self.open = Some(Open { first, length: 0, file, born: None, renamed: false });
            let mut state = self.shared.state();
            (state.open, state.has_open) = ((first, 0), true);
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Trouble> {
        let Some(open) = &mut self.open else { return Ok(()) };
        // It isn't empty, so there is a record.
        let segment = Segment { first: open.first, last: self.safe.saturating_sub(1), bytes: open.length };
        let name = |name: Name| self.segments.join(name.file());
        let mut work = || {
            if !open.renamed {
                open.file.sync()?;
                let to = name(Name::Sealed(segment.first, segment.last));
                self.disk.rename(&name(Name::Open(segment.first)), &to)?;
                open.renamed = true;
            }
            self.disk.sync_folder(&self.segments)
        };
        work().map_err(|error| trouble(&error))?;
        self.open = None;
        self.shared.sealed(segment);
        self.list();
        self.note();
        self.asked = false;
        // Its name says which number is next. If it can't be made now, the next batch makes it.
        let _ = self.ensure_open();
        self.shared.tell_sealed(segment);
        Ok(())
    }

    /// Notes how far it has come; a hint, so nothing depends on it.
    fn note(&mut self) {
        let next = self.shared.state().next;
        if let Some(note) = &mut self.note {
            let _ = note.write_at(acked(next).as_bytes(), 0);
        }
    }

    /// Keeps what is wrong, and logs it when it changes.
    fn say(&self, trouble: Option<Trouble>) {
        let mut state = self.shared.state();
        let known = std::mem::replace(&mut state.trouble, trouble.clone());
        drop(state);
        match (known, trouble) {
            (None, Some(trouble)) => warn!(%trouble, "records wait"),
            (Some(_), None) => info!("the spool takes records again"),
            _ => {}
        }
    }
}

impl Drop for Writer {
    /// Also when it panicked.
    fn drop(&mut self) {
        self.shared.end();
    }
}

fn trouble(error: &io::Error) -> Trouble {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Trouble::Full(error.to_string()),
        _ => Trouble::Failing(error.to_string()),
    }
}
