//! Who writes records: one thread, so that syncing a disk holds up no pass, and many records share a sync.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::runtime::metrics::Metrics;

use super::chain::Entry;
use super::disk::{Disk, Found};
use super::health::Transition;
use super::record::Change;

/// The change trail's folder in the operator's.
pub const TRAIL: &str = "trail";
/// The folder of conditions that turned.
pub const HEALTH: &str = "health";
/// The folder of what runs of backups and drills left.
pub const BACKUPS: &str = "backups";

/// Segments of conditions and of runs that stay, of 4 MiB each: the audit agent has long had what is older.
const SEGMENTS: usize = 64;
/// Records that wait.
const WAITING: usize = 1024;
/// Records that share a sync.
const TOGETHER: usize = 256;
/// Longest wait of a pass for a disk that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for the last records at the end of the process.
const FLUSH: Duration = Duration::from_secs(5);
/// Most names of runs that are kept to know them again.
const MOST_KNOWN: usize = 50_000;

enum Job {
    Record(Entry),
    Flush(oneshot::Sender<()>),
}

/// Where everything is written down; cheap to clone.
#[derive(Clone, Debug)]
pub struct Trail {
    jobs: mpsc::Sender<Job>,
    metrics: Metrics,
}

impl Trail {
    /// Opens the books in the operator's folder and keeps them.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(data: &Path, metrics: Metrics) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel(WAITING);
        let book =
            |name: &'static str| Book { name, folder: data.join(name), disk: None, known: HashSet::new() };
        let books = [book(TRAIL), book(HEALTH), book(BACKUPS)];
        let mut keeper = Keeper { books, metrics: metrics.clone() };
        std::thread::Builder::new().name("trail".to_owned()).spawn(move || keeper.run(receiver))?;
        Ok(Self { jobs, metrics })
    }

    /// Writes a change down. It is safe on disk a moment later, not when this returns: a crash in between loses
    /// the record, as one between the write to the cluster and this call does. Such a gap shows: the object's
    /// next record does not begin with what this one left.
    pub async fn record(&self, change: Change) {
        // A disk that hangs must not hold up who works.
        match tokio::time::timeout(PATIENCE, self.jobs.reserve()).await {
            Ok(Ok(place)) => place.send(Job::Record(change.into())),
            _ => self.lost(&change.into()),
        }
    }

    /// Writes down that conditions turned; as [`Trail::record`] does, but never waits.
    pub fn turned(&self, turns: Vec<Transition>) {
        turns.into_iter().for_each(|turn| self.offer(turn.into()));
    }

    /// Writes down what a run left, once each by its tenant and name; never waits.
    pub fn ran(&self, record: Value) {
        self.offer(Entry::Run(record));
    }

    fn offer(&self, entry: Entry) {
        if let Err(
            mpsc::error::TrySendError::Full(Job::Record(entry))
            | mpsc::error::TrySendError::Closed(Job::Record(entry)),
        ) = self.jobs.try_send(Job::Record(entry))
        {
            self.lost(&entry);
        }
    }

    fn lost(&self, entry: &Entry) {
        self.metrics.trail("lost", 1);
        missing(entry);
    }

    /// Waits until everything that was recorded is safe, but not for ever.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            let _ = self.jobs.send(Job::Flush(done)).await;
            let _ = wait.await;
        };
        if tokio::time::timeout(FLUSH, flushed).await.is_err() {
            warn!("the last records of the change trail may not be on disk");
        }
    }
}

struct Keeper {
    /// Of changes, conditions and runs.
    books: [Book; 3],
    metrics: Metrics,
}

impl Keeper {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        self.books.iter_mut().for_each(|book| book.open(&self.metrics));
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        while let Some(first) = jobs.blocking_recv() {
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Record(entry) => batch.push(entry),
                    Job::Flush(done) => flushes.push(done),
                }
                next = if batch.len() < TOGETHER { jobs.try_recv().ok() } else { None };
            }
            let mut sorted: [Vec<Entry>; 3] = Default::default();
            batch.drain(..).for_each(|entry| sorted[place(&entry)].push(entry));
            for (book, entries) in self.books.iter_mut().zip(sorted) {
                book.write(entries, &self.metrics);
            }
            for done in flushes.drain(..) {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
    }
}

