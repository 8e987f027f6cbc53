//! Records as they lie in a segment, in the spool and in the archive: a header, and the bytes as they came. Pure.
//!
//! ```text
//! 0  AB 'T' 'A' 1      where a record begins, also after damage
//! 4  length            u32, of the bytes that follow the header
//! 8  seq               u64, counts records of the epoch from 0
//! 16 synced            u64, records below this were on disk before this one was written
//! 24 received          i64, milliseconds since 1970 by the agent's clock
//! 32 source            u8, and three zeros
//! 36 CRC-32C           u32, of 4..36 and the bytes that follow
//! 40 the bytes, verbatim
//! ```
//!
//! Numbers are big-endian.

use crc_fast::{CrcAlgorithm, Digest};

/// Bytes before those of the record.
pub const HEADER: usize = 40;
/// Longest record, in bytes: an event of the API server is 1.5 MB at most by etcd's limit, a few times over.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
const MAGIC: [u8; 4] = [0xab, b'T', b'A', 1];

/// Where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// What the agent itself says: an epoch's begin, a sign of life, a gap.
    Agent = 0,
    /// kube-apiserver, by its log file.
    AuditFile = 1,
    /// kube-apiserver, by its webhook.
    AuditWebhook = 2,
    /// Changes that came from Git.
    ChangeTrail = 3,
    /// Conditions of Platforms, Tenants and nodes, and who leads.
    Health = 4,
    /// Backup runs and drills.
    Backup = 5,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Agent, Self::AuditFile, Self::AuditWebhook, Self::ChangeTrail, Self::Health, Self::Backup];

    /// The word in leaves and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::AuditFile => "AuditFile",
            Self::AuditWebhook => "AuditWebhook",
            Self::ChangeTrail => "ChangeTrail",
            Self::Health => "Health",
            Self::Backup => "Backup",
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|source| *source as u8 == byte)
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the epoch.
    pub seq: u64,
    /// Records below this were on disk before this one was written.
    pub synced: u64,
    /// Milliseconds since 1970, by the agent's clock.
    pub received: i64,
    /// Where it came from.
    pub source: Source,
    /// As it came.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    /// Bytes in a segment.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        HEADER + self.bytes.len()
    }

    /// Appends it to a segment. The caller holds records to [`MOST_BYTES`].
    pub fn append(&self, segment: &mut Vec<u8>) {
        debug_assert!(self.bytes.len() <= MOST_BYTES, "a record of {} bytes", self.bytes.len());
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        #[allow(clippy::cast_possible_truncation, reason = "held to MOST_BYTES")]
        header[4..8].copy_from_slice(&(self.bytes.len() as u32).to_be_bytes());
        header[8..16].copy_from_slice(&self.seq.to_be_bytes());
        header[16..24].copy_from_slice(&self.synced.to_be_bytes());
        header[24..32].copy_from_slice(&self.received.to_be_bytes());
        header[32] = self.source as u8;
        let sum = sum(&header[4..36], self.bytes);
        header[36..].copy_from_slice(&sum.to_be_bytes());
        segment.extend_from_slice(&header);
        segment.extend_from_slice(self.bytes);
    }
}

fn sum(header: &[u8], bytes: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(header);
    digest.update(bytes);
    #[allow(clippy::cast_possible_truncation, reason = "a sum of 32 bits")]
    let sum = digest.finalize() as u32;
    sum
}

/// What a segment holds at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record that is whole.
    Record {
        /// Of its header, in bytes from the segment's begin.
        offset: usize,
        /// The record.
        record: Record<'a>,
    },
    /// Bytes that are no record.
    Damage {
        /// Where they begin.
        offset: usize,
        /// Where the next record begins, or the segment ends.
        end: usize,
    },
}

/// All that a segment holds, in order. Damage is passed over up to the next whole record.
#[must_use]
pub fn scan(segment: &[u8]) -> Scan<'_> {
    Scan { segment, offset: 0, left: segment.len().saturating_mul(MOST_SUMS) }
}

/// See [`scan`].
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    segment: &'a [u8],
    offset: usize,
    /// Bytes that may still be summed up for what looks like a record and is none.
    left: usize,
}

/// How often over bytes behind damage are summed up in the search for a record. Whoever may write to the archive could
/// otherwise keep a witness busy for years, with a segment full of headers that promise long records.
const MOST_SUMS: usize = 8;

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        if offset >= self.segment.len() {
            return None;
        }
        if let Ok(record) = record(&self.segment[offset..]) {
            self.offset += record.frame_len();
            return Some(Found::Record { offset, record });
        }
        let end = self.next_record(offset + 1).unwrap_or(self.segment.len());
        self.offset = end;
        Some(Found::Damage { offset, end })
    }
}

impl Scan<'_> {
    fn next_record(&mut self, from: usize) -> Option<usize> {
        for at in from..self.segment.len() {
            match record(&self.segment[at..]) {
                Ok(_) => return Some(at),
                Err(summed) if summed > self.left => return None,
                Err(summed) => self.left -= summed,
            }
        }
        None
    }
}

/// The record that begins there; if it is none, how many bytes were summed up to know.
fn record(bytes: &[u8]) -> Result<Record<'_>, usize> {
    if !bytes.starts_with(&MAGIC) {
        return Err(0);
    }
    let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(0_usize)?;
    let four = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let eight = |at: usize| (u64::from(four(at)) << 32) | u64::from(four(at + 4));
    let length = four(4) as usize;
    let bytes = rest.get(..length).filter(|_| length <= MOST_BYTES).ok_or(0_usize)?;
    let source = Source::of(header[32]).filter(|_| header[33..36] == [0; 3]).ok_or(0_usize)?;
    if sum(&header[4..36], bytes) != four(36) {
        return Err(HEADER + length);
    }
    Ok(Record { seq: eight(8), synced: eight(16), received: eight(24).cast_signed(), source, bytes })
}

