//! What all kinds of work share: the repository, the store, the deadline, and what was found so far.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::time::Instant;

use super::failure::Failure;
use super::program::Deadline;
use super::restic::Repository;
use super::secrets::Secrets;
use crate::backup::record::{Neighbours, Phase, Point, Restored, reasons};
use crate::backup::task::Task;
use crate::store::Store;

/// Seconds that the store's clock may differ. S3 refuses requests at 15 minutes; ages and slots are wrong before.
pub const MOST_SKEW: i64 = 300;

/// Locks that are looked at; more were never one run's.
const MOST_LOCKS: usize = 50;

/// Where a run finds and leaves things.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of secrets.
    pub secrets: PathBuf,
    /// A folder that may be written, and that nobody keeps.
    pub scratch: PathBuf,
    /// The program restic.
    pub restic: PathBuf,
}

/// One run.
pub struct Run<'a> {
    /// What is to be done.
    pub task: &'a Task,
    /// What lies beside it.
    pub secrets: Secrets,
    /// See [`Places::scratch`].
    pub scratch: &'a Path,
    /// The store, with the run's credentials.
    pub store: Store,
    /// The tenant's repository.
    pub repository: Repository,
    /// When it has failed.
    pub deadline: Deadline,
    /// When it began.
    pub started: Timestamp,
}

/// What a run found, for its record; also when it fails later.
#[derive(Debug, Default)]
pub struct Found {
    /// See [`crate::backup::record::Record`].
    pub point: Option<Point>,
    /// See there.
    pub neighbours: Option<Neighbours>,
    /// See there.
    pub restored: Option<Restored>,
    /// See there.
    pub removed: Vec<String>,
    /// See there.
    pub programs: Vec<String>,
    /// See there.
    pub phases: Vec<Phase>,
}

/// Notes how long a part took, and says so.
pub fn phase(phases: &mut Vec<Phase>, name: &str, since: Instant) {
    let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(phase = name, milliseconds, "done");
    phases.push(Phase { name: name.to_owned(), milliseconds });
}

impl<'a> Run<'a> {
    /// Makes the clients; nothing is asked yet.
    ///
    /// # Errors
    /// Secrets are missing.
    pub fn new(
        task: &'a Task,
        places: &'a Places,
        deadline: Deadline,
        started: Timestamp,
    ) -> Result<Self, Failure> {
        let secrets = Secrets::new(&places.secrets);
        // Without any nothing begins; later ones are read when they are needed.
        secrets.credentials()?;
        let store = Store::open_from(&task.store, secrets.clone())?;
        let folder = task.place.repository(task.generation);
        let scratch = places.scratch.as_path();
        let address = (&task.store, folder.as_str());
        let repository = Repository::new(&places.restic, scratch, &secrets, address, deadline)?;
        Ok(Self { task, secrets, scratch, store, repository, deadline, started })
    }

    /// The folder of the repository in the store.
    #[must_use]
    pub fn folder(&self) -> String {
        self.task.place.repository(self.task.generation)
    }

    /// Names of the objects in a folder of the repository.
    ///
    /// # Errors
    /// The store's trouble.
    pub async fn names(&self, folder: &str, most: usize) -> Result<Vec<String>, Failure> {
        let prefix = format!("{}/{folder}/", self.folder());
        let list = self.store.list(&prefix, "", most);
        let listing = self.deadline.of("listing the store", list).await??;
        Ok(listing.objects.iter().filter_map(|one| Some(one.key.strip_prefix(&prefix)?.to_owned())).collect())
    }

    /// The first word with the store: its clock, and who else is in the repository. Locks of dead runs of ours are
    /// removed by their hosts' names; nobody else's are, however old.
    ///
    /// # Errors
    /// [`reasons::CLOCK_SKEW`], [`reasons::LOCK_HELD`], or the store's trouble.
    pub async fn enter(&self, dead_hosts: &[String], alone: bool) -> Result<(), Failure> {
        let locks = self.names("locks", MOST_LOCKS).await;
        self.check_clock()?;
        for id in locks? {
            let Some(lock) = self.repository.lock(&id).await? else { continue };
            if dead_hosts.contains(&lock.hostname) {
                tracing::info!(lock = id, host = lock.hostname, "the lock of a dead run of ours is removed");
                let key = format!("{}/locks/{id}", self.folder());
                self.deadline.of("removing a lock", self.store.remove(&key)).await??;
            } else if lock.keeps_out(alone) {
                let words = lock.words(&id, Timestamp::now());
                let message = format!(
                    "somebody else works in the repository: {words}; wait for them, or, if they are \
                                       dead, remove it with restic unlock"
                );
                return Err(Failure::new(reasons::LOCK_HELD, message));
            }
        }
        Ok(())
    }

    /// How far the store's clock is before ours.
    #[must_use]
    pub fn skew(&self) -> i64 {
        self.store.clock().ahead().map_or(0, |ahead| ahead.as_secs())
    }

    fn check_clock(&self) -> Result<(), Failure> {
        let skew = self.skew();
        if skew.abs() <= MOST_SKEW {
            return Ok(());
        }
        let message = format!("the store's clock is {skew} s before this node's; set the clocks (NTP)");
        Err(Failure::new(reasons::CLOCK_SKEW, message))
    }
}
