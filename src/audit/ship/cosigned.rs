//! What the witness' checkpoint says of our log. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::log::checkpoint::Checkpoint;
use crate::audit::log::note::{Note, PublicKey, Signed};
use crate::audit::witness::refused::Refusal;

use super::history::History;
use super::trouble::Trouble;

/// A witness that said nothing for longer is missed.
pub const STALE: SignedDuration = SignedDuration::from_mins(10);

/// How far the witness has confirmed what we shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Leaves.
    pub size: u64,
    /// Records below this number are in the archive, and were read there.
    pub next: u64,
    /// When it cosigned, by its clock.
    pub at: Timestamp,
}

/// Whose signatures a checkpoint must have. The log's key bears the stream's origin.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Our own.
    pub log: PublicKey,
    /// The witness'.
    pub witness: PublicKey,
}

/// Judges the checkpoint that lies at `path`. `last` is what the witness confirmed before.
///
/// # Errors
/// It isn't the witness', goes back, or isn't of our history. What we signed ourselves and don't know is a fork.
pub fn judge(
    path: &str,
    bytes: &[u8],
    keys: &Keys,
    history: &History,
    last: Option<&Verified>,
) -> Result<Verified, Trouble> {
    let mismatch = |said: String| Trouble::Mismatch { path: path.to_owned(), said };
    let malformed = |error: &dyn std::fmt::Display| mismatch(format!("can't be read: {error}"));
    let note = Note::parse(bytes).map_err(|error| malformed(&error))?;
    let found = Checkpoint::of(&note).map_err(|error| malformed(&error))?;
    if found.origin != keys.log.name() {
        return Err(mismatch(format!(
            "is of another log, {}",
            crate::validate::text::sanitize(&found.origin, 200)
        )));
    }
    if note.signed(&keys.log) != Signed::Yes(None) {
        return Err(mismatch("isn't signed by this agent".to_owned()));
    }
    let Signed::Yes(Some(at)) = note.signed(&keys.witness) else {
        return Err(mismatch("isn't signed by the witness".to_owned()));
    };
    if let Some(last) = last.filter(|last| last.size > found.size) {
        return Err(mismatch(format!(
            "went back from {} records to {}: an older version was restored",
            last.size, found.size
        )));
    }
    match history.at(found.size) {
        Some(mark) if mark.root == found.root => Ok(Verified { size: mark.size, next: mark.next, at }),
        Some(_) => Err(fork(path, found.size, "with another root")),
        None => Err(fork(path, found.size, "which this agent never signed")),
    }
}

fn fork(path: &str, size: u64, said: &str) -> Trouble {
    let said = format!("it bears our own signature for a tree of {size} records {said}");
    Trouble::Fork { path: path.to_owned(), said }
}

/// What the witness says against our log, if it says so and didn't cosign since.
#[must_use]
pub fn refusal(bytes: &[u8], keys: &Keys, last: Option<&Verified>) -> Option<Trouble> {
    let note = Note::parse(bytes).ok()?;
    let Signed::Yes(Some(at)) = note.signed(&keys.witness) else { return None };
    let refusal = Refusal::of(&note).filter(|refusal| refusal.origin == keys.log.name())?;
    let is_over = last.is_some_and(|last| last.at > at);
    (!is_over).then(|| Trouble::Refused { since: at.to_string(), said: refusal.said })
}