/// Numbers of records that are gone: first and last.
pub type Lost = (u64, u64);

/// What is left of a segment that was being written when its writer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes to keep; what follows was never acknowledged.
    pub keep: usize,
    /// The next record's number.
    pub next: u64,
    /// Records that were acknowledged and can't be read any more.
    pub lost: Vec<Lost>,
}

/// Reads the last segment, whose first record has number `first`. `synced` counts the records that are known, from
/// elsewhere, to have been acknowledged.
///
/// Damage before a record that was written after a later sync is a loss; any other is the torn end of a write that
/// nobody was told of.
#[must_use]
pub fn recover(segment: &[u8], first: u64, synced: u64) -> Recovered {
    let mut kept = Recovered { keep: 0, next: first, lost: Vec::new() };
    for found in scan(segment) {
        let Found::Record { offset, record } = found else { continue };
        let follows = record.seq == kept.next && offset == kept.keep;
        let lost = record.seq > kept.next && record.synced.max(synced) > kept.next;
        if lost {
            kept.lost.push((kept.next, record.seq - 1));
        } else if !follows {
            break;
        }
        kept.keep = offset + record.frame_len();
        kept.next = record.seq + 1;
    }
    if synced > kept.next {
        kept.lost.push((kept.next, synced - 1));
        kept.next = synced;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of records: each record knows what was synced before its batch.
    fn segment(batches: &[u64]) -> (Vec<u8>, Vec<usize>) {
        let (mut all, mut ends, mut seq) = (Vec::new(), vec![0], 0);
        for batch in batches {
            let synced = seq;
            for _ in 0..*batch {
                let text = format!("record {seq}");
                let bytes = text.as_bytes();
                Record { seq, synced, received: -5, source: Source::Health, bytes }.append(&mut all);
                ends.push(all.len());
                seq += 1;
            }
        }
        (all, ends)
    }

    #[test]
    fn records_come_back_verbatim() {
        let bytes = b"\xff\x00\xabTA\x01";
        let one = Record { seq: u64::MAX, synced: 3, received: -1, source: Source::AuditFile, bytes };
        let mut all = Vec::new();
        one.append(&mut all);
        assert_eq!(scan(&all).collect::<Vec<_>>(), [Found::Record { offset: 0, record: one }]);
        // CRC-32C of RFC 3720, B.4: what others find.
        assert_eq!(sum(&[0; 32], &[]), 0x8a91_36aa);
    }

    #[test]
    fn every_flipped_bit_is_damage_of_that_record_alone() {
        let (all, ends) = segment(&[1, 1, 1]);
        for bit in ends[1] * 8..ends[2] * 8 {
            let mut bad = all.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let found: Vec<_> = scan(&bad).collect();
            assert!(
                matches!(found[1], Found::Damage { offset, end } if (offset, end) == (ends[1], ends[2])),
                "bit {bit}"
            );
            assert_eq!(recover(&bad, 0, 0), Recovered { keep: all.len(), next: 3, lost: vec![(1, 1)] });
        }
    }

    /// A segment of nothing but headers, each of which promises all that follows.
    #[test]
    fn a_search_behind_damage_ends() {
        let mut header = Vec::new();
        let bytes = &[][..];
        Record { seq: 0, synced: 0, received: 0, source: Source::Health, bytes }.append(&mut header);
        let mut all = header.repeat(50_000);
        let length = all.len();
        for at in (0..length).step_by(HEADER) {
            let rest = u32::try_from(length - at - HEADER).unwrap();
            all[at + 4..at + 8].copy_from_slice(&rest.to_be_bytes());
        }
        let mut scan = scan(&all);
        assert_eq!(scan.next(), Some(Found::Damage { offset: 0, end: length }));
        assert!(scan.left < length * MOST_SUMS && scan.left <= length, "{}", scan.left);
        // What lies behind one that is damaged, and not behind many, is found.
        let mut good = all[..HEADER * 5].to_vec();
        good.extend_from_slice(&header);
        assert_eq!(super::scan(&good).count(), 2);
    }

    #[test]
    fn a_torn_end_is_cut_and_nothing_of_it_is_lost() {
        let (all, ends) = segment(&[2, 3]);
        for end in 0..all.len() {
            let whole = ends.iter().rposition(|at| *at <= end).unwrap();
            let want = Recovered { keep: ends[whole], next: whole as u64, lost: vec![] };
            assert_eq!(recover(&all[..end], 0, 0), want, "{end}");
        }
        // A page in the middle of the last write never reached the disk: what follows was of the same write.
        let mut torn = all.clone();
        torn[ends[3]..ends[4]].fill(0);
        assert_eq!(recover(&torn, 0, 0), Recovered { keep: ends[3], next: 3, lost: vec![] });
        // Unless somebody knows that it was acknowledged.
        assert_eq!(recover(&torn, 0, 5), Recovered { keep: all.len(), next: 5, lost: vec![(3, 3)] });
        assert_eq!(recover(&torn[..ends[3]], 0, 5), Recovered { keep: ends[3], next: 5, lost: vec![(3, 4)] });
    }
}
