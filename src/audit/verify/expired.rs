//! Beginnings that retention took: from where on a log can still be proved, and whether what is gone was old enough. Pure.
//!
//! An archive forgets each object at the same age. What a day's segments need to be proved came with them: the edge of the
//! tree before the first of them (`edges/<size>`), and in its bundle the entries before it. Nobody signed that edge; it is
//! believed because the segment behind it, added to it, must have the root that was signed.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::archive::{Archive, Unread};
use super::super::layout;
use super::super::log::tile::{self, Place};
use super::super::log::tree::{Tree, WIDTH};
use super::super::prove::Prover;

/// Where a proof can begin.
#[derive(Clone, Debug)]
pub struct Start {
    /// The number of the first record that is proved.
    pub next: u64,
    /// When it was received, in milliseconds since 1970, says the bundle: whoever walks compares.
    pub first: i64,
    /// When the newest record before it was received.
    pub received: i64,
    /// The log before it.
    pub prover: Prover,
}

/// Parts of a leaf.
#[derive(Deserialize)]
struct Leaf {
    received: i64,
    segment: u64,
}

/// Where a proof may begin when everything that was received at or after `since` (in milliseconds) must be there: as
/// early as the segments allow, and as late as the rule does. None when nothing may be missing.
///
/// # Errors
/// The archive can't be read.
pub fn starts(
    archive: &mut impl Archive,
    paths: &BTreeSet<String>,
    since: i64,
) -> Result<Vec<Start>, Unread> {
    let sizes: Vec<u64> = paths.iter().filter_map(|path| layout::edge_of(path)).collect();
    let (mut low, mut high, mut latest) = (0, sizes.len(), None);
    while low < high {
        let middle = low.midpoint(high);
        match start(archive, paths, sizes[middle])? {
            Some(found) if found.received > since => high = middle,
            // One that can't be used is what is left of a day that expires.
            found => {
                latest = found.map(|found| (middle, found)).or(latest);
                low = middle + 1;
            }
        }
    }
    let Some((newest, latest)) = latest else { return Ok(Vec::new()) };
    let hole = hole(paths, latest.next);
    for size in &sizes[..newest] {
        match start(archive, paths, *size)? {
            Some(found) if found.next >= hole => return Ok(vec![found, latest]),
            _ => {}
        }
    }
    Ok(vec![latest])
}

/// The first record behind the last hole between segments that begin before record `next`.
fn hole(paths: &BTreeSet<String>, next: u64) -> u64 {
    let segments = paths.iter().filter_map(|path| layout::segment_of(path));
    let (mut expected, mut hole) = (0, 0);
    for (first, last) in segments.take_while(|(first, _)| *first <= next) {
        hole = if first == expected { hole } else { first };
        expected = last.saturating_add(1);
    }
    hole
}

/// The log before the segment that brought the edge of that size; `None` when there is none, or not all of it.
fn start(archive: &mut impl Archive, paths: &BTreeSet<String>, size: u64) -> Result<Option<Start>, Unread> {
    let (index, before) = (size / WIDTH as u64, (size % WIDTH as u64) as usize);
    let (Some(edge), Some(path)) = (archive.get(&layout::edge(size))?, longest(paths, index)) else {
        return Ok(None);
    };
    let Some(bundle) = archive.get(path)? else { return Ok(None) };
    let Some(entries) = tile::entries(&bundle) else { return Ok(None) };
    let leaf = |at: usize| entries.get(at).and_then(|entry| serde_json::from_slice::<Leaf>(entry).ok());
    let Some(first) = leaf(before).filter(|first| first.segment >= size) else { return Ok(None) };
    // Where a bundle begins with the day its first record is the oldest witness of what came before.
    let received = before.checked_sub(1).and_then(leaf).map_or(first.received, |last| last.received);
    let mut own = Vec::new();
    entries.iter().take(before).for_each(|entry| tile::append(&mut own, entry));
    let prover = Tree::of_edge_bytes(size, &edge).and_then(|tree| Prover::of_tree(tree, own));
    let Leaf { received: first, segment: next } = first;
    Ok(prover.map(|prover| Start { next, first, received, prover: prover.at_dawn() }))
}

/// The path of a bundle as it was last written.
fn longest(paths: &BTreeSet<String>, index: u64) -> Option<&String> {
    let whole = tile::bundle_path(index, WIDTH);
    let of_index = paths.range(whole.clone()..).take_while(|path| path.starts_with(&whole));
    let bundles =
        of_index.filter_map(|path| Some((Place::of(path).filter(|place| place.index == index)?.count, path)));
    bundles.max_by_key(|(count, _)| *count).map(|(_, path)| path)
}

/// Whether what lies at a path belongs to the first `size` records alone, `next` of them with those that were lost.
#[must_use]
pub fn is_before(path: &str, next: u64, size: u64) -> bool {
    let segment = layout::segment_of(path).map(|(_, last)| last < next);
    let checkpoint = layout::checkpoint_of(path).map(|found| found <= size);
    let edge = layout::edge_of(path).map(|found| found < size);
    let tile = Place::of(path).map(|place| place.end() <= size);
    segment.or(checkpoint).or(edge).or(tile).unwrap_or(false)
}
