//! A walk along one stream's segments: the tree that they make, and what doesn't agree with it. Pure.
//!
//! Behind a segment that is missing or damaged the tree goes on from the tiles of a later signed checkpoint, so that
//! everything that is wrong is named, and not the first thing only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::archive::{Archive, Unread};
use super::super::frame::{Found, Record, scan};
use super::super::layout;
use super::super::log::hash::Hash;
use super::super::log::note::PublicKey;
use super::super::pack::unpack;
use super::super::prove::{Added, Prover};
use super::expired::{self, Start};
use super::gaps::Said;
use super::nodes::anchor;
use super::objects::{self, Stands};
use super::report::{Expired, Reason, Stream};

/// A segment that is whole, and that no checkpoint vouches for yet.
pub(super) struct Pending {
    pub(super) size: u64,
    pub(super) records: u64,
    pub(super) root: Hash,
    /// Objects that aren't there; they may be on their way.
    pub(super) missing: Vec<String>,
}

/// Where the walk stands, and what was found so far.
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
    pub(super) heard: Heard,
    /// Records that signed segments don't have: the agent must say so.
    pub(super) missing: Vec<(u64, u64, String)>,
    pub(super) pending: Vec<Pending>,
    /// Record and leaf at which the proof begins.
    begin: (u64, u64),
    /// When the first record must have been received.
    pub(super) dawn: Option<i64>,
}

impl<'a, A: Archive> Walk<'a, A> {
    pub(super) fn new(
        archive: &'a mut A,
        key: PublicKey,
        unseen: BTreeSet<String>,
        start: Option<Start>,
    ) -> Self {
        let expired = start.as_ref().map(|start| Expired {
            before: start.next,
            received: Timestamp::from_millisecond(start.received)
                .map_or_else(|_| String::new(), |time| time.to_string()),
        });
        let found = Stream { expired, ..Stream::default() };
        let dawn = start.as_ref().map(|start| start.first);
        let (next, prover) = start.map_or_else(Default::default, |start| (start.next, start.prover));
        let size = prover.tree().size();
        Self {
            archive,
            key,
            found,
            prover: Some(prover),
            next,
            lost: next.saturating_sub(size),
            begin: (next, size),
            dawn,
            unseen,
            roots: BTreeMap::new(),
            heard: Heard::default(),
            missing: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Whether nothing of what lies there is proved, since it belongs to what may be missing.
    pub(super) fn is_expired(&self, path: &str) -> bool {
        let (next, size) = self.begin;
        self.found.expired.is_some() && expired::is_before(path, next, size)
    }

    /// Takes the next segment.
    ///
    /// # Errors
    /// The archive can't be read.
    pub(super) fn segment(&mut self, path: &str, first: u64, last: u64) -> Result<(), Unread> {
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
        let prover = match self.prover.take() {
            Some(prover) => Some(prover),
            None => self.anchored(first)?,
        };
        let Some(mut prover) = prover else {
            // Without a tree nothing can be said of this one; what broke it is noted.
            for found in scan(&segment) {
                if let Found::Record { record, .. } = found {
                    self.heard.record(&record);
                }
            }
            return Ok(());
        };
        let added = prover.segment_with(first, &segment, |record| self.heard.record(record));
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
        let lost = self.jumps(path, last, added);
        if let Some((offset, end)) = added.damaged.get(lost) {
            // Whoever may write segments could hide things between records of which none is missing.
            let words =
                format!("bytes {offset} to {end} of it, unpacked, are no record, and none is missing there");
            self.found.fault(Reason::SegmentDamaged, Some(first), path, words);
        }
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

    /// Numbers that a signed segment passes over; how often it does.
    fn jumps(&mut self, path: &str, last: u64, added: &Added) -> usize {
        let before = self.missing.len();
        let ends = added.last.map_or(last, |found| found + 1);
        let tail = (ends <= last).then_some((ends, last.saturating_add(1)));
        for (from, to) in added.jumps.iter().copied().chain(tail) {
            self.lost += to.saturating_sub(from);
            self.missing.push((from, to.saturating_sub(1), path.to_owned()));
        }
        self.missing.len() - before
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
}

/// What the records themselves tell.
#[derive(Default)]
pub(super) struct Heard {
    /// What the agent says of its log.
    pub(super) said: Said,
    /// When the first and the last record were received.
    pub(super) times: Option<(i64, i64)>,
}

impl Heard {
    fn record(&mut self, record: &Record<'_>) {
        self.said.record(record);
        let first = self.times.map_or(record.received, |(first, _)| first);
        self.times = Some((first, record.received));
    }
}
