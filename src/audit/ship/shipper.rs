//! One segment after the other, from the spool to the archive.

use std::collections::{BTreeSet, VecDeque};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::layout::{self, Stream};
use crate::audit::log::checkpoint::Checkpoint;
use crate::audit::log::note::{Malformed, PrivateKey};
use crate::audit::pack::pack;
use crate::audit::prove::{Object, Prover};
use crate::audit::spool::Spool;
use crate::store::{Class, Put, Store, StoreError};
use crate::trail::record::hash;

use super::history::{History, Mark};
use super::journal::Journal;
use super::spool::{Folder, Sealed, trouble};
use super::trouble::Trouble;
use crate::audit::spool::names::PROVER;

const JOURNAL: &str = "journal.json";
const PACKED: &str = "shipping.zst";
const ROOTS: &str = "roots";
const FORK: &str = "fork.json";
/// Tiles and bundles that are put at once.
const AT_ONCE: usize = 8;

/// How far it has come, as it lies on disk.
#[derive(Serialize, Deserialize)]
struct Position {
    next: u64,
    prover: Value,
}

/// What stopped it for good, as it lies on disk.
#[derive(Serialize, Deserialize)]
struct Fork {
    path: String,
    said: String,
}

/// What one call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to ship.
    Idle,
    /// A segment is in the archive, with its proof.
    Shipped(Shipped),
}

/// A segment that is in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Its first record.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// Leaves up to its end.
    pub size: u64,
    /// Records before it that are in no segment: first and last.
    pub missing: Option<(u64, u64)>,
    /// Stretches of it that are no records.
    pub damaged: usize,
}

/// The segment under way.
struct Work {
    shipped: Shipped,
    /// After it.
    prover: Prover,
    /// In the order in which they are put: the segment, then tiles, then the checkpoint.
    stages: VecDeque<Vec<Object>>,
    /// Paths that may be in the archive through us.
    tried: BTreeSet<String>,
}

/// Ships a spool.
pub struct Shipper {
    folder: Folder,
    stream: Stream,
    key: PrivateKey,
    next: u64,
    prover: Prover,
    history: History,
    pending: VecDeque<Sealed>,
    work: Option<Box<Work>>,
}

impl Shipper {
    /// Goes on where the last one ended. `key` is the agent's, whose name has no epoch.
    ///
    /// # Errors
    /// A file of the spool can't be used, or the key's name is another agent's.
    pub fn open(folder: Folder, cluster: &str, agent: &str, key: &PrivateKey) -> Result<Self, Trouble> {
        let stream = Stream { cluster: cluster.to_owned(), agent: agent.to_owned(), epoch: folder.epoch()? };
        let wrong = |error: Malformed| trouble("the log's key", &error);
        if key.public().name() != layout::key_name(cluster, agent) {
            let words = format!("is that of {}, and this agent is {cluster}/{agent}", key.public().name());
            return Err(trouble("the log's key", &words));
        }
        let key = key.named(&stream.origin()).map_err(wrong)?;
        let (next, prover) = position(&folder)?;
        let history = folder.load(ROOTS)?.unwrap_or_default();
        let history = String::from_utf8(history).ok().and_then(|text| History::read(&text));
        let history = history.ok_or_else(|| trouble(ROOTS, &"it holds something else than checkpoints"))?;
        let shipper =
            Self { folder, stream, key, next, prover, history, pending: VecDeque::new(), work: None };
        // A torn last line would otherwise be continued.
        shipper.folder.save(ROOTS, shipper.history.text().as_bytes())?;
        Ok(shipper)
    }

    /// Which log.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The log's key, under the stream's name.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Beside who writes the spool: it is told what is forgotten.
    #[must_use]
    pub fn of(self, spool: Spool) -> Self {
        Self { folder: self.folder.of(spool), ..self }
    }

