//! A tree that only grows: its right edge is all that is kept. Pure.

use super::hash::{self, Hash};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: usize = 256;

/// A tree by its right edge: of each level of tiles the hashes of the last tile, which is never full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile of hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Zero for hashes of leaves.
    pub level: u8,
    /// Which of its level.
    pub index: u64,
    /// One to [`WIDTH`].
    pub hashes: Vec<Hash>,
}

/// Levels below this can't be filled by 2^64 leaves.
const MOST_LEVELS: usize = 8;

impl Tree {
    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The edge, for [`Self::of_edge`].
    #[must_use]
    pub fn edge(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// A tree of `size` leaves with this edge; `None` when the edge is not one of such a tree.
    #[must_use]
    pub fn of_edge(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let wanted = |level: usize| (size >> (8 * level.min(7))) as usize % WIDTH;
        let fits = levels.len() <= MOST_LEVELS
            && levels.iter().enumerate().all(|(level, hashes)| hashes.len() == wanted(level))
            && (levels.len()..MOST_LEVELS).all(|level| wanted(level) == 0);
        fits.then_some(Self { size, levels })
    }

    /// The edge as one file: the hashes of all tiles that aren't full, from the lowest level on.
    #[must_use]
    pub fn edge_bytes(&self) -> Vec<u8> {
        self.levels.concat().concat()
    }

    /// What [`Self::edge_bytes`] gave; the size says which hash belongs where. `None` when it isn't that of such a tree.
    #[must_use]
    pub fn of_edge_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (mut hashes, rest) = bytes.as_chunks::<32>();
        let mut levels = Vec::new();
        while !hashes.is_empty() && levels.len() < MOST_LEVELS {
            let count = (size >> (8 * levels.len())) as usize % WIDTH;
            let (level, above) = hashes.split_at_checked(count)?;
            levels.push(level.to_vec());
            hashes = above;
        }
        if rest.is_empty() && hashes.is_empty() { Self::of_edge(size, levels) } else { None }
    }

    /// Adds a leaf, and gives the tiles that it filled.
    pub fn push(&mut self, leaf: Hash, filled: &mut Vec<Tile>) {
        let before = self.size;
        self.size += 1;
        let mut next = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(next);
            if hashes.len() < WIDTH {
                return;
            }
            next = hash::over(hashes);
            let hashes = std::mem::take(hashes);
            #[allow(clippy::cast_possible_truncation, reason = "at most eight levels")]
            filled.push(Tile { level: level as u8, index: before >> (8 * (level + 1)), hashes });
        }
    }

    /// The tiles that aren't full yet: what a checkpoint of this size needs beside the full ones.
    #[must_use]
    pub fn partial(&self) -> Vec<Tile> {
        let some = self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty());
        #[allow(clippy::cast_possible_truncation, reason = "at most eight levels")]
        some.map(|(level, hashes)| Tile {
            level: level as u8,
            index: if level == 7 { 0 } else { self.size >> (8 * (level + 1)) },
            hashes: hashes.clone(),
        })
        .collect()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // From the right: each level's hashes stand left of all of the levels below it.
        let mut root = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            while end > 0 {
                let start = end & (end - 1);
                let peak = hash::over(&hashes[start..end]);
                root = Some(root.map_or(peak, |right| hash::node(&peak, &right)));
                end = start;
            }
        }
        root.unwrap_or_else(hash::empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> impl Iterator<Item = Hash> {
        (0..count).map(|number| hash::leaf(&number.to_be_bytes()))
    }

    #[test]
    fn the_edge_has_the_root_of_the_whole() {
        let mut tree = Tree::default();
        assert_eq!(tree.root(), hash::empty());
        let all: Vec<Hash> = leaves(1100).collect();
        let mut filled = Vec::new();
        for (index, leaf) in all.iter().enumerate() {
            tree.push(*leaf, &mut filled);
            if index % 37 == 0 || (250..260).contains(&index) || index > 1085 {
                assert_eq!(tree.root(), hash::over(&all[..=index]), "{index}");
            }
        }
        let places: Vec<_> = filled.iter().map(|tile| (tile.level, tile.index)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 3)]);
        let partial = tree.partial();
        let shapes: Vec<_> = partial.iter().map(|t| (t.level, t.index, t.hashes.len())).collect();
        assert_eq!(shapes, [(0, 4, 76), (1, 0, 4)]);
    }

    #[test]
    fn two_levels_of_tiles_fill() {
        let (mut tree, mut filled) = (Tree::default(), Vec::new());
        leaves(65_536 + 3).for_each(|leaf| tree.push(leaf, &mut filled));
        let last: Vec<_> = filled.iter().rev().take(2).map(|tile| (tile.level, tile.index)).collect();
        assert_eq!(last, [(1, 0), (0, 255)]);
        assert_eq!(tree.root(), hash::over(&leaves(65_539).collect::<Vec<_>>()));
        let edge = tree.edge().to_vec();
        assert_eq!(Tree::of_edge(65_539, edge.clone()).as_ref(), Some(&tree));
        assert_eq!(Tree::of_edge(65_540, edge), None);
        let bytes = tree.edge_bytes();
        assert_eq!(Tree::of_edge_bytes(65_539, &bytes).as_ref(), Some(&tree));
        assert_eq!(Tree::of_edge_bytes(0, &[]), Some(Tree::default()));
        for (size, bytes) in
            [(65_540, &bytes[..]), (65_539, &bytes[..97]), (65_539, &bytes[..96]), (0, &bytes)]
        {
            assert_eq!(Tree::of_edge_bytes(size, bytes), None);
        }
    }
}
