//! Hashes of leaves and nodes, as in RFC 6962 section 2.1. Pure.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// Of an entry.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// Of two nodes.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Of no entry at all.
#[must_use]
pub fn empty() -> Hash {
    Sha256::digest(b"").into()
}

/// Of a tree over these hashes of one level.
#[must_use]
pub fn over(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty(),
        [one] => *one,
        more => {
            // The largest power of two that is less than the count.
            let split = more.len().next_power_of_two() / 2;
            node(&over(&more[..split]), &over(&more[split..]))
        }
    }
}
