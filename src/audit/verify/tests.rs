mod attacks;
mod expired;

use std::collections::BTreeMap;

use super::epochs;
use super::report::{Reason, Stream};
use super::stream::{Keys, verify};
use crate::audit::archive::{Archive, Unread};
use crate::audit::frame::{Record, Source};
use crate::audit::layout::{self, key_name};
use crate::audit::log::checkpoint::Checkpoint;
use crate::audit::log::note::{Kind, Note, PrivateKey};
use crate::audit::pack::pack;
use crate::audit::prove::Prover;

#[derive(Clone, Default)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Archive for Folder {
    fn list(&mut self) -> Result<Vec<String>, Unread> {
        Ok(self.0.keys().cloned().collect())
    }

    fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unread> {
        Ok(self.0.get(path).cloned())
    }
}

fn stream() -> layout::Stream {
    layout::Stream { cluster: "eu".into(), agent: "cp-1".into(), epoch: "e1".into() }
}

fn key(kind: Kind) -> PrivateKey {
    let name = match kind {
        Kind::Log => key_name("eu", "cp-1"),
        Kind::Witness => "witness.example".into(),
    };
    PrivateKey::of_seed(&name, kind, [kind as u8; 32]).unwrap()
}

fn keys() -> Keys {
    let (log, witness) = (key(Kind::Log), key(Kind::Witness));
    Keys { log: log.public().clone(), witness: Some(witness.public().clone()), since: None }
}

/// When the first record is received: at 14:13:20.
const BEGIN: i64 = 1_790_000_000_000;

/// A log as an agent and a witness write it.
#[derive(Default)]
struct Writer {
    files: Folder,
    prover: Prover,
    next: u64,
    /// Milliseconds that have passed, beside one for each record.
    passed: i64,
}

impl Writer {
    fn record(&mut self, segment: &mut Vec<u8>, source: Source, bytes: &[u8]) {
        let (seq, received) = (self.next, BEGIN + self.passed + i64::try_from(self.next).unwrap());
        Record { seq, synced: seq, received, source, bytes }.append(segment);
        self.next += 1;
    }

