//! One stream, from its first segment to its newest checkpoint. Pure.
//!
//! The segments are the log. What they make is made again (`walk`), and compared with every object that
//! lies there and with what agent and witness signed. Where an archive may forget what is old, a beginning that is gone
//! is no fault: see [`super::expired`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::archive::{Archive, Unread};
use super::super::layout;
use super::super::log::note::PublicKey;
use super::super::spool::names::Previous;
use super::end;
use super::expired::{self, Start};
use super::report::Stream;
use super::walk::Walk;

/// Whom to believe, and what must be there.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The agent's; its name without the epoch.
    pub log: PublicKey,
    /// The witness'. Without one nothing shows that history wasn't rewritten by who holds the agent's key.
    pub witness: Option<PublicKey>,
    /// What was received before may have expired. None: everything must be there.
    pub since: Option<Timestamp>,
}

/// Segments that are on their way: each is 8 MiB at most, packed.
const AHEAD: usize = 3;

/// What was found in a stream.
pub type Verified = (Stream, Option<Previous>);

/// Verifies a stream. `progress` is told the number of records so far.
///
/// # Errors
/// The archive can't be read: nothing is said of it then.
pub fn verify(
    archive: &mut impl Archive,
    stream: &layout::Stream,
    keys: &Keys,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Unread> {
    let paths: BTreeSet<String> = archive.list()?.into_iter().collect();
    let begins = paths.iter().find_map(|path| layout::segment_of(path)).is_none_or(|(first, _)| first == 0);
    let mut whole = None;
    if begins || keys.since.is_none() {
        let found = walk(archive, stream, keys, &paths, None, progress)?;
        if keys.since.is_none() || found.0.faults.is_empty() {
            return Ok(found);
        }
        whole = Some(found);
    }
    let since = keys.since.map_or(i64::MIN, Timestamp::as_millisecond);
    let is_whole = whole.is_some();
    let mut tried = whole;
    for start in expired::starts(archive, &paths, since)? {
        let mut found = walk(archive, stream, keys, &paths, Some(start), progress)?;
        if found.0.faults.is_empty() {
            // What is there and was changed is no work of time.
            let before = tried.iter().flat_map(|(before, _)| &before.faults);
            found.0.faults.extend(before.filter(|fault| fault.reason.is_change()).cloned());
            return Ok(found);
        }
        // What no later begin mends is told with all that is wrong, as far back as there is something.
        if !is_whole {
            tried = Some(found);
        }
    }
    match tried {
        Some(found) => Ok(found),
        None => walk(archive, stream, keys, &paths, None, progress),
    }
}

/// From the first segment on, or from where a proof can begin.
fn walk(
    archive: &mut impl Archive,
    stream: &layout::Stream,
    keys: &Keys,
    paths: &BTreeSet<String>,
    start: Option<Start>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Unread> {
    let of_segment =
        |path: &String| layout::segment_of(path).map(|(first, last)| (first, last, path.clone()));
    let segments: Vec<_> = paths.iter().filter_map(of_segment).collect();
    let key = keys.log.named(stream.origin());
    let mut walk = Walk::new(archive, key, paths.clone(), start);
    (walk.found.stream, walk.found.key) = (stream.to_string(), walk.key.to_string());
    for (place, (first, last, path)) in segments.iter().enumerate() {
        if walk.is_expired(path) {
            continue;
        }
        // While one is judged the next ones come.
        let ahead = segments[place..].iter().take(AHEAD).map(|(_, _, path)| path.clone());
        walk.archive.soon(&ahead.collect::<Vec<_>>());
        walk.segment(path, *first, *last)?;
        progress(walk.next);
    }
    end::checkpoints(&mut walk)?;
    end::witness(&mut walk, stream, keys.witness.as_ref())?;
    end::finish(&mut walk);
    Ok((walk.found, walk.heard.said.previous))
}
