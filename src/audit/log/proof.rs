//! Inclusion and consistency proofs: RFC 6962 sections 2.1.1 and 2.1.2. Pure.

use super::hash::{self, Hash};

/// Hashes of whole subtrees: `(level, index)` covers leaves `index << level ..= ((index + 1) << level) - 1`.
pub trait Nodes {
    /// What went wrong when a hash can't be had.
    type Error;
    /// The hash of a whole subtree.
    ///
    /// # Errors
    /// It can't be had.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of leaves `start..end`, where `start` is a multiple of the largest subtree's size.
fn range<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let count = end - start;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let split = start + split(count);
    Ok(hash::node(&range(nodes, start, split)?, &range(nodes, split, end)?))
}

/// The largest power of two less than `count`, which is at least two.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// The root of the first `size` leaves.
///
/// # Errors
/// A hash can't be had.
pub fn root<N: Nodes>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(hash::empty()) } else { range(nodes, 0, size) }
}

/// Proof that leaf `index` is in the tree of the first `size` leaves; `None` when it can't be.
///
/// # Errors
/// A hash can't be had.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let (mut start, mut end, mut proof) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Proof that the tree of the first `old` leaves is the beginning of that of the first `new`; `None` when there can't
/// be one.
///
/// # Errors
/// A hash can't be had.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Option<Vec<Hash>>, N::Error> {
    if old > new {
        return Ok(None);
    }
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    let (mut start, mut end, mut whole, mut proof) = (0, new, true, Vec::new());
    // `old` counts from zero; the subtree that ends with it is known to who has the old root while it starts at zero.
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Whether `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root.
#[must_use]
pub fn includes(root: &Hash, size: u64, index: u64, leaf: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = hash::node(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = hash::node(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree `(old, old_root)` is the beginning of `(new, new_root)`. RFC 9162 section
/// 2.1.4.2.
#[must_use]
pub fn is_consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old > new {
        return old == 0 && proof.is_empty() && *old_root == hash::empty();
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut was, mut is) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            was = hash::node(step, &was);
            is = hash::node(step, &is);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            is = hash::node(&is, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && was == *old_root && is == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    struct All(Vec<Hash>);

    impl Nodes for All {
        type Error = std::convert::Infallible;
        fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
            let (start, end) = ((index << level) as usize, ((index + 1) << level) as usize);
            Ok(hash::over(&self.0[start..end]))
        }
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_other() {
        let mut all = All((0..40u64).map(|number| hash::leaf(&number.to_be_bytes())).collect());
        for size in 1..=40 {
            let new_root = root(&mut all, size).unwrap();
            for index in 0..size {
                let proof = inclusion(&mut all, index, size).unwrap().unwrap();
                let leaf = all.0[index as usize];
                assert!(includes(&new_root, size, index, &leaf, &proof), "{index} of {size}");
                let other = all.0[(index as usize + 1) % 40];
                assert!(!includes(&new_root, size, index, &other, &proof));
                assert!(size == 1 || !includes(&new_root, size, (index + 1) % size, &leaf, &proof));
                let mut long = proof.clone();
                long.push(leaf);
                assert!(!includes(&new_root, size, index, &leaf, &long));
            }
            for old in 0..=size {
                let old_root = root(&mut all, old).unwrap();
                let proof = consistency(&mut all, old, size).unwrap().unwrap();
                assert!(is_consistent(old, &old_root, size, &new_root, &proof), "{old} to {size}");
                let wrong = hash::leaf(b"other");
                assert!(!is_consistent(old, &wrong, size, &new_root, &proof));
                if old > 0 {
                    assert!(!is_consistent(old, &old_root, size, &wrong, &proof));
                }
            }
        }
        assert_eq!(inclusion(&mut all, 7, 7).unwrap(), None);
        assert_eq!(consistency(&mut all, 8, 7).unwrap(), None);
    }
}
