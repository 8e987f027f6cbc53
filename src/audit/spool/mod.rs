//! The spool: records are on disk before anybody is told that they were taken, and stay there until they are proved to
//! be elsewhere.
//!
//! - [`names`], [`batch`]: pure; what lies in the folder, and what is written at once
//! - [`disk`]: what is asked of a disk
//! - [`open`]: what is found at the start
//! - [`writer`]: the one thread that writes
//!
//! A batch of at most 256 KiB, or what came in 5 ms, shares one sync. A full disk makes callers wait; nothing is deleted
//! but by [`Spool::forget`]. The start reads names and the one segment that was being written.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub mod batch;
pub mod disk;
pub mod names;
pub mod open;
mod shared;
mod writer;

use batch::Batch;
use disk::{Disk, RealDisk};
use names::{Name, SEGMENTS};
use open::{Found, OpenError};
use shared::{Job, Shared};
use writer::Writer;

use super::frame::MOST_BYTES;

/// How a spool works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder.
    pub folder: PathBuf,
    /// The cluster's name, as it stands in the first record.
    pub cluster: String,
    /// The agent's.
    pub agent: String,
    /// Bytes of a segment that is sealed.
    pub segment: u64,
    /// Longest time that a segment with records is not sealed.
    pub age: Duration,
    /// Bytes that are synced at once.
    pub batch: usize,
    /// Time between two syncs of less than that.
    pub pause: Duration,
    /// Bytes that wait in memory.
    pub queue: usize,
    /// Bytes that segments may have in all; no limit but the disk's when absent.
    pub most: Option<u64>,
    /// Bytes of the disk that are left to others: the shipper keeps its state there, also when nothing more fits.
    pub reserve: u64,
}

impl Settings {
    /// The usual ones for a folder.
    #[must_use]
    pub fn new(folder: PathBuf, cluster: &str, agent: &str) -> Self {
        Self {
            folder,
            cluster: cluster.to_owned(),
            agent: agent.to_owned(),
            segment: 8 * 1024 * 1024,
            age: Duration::from_secs(20),
            batch: 256 * 1024,
            pause: Duration::from_millis(5),
            queue: 4 * 1024 * 1024,
            most: None,
            reserve: 64 * 1024 * 1024,
        }
    }
}

/// Why nothing can be written at the moment. The writer tries again by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no room.
    #[error("the spool is full: {0}; nothing is deleted, and it goes on as soon as there is room")]
    Full(String),
    /// The disk fails.
    #[error("the spool's disk fails: {0}; nothing is acknowledged until it works again")]
    Failing(String),
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The agent ends.
    #[error("the spool is closed")]
    Closed,
    /// A record is longer than a segment can hold.
    #[error("a record has more than {MOST_BYTES} bytes")]
    TooLong,
}

/// A sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first record.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Which log this is.
    pub epoch: String,
    /// Records that were acknowledged.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Sealed segments.
    pub sealed: usize,
    /// The oldest record that is still here.
    pub oldest: u64,
    /// Syncs so far.
    pub syncs: u64,
    /// Why nothing can be written.
    pub trouble: Option<Trouble>,
}

/// The spool; clones are the same one. It ends when the last is dropped, or by [`Spool::close`].
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    settings: Settings,
    epoch: String,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Spool {
    /// Opens the spool in a folder, which is created when missing.
    ///
    /// # Errors
    /// The disk, another agent that writes there, or a folder that isn't what a spool leaves.
    pub fn open(settings: Settings) -> Result<(Self, Found), OpenError> {
        Self::open_on(Arc::new(RealDisk), settings)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: Settings) -> Result<(Self, Found), OpenError> {
        let start = open::open(disk.as_ref(), &settings)?;
        let found = start.found();
        let epoch = start.epoch.epoch.clone();
        let shared = Arc::new(Shared::new(settings.queue, &start));
        for record in &start.own {
            // Before the thread runs: they are the first.
            shared.push(Job::unheard(Batch::own(record.clone())));
        }
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&disk), settings.clone(), start)
            .map_err(|error| OpenError::disk("write", &settings.folder, error))?;
        let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(move || writer.run());
        let thread =
            thread.map_err(|error| OpenError::disk("start a thread for", &settings.folder, error))?;
        let thread = Mutex::new(Some(thread));
        Ok((Self(Arc::new(Inner { shared, disk, settings, epoch, thread })), found))
    }

    /// Writes a batch. When this returns, all of it is safe on disk, or none of it was promised to be; dropped, it may be
    /// written or not. Waits as long as there is no room.
    ///
    /// # Errors
    /// [`AppendError`]: then nothing of it was taken.
    pub async fn append(&self, batch: Batch) -> Result<Range<u64>, AppendError> {
        if batch.is_empty() {
            let next = self.figures().records;
            return Ok(next..next);
        }
        if batch.longest() > MOST_BYTES {
            return Err(AppendError::TooLong);
        }
        let room = self.0.shared.room(batch.frames()).await.ok_or(AppendError::Closed)?;
        let (done, wait) = oneshot::channel();
        self.0.shared.push(Job { batch, done: Some(done), _room: Some(room) });
        wait.await.map_err(|_| AppendError::Closed)
    }

    /// Why nothing can be written at the moment.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.shared.state().trouble.clone()
    }

    /// Which log this is.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// Where it stands.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let state = self.0.shared.state();
        Figures {
            epoch: self.0.epoch.clone(),
            records: state.next,
            bytes: state.bytes(),
            sealed: state.sealed.len(),
            oldest: state.sealed.keys().next().copied().unwrap_or(state.open.0),
            syncs: state.syncs,
            trouble: state.trouble.clone(),
        }
    }

    /// Sealed segments, oldest first.
    #[must_use]
    pub fn sealed(&self) -> Vec<Segment> {
        self.0.shared.state().segments()
    }

    /// The next number after the last sealed segment, whenever it changes.
    #[must_use]
    pub fn seals(&self) -> watch::Receiver<u64> {
        self.0.shared.seals()
    }

    /// Longest time that a segment with records is not sealed.
    #[must_use]
    pub fn sealed_after(&self) -> Duration {
        self.0.settings.age
    }

    /// All of a sealed segment.
    ///
    /// # Errors
    /// The disk.
    pub fn read(&self, segment: Segment) -> io::Result<Vec<u8>> {
        self.0.disk.read(&self.path(segment))
    }

    fn path(&self, segment: Segment) -> PathBuf {
        self.0.settings.folder.join(SEGMENTS).join(Name::Sealed(segment.first, segment.last).file())
    }

    /// Seals what there is, whatever its age.
    pub fn seal(&self) {
        self.0.shared.ask_seal();
    }

    /// Removes the sealed segment with this first record: it is proved to be elsewhere. The last one stays as long as
    /// none follows it, since its name says which number is next.
    ///
    /// # Errors
    /// The disk.
    pub fn forget(&self, first: u64) -> io::Result<()> {
        self.0.shared.forget(first, |segment| self.0.disk.remove(&self.path(segment)))
    }

    /// Writes what waits, if it can be written, and ends.
    pub async fn close(&self) {
        self.0.shared.close();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Its panic was logged.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // So that the folder is free again. A sync takes a moment at most.
        thread.map(JoinHandle::join);
    }
}

/// Sealed segments by their first record: last record and bytes.
type Sealed = BTreeMap<u64, (u64, u64)>;

#[cfg(test)]
mod tests;
