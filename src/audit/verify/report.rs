//! What a verification found. Pure.

use std::fmt;

use serde::Serialize;

use crate::validate::text::sanitize;

/// Of all streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether everything is what was written, and nothing is missing.
    pub passed: bool,
    /// Each stream.
    pub streams: Vec<Stream>,
}

/// Of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// `<cluster>/<agent>/<epoch>`.
    pub stream: String,
    /// The agent's key under the name of this stream, as other programs that read this format take it.
    pub key: String,
    /// Records that the newest checkpoint of the agent vouches for, with those that expired.
    pub proven: u64,
    /// What need not be there any more, and isn't.
    pub expired: Option<Expired>,
    /// Records behind it: what is being written when the archive is copied.
    pub unproven: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Checkpoints that were checked.
    pub checkpoints: u64,
    /// Root of the newest checkpoint, hexadecimal.
    pub root: String,
    /// When the first and the last record were received, RFC 3339, by the agent's clock.
    pub received: Option<(String, String)>,
    /// What the witness vouches for.
    pub witness: Option<Witness>,
    /// Records that the agent says are lost: an intact log of a loss.
    pub gaps: Vec<Gap>,
    /// Parts of sources that the agent says it never got: what was in them is in no record.
    pub source_gaps: Vec<SourceGap>,
    /// What is wrong, first things first.
    pub faults: Vec<Fault>,
    /// Objects that nobody of ours wrote. They prove nothing and spoil nothing.
    pub strangers: Vec<String>,
}

/// A beginning that retention took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expired {
    /// The first record that is there and proved.
    pub before: u64,
    /// When the newest record before it was received, RFC 3339, by the agent's clock.
    pub received: String,
}

/// The newest cosigned checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    /// Records.
    pub size: u64,
    /// When it was cosigned, RFC 3339, by the witness' clock.
    pub time: String,
}

/// Records that the agent says are lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Why, in the agent's words.
    pub why: String,
}

/// A part of a source that the agent says was gone before it could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceGap {
    /// The record that says so.
    pub seq: u64,
    /// Which source.
    pub source: String,
    /// The file.
    pub file: String,
    /// From this byte on.
    pub from: u64,
    /// Up to this one, where that is known.
    pub to: Option<u64>,
    /// Why, in the agent's words.
    pub why: String,
}

impl fmt::Display for SourceGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| sanitize(text, 300);
        let Self { source, file, from, why, .. } = self;
        write!(f, "{} of source {} from byte {from} on: {}", plain(file), plain(source), plain(why))
    }
}

/// Something that isn't as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What kind.
    pub reason: Reason,
    /// The first record that it concerns, where one can be named.
    pub index: Option<u64>,
    /// The object, below the stream's folder.
    pub path: String,
    /// In words.
    pub message: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// A segment is not there.
    SegmentMissing,
    /// A segment can't be unpacked, or holds bytes that are no record.
    SegmentDamaged,
    /// A segment holds other records than those that were signed.
    SegmentDiffers,
    /// Records are missing, and the agent doesn't say so.
    RecordMissing,
    /// A tile, a bundle or a checkpoint is not there.
    ObjectMissing,
    /// A tile or a bundle is not what the segments make.
    ObjectDiffers,
    /// A checkpoint that is none, or isn't signed by the agent's key.
    CheckpointForged,
    /// A checkpoint whose root is not that of the segments before it.
    CheckpointDiffers,
    /// There is no cosigned checkpoint.
    WitnessMissing,
    /// What the witness cosigned is not what lies there.
    WitnessDiffers,
    /// An epoch that a later one names is not there, or is shorter than it was.
    EpochMissing,
    /// The log went on for longer than an hour after the witness last spoke: who holds the agent's key could have changed
    /// what came since.
    WitnessStale,
    /// Two epochs go on from the same one.
    EpochForked,
    /// An agent whose key was given has nothing in the archive.
    StreamMissing,
    /// Nobody gave the key of who says to have written this.
    KeyUnknown,
    /// The stream ends earlier than asked for.
    EndsEarly,
}

impl Reason {
    /// Whether something is there that is not what was written: no retention does that.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::SegmentDamaged | Self::CheckpointForged)
    }
}

impl Stream {
    /// Notes a fault.
    pub(super) fn fault(
        &mut self,
        reason: Reason,
        index: Option<u64>,
        path: &str,
        message: impl Into<String>,
    ) {
        let (path, message) = (path.to_owned(), message.into());
        self.faults.push(Fault { reason, index, path, message });
    }

    /// Whether nothing is wrong and nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.gaps.is_empty() && self.source_gaps.is_empty()
    }
}
