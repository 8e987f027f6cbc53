//! Records that are acknowledged together. Pure.

use std::ops::Range;

use crate::audit::frame::{HEADER, Record, Source};

/// Records of one source, as they lie in one buffer: none of them is copied before it is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    source: Source,
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
}

impl Batch {
    /// Records that lie in these bytes; `None` when one of them doesn't.
    #[must_use]
    pub fn new(source: Source, bytes: Vec<u8>, records: Vec<Range<usize>>) -> Option<Self> {
        let all = records.iter().all(|range| bytes.get(range.clone()).is_some());
        all.then_some(Self { source, bytes, records })
    }

    /// One record.
    #[must_use]
    pub fn one(source: Source, bytes: Vec<u8>) -> Self {
        #[allow(clippy::single_range_in_vec_init, reason = "one record that is all of it")]
        let records = vec![0..bytes.len()];
        Self { source, bytes, records }
    }

    /// A record of the agent's own.
    #[must_use]
    pub fn own(bytes: Vec<u8>) -> Self {
        Self::one(Source::Agent, bytes)
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of the longest record.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.records.iter().map(Range::len).max().unwrap_or_default()
    }

    /// Bytes of all records with their headers.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.records.iter().map(|range| HEADER + range.len()).sum()
    }

    /// Appends all records, the first as number `seq`; returns the number that follows.
    pub fn append(&self, seq: u64, synced: u64, received: i64, segment: &mut Vec<u8>) -> u64 {
        let numbered = self.records.iter().zip(seq..);
        for (range, seq) in numbered {
            let bytes = &self.bytes[range.clone()];
            Record { seq, synced, received, source: self.source, bytes }.append(segment);
        }
        seq + self.records.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::frame::{Found, scan};

    #[test]
    fn records_are_numbered_in_order() {
        let batch = Batch::new(Source::AuditFile, b"one\ntwo".to_vec(), vec![0..3, 4..7]).unwrap();
        let mut segment = Vec::new();
        assert_eq!(batch.append(5, 3, 9, &mut segment), 7);
        assert_eq!((segment.len(), batch.longest(), batch.len()), (batch.frames(), 3, 2));
        let found: Vec<_> = scan(&segment)
            .map(|found| match found {
                Found::Record { record, .. } => (record.seq, record.synced, record.received, record.bytes),
                Found::Damage { .. } => unreachable!(),
            })
            .collect();
        assert_eq!(found, [(5, 3, 9, &b"one"[..]), (6, 3, 9, &b"two"[..])]);
        let beyond = std::iter::once(0..2).collect();
        assert_eq!(Batch::new(Source::AuditFile, vec![1], beyond), None);
    }
}
