//! What a segment adds to the log: tiles, bundles and the new root. Pure.
//!
//! The agent writes what comes out of here to the archive, and the verifier makes it again from the segments and
//! compares: there is one way from records to proof.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::frame::{Found, Record, scan};
use super::layout;
use super::leaf;
use super::log::hash;
use super::log::tile;
use super::log::tree::{Tile, Tree, WIDTH};

/// A log up to the end of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prover {
    tree: Tree,
    /// The entries of the bundle that isn't full yet.
    bundle: Vec<u8>,
    /// On which day the first record of the last segment was received, counted from 1970.
    day: Option<i64>,
}

/// Milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// The day before any other.
const NO_DAY: i64 = i64::MIN;

/// A file below the stream's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What a segment added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Tiles and bundles, in the order in which they are written.
    pub objects: Vec<Object>,
    /// Records.
    pub records: u64,
    /// The last record's number.
    pub last: Option<u64>,
    /// Damaged stretches, in bytes.
    pub damaged: Vec<(usize, usize)>,
    /// Records whose number isn't the one that follows: the number that was expected, and that which was found.
    pub jumps: Vec<(u64, u64)>,
}

/// A state as it lies on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    size: u64,
    edge: Vec<String>,
    bundle: String,
    #[serde(default)]
    day: Option<i64>,
}

impl Prover {
    /// The tree so far.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Takes a segment, whose first record has number `first`.
    pub fn segment(&mut self, first: u64, segment: &[u8]) -> Added {
        self.segment_with(first, segment, |_| ())
    }