    /// The spool.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Leaves in the archive.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.prover.tree().size()
    }

    /// The first record that isn't in the archive.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What was signed and isn't confirmed yet.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The witness has confirmed a checkpoint of that size.
    ///
    /// # Errors
    /// The spool can't be written.
    pub fn confirmed(&mut self, size: u64) -> Result<(), Trouble> {
        let before = self.history.len();
        self.history.confirmed(size);
        if self.history.len() == before {
            Ok(())
        } else {
            self.folder.save(ROOTS, self.history.text().as_bytes())
        }
    }

    /// Keeps that somebody else writes this log: nothing is shipped any more, also by the next process.
    ///
    /// # Errors
    /// The spool can't be written.
    pub fn forked(&self, path: &str, said: &str) -> Result<(), Trouble> {
        let fork = Fork { path: path.to_owned(), said: said.to_owned() };
        self.folder.save(FORK, &serde_json::to_vec(&fork).unwrap_or_default())
    }

    /// Ships the next segment, or goes on with the one under way.
    ///
    /// # Errors
    /// What keeps it from going on; the next call tries the same puts again.
    pub async fn step(&mut self, store: &Store, prefix: &str) -> Result<Step, Trouble> {
        if let Some(bytes) = self.folder.load(FORK)? {
            let Fork { path, said } =
                serde_json::from_slice(&bytes).map_err(|error| trouble(FORK, &error))?;
            return Err(Trouble::Fork { path, said });
        }
        if self.work.is_none() && !self.begin().await? {
            return Ok(Step::Idle);
        }
        match self.put(store, &self.stream.folder(prefix)).await {
            Ok(()) => self.end(),
            Err(trouble) => {
                if let Trouble::Fork { path, said } = &trouble {
                    self.forked(path, said)?;
                    // Once a person has judged it, the journal says that it was tried.
                    self.work = None;
                }
                Err(trouble)
            }
        }
    }

    async fn put(&mut self, store: &Store, at: &str) -> Result<(), Trouble> {
        let Some(work) = &mut self.work else { return Ok(()) };
        while let Some(stage) = work.stages.front_mut() {
            put_all(store, at, stage, &mut work.tried).await?;
            work.stages.pop_front();
        }
        Ok(())
    }

    /// Finds the next segment and makes everything that is put for it; whether there is one.
    async fn begin(&mut self) -> Result<bool, Trouble> {
        while self.pending.front().is_some_and(|one| one.last < self.next) {
            self.pending.pop_front();
        }
        if self.pending.is_empty() {
            let next = self.next;
            self.pending = self.folder.sealed()?.into_iter().filter(|one| one.last >= next).collect();
        }
        let Some(sealed) = self.pending.front().cloned() else { return Ok(false) };
        if sealed.first < self.next {
            let words = format!("it begins at {}, and records below {} are shipped", sealed.first, self.next);
            return Err(trouble(&format!("segment {}-{}", sealed.first, sealed.last), &words));
        }
        let (folder, prover) = (self.folder.clone(), self.prover.clone());
        let made = {
            let sealed = sealed.clone();
            tokio::task::spawn_blocking(move || make(&folder, &sealed, prover)).await
        };
        let made = made.map_err(|error| trouble("segment", &error))??;
        let missing = (sealed.first > self.next).then(|| (self.next, sealed.first - 1));
        self.journalled(&sealed, made, missing).map(|()| true)
    }

    /// Signs the checkpoint, and writes down what will be put.
    fn journalled(
        &mut self,
        sealed: &Sealed,
        made: Made,
        missing: Option<(u64, u64)>,
    ) -> Result<(), Trouble> {
        let Made { segment, tiles, prover, damaged } = made;
        let size = prover.tree().size();
        let mut stages = VecDeque::from([vec![segment], tiles]);
        if size > self.size() {
            let (root, next) = (prover.tree().root(), sealed.last.saturating_add(1));
            let known = self.history.newest() == Some(&Mark { size, next, root });
            if !self.history.push(Mark { size, next, root }) {
                return Err(trouble(
                    ROOTS,
                    &format!("it has another checkpoint than the one of {size} records"),
                ));
            }
            if !known {
                self.folder.append(ROOTS, &Mark { size, next, root }.line())?;
            }
            let checkpoint = Checkpoint { origin: self.stream.origin(), size, root };
            let content = self.key.sign(checkpoint.note(), Timestamp::now()).bytes();
            stages.push_back(vec![Object { path: layout::checkpoint(size), content }]);
        }
        let (first, last) = (sealed.first, sealed.last);
        let journal = Journal::of(first, last, stages.iter().flatten());
        let mut tried = BTreeSet::new();
        let kept = self.folder.load(JOURNAL)?;
        match kept.map(|bytes| Journal::read(&bytes).ok_or_else(|| trouble(JOURNAL, &"it is none"))) {
            Some(Err(error)) => return Err(error),
            Some(Ok(before)) if before.is_of(first, last) => {
                let known = stages.iter().flatten().filter(|one| before.has(&one.path, &one.content));
                tried.extend(known.map(|one| one.path.clone()));
            }
            _ => {}
        }
        self.folder.save(JOURNAL, &journal.bytes())?;
        let shipped = Shipped { first, last, size, missing, damaged };
        self.work = Some(Box::new(Work { shipped, prover, stages, tried }));
        Ok(())
    }

    /// All of it is in the archive.
    fn end(&mut self) -> Result<Step, Trouble> {
        let Some(work) = &self.work else { return Ok(Step::Idle) };
        let next = work.shipped.last.saturating_add(1);
        let prover = serde_json::from_slice(&work.prover.keep()).map_err(|error| trouble(PROVER, &error))?;
        let position = Position { next, prover };
        self.folder.save(PROVER, &serde_json::to_vec(&position).unwrap_or_default())?;
        let Some(work) = self.work.take() else { return Ok(Step::Idle) };
        self.next = next;
        self.prover = work.prover;
        self.pending.pop_front();
        Ok(Step::Shipped(work.shipped))
    }
}

