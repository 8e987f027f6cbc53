//! What the agent itself says of its log. Pure.

use serde::Deserialize;

use super::super::frame::{Record, Source};
use super::super::spool::names::Previous;
use super::report::{Gap, SourceGap};

/// What an agent's own records say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Records that are lost.
    pub gaps: Vec<Gap>,
    /// Parts of sources that never became records.
    pub source_gaps: Vec<SourceGap>,
    /// The epoch before, and how many records it had.
    pub previous: Option<Previous>,
}

#[derive(Deserialize)]
struct Own {
    stage: String,
    first: Option<u64>,
    last: Option<u64>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    previous: Option<Previous>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    file: String,
    from: Option<u64>,
    to: Option<u64>,
}

impl Said {
    /// Takes a record in.
    pub fn record(&mut self, record: &Record<'_>) {
        if record.source != Source::Agent {
            return;
        }
        let Ok(own) = serde_json::from_slice::<Own>(record.bytes) else { return };
        match (own.stage.as_str(), own.first, own.last) {
            ("Gap", Some(first), Some(last)) => self.gaps.push(Gap { first, last, why: own.why }),
            ("SourceGap", _, _) => self.source_gaps.push(SourceGap {
                seq: record.seq,
                source: own.source,
                file: own.file,
                from: own.from.unwrap_or_default(),
                to: own.to,
                why: own.why,
            }),
            ("EpochStart", _, _) if record.seq == 0 => self.previous = own.previous,
            _ => {}
        }
    }

    /// Whether the agent says that all of these are lost.
    #[must_use]
    pub fn covers(&self, first: u64, last: u64) -> bool {
        self.gaps.iter().any(|gap| gap.first <= first && last <= gap.last)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::audit::own::Own;

    #[test]
    fn what_was_gone_before_it_was_read_is_told_in_words() {
        let said = |bytes: &[u8]| {
            let mut said = Said::default();
            said.record(&Record { seq: 1, synced: 0, received: 0, source: Source::Agent, bytes });
            said.source_gaps.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let gone = Own::SourceGap { source: "s", file: "f", identity: "i", from: 7, to: None, why: "gone" };
        assert_eq!(said(&gone.record(Timestamp::UNIX_EPOCH)), ["f of source s from byte 7 on: gone"]);
        let gap = Own::Gap { epoch: "20260101T000000Z-00000001", first: 3, last: 5, why: "bad" };
        assert!(said(&gap.record(Timestamp::MAX)).is_empty() && said(b"no JSON").is_empty());
    }
}
