//! What proves one event, or that one day's log continues another's, to somebody who has nothing but two public keys.
//! Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::{Archive, Unread};
use super::frame::{Found, Record, Source, scan};
use super::layout::{self, Stream};
use super::leaf;
use super::log::checkpoint::Checkpoint;
use super::log::hash::{self, Hash};
use super::log::note::{Note, PublicKey, Signed};
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
    seq: u64,
    sha256: String,
    source: String,
}

impl Leaf {
    /// Whether a record with these bytes has this leaf, and no other.
    fn is_of(&self, bytes: &[u8], leaf: &str) -> bool {
        let source = Source::ALL.into_iter().find(|source| source.as_str() == self.source);
        let record =
            source.map(|source| Record { seq: self.seq, synced: 0, received: self.received, source, bytes });
        record.is_some_and(|record| leaf::leaf(&record, self.segment, self.offset) == leaf)
    }
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

/// The entries of a bundle of the tree of `size` records; `None` when it isn't there.
fn bundle(archive: &mut impl Archive, size: u64, index: u64) -> Result<Option<Vec<String>>, Unproved> {
    let left = size - index * WIDTH as u64;
    let path = tile::bundle_path(index, usize::try_from(left).map_or(WIDTH, |left| left.min(WIDTH)));
    let Some(content) = archive.get(&path)? else { return Ok(None) };
    let entries = tile::entries(&content).ok_or_else(|| Unproved::Broken(format!("{path} is no bundle")))?;
    Ok(Some(entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()))
}

/// What was found of an `auditID`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inclusions {
    /// Each record with its proof.
    pub found: Vec<Evidence>,
    /// Leaves that couldn't be looked at, since their bundles are gone: they expired, or were removed.
    pub gone: u64,
}

/// All records with this `auditID`, each with its proof.
///
/// # Errors
/// The archive can't be read, or isn't whole.
pub fn inclusion(
    archive: &mut impl Archive,
    stream: &Stream,
    key: &PublicKey,
    audit_id: &str,
) -> Result<Inclusions, Unproved> {
    let key = key.named(stream.origin());
    let paths = archive.list()?;
    let mut found = Inclusions::default();
    let Some(size) = sizes(&paths).pop() else { return Ok(found) };
    let newest = checkpoint(archive, &key, size)?;
    let cosigned = cosigned(archive, &key, size)?;
    for number in 0..size.div_ceil(WIDTH as u64) {
        let Some(entries) = bundle(archive, size, number)? else {
            found.gone += (size - number * WIDTH as u64).min(WIDTH as u64);
            continue;
        };
        for (at, text) in entries.iter().enumerate().filter(|(_, text)| text.contains(audit_id)) {
            let Ok(leaf) = serde_json::from_str::<Leaf>(text) else { continue };
            if leaf.audit_id != audit_id {
                continue;
            }
            let index = number * WIDTH as u64 + at as u64;
            let under = cosigned.as_ref().filter(|(_, cosigned)| index < cosigned.size).unwrap_or(&newest);
            let bytes = record(archive, &paths, &leaf)?;
            found.found.push(included(archive, &paths, under, (index, text.as_str(), bytes.as_slice()))?);
        }
    }
    Ok(found)
}

/// The newest checkpoint that the witness left there. Whose cosignature it bears is a question for who checks.
fn cosigned(
    archive: &mut impl Archive,
    key: &PublicKey,
    most: u64,
) -> Result<Option<(String, Checkpoint)>, Unproved> {
    let Some(content) = archive.get(layout::CHECKPOINT)? else { return Ok(None) };
    let parsed = signed(&content, key).ok().filter(|checkpoint| checkpoint.size <= most);
    Ok(parsed.map(|parsed| (String::from_utf8_lossy(&content).into_owned(), parsed)))
}

