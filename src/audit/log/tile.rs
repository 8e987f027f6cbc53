//! The tree and its entries as files: c2sp.org/tlog-tiles. Pure.

use std::fmt::Write as _;

use super::hash::Hash;
use super::tree::{Tile, WIDTH};

/// Most bytes of an entry: its length has two bytes.
pub const MOST_ENTRY: usize = 65_535;

/// The path of a tile below the log's folder.
#[must_use]
pub fn path(level: u8, index: u64, count: usize) -> String {
    format!("tile/{level}/{}", numbered(index, count))
}

/// The path of a bundle of entries below the log's folder.
#[must_use]
pub fn bundle_path(index: u64, count: usize) -> String {
    format!("tile/entries/{}", numbered(index, count))
}

/// A tile, or a bundle of entries, by where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Zero for hashes of leaves; none for entries.
    pub level: Option<u8>,
    /// Which of its level.
    pub index: u64,
    /// Hashes or entries in it: one to [`WIDTH`].
    pub count: usize,
}

impl Place {
    /// What lies at a path below the log's folder; `None` when it is no tile and no bundle.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = if level == "entries" { None } else { Some(level.parse().ok()?) };
        let (number, count) =
            rest.split_once(".p/").map_or((rest, None), |(number, count)| (number, Some(count)));
        let count = count.map_or(Some(WIDTH), |count| count.parse().ok())?;
        let index = number.split('/').try_fold(0u64, |sum, group| {
            let group: u64 = group.trim_start_matches('x').parse().ok()?;
            sum.checked_mul(1000)?.checked_add(group)
        })?;
        let found = Self { level, index, count };
        // One place has one path.
        ((1..=WIDTH).contains(&count) && found.path() == path).then_some(found)
    }

    /// Its path below the log's folder.
    #[must_use]
    pub fn path(&self) -> String {
        match self.level {
            Some(level) => path(level, self.index, self.count),
            None => bundle_path(self.index, self.count),
        }
    }

    /// Leaves up to the end of it.
    #[must_use]
    pub fn end(&self) -> u64 {
        let nodes = u128::from(self.index) * WIDTH as u128 + self.count as u128;
        let leaves = nodes.checked_mul(1 << (8 * u32::from(self.level.unwrap_or(0).min(8))));
        leaves.and_then(|leaves| u64::try_from(leaves).ok()).unwrap_or(u64::MAX)
    }
}

/// `x001/x234/067`, and `.p/W` behind it where there are fewer than [`WIDTH`].
fn numbered(index: u64, count: usize) -> String {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    let mut path = String::new();
    for (place, group) in groups.iter().enumerate().rev() {
        let _ = if place > 0 { write!(path, "x{group:03}/") } else { write!(path, "{group:03}") };
    }
    if count < WIDTH {
        let _ = write!(path, ".p/{count}");
    }
    path
}

/// A tile's content.
#[must_use]
pub fn content(tile: &Tile) -> Vec<u8> {
    tile.hashes.concat()
}

/// A tile's hashes; `None` when it isn't made of whole hashes, or has none or too many.
#[must_use]
pub fn hashes(content: &[u8]) -> Option<Vec<Hash>> {
    let (whole, rest) = content.as_chunks::<32>();
    (rest.is_empty() && (1..=WIDTH).contains(&whole.len())).then(|| whole.to_vec())
}

/// Appends an entry to a bundle. The caller holds entries to [`MOST_ENTRY`].
pub fn append(bundle: &mut Vec<u8>, entry: &[u8]) {
    debug_assert!(entry.len() <= MOST_ENTRY, "an entry of {} bytes", entry.len());
    #[allow(clippy::cast_possible_truncation, reason = "held to MOST_ENTRY")]
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// A bundle's entries; `None` when it ends in the middle of one, or has none or too many.
#[must_use]
pub fn entries(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        found.push(entry);
        bundle = rest;
    }
    (bundle.is_empty() && (1..=WIDTH).contains(&found.len())).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification.
    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(3, 5, 112), "tile/3/005.p/112");
        assert_eq!(bundle_path(1000, 256), "tile/entries/x001/000");
        for (path, level, end) in [
            ("tile/0/x001/x234/067", Some(0), 1_234_068 * 256),
            ("tile/3/005.p/112", Some(3), (5 * 256 + 112) << 24),
            ("tile/entries/x001/000.p/7", None, 256_007),
            ("tile/8/000.p/1", Some(8), u64::MAX),
        ] {
            let place = Place::of(path).unwrap();
            assert_eq!((place.level, place.end(), place.path().as_str()), (level, end, path));
        }
        for path in
            ["tile/0/1", "tile/00/001", "tile/0/x001", "tile/0/001.p/256", "tile/0/001.p/0", "tile/entries/"]
        {
            assert_eq!(Place::of(path), None, "{path}");
        }
    }

    #[test]
    fn bundles_come_back_whole_or_not_at_all() {
        let mut bundle = Vec::new();
        append(&mut bundle, b"one");
        append(&mut bundle, b"");
        assert_eq!(entries(&bundle), Some(vec![b"one".as_slice(), b""]));
        assert_eq!(entries(&bundle[..4]), None);
        assert_eq!(entries(&bundle[..6]), None);
        assert_eq!(entries(b""), None);
        assert_eq!(entries(&[0; 514]), None);
        assert_eq!(hashes(&[0; 33]), None);
        assert_eq!(hashes(&[0; 64]).map(|all| all.len()), Some(2));
    }
}
