//! Who writes the trail: one thread, so that syncing a disk holds up no pass, and many records share a sync.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::runtime::metrics::Metrics;

use super::disk::{Disk, Found};
use super::record::Change;

/// Records that wait; whoever comes later waits with them.
const WAITING: usize = 1024;
/// Records that share a sync.
const TOGETHER: usize = 256;
/// Longest wait for the last records at the end of the process.
const FLUSH: Duration = Duration::from_secs(5);

enum Job {
    Record(Box<Change>),
    Flush(oneshot::Sender<()>),
}

/// Where changes are written down; cheap to clone.
#[derive(Clone, Debug)]
pub struct Trail(mpsc::Sender<Job>);

impl Trail {
    /// Opens the trail in a folder and keeps it.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(folder: PathBuf, metrics: Metrics) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut keeper = Keeper { folder, metrics, disk: None };
        std::thread::Builder::new().name("trail".to_owned()).spawn(move || keeper.run(receiver))?;
        Ok(Self(sender))
    }

    /// Writes a change down. It is safe on disk a moment later, not when this returns: a crash in between loses
    /// the record, as one between the write to the cluster and this call does. Such a gap shows: the object's
    /// next record does not begin with what this one left.
    pub async fn record(&self, change: Change) {
        // The keeper ends with the process.
        let _ = self.0.send(Job::Record(Box::new(change))).await;
    }

    /// Waits until everything that was recorded is safe, but not for ever.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            let _ = self.0.send(Job::Flush(done)).await;
            let _ = wait.await;
        };
        if tokio::time::timeout(FLUSH, flushed).await.is_err() {
            warn!("the last records of the change trail may not be on disk");
        }
    }
}

struct Keeper {
    folder: PathBuf,
    metrics: Metrics,
    disk: Option<Disk>,
}

impl Keeper {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        self.open();
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        while let Some(first) = jobs.blocking_recv() {
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Record(change) => batch.push(*change),
                    Job::Flush(done) => flushes.push(done),
                }
                next = if batch.len() < TOGETHER { jobs.try_recv().ok() } else { None };
            }
            self.write(std::mem::take(&mut batch));
            for done in flushes.drain(..) {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
    }

    fn open(&mut self) {
        if self.disk.is_some() {
            return;
        }
        match Disk::open(&self.folder) {
            Ok((disk, found)) => {
                self.disk = Some(disk);
                self.tell(&found);
            }
            Err(problem) => {
                error!(folder = %self.folder.display(), %problem, "the change trail can't be written; check the operator's data volume");
            }
        }
    }

    fn tell(&self, found: &Found) {
        let folder = self.folder.display();
        if let Some(problem) = &found.broken {
            self.metrics.trail("broken", 1);
            error!(%folder, problem, "the change trail does not verify; a new segment begins, tenantry history shows where");
        }
        if found.torn > 0 {
            info!(%folder, bytes = found.torn, "a record that was cut off was removed from the change trail");
        }
    }

    /// Once more with the file opened anew: what was cut off is cut away then.
    fn write(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let count = changes.len() as u64;
        for _ in 0..2 {
            self.open();
            let Some(disk) = &mut self.disk else { break };
            match disk.append(changes.clone()) {
                Ok(()) => return self.metrics.trail("written", count),
                Err(problem) => {
                    self.disk = None;
                    warn!(%problem, "a record was not written");
                }
            }
        }
        self.metrics.trail("lost", count);
        for change in changes {
            error!(
                kind = change.object.kind,
                name = change.object.name,
                commit = change.commit,
                outcome = change.outcome.as_str(),
                "a change is missing from the change trail"
            );
        }
    }
}