    fn events(&mut self, count: u64) -> Vec<u8> {
        let mut segment = Vec::new();
        for _ in 0..count {
            let text = format!(r#"{{"auditID":"id-{}","stage":"ResponseComplete"}}"#, self.next);
            self.record(&mut segment, Source::AuditFile, text.as_bytes());
        }
        segment
    }

    fn seal(&mut self, first: u64, segment: &[u8]) {
        let added = self.prover.segment(first, segment);
        self.files.0.insert(layout::segment(first, self.next - 1), pack(segment).unwrap());
        self.files.0.extend(added.objects.into_iter().map(|one| (one.path, one.content)));
        let note = self.signed();
        self.files.0.insert(layout::checkpoint(self.prover.tree().size()), note.bytes());
    }

    fn signed(&self) -> Note {
        let (size, root) = (self.prover.tree().size(), self.prover.tree().root());
        let log = key(Kind::Log).named(&stream().origin()).unwrap();
        log.sign(Checkpoint { origin: stream().origin(), size, root }.note(), jiff::Timestamp::UNIX_EPOCH)
    }

    fn cosign(&mut self) {
        let note = key(Kind::Witness).sign(self.signed(), "2026-11-23T00:00:00Z".parse().unwrap());
        self.files.0.insert(layout::CHECKPOINT.into(), note.bytes());
    }
}

fn log(counts: &[u64]) -> Folder {
    let mut writer = Writer::default();
    for count in counts {
        let first = writer.next;
        let segment = writer.events(*count);
        writer.seal(first, &segment);
    }
    writer.cosign();
    writer.files
}

fn look(files: &mut Folder) -> Stream {
    verify(files, &stream(), &keys(), &mut |_| {}).unwrap().0
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let found = look(&mut log(&[3, 300, 1, 253, 40]));
    assert!(found.is_whole(), "{found:#?}");
    assert_eq!((found.proven, found.unproven, found.segments, found.checkpoints), (597, 0, 5, 5));
    assert_eq!(found.witness.as_ref().map(|one| one.size), Some(597));
    assert_eq!(found.strangers, [""; 0]);
}

/// Any bit of any object: the object is named, and where it is a segment also the first record of it or a later one.
#[test]
fn one_bit_that_was_flipped_anywhere_is_named() {
    let files = log(&[3, 300, 1, 5]);
    assert!(look(&mut files.clone()).is_whole());
    for (path, content) in &files.0 {
        let bits = content.len() * 8;
        let step = (bits / 16).max(1);
        // All bits of the first bytes, where formats have their flags, and some of the others.
        for bit in (0..bits.min(48)).chain((48..bits).step_by(step)) {
            let mut bad = files.clone();
            bad.0.get_mut(path).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let found = look(&mut bad);
            let named = found.faults.iter().any(|fault| fault.path == *path);
            assert!(named, "bit {bit} of {path}: {:?}", found.faults);
            if let Some((first, last)) = layout::segment_of(path) {
                let index = found.faults[0].index.unwrap();
                assert!((first..=last).contains(&index), "bit {bit} of {path}: {:?}", found.faults);
                assert_eq!(found.faults.len(), 1, "bit {bit} of {path}: {:?}", found.faults);
            }
        }
    }
}

#[test]
fn what_was_removed_is_named() {
    let files = log(&[3, 300, 1, 5]);
    for path in files.0.keys() {
        let mut bad = files.clone();
        bad.0.remove(path);
        let found = look(&mut bad);
        assert!(found.faults.iter().any(|fault| fault.path == *path), "{path}: {:?}", found.faults);
    }
    // The last one, where nobody has the witness' key.
    let mut bad = files.clone();
    bad.0.remove(&layout::segment(304, 308));
    let found = verify(&mut bad, &stream(), &Keys { witness: None, ..keys() }, &mut |_| {}).unwrap().0;
    assert_eq!((found.faults[0].reason, found.faults[0].index), (Reason::SegmentMissing, Some(304)));
    // The end, with everything that belongs to it.
    let mut bad = log(&[3, 300]);
    let longer = log(&[3, 300, 7]);
    bad.0.insert(layout::CHECKPOINT.into(), longer.0[layout::CHECKPOINT].clone());
    let found = look(&mut bad);
    assert_eq!((found.faults[0].reason, found.faults[0].index), (Reason::SegmentMissing, Some(303)));
}

#[test]
fn objects_that_were_swapped_are_named() {
    let mut files = log(&[4, 4, 4]);
    let (one, other) = (layout::segment(0, 3), layout::segment(4, 7));
    let content = files.0[&one].clone();
    let content = files.0.insert(other.clone(), content).unwrap();
    files.0.insert(one.clone(), content);
    let found = look(&mut files);
    let named: Vec<_> = found.faults.iter().map(|fault| (fault.index, fault.path.as_str())).collect();
    assert_eq!(named, [(Some(0), one.as_str()), (Some(4), other.as_str())]);
}

#[test]
fn a_history_that_was_signed_again_is_refused_by_the_witness() {
    let old = log(&[4, 4]);
    let mut writer = Writer { next: 0, ..Writer::default() };
    let mut segment = writer.events(3);
    writer.record(&mut segment, Source::AuditFile, br#"{"auditID":"other","stage":"Panic"}"#);
    writer.seal(0, &segment);
    let segment = writer.events(4);
    writer.seal(4, &segment);
    writer.files.0.insert(layout::CHECKPOINT.into(), old.0[layout::CHECKPOINT].clone());
    let found = look(&mut writer.files);
    let reasons: Vec<_> = found.faults.iter().map(|fault| fault.reason).collect();
    assert_eq!(reasons, [Reason::WitnessDiffers]);
}

#[test]
fn the_newest_segment_may_be_on_its_way() {
    let mut writer = Writer::default();
    let segment = writer.events(4);
    writer.seal(0, &segment);
    writer.cosign();
    let segment = writer.events(2);
    writer.files.0.insert(layout::segment(4, 5), pack(&segment).unwrap());
    let found = look(&mut writer.files);
    assert!(found.is_whole(), "{:?}", found.faults);
    assert_eq!((found.proven, found.unproven), (4, 2));
}

#[test]
fn a_loss_that_the_agent_owns_up_to_is_a_gap_and_another_a_fault() {
    for says in [true, false] {
        let mut writer = Writer::default();
        let mut segment = writer.events(2);
        writer.next += 3;
        if says {
            let gap = br#"{"auditID":"gap-1","first":2,"last":4,"stage":"Gap","why":"a bad sector"}"#;
            writer.record(&mut segment, Source::Agent, gap);
        }
        segment.extend(writer.events(300));
        writer.seal(0, &segment);
        let first = writer.next;
        let segment = writer.events(3);
        writer.seal(first, &segment);
        writer.cosign();
        let found = look(&mut writer.files);
        assert!(!found.is_whole());
        assert_eq!(found.gaps.len(), usize::from(says));
        let faults: Vec<_> = found.faults.iter().map(|one| (one.reason, one.index)).collect();
        let wanted = if says { vec![] } else { vec![(Reason::RecordMissing, Some(2))] };
        assert_eq!(faults, wanted, "{:?}", found.faults);
    }
}

/// Behind the last record of a segment, whose name alone tells of them; and half of an owning up is none.
#[test]
fn a_loss_is_owned_up_to_as_a_whole() {
    for (last, wanted) in [(4, vec![]), (3, vec![(Reason::RecordMissing, Some(2))])] {
        let mut writer = Writer::default();
        let segment = writer.events(2);
        writer.next += 3;
        writer.seal(0, &segment);
        let gap =
            format!(r#"{{"auditID":"gap-1","first":2,"last":{last},"stage":"Gap","why":"a bad sector"}}"#);
        let mut segment = Vec::new();
        writer.record(&mut segment, Source::Agent, gap.as_bytes());
        segment.extend(writer.events(3));
        writer.seal(5, &segment);
        writer.cosign();
        let found = look(&mut writer.files);
        let faults: Vec<_> = found.faults.iter().map(|one| (one.reason, one.index)).collect();
        assert_eq!((faults, found.proven), (wanted, 6), "{:?}", found.faults);
    }
}

#[test]
fn an_epoch_tells_which_came_before() {
    let mut writer = Writer::default();
    let mut segment = Vec::new();
    let start = br#"{"auditID":"e","previous":{"epoch":"e0","records":9},"stage":"EpochStart"}"#;
    writer.record(&mut segment, Source::Agent, start);
    writer.seal(0, &segment);
    writer.cosign();
    let (found, previous) = verify(&mut writer.files, &stream(), &keys(), &mut |_| {}).unwrap();
    let mut all = [(stream(), previous, found)];
    epochs::check(&mut all, None);
    assert_eq!(all[0].2.faults[0].reason, Reason::EpochMissing);
}
