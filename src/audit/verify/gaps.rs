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
