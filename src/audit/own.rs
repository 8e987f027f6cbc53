//! What the agent itself writes into its log. Pure.
//!
//! Canonical JSON with `auditID` and `stage`, as events have them, so that what is written twice after a crash is one
//! thing: ids are made of what is said, but for those of signs of life.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::spool::names::Epoch;
use crate::trail::record::canonical;

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// The first record of an epoch.
    EpochStart {
        /// Which one, and the one before it.
        epoch: &'a Epoch,
        /// Whose.
        cluster: &'a str,
        /// Who writes.
        agent: &'a str,
    },
    /// Nothing happened for a while.
    Heartbeat {
        /// What nobody else has.
        id: u64,
    },
    /// Records that were acknowledged and can't be read any more.
    Gap {
        /// Their epoch.
        epoch: &'a str,
        /// The first one's number.
        first: u64,
        /// The last one's.
        last: u64,
        /// What became of them.
        why: &'a str,
    },
    /// A part of a source that is gone.
    SourceGap {
        /// Which source.
        source: &'a str,
        /// The file's name, and what tells it from others of that name.
        file: &'a str,
        /// Of the file.
        identity: &'a str,
        /// From this byte on.
        from: u64,
        /// Up to this one, where that is known.
        to: Option<u64>,
        /// What became of it.
        why: &'a str,
    },
    /// A line that is too long for one record: it follows in pieces.
    Oversize {
        /// Which source.
        source: &'a str,
        /// The file's name.
        file: &'a str,
        /// Of the file.
        identity: &'a str,
        /// Where the piece begins.
        offset: u64,
        /// Bytes of it.
        bytes: u64,
    },
}

impl Own<'_> {
    /// The record's bytes.
    #[must_use]
    pub fn record(&self, now: Timestamp) -> Vec<u8> {
        let mut value = self.value();
        value["time"] = json!(now.to_string());
        canonical(value).into_bytes()
    }

    fn value(&self) -> Value {
        match self {
            Self::EpochStart { epoch, cluster, agent } => json!({
                "auditID": format!("epoch-{}", epoch.epoch), "stage": "EpochStart",
                "epoch": epoch.epoch, "previous": epoch.previous, "cluster": cluster, "agent": agent,
                "version": env!("CARGO_PKG_VERSION"),
            }),
            Self::Heartbeat { id } => {
                json!({"auditID": format!("heartbeat-{id:016x}"), "stage": "Heartbeat"})
            }
            Self::Gap { epoch, first, last, why } => json!({
                "auditID": format!("gap-{epoch}-{first}-{last}"), "stage": "Gap",
                "first": first, "last": last, "why": why,
            }),
            Self::SourceGap { source, file, identity, from, to, why } => json!({
                "auditID": format!("source-gap-{source}-{identity}-{from}"), "stage": "SourceGap",
                "source": source, "file": file, "from": from, "to": to, "why": why,
            }),
            Self::Oversize { source, file, identity, offset, bytes } => json!({
                "auditID": format!("oversize-{source}-{identity}-{offset}"), "stage": "Oversize",
                "source": source, "file": file, "offset": offset, "bytes": bytes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::leaf::Identity;

    #[test]
    fn records_name_themselves_and_are_canonical() {
        let epoch = Epoch::begin(Timestamp::UNIX_EPOCH, 1, None);
        let gap = Own::Gap { epoch: &epoch.epoch, first: 3, last: 5, why: "damage" };
        let all = [
            (Own::EpochStart { epoch: &epoch, cluster: "eu", agent: "cp-1" }, "EpochStart"),
            (Own::Heartbeat { id: 7 }, "Heartbeat"),
            (gap.clone(), "Gap"),
            (
                Own::SourceGap { source: "s", file: "f", identity: "i", from: 1, to: None, why: "gone" },
                "SourceGap",
            ),
            (Own::Oversize { source: "s", file: "f", identity: "i", offset: 1, bytes: 2 }, "Oversize"),
        ];
        for (own, stage) in all {
            let bytes = own.record(Timestamp::UNIX_EPOCH);
            let id = Identity::of(&bytes);
            assert_eq!(id.stage, stage);
            assert!(!id.audit_id.is_empty());
            let mut value: Value = serde_json::from_slice(&bytes).unwrap();
            value.sort_all_objects();
            assert_eq!(value.to_string().as_bytes(), bytes);
        }
        let again = gap.record(Timestamp::MAX);
        assert_eq!(Identity::of(&again).audit_id, "gap-19700101T000000Z-00000001-3-5");
    }
}
