//! Every tile, bundle and checkpoint against what the segments make. Pure.

use std::collections::BTreeSet;

use super::super::archive::{Archive, Unread};
use super::super::layout;
use super::super::log::checkpoint::Checkpoint;
use super::super::log::hash::Hash;
use super::super::log::note::{Note, PublicKey, Signed};
use super::super::log::tile;
use super::super::log::tree::WIDTH;
use super::super::prove::Object;
use super::report::{Reason, Stream};

/// What stands in a checkpoint of the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// There is none of this size.
    Absent,
    /// It isn't one, or isn't the agent's; that is noted.
    Wrong,
    /// It is the agent's and bears this root.
    Root(Hash),
}

/// Reads the checkpoint of a size.
///
/// # Errors
/// It can't be read.
pub fn checkpoint(
    archive: &mut impl Archive,
    key: &PublicKey,
    size: u64,
    found: &mut Stream,
) -> Result<Stands, Unread> {
    let path = layout::checkpoint(size);
    let Some(content) = archive.get(&path)? else { return Ok(Stands::Absent) };
    let said = match signed(&content, key) {
        Ok(checkpoint) if checkpoint.size == size => return Ok(Stands::Root(checkpoint.root)),
        Ok(checkpoint) => format!("it is that of {} records", checkpoint.size),
        Err(said) => said,
    };
    found.fault(Reason::CheckpointForged, None, &path, said);
    Ok(Stands::Wrong)
}

/// A checkpoint that `key` signed, under the origin that is its name.
///
/// # Errors
/// What is wrong with it, in words.
pub fn signed(content: &[u8], key: &PublicKey) -> Result<Checkpoint, String> {
    let note = Note::parse(content).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::of(&note).map_err(|error| error.to_string())?;
    // One text has one form: a byte that is passed over could hide a change.
    if note.bytes() != content || checkpoint.note().text() != note.text() {
        return Err("it is written in another way than ours are".into());
    }
    match note.signed(key) {
        Signed::Yes(_) if checkpoint.origin == key.name() => Ok(checkpoint),
        Signed::Yes(_) => Err(format!("it is of another log: {}", checkpoint.origin)),
        Signed::No => Err(format!("{} didn't sign it", key.name())),
        Signed::Wrong => Err(format!("the signature of {} is wrong: it was changed", key.name())),
    }
}

/// Compares what a segment made with what lies there, and gives what isn't there. Paths that were asked for are taken
/// out of `unseen`.
///
/// # Errors
/// An object can't be read.
pub fn compare(
    archive: &mut impl Archive,
    made: &[Object],
    unseen: &mut BTreeSet<String>,
    found: &mut Stream,
) -> Result<Vec<String>, Unread> {
    let mut missing = Vec::new();
    let paths: Vec<String> = made.iter().map(|object| object.path.clone()).collect();
    for (place, object) in made.iter().enumerate() {
        archive.soon(&paths[place..]);
        unseen.remove(&object.path);
        match archive.get(&object.path)? {
            Some(content) if content == object.content => {}
            Some(_) => {
                let words = "it is not what the signed segments make: it was changed";
                found.fault(Reason::ObjectDiffers, None, &object.path, words);
            }
            None => missing.push(object.path.clone()),
        }
    }
    Ok(missing)
}

/// The first record of `made` whose leaf isn't the one that lies in the archive's bundles; `None` when all are.
///
/// # Errors
/// A bundle can't be read.
pub fn first_other(archive: &mut impl Archive, made: &[Object]) -> Result<Option<u64>, Unread> {
    let bundles = made.iter().filter(|object| object.path.starts_with("tile/entries/"));
    for object in bundles {
        let Some(content) = archive.get(&object.path)? else { continue };
        let (Some(ours), Some(theirs)) = (tile::entries(&object.content), tile::entries(&content)) else {
            continue;
        };
        let same = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
        if same < ours.len() || same < theirs.len() {
            return Ok(tile::Place::of(&object.path).map(|place| place.index * WIDTH as u64 + same as u64));
        }
    }
    Ok(None)
}