fn position(folder: &Folder) -> Result<(u64, Prover), Trouble> {
    let Some(bytes) = folder.load(PROVER)? else { return Ok((0, Prover::default())) };
    let position: Position = serde_json::from_slice(&bytes).map_err(|error| trouble(PROVER, &error))?;
    let prover = Prover::of(position.prover.to_string().as_bytes());
    Ok((position.next, prover.ok_or_else(|| trouble(PROVER, &"it holds no tree"))?))
}

/// What is put for a segment, but for the checkpoint.
struct Made {
    segment: Object,
    tiles: Vec<Object>,
    prover: Prover,
    damaged: usize,
}

fn make(folder: &Folder, sealed: &Sealed, mut prover: Prover) -> Result<Made, Trouble> {
    let records = folder.read(sealed)?;
    let added = prover.segment(sealed.first, &records);
    let path = layout::segment(sealed.first, sealed.last);
    let content = packed(folder, sealed, &path, &records)?;
    Ok(Made { segment: Object { path, content }, tiles: added.objects, prover, damaged: added.damaged.len() })
}

/// A later release may compress otherwise: what was begun is put as it was begun.
fn packed(folder: &Folder, sealed: &Sealed, path: &str, records: &[u8]) -> Result<Vec<u8>, Trouble> {
    let journal = folder.load(JOURNAL)?.and_then(|bytes| Journal::read(&bytes));
    if let Some(journal) = journal.filter(|journal| journal.is_of(sealed.first, sealed.last))
        && let Some(kept) = folder.load(PACKED)?.filter(|kept| journal.has(path, kept))
    {
        return Ok(kept);
    }
    let packed = pack(records).map_err(|error| trouble(PACKED, &error))?;
    folder.save(PACKED, &packed)?;
    Ok(packed)
}

/// Puts what is left of a stage; what succeeded isn't tried again.
async fn put_all(
    store: &Store,
    at: &str,
    stage: &mut Vec<Object>,
    tried: &mut BTreeSet<String>,
) -> Result<(), Trouble> {
    let before = tried.clone();
    // From here on it may be there, whatever becomes of this call.
    tried.extend(stage.iter().map(|one| one.path.clone()));
    let puts: Vec<_> = stage.iter().map(|one| put(store, at, one)).collect();
    let answers: Vec<_> = stream::iter(puts).buffered(AT_ONCE).collect().await;
    let (mut done, mut failed) = (BTreeSet::new(), None);
    for (one, answer) in stage.iter().zip(answers) {
        let path = one.path.clone();
        match answer {
            Ok(_) => drop(done.insert(path)),
            Err(error) if error.class == Class::Exists && before.contains(&path) => drop(done.insert(path)),
            Err(error) if error.class == Class::Exists => {
                let said = format!("{}; ours has the SHA-256 {}", error.said, hash(&one.content));
                return Err(Trouble::Fork { path: format!("{at}/{path}"), said });
            }
            Err(error) => {
                if !error.class.may_be_done() && !before.contains(&path) {
                    tried.remove(&path);
                }
                failed.get_or_insert(error);
            }
        }
    }
    stage.retain(|one| !done.contains(&one.path));
    failed.map_or(Ok(()), |error| Err(Trouble::Sink(error)))
}

async fn put(store: &Store, at: &str, one: &Object) -> Result<Put, StoreError> {
    // What the S3 client's calls hold is large, and several of these wait at once.
    Box::pin(store.put_once(&format!("{at}/{}", one.path), &one.content)).await
}
