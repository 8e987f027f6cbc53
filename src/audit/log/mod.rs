//! A transparency log's formats: RFC 6962 trees in C2SP `tlog-tiles`, signed notes and checkpoints. Pure.
//!
//! - [`hash`]: how leaves and nodes are hashed
//! - [`tree`]: a tree that only grows, known by its right edge
//! - [`tile`]: the tree and its entries as files
//! - [`proof`]: inclusion and consistency
//! - [`note`], [`checkpoint`]: what is signed, and cosigned
//!
//! Sources: RFC 6962 section 2.1, c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint, c2sp.org/signed-note,
//! c2sp.org/tlog-cosignature.

pub mod checkpoint;
pub mod hash;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;