    /// The same, for who wants to see each record on the way: a segment is read once.
    pub fn segment_with(&mut self, first: u64, segment: &[u8], mut see: impl FnMut(&Record<'_>)) -> Added {
        let (mut added, mut filled, mut next) = (Added::default(), Vec::new(), first);
        let mut entry = String::new();
        let before = self.tree.size();
        for found in scan(segment) {
            let (offset, record) = match found {
                Found::Record { offset, record } => (offset, record),
                Found::Damage { offset, end } => {
                    added.damaged.push((offset, end));
                    continue;
                }
            };
            if record.seq != next {
                added.jumps.push((next, record.seq));
            }
            next = record.seq.wrapping_add(1);
            added.last = Some(record.seq);
            see(&record);
            if added.records == 0 {
                self.dawn(record.received, &mut added);
            }
            entry.clear();
            leaf::write(&record, first, offset, &mut entry);
            self.push(entry.as_bytes(), &mut filled, &mut added);
        }
        self.finish(before, filled, &mut added);
        added
    }

    /// The first segment of a day brings the tree before it along. Archives forget objects by their age, and tiles of high
    /// levels are older than the records that they are needed for: from here on everything can be proved without them.
    fn dawn(&mut self, received: i64, added: &mut Added) {
        let day = received.div_euclid(DAY);
        if self.day.replace(day).is_some_and(|before| before != day) {
            let path = layout::edge(self.tree.size());
            added.objects.push(Object { path, content: self.tree.edge_bytes() });
        }
    }

    /// The same log, of which the next segment is the first of a day.
    #[must_use]
    pub fn at_dawn(self) -> Self {
        Self { day: Some(NO_DAY), ..self }
    }

    fn push(&mut self, entry: &[u8], filled: &mut Vec<Tile>, added: &mut Added) {
        tile::append(&mut self.bundle, entry);
        self.tree.push(hash::leaf(entry), filled);
        added.records += 1;
        let size = self.tree.size();
        if size.is_multiple_of(WIDTH as u64) {
            let path = tile::bundle_path(size / WIDTH as u64 - 1, WIDTH);
            added.objects.push(Object { path, content: std::mem::take(&mut self.bundle) });
        }
    }

    fn finish(&self, before: u64, filled: Vec<Tile>, added: &mut Added) {
        if added.records == 0 {
            return;
        }
        let size = self.tree.size();
        if !self.bundle.is_empty() {
            #[allow(clippy::cast_possible_truncation, reason = "less than 256")]
            let count = (size % WIDTH as u64) as usize;
            let path = tile::bundle_path(size / WIDTH as u64, count);
            added.objects.push(Object { path, content: self.bundle.clone() });
        }
        // A tile of a higher level that didn't grow was there before: each object is made, and put, once.
        let grew = |tile: &Tile| {
            let level = 8 * u32::from(tile.level);
            before >> level != size >> level
        };
        let tiles = filled.into_iter().chain(self.tree.partial().into_iter().filter(grew));
        added.objects.extend(tiles.map(|one| Object {
            path: tile::path(one.level, one.index, one.hashes.len()),
            content: tile::content(&one),
        }));
    }

    /// As it lies on disk.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        let edge = self.tree.edge().iter().map(|level| STANDARD.encode(level.concat())).collect();
        let bundle = STANDARD.encode(&self.bundle);
        let kept = Kept { size: self.tree.size(), edge, bundle, day: self.day };
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// What [`Self::keep`] gave; `None` when it isn't that.
    #[must_use]
    pub fn of(kept: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(kept).ok()?;
        let level = |text: &String| {
            let bytes = STANDARD.decode(text).ok()?;
            let (whole, rest) = bytes.as_chunks::<32>();
            rest.is_empty().then(|| whole.to_vec())
        };
        let edge = kept.edge.iter().map(level).collect::<Option<_>>()?;
        let prover = Self::of_tree(Tree::of_edge(kept.size, edge)?, STANDARD.decode(kept.bundle).ok()?)?;
        Some(Self { day: kept.day, ..prover })
    }

    /// A tree and the entries of its last bundle; `None` when these aren't in that tree.
    #[must_use]
    pub fn of_tree(tree: Tree, bundle: Vec<u8>) -> Option<Self> {
        let entries = if bundle.is_empty() { Vec::new() } else { tile::entries(&bundle)? };
        let hashes: Vec<_> = entries.iter().map(|entry| hash::leaf(entry)).collect();
        (tree.edge().first().map_or(&[][..], Vec::as_slice) == hashes).then_some(Self {
            tree,
            bundle,
            day: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::frame::{Record, Source};
    use crate::audit::log::proof::{Nodes, root};

    fn segment(first: u64, count: u64) -> Vec<u8> {
        let mut all = Vec::new();
        for seq in first..first + count {
            let text = format!(r#"{{"auditID":"id-{seq}","stage":"ResponseComplete"}}"#);
            let bytes = text.as_bytes();
            Record { seq, synced: first, received: 0, source: Source::AuditFile, bytes }.append(&mut all);
        }
        all
    }

    struct Leaves(Vec<hash::Hash>);

    impl Nodes for Leaves {
        type Error = std::convert::Infallible;
        fn node(&mut self, level: u32, index: u64) -> Result<hash::Hash, Self::Error> {
            Ok(hash::over(&self.0[(index << level) as usize..((index + 1) << level) as usize]))
        }
    }

    #[test]
    fn the_files_hold_the_tree() {
        let (mut prover, mut files) = (Prover::default(), std::collections::BTreeMap::new());
        let mut first = 0;
        for count in [1, 300, 5, 256, 700] {
            let kept = Prover::of(&prover.keep()).unwrap();
            assert_eq!(kept, prover);
            let added = prover.segment(first, &segment(first, count));
            assert_eq!((added.records, added.damaged.len(), added.jumps.len()), (count, 0, 0));
            for Object { path, content } in added.objects {
                assert!(files.insert(path.clone(), content).is_none(), "{path} is made twice");
            }
            first += count;
        }
        assert_eq!(prover.tree().size(), 1262);
        let mut leaves = Vec::new();
        for (index, count) in [(0, 256), (1, 256), (2, 256), (3, 256), (4, 238)] {
            let entries = tile::entries(&files[&tile::bundle_path(index, count)]).unwrap();
            let found: Vec<_> = entries.iter().map(|entry| hash::leaf(entry)).collect();
            assert_eq!(tile::hashes(&files[&tile::path(0, index, count)]).unwrap(), found);
            leaves.extend(found);
        }
        assert_eq!(root(&mut Leaves(leaves), 1262).unwrap(), prover.tree().root());
    }

    #[test]
    fn the_first_segment_of_a_day_brings_the_tree_before_it() {
        let (mut prover, mut found) = (Prover::default(), Vec::new());
        for (first, day) in [(0, 3), (1, 3), (2, 4), (3, 2), (4, 2)] {
            let mut segment = Vec::new();
            let (source, received) = (Source::Health, day * DAY + first);
            let seq = u64::try_from(first).unwrap();
            Record { seq, synced: 0, received, source, bytes: b"x" }.append(&mut segment);
            let before = prover.tree().edge_bytes();
            prover = Prover::of(&prover.keep()).unwrap();
            let edges = prover
                .segment(seq, &segment)
                .objects
                .into_iter()
                .filter(|one| one.path.starts_with("edges/"));
            found.extend(edges.map(|one| (one.path, one.content == before)));
        }
        assert_eq!(found, [(layout::edge(2), true), (layout::edge(3), true)]);
    }

    #[test]
    fn a_segment_without_records_adds_nothing() {
        let mut prover = Prover::default();
        let added = prover.segment(0, b"rubbish");
        assert_eq!((added.objects.len(), added.damaged), (0, vec![(0, 7)]));
        let added = prover.segment(0, &segment(2, 1));
        assert_eq!(added.jumps, [(0, 2)]);
    }
}
