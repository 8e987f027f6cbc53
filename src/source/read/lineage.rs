//! What is new since the last accepted commit: who descends from whom, and the raw commits.
//!
//! Both ends are walked towards the past, newest first, until nothing is left that only the head has: the cost
//! is that of what is new, not of the whole history. Clocks that lie can make the walk call a commit new
//! that isn't, never the other way round: a commit is old only when a chain of parents says so.

use std::collections::{BinaryHeap, HashMap};

use git2::{ErrorCode, Oid, Repository};

use super::super::{error::SourceError, folder::Folder, settings::CommitId};
use super::walk::damaged;

/// New commits that are looked at: at 100 µs a signature, one second.
const COMMITS: usize = 10_000;

/// Commits that the walk may touch in all.
const VISITED: usize = 200_000;

/// Bytes of one commit, and of all of them.
const COMMIT_BYTES: u64 = 1024 * 1024;
const TOTAL_BYTES: u64 = 64 * 1024 * 1024;

/// The commits of a head that are not in the history of the last accepted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Whether the last accepted commit is the head or one of its ancestors; true where there is none.
    pub descends: bool,
    /// Ids and raw bytes, newest first; always the head, and only the head where none was accepted before.
    pub commits: Vec<(CommitId, Vec<u8>)>,
    /// A new commit that is not here: what is below it is not known.
    pub missing: Option<CommitId>,
}

/// Whether the history since `base` is here as far as it can be. Unreadable counts as whole: another fetch
/// wouldn't mend it, and whoever reads it will say what is wrong.
pub(in super::super) fn whole(folder: &Folder, base: CommitId, head: CommitId) -> bool {
    let walked = super::open(folder).and_then(|repository| {
        let mut walk = Walk::new(&repository);
        walk.run(base.oid().map_err(|error| damaged(&error))?, head.oid().map_err(|error| damaged(&error))?)?;
        Ok(walk.missing().is_none() && !walk.unsure())
    });
    walked.unwrap_or(true)
}

pub(super) fn lineage(
    repository: &Repository,
    base: Option<CommitId>,
    head: CommitId,
) -> Result<Lineage, SourceError> {
    let oid = |id: CommitId| id.oid().map_err(|error| damaged(&error));
    let tip = oid(head)?;
    let mut walk = Walk::new(repository);
    match base {
        Some(base) => walk.run(oid(base)?, tip)?,
        None => walk.descends = true,
    }
    let mut fresh = walk.fresh();
    // Also where it is in the old history: somebody went back to it.
    if !fresh.contains(&tip) {
        fresh.insert(0, tip);
    }
    let mut commits = Vec::new();
    let mut total = 0;
    for id in fresh {
        let bytes = raw(repository, id)?;
        total += bytes.len() as u64;
        if total > TOTAL_BYTES {
            return Err(SourceError::TooLarge { what: "the new history".to_owned(), limit: TOTAL_BYTES });
        }
        commits.push((CommitId::from(id), bytes));
    }
    Ok(Lineage { descends: walk.descends, commits, missing: walk.missing().map(CommitId::from) })
}

fn raw(repository: &Repository, id: Oid) -> Result<Vec<u8>, SourceError> {
    let odb = repository.odb().map_err(|error| damaged(&error))?;
    let (size, _) = odb.read_header(id).map_err(|error| damaged(&error))?;
    if size as u64 > COMMIT_BYTES {
        return Err(SourceError::TooLarge { what: format!("commit {id}"), limit: COMMIT_BYTES });
    }
    Ok(odb.read(id).map_err(|error| damaged(&error))?.data().to_vec())
}

/// What is known of a commit.
#[derive(Clone, Debug)]
struct Known {
    time: i64,
    /// In the history of the base.
    old: bool,
    /// In the queue.
    waits: bool,
    /// Was taken from the queue as new: its place in the order.
    taken: Option<usize>,
    /// `None` for one that isn't here.
    parents: Option<Vec<Oid>>,
}

struct Walk<'r> {
    repository: &'r Repository,
    known: HashMap<Oid, Known>,
    queue: BinaryHeap<(i64, Oid)>,
    /// Commits in the queue that aren't old.
    new_waiting: usize,
    taken: usize,
    descends: bool,
}

impl<'r> Walk<'r> {
    fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            known: HashMap::new(),
            queue: BinaryHeap::new(),
            new_waiting: 0,
            taken: 0,
            descends: false,
        }
    }

    fn run(&mut self, base: Oid, head: Oid) -> Result<(), SourceError> {
        self.descends = base == head;
        self.mark(base, true)?;
        self.mark(head, false)?;
        while self.new_waiting > 0 {
            let Some((_, id)) = self.queue.pop() else { break };
            let Some(known) = self.known.get_mut(&id).filter(|known| known.waits) else { continue };
            known.waits = false;
            let (old, parents) = (known.old, known.parents.clone());
            if !old {
                self.new_waiting -= 1;
                known.taken = Some(self.taken);
                self.taken += 1;
            }
            for parent in parents.unwrap_or_default() {
                self.descends |= !old && parent == base;
                self.mark(parent, old)?;
            }
            if self.taken > COMMITS || self.known.len() > VISITED {
                return Err(SourceError::HistoryTooLong {
                    head: CommitId::from(head).short(),
                    limit: COMMITS,
                });
            }
        }
        Ok(())
    }

    /// A new commit that isn't here.
    fn missing(&self) -> Option<Oid> {
        let missing = self.known.iter().filter(|(_, known)| !known.old && known.parents.is_none());
        missing.map(|(id, _)| *id).min()
    }

    /// Whether some commits may be called new only because a part of the base's history isn't here: then the
    /// walk from the head came to the very first commit.
    fn unsure(&self) -> bool {
        let gap = self.known.values().any(|known| known.old && known.parents.is_none());
        let first = |known: &Known| known.parents.as_ref().is_some_and(Vec::is_empty);
        gap && self.known.values().any(|known| !known.old && first(known))
    }

    /// A commit is met: as one of the base's history, or from the head.
    fn mark(&mut self, id: Oid, old: bool) -> Result<(), SourceError> {
        if let Some(known) = self.known.get_mut(&id) {
            if old && !known.old {
                known.old = true;
                if known.waits {
                    self.new_waiting -= 1;
                } else {
                    // It was taken for new: its parents have to hear of it too.
                    known.waits = true;
                    known.taken = None;
                    self.queue.push((known.time, id));
                }
            }
            return Ok(());
        }
        let (time, parents) = match self.repository.find_commit(id) {
            Ok(commit) => (commit.time().seconds(), Some(commit.parent_ids().collect())),
            Err(error) if error.code() == ErrorCode::NotFound => (i64::MIN, None),
            Err(error) => return Err(damaged(&error)),
        };
        self.known.insert(id, Known { time, old, waits: true, taken: None, parents });
        self.queue.push((time, id));
        self.new_waiting += usize::from(!old);
        Ok(())
    }

    /// What is new, newest first.
    fn fresh(&self) -> Vec<Oid> {
        let new = self.known.iter().filter(|(_, known)| !known.old && known.parents.is_some());
        let mut new: Vec<(usize, Oid)> =
            new.filter_map(|(id, known)| known.taken.map(|place| (place, *id))).collect();
        new.sort_unstable();
        new.into_iter().map(|(_, id)| id).collect()
    }
}
