//! One stream, from its first segment to its newest checkpoint. Pure.
//!
//! The segments are the log. What they make is made again with [`Prover`], and compared with every object that lies
//! there and with what agent and witness signed. Behind a segment that is missing or damaged the tree goes on from the
//! tiles of a later signed checkpoint, so that everything that is wrong is named, and not the first thing only.

use std::collections::{BTreeMap, BTreeSet};

use super::super::archive::{Archive, Unread};
use super::super::frame::{Found, scan};
use super::super::layout;
use super::super::log::hash::Hash;
use super::super::log::note::PublicKey;
use super::super::pack::unpack;
use super::super::prove::{Added, Prover};
use super::super::spool::names::Previous;
use super::end;
use super::gaps::Said;
use super::nodes::anchor;
use super::objects::{self, Stands};
use super::report::{Reason, Stream};

/// Whom to believe.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The agent's; its name without the epoch.
    pub log: PublicKey,
    /// The witness'. Without one nothing shows that history wasn't rewritten by who holds the agent's key.
    pub witness: Option<PublicKey>,
}

/// What was found in a stream.
pub type Verified = (Stream, Option<Previous>);

/// Verifies a stream. `progress` is told the number of records so far.
///
/// # Errors
/// The archive can't be read: nothing is said of it then.
pub fn verify(
    archive: &mut impl Archive,
    stream: &layout::Stream,
    keys: &Keys,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Unread> {
    let unseen: BTreeSet<String> = archive.list()?.into_iter().collect();
    let of_segment =
        |path: &String| layout::segment_of(path).map(|(first, last)| (first, last, path.clone()));
    let segments: Vec<_> = unseen.iter().filter_map(of_segment).collect();
    let key = keys.log.named(stream.origin());
    let mut walk = Walk::new(archive, key, unseen);
    (walk.found.stream, walk.found.key) = (stream.to_string(), walk.key.to_string());
    for (first, last, path) in segments {
        walk.segment(&path, first, last)?;
        progress(walk.next);
    }
    end::checkpoints(&mut walk)?;
    end::witness(&mut walk, stream, keys.witness.as_ref())?;
    end::finish(&mut walk);
    Ok((walk.found, walk.said.previous))
}

/// A segment that is whole, and that no checkpoint vouches for yet.
pub(super) struct Pending {
    pub(super) size: u64,
    pub(super) records: u64,
    pub(super) root: Hash,
    /// Objects that aren't there; they may be on their way.
    pub(super) missing: Vec<String>,
}

pub(super) struct Walk<'a, A> {
    pub(super) archive: &'a mut A,
    pub(super) key: PublicKey,
    pub(super) found: Stream,
    /// The tree so far; none behind damage, until a checkpoint.
    prover: Option<Prover>,
    /// The number of the next record.
    pub(super) next: u64,
    /// Records that were never written; the tree is so much smaller than the next number.
    lost: u64,
    /// Paths that nobody asked for yet.
    pub(super) unseen: BTreeSet<String>,
    /// What is signed and was made again.
    pub(super) roots: BTreeMap<u64, Hash>,
    pub(super) said: Said,
    /// Records that signed segments don't have: the agent must say so.
    pub(super) missing: Vec<(u64, u64, String)>,
    pub(super) pending: Vec<Pending>,
    /// When the first and the last record were received.
    pub(super) times: Option<(i64, i64)>,
}

impl<'a, A: Archive> Walk<'a, A> {
    fn new(archive: &'a mut A, key: PublicKey, unseen: BTreeSet<String>) -> Self {
        Self {
            archive,
            key,
            found: Stream::default(),
            prover: Some(Prover::default()),
            next: 0,
            lost: 0,
            unseen,
            roots: BTreeMap::new(),
            said: Said::default(),
            missing: Vec::new(),
            pending: Vec::new(),
            times: None,
        }
    }

    fn segment(&mut self, path: &str, first: u64, last: u64) -> Result<(), Unread> {
        self.unseen.remove(path);
        if first < self.next {
            let words = format!("it begins at record {first}, which an earlier segment has");
            self.found.fault(Reason::SegmentDiffers, Some(first), path, words);
            return Ok(());
        }
        if first > self.next {
            self.missing_before(first);
        }
        self.next = last.saturating_add(1);
        self.found.segments += 1;
        let Some(segment) = self.unpacked(path, first)? else {
            self.prover = None;
            return Ok(());
        };
        self.listen(&segment);
        let prover = match self.prover.take() {
            Some(prover) => Some(prover),
            None => self.anchored(first)?,
        };
        // Without a tree nothing can be said of this one; what broke it is noted.
        let Some(mut prover) = prover else { return Ok(()) };
        let added = prover.segment(first, &segment);
        if self.stands(path, (first, last), &added, &prover)? {
            self.prover = Some(prover);
        }
        Ok(())
    }