fn included(
    archive: &mut impl Archive,
    paths: &[String],
    (note, tree): &(String, Checkpoint),
    (index, leaf, record): (u64, &str, &[u8]),
) -> Result<Evidence, Unproved> {
    let mut tiles = Tiles::new(archive, tree.size).with_edges(paths);
    let hashes = proof::inclusion(&mut tiles, index, tree.size)?.unwrap_or_default();
    if !proof::includes(&tree.root, tree.size, index, &hash::leaf(leaf.as_bytes()), &hashes) {
        return Err(Unproved::Broken(format!("record {index} is not in the tree that was signed")));
    }
    let (leaf, checkpoint) = (leaf.to_owned(), note.clone());
    Ok(Evidence::Inclusion {
        index,
        leaf,
        record: STANDARD.encode(record),
        checkpoint,
        proof: encode(&hashes),
    })
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
    let paths = archive.list()?;
    let sizes = sizes(&paths);
    let (old, new) = (before(archive, &sizes, from)?, before(archive, &sizes, until)?);
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) if old <= new => (old, new),
        _ => return Err(Unproved::Absent(format!("{stream} has no checkpoint from before {from}"))),
    };
    let cosigned = cosigned(archive, &key, new)?.filter(|(_, cosigned)| cosigned.size == new);
    let (old_note, old) = checkpoint(archive, &key, old)?;
    let (new_note, new) = cosigned.map_or_else(|| checkpoint(archive, &key, new), Ok)?;
    let mut tiles = Tiles::new(archive, new.size).with_edges(&paths);
    let hashes = proof::consistency(&mut tiles, old.size, new.size)?.unwrap_or_default();
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
        // What expired is older than all that is there.
        if size > 0 && received(archive, size)?.is_some_and(|received| received > time.as_millisecond()) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low.checked_sub(1).map(|at| sizes[at]))
}

/// When the last of so many records was received; `None` when its bundle is gone.
fn received(archive: &mut impl Archive, size: u64) -> Result<Option<i64>, Unproved> {
    let Some(entries) = bundle(archive, size, (size - 1) / WIDTH as u64)? else { return Ok(None) };
    let leaf = entries.last().and_then(|last| serde_json::from_str::<Leaf>(last).ok());
    let leaf = leaf.ok_or_else(|| Unproved::Broken(format!("record {} has no leaf", size - 1)))?;
    Ok(Some(leaf.received))
}

impl Evidence {
    /// Checks it. What it says then is in the answer, in words. Without the witness' key it shows what the agent's key
    /// says, and who holds that can say anything.
    ///
    /// # Errors
    /// It proves nothing, and why.
    pub fn check(&self, key: &PublicKey, witness: Option<&PublicKey>) -> Result<String, String> {
        match self {
            Self::Inclusion { index, leaf, record, checkpoint, proof } => {
                let cosigned = witness.map_or(Ok(String::new()), |witness| by(checkpoint, witness))?;
                let checkpoint = of_log(checkpoint, key)?;
                let hashes = decode(proof)?;
                let leaf_hash = hash::leaf(leaf.as_bytes());
                if !proof::includes(&checkpoint.root, checkpoint.size, *index, &leaf_hash, &hashes) {
                    return Err("the leaf is not in the tree that was signed".into());
                }
                let parsed: Leaf =
                    serde_json::from_str(leaf).map_err(|error| format!("the leaf: {error}"))?;
                let record = STANDARD.decode(record).map_err(|error| format!("the record: {error}"))?;
                if !parsed.is_of(&record, leaf) {
                    return Err("the record is not the one that the leaf names".into());
                }
                Ok(format!(
                    "record {index} of {} ({}) is in the log of {} records{cosigned}",
                    checkpoint.origin, parsed.audit_id, checkpoint.size
                ))
            }
            Self::Consistency { old, new, proof } => {
                let cosigned = witness.map_or(Ok(String::new()), |witness| by(new, witness))?;
                let (old, new) = (of_log(old, key)?, of_log(new, key)?);
                let same = old.origin == new.origin;
                if !same || !proof::is_consistent(old.size, &old.root, new.size, &new.root, &decode(proof)?) {
                    return Err("the later log does not begin with the earlier one".into());
                }
                let (origin, old, new) = (new.origin, old.size, new.size);
                Ok(format!("{origin}: the first {old} of {new} records are the same{cosigned}"))
            }
        }
    }
}

/// When the witness cosigned a checkpoint, in words.
fn by(note: &str, witness: &PublicKey) -> Result<String, String> {
    let note = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
    match note.signed(witness) {
        Signed::Yes(Some(time)) => Ok(format!(", which {} cosigned at {time}", witness.name())),
        _ => Err(format!("{} didn't cosign the checkpoint", witness.name())),
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
