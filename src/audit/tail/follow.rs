//! The loop from a source's files to the spool. How far it is, is kept after the records are safe.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tracing::{info, warn};

use super::files::Watched;
use super::place::Position;
use super::{Step, Tail};
use crate::audit::agent::feed::{Feed, State};
use crate::audit::frame::Source;
use crate::audit::spool::Spool;
use crate::audit::spool::disk::{RealDisk, replace};
use crate::runtime::shutdown::Shutdown;

/// Time between two looks when there was nothing new.
const POLL: Duration = Duration::from_millis(100);
/// Time between two tries after an error.
const AGAIN: Duration = Duration::from_secs(1);
/// Time between two notes of how far it is: what was read in between is read twice after a crash.
const NOTE: Duration = Duration::from_secs(1);

/// A source that is followed.
#[derive(Debug)]
pub struct Follow {
    name: String,
    source: Source,
    watched: Watched,
    /// Where it keeps how far it is.
    note: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Follow {
    /// A source with a name of its own, whose position is kept in that folder.
    #[must_use]
    pub fn new(name: &str, source: Source, watched: Watched, notes: &Path) -> Self {
        let note = notes.join(format!("{name}.json"));
        Self { name: name.to_owned(), source, watched, note, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self) -> Position {
        let bytes = match std::fs::read(&self.note) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Position::default(),
            Err(error) => {
                warn!(source = self.name, %error, "all files are read again: how far they were read is not known");
                return Position::default();
            }
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            warn!(source = self.name, %error, "all files are read again: how far they were read is not known");
            Position::default()
        })
    }

    async fn follow(self: Box<Self>, spool: Spool, shutdown: Shutdown) {
        let position = self.position();
        let mut tail = Tail::new(&self.name, self.source, self.watched.clone(), position);
        // The first note at once: an agent that is killed again and again comes further each time.
        let (mut noted, mut dirty) = (None::<Instant>, false);
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let step = tail.step();
                (tail, step)
            });
            let step;
            // A panic in there was logged; this source ends, and its silence shows.
            (tail, step) = match looked.await {
                Ok(looked) => looked,
                Err(_) => return self.say(Some("it ended unexpectedly".to_owned())),
            };
            self.state().behind = tail.behind();
            let wait = match step {
                Ok(Step::Take(batches)) => {
                    let Some(Ok(taken)) = shutdown.unless_requested(self.give(&spool, batches)).await else {
                        break;
                    };
                    self.say(None);
                    dirty = true;
                    let kept = tail.taken();
                    self.state().records += taken;
                    kept.err().map(|error| (AGAIN, Some(error)))
                }
                Ok(Step::Idle) => Some((POLL, None)),
                Err(error) => Some((AGAIN, Some(error))),
            };
            if dirty && noted.is_none_or(|noted| noted.elapsed() >= NOTE) {
                self.keep(&tail, &spool);
                (noted, dirty) = (Some(Instant::now()), false);
            }
            if let Some((wait, error)) = wait {
                let path = self.watched.path().display();
                self.say(error.map(|error| format!("{path} can't be read: {error}")));
                if shutdown.unless_requested(tokio::time::sleep(wait)).await.is_none() {
                    break;
                }
            }
        }
        if dirty {
            self.keep(&tail, &spool);
        }
    }

    /// Gives batches to the spool, and says how many records they were. Waits as long as the spool makes it wait: the
    /// file holds what isn't taken.
    async fn give(
        &self,
        spool: &Spool,
        batches: Vec<crate::audit::spool::batch::Batch>,
    ) -> Result<u64, crate::audit::spool::AppendError> {
        let mut records = 0;
        for batch in batches {
            records += batch.len() as u64;
            spool.append(batch).await?;
        }
        Ok(records)
    }

    fn keep(&self, tail: &Tail, spool: &Spool) {
        let acked = spool.figures().records;
        let position = Position { epoch: spool.epoch().to_owned(), acked, files: tail.files() };
        let bytes = serde_json::to_vec(&position).unwrap_or_default();
        if let Err(error) = replace(&RealDisk, &self.note, &bytes) {
            // A full disk, say. What is read twice after a crash is one record all the same, by its id.
            warn!(source = self.name, %error, "can't keep how far a source was read");
        }
    }

    /// Keeps what is wrong, and logs it when it changes.
    fn say(&self, trouble: Option<String>) {
        let mut state = self.state();
        if state.trouble == trouble {
            return;
        }
        match &trouble {
            Some(trouble) => warn!(source = self.name, trouble, "a source can't be read"),
            None => info!(source = self.name, "a source can be read again"),
        }
        state.trouble = trouble;
    }
}

impl Feed for Follow {
    fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.state)
    }

    fn run(self: Box<Self>, spool: Spool, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(self.follow(spool, shutdown))
    }
}
