//! What proves one event, or that one day's log continues another's, to somebody who has nothing but two public keys.
//! Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::{Archive, Unread};
use super::frame::{Found, scan};
use super::layout::{self, Stream};
use super::log::checkpoint::Checkpoint;
use super::log::hash::{self, Hash};
use super::log::note::PublicKey;
use super::log::proof;
use super::log::tile;
use super::log::tree::WIDTH;
use super::pack::unpack;
use super::verify::nodes::Tiles;
use super::verify::objects::signed;
use crate::trail::record::hash as sha256;

/// Proof of one record, or of two checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Evidence {
    /// This record is in the log.
    Inclusion {
        /// Of the record in the tree.
        index: u64,
        /// What stands in the tree.
        leaf: String,
        /// The record as it came; in base64, since it may be anything.
        record: String,
        /// Signed, as it lies in the archive.
        checkpoint: String,
        /// Hashes from the leaf to the root, base64.
        proof: Vec<String>,
    },
    /// The log of the second checkpoint begins with that of the first.
    Consistency {
        /// The earlier checkpoint.
        old: String,
        /// The later one.
        new: String,
        /// Hashes, base64.
        proof: Vec<String>,
    },
}

/// Parts of a leaf that are looked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Leaf {
    #[serde(rename = "auditID")]
    audit_id: String,
    offset: usize,
    received: i64,
    segment: u64,
    sha256: String,
}

/// Why there is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// The archive can't be read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// It has nothing to prove it with.
    #[error("{0}")]
    Absent(String),
    /// It isn't what was signed: `tenantry audit verify` says more.
    #[error("{0}; `tenantry audit verify` says more")]
    Broken(String),
}

/// Sizes of all checkpoints among these paths, in order.
fn sizes(paths: &[String]) -> Vec<u64> {
    let mut sizes: Vec<u64> = paths.iter().filter_map(|path| layout::checkpoint_of(path)).collect();
    sizes.sort_unstable();
    sizes
}

/// A signed checkpoint, as it lies there.
fn checkpoint(
    archive: &mut impl Archive,
    key: &PublicKey,
    size: u64,
) -> Result<(String, Checkpoint), Unproved> {
    let path = layout::checkpoint(size);
    let content = archive.get(&path)?.ok_or_else(|| Unproved::Broken(format!("{path} is gone")))?;
    let parsed = signed(&content, key).map_err(|said| Unproved::Broken(format!("{path}: {said}")))?;
    Ok((String::from_utf8_lossy(&content).into_owned(), parsed))
}

/// The entries of a bundle of the tree of `size` records.
fn bundle(archive: &mut impl Archive, size: u64, index: u64) -> Result<Vec<String>, Unproved> {
    let left = size - index * WIDTH as u64;
    let path = tile::bundle_path(index, usize::try_from(left).map_or(WIDTH, |left| left.min(WIDTH)));
    let content = archive.get(&path)?.ok_or_else(|| Unproved::Broken(format!("{path} is not there")))?;
    let entries = tile::entries(&content).ok_or_else(|| Unproved::Broken(format!("{path} is no bundle")))?;
    Ok(entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
}

/// All records with this `auditID`, each with its proof.
///
/// # Errors
/// There is none, or the archive isn't whole.
pub fn inclusion(
    archive: &mut impl Archive,
    stream: &Stream,
    key: &PublicKey,
    audit_id: &str,
) -> Result<Vec<Evidence>, Unproved> {
    let key = key.named(stream.origin());
    let paths = archive.list()?;
    let Some(size) = sizes(&paths).pop() else { return Ok(Vec::new()) };
    let (note, newest) = checkpoint(archive, &key, size)?;
    let mut found = Vec::new();
    for number in 0..size.div_ceil(WIDTH as u64) {
        let entries = bundle(archive, size, number)?;
        for (at, text) in entries.iter().enumerate().filter(|(_, text)| text.contains(audit_id)) {
            let Ok(leaf) = serde_json::from_str::<Leaf>(text) else { continue };
            if leaf.audit_id != audit_id {
                continue;
            }
            let index = number * WIDTH as u64 + at as u64;
            let record = record(archive, &paths, &leaf)?;
            let hashes = proof::inclusion(&mut Tiles::new(archive, size), index, size)?.unwrap_or_default();
            let is_proved = proof::includes(&newest.root, size, index, &hash::leaf(text.as_bytes()), &hashes);
            if !is_proved {
                return Err(Unproved::Broken(format!("record {index} is not in the tree that was signed")));
            }
            let (record, proof) = (STANDARD.encode(record), encode(&hashes));
            found.push(Evidence::Inclusion {
                index,
                leaf: text.clone(),
                record,
                checkpoint: note.clone(),
                proof,
            });
        }
    }
    Ok(found)
}

/// A record's bytes, from its segment.
fn record(archive: &mut impl Archive, paths: &[String], leaf: &Leaf) -> Result<Vec<u8>, Unproved> {
    let path =
        paths.iter().find(|path| layout::segment_of(path).is_some_and(|(first, _)| first == leaf.segment));
    let broken = |said: String| Unproved::Broken(format!("segment {}: {said}", leaf.segment));
    let path = path.ok_or_else(|| broken("it is not there".into()))?;
    let packed = archive.get(path)?.ok_or_else(|| broken("it is gone".into()))?;
    let segment = unpack(&packed).map_err(|error| broken(error.to_string()))?;
    let found = scan(segment.get(leaf.offset..).unwrap_or_default()).next();
    match found {
        Some(Found::Record { record, .. }) if sha256(record.bytes) == leaf.sha256 => {
            Ok(record.bytes.to_vec())
        }
        _ => Err(broken(format!("there is another record at byte {}", leaf.offset))),
    }
}

/// That the log as it was at one time is the beginning of the log as it was at another: between the newest checkpoints
/// whose last records were received before.
///
/// # Errors
/// There is no checkpoint before `from`, or the archive isn't whole.
pub fn consistency(
    archive: &mut impl Archive,
    stream: &Stream,
    key: &PublicKey,
    (from, until): (Timestamp, Timestamp),
) -> Result<Evidence, Unproved> {
    let key = key.named(stream.origin());
    let sizes = sizes(&archive.list()?);
    let (old, new) = (before(archive, &sizes, from)?, before(archive, &sizes, until)?);
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) if old <= new => (old, new),
        _ => return Err(Unproved::Absent(format!("{stream} has no checkpoint from before {from}"))),
    };
    let ((old_note, old), (new_note, new)) =
        (checkpoint(archive, &key, old)?, checkpoint(archive, &key, new)?);
    let hashes =
        proof::consistency(&mut Tiles::new(archive, new.size), old.size, new.size)?.unwrap_or_default();
    if !proof::is_consistent(old.size, &old.root, new.size, &new.root, &hashes) {
        return Err(Unproved::Broken(format!("{} records are not the beginning of {}", old.size, new.size)));
    }
    Ok(Evidence::Consistency { old: old_note, new: new_note, proof: encode(&hashes) })
}

