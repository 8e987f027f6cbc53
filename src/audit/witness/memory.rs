//! What a witness keeps of a stream. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::log::hash::Hash;
use crate::audit::prove::Prover;

/// A cosignature is made anew after this time, so that its age says how the witness is, and not how the agent is.
const AGAIN: SignedDuration = SignedDuration::from_mins(4);
/// A stream that stands still for longer belongs to an agent that ended.
const ENDED: SignedDuration = SignedDuration::from_hours(24);

/// How far a stream was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The tree so far.
    pub prover: Prover,
    /// Records below this number were read.
    pub next: u64,
    /// The path of the last segment that was.
    pub segment: Option<String>,
    /// When it last went on.
    pub advanced: Option<Timestamp>,
    /// When it was last cosigned.
    pub cosigned: Option<Timestamp>,
}

/// As it lies on disk. Size and root are there for people, and to tell a file that was changed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    size: u64,
    root: String,
    next: u64,
    segment: Option<String>,
    advanced: Option<Timestamp>,
    cosigned: Option<Timestamp>,
    prover: Value,
}

impl Memory {
    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.prover.tree().size()
    }

    /// Over all of them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.prover.tree().root()
    }

    /// Whether there is something to cosign that isn't yet, or not lately.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let since = |then: Option<Timestamp>| then.map(|then| now.duration_since(then));
        let went_on = self.advanced > self.cosigned;
        let lives = since(self.advanced).is_some_and(|age| age < ENDED);
        self.size() > 0 && (went_on || (lives && since(self.cosigned).is_none_or(|age| age >= AGAIN)))
    }

    /// As it lies on disk.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        let kept = Kept {
            size: self.size(),
            root: STANDARD.encode(self.root()),
            next: self.next,
            segment: self.segment.clone(),
            advanced: self.advanced,
            cosigned: self.cosigned,
            prover: serde_json::from_slice(&self.prover.keep()).unwrap_or_default(),
        };
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// What [`Self::keep`] gave; `None` when it isn't that.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let Kept { size, root, next, segment, advanced, cosigned, prover } =
            serde_json::from_slice(bytes).ok()?;
        let prover = Prover::of(prover.to_string().as_bytes())?;
        let memory = Self { prover, next, segment, advanced, cosigned };
        (memory.size() == size && STANDARD.encode(memory.root()) == root).then_some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::frame::{Record, Source};

    fn memory(count: u64) -> Memory {
        let mut segment = Vec::new();
        for seq in 0..count {
            Record { seq, synced: 0, received: 0, source: Source::Health, bytes: b"x" }.append(&mut segment);
        }
        let mut memory = Memory::default();
        memory.prover.segment(0, &segment);
        memory
    }

    #[test]
    fn it_comes_back_and_a_changed_one_does_not() {
        for count in [0, 3, 300] {
            let memory = memory(count);
            assert_eq!(Memory::of(&memory.keep()), Some(memory.clone()));
        }
        let text = String::from_utf8(memory(3).keep()).unwrap();
        assert_eq!(Memory::of(text.replacen(r#""size":3"#, r#""size":2"#, 1).as_bytes()), None);
        assert_eq!(Memory::of(&text.as_bytes()[1..]), None);
    }

    #[test]
    fn a_cosignature_is_made_for_what_is_new_and_again_while_the_agent_lives() {
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let ago = |minutes| Some(now - SignedDuration::from_mins(minutes));
        let due = |advanced, cosigned| Memory { advanced, cosigned, ..memory(1) }.is_due(now);
        assert!(due(ago(1), None) && due(ago(1), ago(2)) && due(ago(9), ago(4)));
        assert!(!due(ago(3), ago(3)) && !due(ago(2000), ago(1000)));
        assert!(!Memory { advanced: ago(1), ..Memory::default() }.is_due(now));
    }
}
