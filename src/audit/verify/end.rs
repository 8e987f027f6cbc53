//! What is left when all segments of a stream were seen. Pure.

use jiff::{SignedDuration, Timestamp};

use super::super::archive::{Archive, Unread};
use super::super::layout;
use super::super::log::note::{Note, PublicKey, Signed};
use super::objects::{self, Stands};
use super::report::{Reason, Witness};
use super::walk::Walk;

/// A witness looks every minute, and a copy of an archive takes a while.
const STALE: SignedDuration = SignedDuration::from_hours(1);

/// Checkpoints that no segment ended at.
pub(super) fn checkpoints<A: Archive>(walk: &mut Walk<'_, A>) -> Result<(), Unread> {
    let sizes: Vec<u64> = walk.unseen.iter().filter_map(|path| layout::checkpoint_of(path)).collect();
    let is_broken = !walk.found.faults.is_empty() || !walk.missing.is_empty();
    for size in sizes {
        let path = layout::checkpoint(size);
        walk.unseen.remove(&path);
        walk.found.checkpoints += 1;
        let stands = objects::checkpoint(walk.archive, &walk.key, size, &mut walk.found)?;
        if !matches!(stands, Stands::Root(_)) {
            continue;
        }
        if size > walk.next {
            let words = format!("{path} vouches for {size} records, and there are {}", walk.next);
            let gone = layout::segment(walk.next, size - 1);
            walk.found.fault(Reason::SegmentMissing, Some(walk.next), &gone, words);
            walk.next = size;
        } else if !is_broken && !walk.is_expired(&path) {
            let words = "it is signed, and no segment ends there: another history was signed as well";
            walk.found.fault(Reason::CheckpointDiffers, None, &path, words);
        }
    }
    Ok(())
}

/// The newest checkpoint that the witness cosigned.
pub(super) fn witness<A: Archive>(
    walk: &mut Walk<'_, A>,
    stream: &layout::Stream,
    key: Option<&PublicKey>,
) -> Result<(), Unread> {
    let path = layout::CHECKPOINT;
    walk.unseen.remove(path);
    let Some(key) = key else { return Ok(()) };
    let Some(content) = walk.archive.get(path)? else {
        let words = "no checkpoint of this stream is cosigned by the witness";
        walk.found.fault(Reason::WitnessMissing, None, path, words);
        return Ok(());
    };
    let cosigned =
        objects::signed(&content, &walk.key).and_then(|checkpoint| match cosigned(&content, key) {
            Some(time) => Ok((checkpoint, time)),
            None => Err(format!("{} didn't cosign it", key.name())),
        });
    let (checkpoint, time) = match cosigned {
        Ok(cosigned) => cosigned,
        Err(said) => {
            walk.found.fault(Reason::WitnessDiffers, None, path, said);
            return Ok(());
        }
    };
    walk.found.witness = Some(Witness { size: checkpoint.size, time: time.to_string() });
    let newest = walk.heard.times.and_then(|(_, last)| Timestamp::from_millisecond(last).ok());
    if let Some(newest) = newest.filter(|newest| newest.duration_since(time) > STALE) {
        let words = format!(
            "it was cosigned at {time}, and records came until {newest}: for what is behind its {} records only the \
             agent's key vouches",
            checkpoint.size
        );
        walk.found.fault(Reason::WitnessStale, Some(checkpoint.size), path, words);
    }
    if walk.pending.iter().any(|one| (one.size, one.root) == (checkpoint.size, checkpoint.root)) {
        walk.settle(checkpoint.size);
    } else if checkpoint.size > walk.next {
        let (from, size) = (walk.next, checkpoint.size);
        let words = format!("the witness has seen {size} records of {stream}, and there are {from}");
        walk.found.fault(Reason::SegmentMissing, Some(from), &layout::segment(from, size - 1), words);
    } else if walk.roots.get(&checkpoint.size).is_some_and(|root| *root != checkpoint.root) {
        let words = "the witness cosigned another history than the one that lies here";
        walk.found.fault(Reason::WitnessDiffers, None, path, words);
    } else if !walk.roots.contains_key(&checkpoint.size) && walk.found.faults.is_empty() {
        let words = format!("no segment ends at the {} records that the witness cosigned", checkpoint.size);
        walk.found.fault(Reason::WitnessDiffers, None, path, words);
    }
    Ok(())
}

fn cosigned(content: &[u8], key: &PublicKey) -> Option<Timestamp> {
    match Note::parse(content).ok()?.signed(key) {
        Signed::Yes(time) => time,
        Signed::No | Signed::Wrong => None,
    }
}

/// Losses that the agent owns up to are told from others, and the rest is summed up.
pub(super) fn finish<A: Archive>(walk: &mut Walk<'_, A>) {
    for (from, to, path) in std::mem::take(&mut walk.missing) {
        if !walk.heard.said.covers(from, to) {
            let reason = if layout::segment(from, to) == path {
                Reason::SegmentMissing
            } else {
                Reason::RecordMissing
            };
            let words = format!("records {from} to {to} are missing, and the agent doesn't say so");
            walk.found.fault(reason, Some(from), &path, words);
        }
    }
    // By this entry it was judged whether what is missing is old enough, and nobody compared it yet.
    if walk.dawn.is_some_and(|dawn| walk.heard.times.is_none_or(|(first, _)| first != dawn)) {
        let words = "the first record that is left was received at another time than its bundle says";
        walk.found.fault(Reason::ObjectDiffers, None, "tile/entries", words);
    }
    let mut strangers = std::mem::take(&mut walk.unseen);
    strangers.retain(|path| !walk.is_expired(path));
    let found = &mut walk.found;
    found.gaps.clone_from(&walk.heard.said.gaps);
    found.source_gaps.clone_from(&walk.heard.said.source_gaps);
    found.unproven = walk.pending.iter().map(|pending| pending.records).sum();
    let root = walk.roots.last_key_value().map(|(_, root)| root);
    found.root = root.map(hex::encode).unwrap_or_default();
    found.strangers = strangers.into_iter().collect();
    let time = |at: i64| Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string());
    found.received = walk.heard.times.map(|(first, last)| (time(first), time(last)));
    found.faults.sort_by_key(|fault| fault.index.unwrap_or(u64::MAX));
}
