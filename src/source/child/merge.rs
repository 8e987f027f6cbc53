//! Whether a merge holds what merging its parents gives: merged again, in memory, and compared.
//!
//! This is done here and not in the operator because it can't be bounded there: libgit2 takes whole files into memory,
//! whatever size they unpack to, and nothing stops it while it compares them. This process has a heap of its own, a
//! deadline that kills it, and no server to talk to.
//!
//! Forges merge with Git, which compares lines in another way than libgit2 does by default. So a merge passes when one
//! of a few ways gives its very tree: each of them is made of the parents alone. Attributes (`merge=union`) are not
//! looked at. Where its parents have several newest common ancestors, these are merged first, as Git does.

use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use git2::{Error, ErrorCode, MergeOptions, Oid, Repository};

use super::super::folder::Folder;
use super::super::protocol::{Done, Failure, Request};
use super::super::settings::CommitId;
use super::super::{read, text};
use super::fetch::disk;
use crate::trust::history::Difference;

/// Commits that are looked at to find what two have in common.
const VISITED: usize = 200_000;

/// Common ancestors of common ancestors that are merged inside each other.
const DEEPEST: u8 = 8;

/// Paths that are named, and characters of each.
const PATHS: usize = 5;
const PATH: usize = 200;

/// Finds the first of some merges that holds something else.
pub(super) fn compare(request: &Request, merges: &[CommitId]) -> Result<Done, Failure> {
    let folder = Folder::new(&request.repository);
    let _lock = folder.lock_shared().map_err(|error| disk(request, &error))?.ok_or(Failure::Busy)?;
    let damaged = |detail: &str| Failure::Corrupt { detail: text::printable(detail, PATH) };
    let repository = read::open(&folder).map_err(|error| damaged(&error.to_string()))?;
    let odb = repository.odb().map_err(|error| damaged(error.message()))?;
    // What merging writes goes nowhere but here.
    let memory = odb.add_new_mempack_backend(1000).map_err(|error| damaged(error.message()))?;
    let merging = Merging { repository: &repository };
    for commit in merges {
        let found = commit.oid().and_then(|id| merging.difference(id));
        let found = match found {
            // An object that isn't here: another fetch may bring it.
            Err(error) if error.code() == ErrorCode::NotFound => return Err(damaged(error.message())),
            Err(error) => Some(Difference::Untold { why: text::printable(error.message(), PATH) }),
            Ok(found) => found,
        };
        if let Some(difference) = found {
            return Ok(Done::Compared { differs: Some((*commit, difference)) });
        }
        memory.reset().map_err(|error| damaged(error.message()))?;
    }
    Ok(Done::Compared { differs: None })
}

struct Merging<'r> {
    repository: &'r Repository,
}

impl Merging<'_> {
    /// What a merge holds that merging doesn't give; `None` when it holds just that.
    fn difference(&self, id: Oid) -> Result<Option<Difference>, Error> {
        let commit = self.repository.find_commit(id)?;
        let untold = |why: &str| Ok(Some(Difference::Untold { why: why.to_owned() }));
        let parents: Vec<Oid> = commit.parent_ids().collect();
        let [ours, theirs] = parents[..] else { return untold("it joins more than two branches") };
        let Some(base) = self.base(ours, theirs, DEEPEST)? else {
            return untold("what its parents have in common can't be told");
        };
        let (ours, theirs) = (self.tree(ours)?, self.tree(theirs)?);
        let mut differs = None;
        for way in ways() {
            let merged = self.merge([base, ours, theirs], &way)?;
            if merged == Ok(commit.tree_id()) {
                return Ok(None);
            }
            // Of several ways, the first is that of people.
            differs.get_or_insert(merged);
        }
        let paths = match differs {
            Some(Ok(tree)) => match read::differing(self.repository, tree, commit.tree_id()) {
                Ok(paths) => paths,
                Err(error) => return untold(&error.to_string()),
            },
            Some(Err(conflicts)) => conflicts,
            None => BTreeSet::new(),
        };
        if paths.is_empty() {
            return untold("its folders are written in another way than Git writes them");
        }
        let more = paths.len().saturating_sub(PATHS);
        let paths = paths.iter().take(PATHS).map(|path| text::printable(path, PATH)).collect();
        Ok(Some(Difference::Own { paths, more }))
    }

    fn tree(&self, commit: Oid) -> Result<Oid, Error> {
        Ok(self.repository.find_commit(commit)?.tree_id())
    }

    /// Merges two trees; the paths that conflict, where some do.
    fn merge(
        &self,
        [base, ours, theirs]: [Oid; 3],
        way: &MergeOptions,
    ) -> Result<Result<Oid, BTreeSet<String>>, Error> {
        let tree = |id| self.repository.find_tree(id);
        let mut index = self.repository.merge_trees(&tree(base)?, &tree(ours)?, &tree(theirs)?, Some(way))?;
        if !index.has_conflicts() {
            return index.write_tree_to(self.repository).map(Ok);
        }
        let mut paths = BTreeSet::new();
        for conflict in index.conflicts()? {
            let conflict = conflict?;
            let sides = [conflict.ancestor, conflict.our, conflict.their];
            let names =
                sides.into_iter().flatten().map(|side| String::from_utf8_lossy(&side.path).into_owned());
            paths.extend(names);
        }
        Ok(Err(paths))
    }

    /// The tree that both sides began from; `None` where that can't be told.
    fn base(&self, one: Oid, other: Oid, depth: u8) -> Result<Option<Oid>, Error> {
        let bases = self.bases(one, other)?;
        let Some((first, rest)) = bases.split_first() else { return Ok(None) };
        let (mut tree, mut last) = (self.tree(*first)?, *first);
        for next in rest {
            let below = if depth == 0 { None } else { self.base(last, *next, depth - 1)? };
            let Some(below) = below else { return Ok(None) };
            match self.merge([below, tree, self.tree(*next)?], &MergeOptions::new())? {
                Ok(merged) => tree = merged,
                Err(_) => return Ok(None),
            }
            last = *next;
        }
        Ok(Some(tree))
    }

    /// The newest common ancestors of two commits. Where a copy's history ends, nothing is missed that is newer.
    fn bases(&self, one: Oid, other: Oid) -> Result<Vec<Oid>, Error> {
        let mut paint =
            Paint { repository: self.repository, known: HashMap::new(), queue: BinaryHeap::new(), live: 0 };
        paint.mark(one, ONE)?;
        paint.mark(other, OTHER)?;
        let mut met = paint.run()?;
        met.retain(|id| paint.known.get(id).is_some_and(|known| known.marks & STALE == 0));
        if met.len() > 1 {
            let older = self.below(&met)?;
            met.retain(|id| !older.contains(id));
        }
        Ok(met)
    }

    /// Everything below some commits.
    fn below(&self, commits: &[Oid]) -> Result<HashSet<Oid>, Error> {
        let (mut waiting, mut seen) = (commits.to_vec(), HashSet::new());
        while let Some(id) = waiting.pop() {
            let Some(parents) = parents(self.repository, id)? else { continue };
            waiting
                .extend(parents.1.into_iter().filter(|parent| seen.len() < VISITED && seen.insert(*parent)));
        }
        Ok(seen)
    }
}