/// Which book an entry belongs to.
fn place(entry: &Entry) -> usize {
    match entry {
        Entry::Change(_) | Entry::Segment(_) => 0,
        Entry::Condition(_) => 1,
        Entry::Run(_) => 2,
    }
}

/// A folder with records of one kind.
struct Book {
    name: &'static str,
    folder: PathBuf,
    disk: Option<Disk>,
    /// Runs that are written down.
    known: HashSet<String>,
}

impl Book {
    fn open(&mut self, metrics: &Metrics) {
        if self.disk.is_some() {
            return;
        }
        match Disk::open(&self.folder) {
            Ok((disk, found)) => {
                self.tell(&found, metrics);
                self.settle(&disk);
                self.disk = Some(disk);
            }
            Err(problem) => {
                error!(folder = %self.folder.display(), %problem, "the operator's {} can't be written down; check its data volume", self.name);
            }
        }
    }

    /// Of runs, those that are there are known again; of all but changes, the oldest go.
    fn settle(&mut self, disk: &Disk) {
        if self.name == TRAIL {
            return;
        }
        if let Err(problem) = disk.keep(SEGMENTS) {
            warn!(folder = %self.folder.display(), %problem, "old records can't be removed");
        }
        if self.name == BACKUPS {
            // Jobs don't stay for as long as two segments reach back.
            let entries = disk.newest(2).unwrap_or_default();
            self.known = entries.iter().filter_map(run_name).collect();
        }
    }

    fn tell(&self, found: &Found, metrics: &Metrics) {
        let folder = self.folder.display();
        if let Some(problem) = &found.broken {
            metrics.trail("broken", 1);
            error!(%folder, problem, "records do not verify; a new segment begins, tenantry history shows where");
        }
        if found.torn > 0 {
            info!(%folder, bytes = found.torn, "a record that was cut off was removed");
        }
    }

    /// Once more with the file opened anew: what was cut off is cut away then.
    fn write(&mut self, mut entries: Vec<Entry>, metrics: &Metrics) {
        if entries.is_empty() {
            return;
        }
        for _ in 0..2 {
            self.open(metrics);
            let mut names = HashSet::new();
            entries.retain(|entry| {
                run_name(entry).is_none_or(|name| !self.known.contains(&name) && names.insert(name))
            });
            let Some(disk) = &mut self.disk else { break };
            if entries.is_empty() {
                return;
            }
            let segment = disk.number();
            match disk.append(entries.clone()) {
                Ok(()) => {
                    metrics.trail("written", entries.len() as u64);
                    self.known.extend(names);
                    self.bound(segment);
                    return;
                }
                Err(problem) => {
                    self.disk = None;
                    warn!(%problem, "a record was not written");
                }
            }
        }
        metrics.trail("lost", entries.len() as u64);
        entries.iter().for_each(missing);
    }

    /// After a segment has begun, or with too many names in memory.
    fn bound(&mut self, before: u32) {
        if let Some(disk) = self.disk.take() {
            if disk.number() != before || self.known.len() > MOST_KNOWN {
                self.settle(&disk);
            }
            self.disk = Some(disk);
        }
    }
}

/// By which a run is known again.
fn run_name(entry: &Entry) -> Option<String> {
    let Entry::Run(record) = entry else { return None };
    let part = |key: &str| record[key].as_str().unwrap_or_default();
    Some(format!("{}/{}", part("tenant"), part("id")))
}

/// Says what could not be written down.
fn missing(entry: &Entry) {
    match entry {
        Entry::Change(change) => error!(
            kind = change.object.kind,
            name = change.object.name,
            commit = change.commit,
            outcome = change.outcome.as_str(),
            "a change is missing from the change trail"
        ),
        Entry::Condition(turn) => error!(
            kind = turn.object.kind,
            name = turn.object.name,
            condition = turn.type_,
            to = turn.to,
            reason = turn.reason,
            "a condition that turned is missing from the records"
        ),
        Entry::Run(_) => error!(run = run_name(entry), "a run's record is missing from the records"),
        Entry::Segment(_) => {}
    }
}

#[cfg(test)]
mod tests;
