//! Which paths a head changes, which new commits changed them, and which show the very change.
//!
//! All of it is told by comparing trees; what changed in a file is not looked at. The comparison is our own: libgit2's
//! knows no trees that hold a name twice, and its binding ends the thread at a mode that it doesn't know.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::super::error::SourceError;
use super::super::settings::CommitId;
use super::walk::damaged;
use crate::trust::approval::Change;

/// Old commits that are looked at to tell which of two is older.
const VISITED: usize = 20_000;

/// Folders inside each other that are looked into; a deeper one counts as one path.
const DEEPEST: usize = 256;

/// What stands at a path: blob and mode; nothing, or in a hand-made tree several.
type Content = Vec<(Oid, i32)>;

/// Paths whose content differs, with the newer content.
type Paths = HashMap<Vec<u8>, Content>;

/// Compares `accepted` and `head`; without an accepted commit here, every path of the head is a change. `new` are the
/// commits that only the head has; of those, the ones in `asked` are looked at closely. What isn't UTF-8 in a path is
/// replaced.
pub(super) fn changes(
    repository: &Repository,
    accepted: Option<CommitId>,
    head: CommitId,
    new: &[CommitId],
    asked: &[CommitId],
    deadline: Duration,
) -> Result<Vec<Change>, SourceError> {
    let oid = |id: &CommitId| id.oid().map_err(|error| damaged(&error));
    let new: Vec<Oid> = new.iter().map(oid).collect::<Result<_, _>>()?;
    let asked: HashSet<Oid> = asked.iter().map(oid).collect::<Result<_, _>>()?;
    let known = new.iter().copied().collect();
    let head = oid(&head)?;
    let comparing = Comparing { repository, known, end: Instant::now() + deadline, deadline };
    let accepted = accepted.map(|id| oid(&id)).transpose()?;
    let old = accepted.map(|id| comparing.tree(id)).transpose()?.flatten();
    let tip = comparing.tree(head)?;
    let changed = comparing.differing(old, tip)?;
    let mut facts: BTreeMap<&[u8], Facts> =
        changed.keys().map(|path| (path.as_slice(), Facts::default())).collect();
    for id in &new {
        comparing.wrote(*id, &changed, &mut facts)?;
    }
    for id in new.iter().filter(|id| asked.contains(*id)) {
        let hidden = comparing.hidden(*id, head, old, tip)?;
        for (path, facts) in &mut facts {
            facts.shown_by.extend(Some(*id).filter(|_| !hidden.contains_key(*path)));
        }
    }
    Ok(facts.into_iter().map(|(path, facts)| facts.told(path, head)).collect())
}

/// Paths that differ between two trees. What isn't UTF-8 in a path is replaced.
pub(in super::super) fn differing(
    repository: &Repository,
    old: Oid,
    new: Oid,
) -> Result<BTreeSet<String>, SourceError> {
    // The process that asks has a deadline of its own.
    let deadline = Duration::from_secs(3600);
    let end = Instant::now() + deadline;
    let comparing = Comparing { repository, known: HashSet::new(), end, deadline };
    let paths = comparing.differing(Some(old), Some(new))?;
    Ok(paths.into_keys().map(|path| String::from_utf8_lossy(&path).into_owned()).collect())
}

/// What is known of a changed path.
#[derive(Default)]
struct Facts {
    writers: Vec<Oid>,
    /// Some new commit wrote what the head has.
    written: bool,
    /// Merges that took what the head has from one side, and could have taken something else from another.
    chose: Vec<Oid>,
    shown_by: Vec<Oid>,
}

impl Facts {
    fn told(mut self, path: &[u8], head: Oid) -> Change {
        // Old content came back: by a merge that preferred it, or because the branch was rewound.
        if !self.written {
            self.writers.append(&mut self.chose);
        }
        if self.writers.is_empty() {
            self.writers.push(head);
        }
        let ids = |ids: Vec<Oid>| ids.into_iter().map(|id| id.to_string()).collect();
        let path = String::from_utf8_lossy(path).into_owned();
        Change { path, writers: ids(self.writers), shown_by: ids(self.shown_by) }
    }
}

/// What has one name in a folder.
#[derive(Default)]
struct Entry {
    files: Content,
    folders: Vec<Oid>,
}

/// A folder that is yet to be compared: its path, how deep it lies, what it was and what it is.
type Waiting = (Vec<u8>, usize, Vec<Oid>, Vec<Oid>);

/// Compares what has one name; a folder waits.
fn part(at: &[u8], depth: usize, name: &[u8], was: Entry, now: Entry, paths: &mut Paths) -> Option<Waiting> {
    let path = if at.is_empty() { name.to_vec() } else { [at, b"/", name].concat() };
    let (was_deep, now_deep) = (was.folders, now.folders);
    if depth >= DEEPEST {
        let deep = |folders: Vec<Oid>| folders.into_iter().map(|id| (id, i32::from(git2::FileMode::Tree)));
        let was: Content = was.files.into_iter().chain(deep(was_deep)).collect();
        let now: Content = now.files.into_iter().chain(deep(now_deep)).collect();
        if was != now {
            paths.insert(path, now);
        }
        return None;
    }
    if was.files != now.files {
        paths.insert(path.clone(), now.files);
    }
    (was_deep != now_deep).then_some((path, depth + 1, was_deep, now_deep))
}

struct Comparing<'r> {
    repository: &'r Repository,
    /// The new commits.
    known: HashSet<Oid>,
    end: Instant,
    deadline: Duration,
}

