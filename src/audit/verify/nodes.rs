//! Hashes of a tree from its tiles, for proofs. Pure.

use std::collections::HashMap;

use super::super::archive::{Archive, Unread};
use super::super::layout;
use super::super::log::hash::{self, Hash};
use super::super::log::proof::Nodes;
use super::super::log::tile;
use super::super::log::tree::{Tree, WIDTH};
use super::super::prove::Prover;

/// Tiles that are kept, each 8 KiB at most.
const KEPT: usize = 1024;

/// The tiles of a tree of a known size.
pub struct Tiles<'a, A> {
    archive: &'a mut A,
    size: u64,
    kept: HashMap<(u8, u64), Vec<Hash>>,
    /// Sizes of trees whose edges lie there, in order: they hold what is left of tiles that expired.
    edges: Vec<u64>,
}

impl<'a, A: Archive> Tiles<'a, A> {
    /// Reads nothing yet.
    pub fn new(archive: &'a mut A, size: u64) -> Self {
        Self { archive, size, kept: HashMap::new(), edges: Vec::new() }
    }

    /// The same, where these paths lie in the archive.
    #[must_use]
    pub fn with_edges(mut self, paths: &[String]) -> Self {
        self.edges =
            paths.iter().filter_map(|path| layout::edge_of(path)).filter(|edge| *edge <= self.size).collect();
        self.edges.sort_unstable();
        self
    }

    /// The tile as far as the last edge has it that ends in it.
    fn edge(&mut self, level: u8, index: u64) -> Option<Vec<Hash>> {
        let tile = |edge: u64| edge.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
        let size = *self.edges[..self.edges.partition_point(|edge| tile(*edge) <= index)].last()?;
        let content = self.archive.get(&layout::edge(size)).ok()??;
        let tree = Tree::of_edge_bytes(size, &content).filter(|_| tile(size) == index)?;
        tree.edge().get(usize::from(level)).cloned()
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], Unread> {
        if self.kept.len() >= KEPT && !self.kept.contains_key(&(level, index)) {
            self.kept.clear();
        }
        if !self.kept.contains_key(&(level, index)) {
            let found = match read(self.archive, self.size, level, index) {
                Ok(found) => found,
                Err(unread) => self.edge(level, index).ok_or(unread)?,
            };
            self.kept.insert((level, index), found);
        }
        Ok(&self.kept[&(level, index)])
    }
}

/// Hashes that a tile has in a tree of this size.
fn width(size: u64, level: u8, index: u64) -> usize {
    let all = size >> (8 * u32::from(level));
    usize::try_from(all - (index << 8).min(all)).map_or(WIDTH, |left| left.min(WIDTH))
}

fn read(archive: &mut impl Archive, size: u64, level: u8, index: u64) -> Result<Vec<Hash>, Unread> {
    let count = width(size, level, index);
    let path = tile::path(level, index, count);
    let unread = |said: &str| Unread { path: path.clone(), said: said.to_owned() };
    let content = archive.get(&path)?.ok_or_else(|| unread("it isn't there"))?;
    let hashes = tile::hashes(&content).filter(|hashes| hashes.len() == count);
    hashes.ok_or_else(|| unread("it has another length than a tile of that size"))
}

impl<A: Archive> Nodes for Tiles<'_, A> {
    type Error = Unread;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Unread> {
        #[allow(clippy::cast_possible_truncation, reason = "levels are below 64")]
        let (tile, below) = ((level / 8) as u8, level % 8);
        let first = index << below;
        let hashes = self.tile(tile, first >> 8)?;
        #[allow(clippy::cast_possible_truncation, reason = "less than 256")]
        let start = (first & 0xff) as usize;
        let hashes = hashes.get(start..start + (1 << below)).map(hash::over);
        hashes.ok_or_else(|| Unread {
            path: tile::path(tile, first >> 8, WIDTH),
            said: "what is left of it doesn't reach so far".to_owned(),
        })
    }
}

/// The log of `size` records as its tiles tell it; who asks compares the root with a signed one.
///
/// # Errors
/// A tile is missing, or is none.
pub fn anchor(archive: &mut impl Archive, size: u64) -> Result<Prover, Unread> {
    let mut edge = Vec::new();
    for level in 0..8u8 {
        let count = (size >> (8 * u32::from(level))) as usize % WIDTH;
        let index = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
        edge.push(if count == 0 { Vec::new() } else { read(archive, size, level, index)? });
    }
    while edge.last().is_some_and(Vec::is_empty) {
        edge.pop();
    }
    #[allow(clippy::cast_possible_truncation, reason = "less than 256")]
    let count = (size % WIDTH as u64) as usize;
    let path = tile::bundle_path(size / WIDTH as u64, count);
    let bundle = if count == 0 { Some(Vec::new()) } else { archive.get(&path)? };
    let unread = |said: &str| Unread { path: path.clone(), said: said.to_owned() };
    let bundle = bundle.ok_or_else(|| unread("it isn't there"))?;
    let tree = Tree::of_edge(size, edge).ok_or_else(|| unread("the tiles beside it are no tree"))?;
    Prover::of_tree(tree, bundle).ok_or_else(|| unread("it has other entries than the tile beside it"))
}