/// Whether the witness is missed, by what it said last and since when we listen.
#[must_use]
pub fn stale(path: &str, last: Option<&Verified>, begin: Timestamp, now: Timestamp) -> Option<Trouble> {
    let since = last.map_or(begin, |last| last.at.max(begin));
    (now.duration_since(since) > STALE)
        .then(|| Trouble::Stale { path: path.to_owned(), since: since.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::log::note::{Kind, PrivateKey};
    use crate::audit::ship::history::Mark;

    fn key(name: &str, kind: Kind, seed: u8) -> PrivateKey {
        PrivateKey::of_seed(name, kind, [seed; 32]).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-23T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn only_what_both_signed_and_we_know_is_believed() {
        let (log, witness) = (key("o/e1", Kind::Log, 1), key("w", Kind::Witness, 2));
        let keys = Keys { log: log.public().clone(), witness: witness.public().clone() };
        let mut history = History::default();
        assert!(history.push(Mark { size: 5, next: 6, root: [5; 32] }));
        assert!(history.push(Mark { size: 9, next: 11, root: [9; 32] }));
        let note = |origin: &str, size, root: u8, signers: &[&PrivateKey]| {
            let note = Checkpoint { origin: origin.into(), size, root: [root; 32] }.note();
            signers.iter().fold(note, |note, key| key.sign(note, now())).bytes()
        };
        let judge = |bytes: &[u8], last: Option<&Verified>| judge("c", bytes, &keys, &history, last);
        let right = judge(&note("o/e1", 5, 5, &[&log, &witness]), None).unwrap();
        assert_eq!(right, Verified { size: 5, next: 6, at: now() });
        let newer = Verified { size: 9, next: 11, at: now() };
        let (other_log, other_witness) = (key("o/e1", Kind::Log, 3), key("w", Kind::Witness, 3));
        for (bytes, last, reason) in [
            (b"rubbish".to_vec(), None, "RemoteMismatch"),
            (note("o/e2", 5, 5, &[&log, &witness]), None, "RemoteMismatch"),
            (note("o/e1", 5, 5, &[&log]), None, "RemoteMismatch"),
            (note("o/e1", 5, 5, &[&witness]), None, "RemoteMismatch"),
            (note("o/e1", 5, 5, &[&other_log, &witness]), None, "RemoteMismatch"),
            (note("o/e1", 5, 5, &[&log, &other_witness]), None, "RemoteMismatch"),
            (note("o/e1", 5, 5, &[&log, &witness]), Some(&newer), "RemoteMismatch"),
            (note("o/e1", 9, 8, &[&log, &witness]), None, "ForkDetected"),
            (note("o/e1", 12, 9, &[&log, &witness]), None, "ForkDetected"),
        ] {
            let trouble = judge(&bytes, last).unwrap_err();
            assert_eq!(trouble.reason(), reason, "{trouble}");
        }
    }

    #[test]
    fn a_refusal_counts_until_the_next_cosignature() {
        let (log, witness) = (key("o/e1", Kind::Log, 1), key("w", Kind::Witness, 2));
        let keys = Keys { log: log.public().clone(), witness: witness.public().clone() };
        let said = |origin: &str, signer: &PrivateKey| {
            let refusal = Refusal { origin: origin.into(), said: "rewritten\nat 5".into() };
            signer.sign(refusal.note(), now()).bytes()
        };
        let at = |seconds| Verified { size: 1, next: 1, at: now() + SignedDuration::from_secs(seconds) };
        let ours = said("o/e1", &witness);
        for last in [None, Some(at(-60)), Some(at(0))] {
            let found = refusal(&ours, &keys, last.as_ref()).expect("a refusal");
            assert_eq!(found.reason(), "WitnessRefused");
            assert!(found.to_string().contains("rewritten"), "{found}");
        }
        assert_eq!(refusal(&ours, &keys, Some(&at(1))), None, "cosigned since");
        for other in [
            b"rubbish".to_vec(),
            said("o/e2", &witness),
            said("o/e1", &key("w", Kind::Witness, 3)),
            said("o/e1", &log),
            witness.sign(Checkpoint { origin: "o/e1".into(), size: 1, root: [1; 32] }.note(), now()).bytes(),
        ] {
            assert_eq!(refusal(&other, &keys, None), None);
        }
        // And no refusal is a checkpoint, whoever reads it.
        let note = Note::parse(&ours).unwrap();
        assert!(Checkpoint::of(&note).is_err());
    }

    #[test]
    fn a_witness_is_missed_after_ten_minutes_and_not_right_after_a_start() {
        let minutes = |count| now() + SignedDuration::from_mins(count);
        let said = |at| Verified { size: 1, next: 1, at };
        let stale = |last: Option<&Verified>, at| stale("c", last, now(), at).is_some();
        assert!(!stale(None, minutes(10)) && stale(None, minutes(11)));
        assert!(!stale(Some(&said(minutes(5))), minutes(14)) && stale(Some(&said(minutes(5))), minutes(16)));
        assert!(
            !stale(Some(&said(minutes(-60))), minutes(9)) && stale(Some(&said(minutes(-60))), minutes(11))
        );
    }
}