/// The ways to merge of which one must give what a merge holds.
fn ways() -> [MergeOptions; 4] {
    let way = |change: fn(&mut MergeOptions)| {
        let mut options = MergeOptions::new();
        change(&mut options);
        options
    };
    [
        way(|_| {}),
        way(|options| {
            options.patience(true);
        }),
        way(|options| {
            options.minimal(true);
        }),
        way(|options| {
            options.find_renames(false);
        }),
    ]
}

/// Time and parents of a commit; `None` for one that isn't here.
fn parents(repository: &Repository, id: Oid) -> Result<Option<(i64, Vec<Oid>)>, Error> {
    match repository.find_commit(id) {
        Ok(commit) => Ok(Some((commit.time().seconds(), commit.parent_ids().collect()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Seen from the one commit, from the other, and below what both have in common.
const ONE: u8 = 1;
const OTHER: u8 = 2;
const STALE: u8 = 4;

struct Known {
    marks: u8,
    waits: bool,
    time: i64,
    parents: Vec<Oid>,
}

/// Two histories, painted from both ends, newest first, until only what both have in common is left. libgit2's own
/// walk fails where a copy's history ends.
struct Paint<'r> {
    repository: &'r Repository,
    known: HashMap<Oid, Known>,
    queue: BinaryHeap<(i64, Oid)>,
    /// Commits in the queue that aren't stale.
    live: usize,
}

impl Paint<'_> {
    /// Commits at which the two met, newest first; some may have turned out to be below others.
    fn run(&mut self) -> Result<Vec<Oid>, Error> {
        let mut met = Vec::new();
        while self.live > 0 {
            let Some((_, id)) = self.queue.pop() else { break };
            let Some(known) = self.known.get_mut(&id).filter(|known| known.waits) else { continue };
            known.waits = false;
            let (mut marks, parents) = (known.marks, known.parents.clone());
            self.live -= usize::from(marks & STALE == 0);
            if marks == ONE | OTHER {
                met.extend(Some(id).filter(|id| !met.contains(id)));
                marks |= STALE;
            }
            for parent in parents {
                self.mark(parent, marks)?;
            }
            if self.known.len() > VISITED {
                return Ok(Vec::new());
            }
        }
        Ok(met)
    }

    fn mark(&mut self, id: Oid, marks: u8) -> Result<(), Error> {
        if !self.known.contains_key(&id) {
            // Below a shallow copy's end there is nothing to tell.
            let Some((time, parents)) = parents(self.repository, id)? else { return Ok(()) };
            self.known.insert(id, Known { marks: 0, waits: false, time, parents });
        }
        let Some(known) = self.known.get_mut(&id) else { return Ok(()) };
        if known.marks & marks == marks {
            return Ok(());
        }
        let was_live = known.waits && known.marks & STALE == 0;
        known.marks |= marks;
        if !known.waits {
            known.waits = true;
            self.queue.push((known.time, id));
        }
        let is_live = known.marks & STALE == 0;
        self.live = self.live + usize::from(is_live) - usize::from(was_live);
        Ok(())
    }
}