/// The newest checkpoint whose last record was received by then.
fn before(archive: &mut impl Archive, sizes: &[u64], time: Timestamp) -> Result<Option<u64>, Unproved> {
    let (mut low, mut high) = (0, sizes.len());
    while low < high {
        let middle = low.midpoint(high);
        let size = sizes[middle];
        if size > 0 && received(archive, size)? > time.as_millisecond() {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low.checked_sub(1).map(|at| sizes[at]))
}

fn received(archive: &mut impl Archive, size: u64) -> Result<i64, Unproved> {
    let entries = bundle(archive, size, (size - 1) / WIDTH as u64)?;
    let leaf = entries.last().and_then(|last| serde_json::from_str::<Leaf>(last).ok());
    leaf.map(|leaf| leaf.received).ok_or_else(|| Unproved::Broken(format!("record {} has no leaf", size - 1)))
}

impl Evidence {
    /// Checks it. What it says then is in the answer, in words.
    ///
    /// # Errors
    /// It proves nothing, and why.
    pub fn check(&self, key: &PublicKey) -> Result<String, String> {
        match self {
            Self::Inclusion { index, leaf, record, checkpoint, proof } => {
                let checkpoint = of_log(checkpoint, key)?;
                let hashes = decode(proof)?;
                let leaf_hash = hash::leaf(leaf.as_bytes());
                if !proof::includes(&checkpoint.root, checkpoint.size, *index, &leaf_hash, &hashes) {
                    return Err("the leaf is not in the tree that was signed".into());
                }
                let parsed: Leaf =
                    serde_json::from_str(leaf).map_err(|error| format!("the leaf: {error}"))?;
                let record = STANDARD.decode(record).map_err(|error| format!("the record: {error}"))?;
                if sha256(&record) != parsed.sha256 {
                    return Err("the record is not the one that the leaf names".into());
                }
                Ok(format!(
                    "record {index} of {} ({}) is in the log of {} records",
                    checkpoint.origin, parsed.audit_id, checkpoint.size
                ))
            }
            Self::Consistency { old, new, proof } => {
                let (old, new) = (of_log(old, key)?, of_log(new, key)?);
                let same = old.origin == new.origin;
                if !same || !proof::is_consistent(old.size, &old.root, new.size, &new.root, &decode(proof)?) {
                    return Err("the later log does not begin with the earlier one".into());
                }
                Ok(format!("{}: the first {} of {} records are the same", new.origin, old.size, new.size))
            }
        }
    }
}

/// A checkpoint of any epoch of a key's log.
fn of_log(note: &str, key: &PublicKey) -> Result<Checkpoint, String> {
    let origin = note.lines().next().unwrap_or_default();
    let epoch = origin.strip_prefix(key.name()).and_then(|rest| rest.strip_prefix('/'));
    if epoch.is_none_or(|epoch| epoch.is_empty() || epoch.contains('/')) {
        return Err(format!("it is of the log {origin}, and the key of {}", key.name()));
    }
    signed(note.as_bytes(), &key.named(origin))
}

fn encode(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

fn decode(hashes: &[String]) -> Result<Vec<Hash>, String> {
    let one = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    hashes.iter().map(one).collect::<Option<_>>().ok_or_else(|| "a hash of the proof is none".into())
}