    /// Records up to `first` have no segment. An agent that lost them all says so, and its tree goes on.
    fn missing_before(&mut self, first: u64) {
        let (from, to) = (self.next, first - 1);
        self.missing.push((from, to, layout::segment(from, to)));
        let signed = layout::checkpoint(first - self.lost);
        if self.unseen.contains(&signed) {
            self.prover = None;
        } else {
            self.lost += first - self.next;
        }
    }

    fn unpacked(&mut self, path: &str, first: u64) -> Result<Option<Vec<u8>>, Unread> {
        let Some(packed) = self.archive.get(path)? else {
            self.found.fault(Reason::SegmentMissing, Some(first), path, "it was listed and is not there");
            return Ok(None);
        };
        match unpack(&packed) {
            Ok(segment) => Ok(Some(segment)),
            Err(error) => {
                self.found.fault(Reason::SegmentDamaged, Some(first), path, error.to_string());
                Ok(None)
            }
        }
    }

    /// The tree before record `first`, by its tiles and a signed checkpoint.
    fn anchored(&mut self, first: u64) -> Result<Option<Prover>, Unread> {
        let size = first - self.lost.min(first);
        let Stands::Root(root) = objects::checkpoint(self.archive, &self.key, size, &mut self.found)? else {
            return Ok(None);
        };
        // A tile that is missing or changed is noted where the segments make it again, or is what broke the tree.
        Ok(anchor(self.archive, size).ok().filter(|prover| prover.tree().root() == root))
    }

    /// Whether the tree goes on with this segment; what isn't as it was signed is noted.
    fn stands(
        &mut self,
        path: &str,
        (first, last): (u64, u64),
        added: &Added,
        prover: &Prover,
    ) -> Result<bool, Unread> {
        let (size, root) = (prover.tree().size(), prover.tree().root());
        let whole = added.damaged.is_empty() && added.jumps.is_empty() && added.records == last - first + 1;
        let stands = objects::checkpoint(self.archive, &self.key, size, &mut self.found)?;
        if stands != Stands::Absent {
            self.unseen.remove(&layout::checkpoint(size));
            self.found.checkpoints += 1;
        }
        let is_signed = match stands {
            Stands::Root(signed) if signed == root => true,
            Stands::Absent | Stands::Wrong if whole => false,
            _ => {
                self.differs(path, first, added)?;
                return Ok(false);
            }
        };
        let mut missing = objects::compare(self.archive, &added.objects, &mut self.unseen, &mut self.found)?;
        if stands == Stands::Absent {
            missing.push(layout::checkpoint(size));
        }
        self.pending.push(Pending { size, records: added.records, root, missing });
        self.jumps(path, last, added);
        if is_signed {
            self.settle(size);
        }
        Ok(true)
    }

    /// Something signed vouches for everything before it: what isn't there by now was removed.
    pub(super) fn settle(&mut self, size: u64) {
        let (done, rest) = std::mem::take(&mut self.pending).into_iter().partition(|one| one.size <= size);
        self.pending = rest;
        let done: Vec<Pending> = done;
        for pending in done {
            self.roots.insert(pending.size, pending.root);
            for path in pending.missing {
                self.found.fault(Reason::ObjectMissing, None, &path, "it is not there");
            }
        }
        self.found.proven = size;
    }

    /// Numbers that a signed segment passes over.
    fn jumps(&mut self, path: &str, last: u64, added: &Added) {
        let ends = added.last.map_or(last, |found| found + 1);
        let tail = (ends <= last).then_some((ends, last.saturating_add(1)));
        for (from, to) in added.jumps.iter().copied().chain(tail) {
            self.lost += to.saturating_sub(from);
            self.missing.push((from, to.saturating_sub(1), path.to_owned()));
        }
    }

    fn differs(&mut self, path: &str, first: u64, added: &Added) -> Result<(), Unread> {
        let index = objects::first_other(self.archive, &added.objects)?.map(|index| index + self.lost);
        let (reason, words) = match added.damaged.first() {
            Some((offset, end)) => {
                (Reason::SegmentDamaged, format!("bytes {offset} to {end} of it, unpacked, are no record"))
            }
            None => (Reason::SegmentDiffers, "it doesn't make the root that was signed".to_owned()),
        };
        self.found.fault(reason, Some(index.unwrap_or(first)), path, words);
        Ok(())
    }

    /// What the agent says in a segment, and when its records were received.
    fn listen(&mut self, segment: &[u8]) {
        for found in scan(segment) {
            if let Found::Record { record, .. } = found {
                self.said.record(&record);
                let first = self.times.map_or(record.received, |(first, _)| first);
                self.times = Some((first, record.received));
            }
        }
    }
}
