//! Names in the spool's folder, and the two small files that say where it stands. Pure.
//!
//! ```text
//! <spool>/lock                               held by the one agent that writes
//! <spool>/epoch.json                         which log this is
//! <spool>/acked                              how many records were acknowledged, or a little less
//! <spool>/sources/<source>.json              how far a source was read
//! <spool>/segments/<first>.open              being written
//! <spool>/segments/<first>-<last>.seg        sealed: never changed again
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::layout::number;

/// The folder of segments.
pub const SEGMENTS: &str = "segments";
/// The folder of what sources keep: how far each was read.
pub const SOURCES: &str = "sources";
/// Which log this is.
pub const EPOCH: &str = "epoch.json";
/// See [`acked`].
pub const ACKED: &str = "acked";
/// Held by the one who writes.
pub const LOCK: &str = "lock";
/// How far the shipper has come.
pub const PROVER: &str = "prover.json";

const OPEN: &str = ".open";
const SEALED: &str = ".seg";

/// A file with records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Being written; the number of its first record.
    Open(u64),
    /// Sealed; first and last.
    Sealed(u64, u64),
}

impl Name {
    /// Of a file; `None` when it is none of ours.
    #[must_use]
    pub fn of(file: &str) -> Option<Self> {
        if let Some(first) = file.strip_suffix(OPEN) {
            return number(first).map(Self::Open);
        }
        let (first, last) = file.strip_suffix(SEALED)?.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self::Sealed(first, last))
    }

    /// The file's.
    #[must_use]
    pub fn file(&self) -> String {
        match self {
            Self::Open(first) => format!("{first:020}{OPEN}"),
            Self::Sealed(first, last) => format!("{first:020}-{last:020}{SEALED}"),
        }
    }
}

/// The log that a spool belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its name.
    pub epoch: String,
    /// The one before it in the same folder.
    pub previous: Option<Previous>,
}

/// A log that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its name.
    pub epoch: String,
    /// Records that it is known to have had.
    pub records: u64,
}

impl Epoch {
    /// A new one. `dice` keeps apart what begins in the same second.
    #[must_use]
    pub fn begin(now: Timestamp, dice: u32, previous: Option<Previous>) -> Self {
        let now = now.strftime("%Y%m%dT%H%M%SZ");
        Self { epoch: format!("{now}-{dice:08x}"), previous }
    }
}

/// The file [`ACKED`]: the number twice, so that a torn write is seen. It isn't synced and comes after what it speaks
/// of, so it may be behind and never ahead.
#[must_use]
pub fn acked(records: u64) -> String {
    format!("{records:020} {records:020}\n")
}

/// What [`acked`] wrote; 0 when it isn't that.
#[must_use]
pub fn acked_of(bytes: &[u8]) -> u64 {
    let parse = || {
        let (one, two) = core::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once(' ')?;
        (one == two).then(|| number(one)).flatten()
    };
    parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again_and_others_are_not_ours() {
        for name in [Name::Open(0), Name::Open(u64::MAX), Name::Sealed(3, 40)] {
            assert_eq!(Name::of(&name.file()), Some(name));
        }
        for file in ["3.open", "00000000000000000004-00000000000000000003.seg", "prover.json", "a.seg", ""] {
            assert_eq!(Name::of(file), None, "{file}");
        }
    }

    #[test]
    fn a_torn_hint_is_no_hint() {
        let text = acked(77);
        assert_eq!(acked_of(text.as_bytes()), 77);
        for end in 0..text.len() {
            assert_eq!(acked_of(&text.as_bytes()[..end]), 0);
        }
        assert_eq!(acked_of(format!("{:020} {:020}\n", 78, 77).as_bytes()), 0);
    }

    #[test]
    fn an_epoch_says_when_it_began() {
        let epoch = Epoch::begin(Timestamp::UNIX_EPOCH, 0xab, None);
        assert_eq!(epoch.epoch, "19700101T000000Z-000000ab");
        assert_eq!(serde_json::to_value(&epoch).unwrap()["previous"], serde_json::Value::Null);
    }
}