impl<'r> Comparing<'r> {
    /// The tree of a commit; `None` when the commit isn't here.
    fn tree(&self, id: Oid) -> Result<Option<Oid>, SourceError> {
        match self.repository.find_commit(id) {
            Ok(commit) => Ok(Some(commit.tree_id())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(damaged(&error)),
        }
    }

    fn parents(&self, id: Oid) -> Result<Vec<Oid>, SourceError> {
        match self.repository.find_commit(id) {
            Ok(commit) => Ok(commit.parent_ids().collect()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// Paths that differ between two trees; without one, all of the other.
    fn differing(&self, old: Option<Oid>, new: Option<Oid>) -> Result<Paths, SourceError> {
        let mut paths = Paths::new();
        let list = |tree: Option<Oid>| tree.into_iter().collect::<Vec<Oid>>();
        let mut waiting: Vec<Waiting> = vec![(Vec::new(), 0, list(old), list(new))];
        while let Some((at, depth, old, new)) = waiting.pop() {
            if old == new {
                continue;
            }
            if Instant::now() > self.end {
                let what = "comparing the new commits".to_owned();
                return Err(SourceError::Timeout { what, after: self.deadline });
            }
            let (mut before, after) = (self.folder(&old)?, self.folder(&new)?);
            for (name, now) in after {
                let was = before.remove(&name).unwrap_or_default();
                waiting.extend(part(&at, depth, &name, was, now, &mut paths));
            }
            for (name, was) in before {
                waiting.extend(part(&at, depth, &name, was, Entry::default(), &mut paths));
            }
        }
        Ok(paths)
    }

    /// The entries of a folder, which in a hand-made tree may be several.
    fn folder(&self, trees: &[Oid]) -> Result<BTreeMap<Vec<u8>, Entry>, SourceError> {
        let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        for tree in trees {
            let tree = self.repository.find_tree(*tree).map_err(|error| damaged(&error))?;
            for one in &tree {
                let entry = entries.entry(one.name_bytes().to_vec()).or_default();
                match one.kind() {
                    Some(ObjectType::Tree) => entry.folders.push(one.id()),
                    _ => entry.files.push((one.id(), one.filemode())),
                }
            }
        }
        Ok(entries)
    }

    /// Adds what a new commit wrote. Of a merge that is what differs from each of its parents.
    fn wrote(&self, id: Oid, changed: &Paths, facts: &mut BTreeMap<&[u8], Facts>) -> Result<(), SourceError> {
        let tree = self.tree(id)?;
        let parents = self.parents(id)?;
        let mut differs: HashMap<Vec<u8>, (Content, usize)> = HashMap::new();
        let sides = parents.len().max(1);
        for side in 0..sides {
            let parent = parents.get(side).map(|parent| self.tree(*parent)).transpose()?.flatten();
            for (path, content) in self.differing(parent, tree)? {
                differs.entry(path).or_insert((content, 0)).1 += 1;
            }
        }
        for (path, (content, count)) in differs {
            let Some(facts) = facts.get_mut(path.as_slice()) else { continue };
            let same = changed.get(&path) == Some(&content);
            if count == sides {
                facts.writers.push(id);
                facts.written |= same;
            } else if same {
                facts.chose.push(id);
            }
        }
        Ok(())
    }

    /// The paths of which a commit doesn't show the change: the head has something else than it, or what is accepted
    /// is something else than what it began from.
    fn hidden(
        &self,
        id: Oid,
        head: Oid,
        accepted: Option<Oid>,
        tip: Option<Oid>,
    ) -> Result<Paths, SourceError> {
        if id == head {
            return Ok(Paths::new());
        }
        let mut hidden = self.differing(self.tree(id)?, tip)?;
        let origins = self.origins(id)?;
        if origins.is_empty() {
            hidden.extend(self.differing(None, accepted)?);
        }
        for origin in origins {
            let Some(origin) = self.tree(origin)? else {
                // Nobody here knows what it began from.
                hidden.extend(self.differing(None, tip)?);
                hidden.extend(self.differing(None, accepted)?);
                return Ok(hidden);
            };
            hidden.extend(self.differing(Some(origin), accepted)?);
        }
        Ok(hidden)
    }

    /// Where a new commit's history leaves the old one: the newest such commits.
    fn origins(&self, id: Oid) -> Result<Vec<Oid>, SourceError> {
        let (mut waiting, mut seen, mut old) = (vec![id], HashSet::from([id]), HashSet::new());
        while let Some(id) = waiting.pop() {
            for parent in self.parents(id)? {
                if !self.known.contains(&parent) {
                    old.insert(parent);
                } else if seen.insert(parent) {
                    waiting.push(parent);
                }
            }
        }
        if old.len() > 1 {
            for older in self.ancestors(&old)? {
                old.remove(&older);
            }
        }
        Ok(old.into_iter().collect())
    }

    /// Those of some old commits that are known to be ancestors of others of them.
    fn ancestors(&self, commits: &HashSet<Oid>) -> Result<HashSet<Oid>, SourceError> {
        let mut waiting: Vec<Oid> = commits.iter().copied().collect();
        let (mut seen, mut older) = (HashSet::new(), HashSet::new());
        while let Some(id) = waiting.pop() {
            for parent in self.parents(id)? {
                older.extend(Some(parent).filter(|parent| commits.contains(parent)));
                if seen.insert(parent) && seen.len() < VISITED {
                    waiting.push(parent);
                }
            }
        }
        Ok(older)
    }
}
