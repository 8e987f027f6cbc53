//! Who may write to the archive, or also holds the agent's key, and what they can't do with it.

use super::*;
use crate::audit::evidence::{Evidence, inclusion};
use crate::audit::frame::HEADER;

/// The segment of these records, changed and packed again as anybody can.
fn repacked(files: &Folder, (first, last): (u64, u64), change: impl FnOnce(&mut Vec<u8>)) -> Folder {
    let (mut files, path) = (files.clone(), layout::segment(first, last));
    let mut segment = crate::audit::pack::unpack(&files.0[&path]).unwrap();
    change(&mut segment);
    files.0.insert(path, pack(&segment).unwrap());
    files
}

fn reasons(files: &mut Folder) -> Vec<Reason> {
    look(files).faults.iter().map(|fault| fault.reason).collect()
}

/// What no leaf speaks of can't be used to hide anything: bytes behind the last record, and those that mean nothing.
#[test]
fn nothing_hides_in_a_segment_whose_records_are_right() {
    let files = log(&[4, 4]);
    assert!(reasons(&mut repacked(&files, (4, 7), |_| ())).is_empty());
    let mut more = repacked(&files, (4, 7), |segment| segment.extend_from_slice(b"something else"));
    assert_eq!(reasons(&mut more), [Reason::SegmentDamaged]);
    let mut marked = repacked(&files, (4, 7), |segment| {
        segment[33] = 1;
        let end = crate::audit::frame::scan(&segment[1..]).find_map(|found| match found {
            crate::audit::frame::Found::Record { offset, .. } => Some(offset + 1),
            crate::audit::frame::Found::Damage { .. } => None,
        });
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&segment[4..36]);
        digest.update(&segment[HEADER..end.unwrap()]);
        let sum = u32::try_from(digest.finalize()).unwrap();
        segment[36..HEADER].copy_from_slice(&sum.to_be_bytes());
    });
    assert_eq!(reasons(&mut marked), [Reason::SegmentDamaged]);
}

/// A segment beside the log, of numbers that the log has: its records are nobody's.
#[test]
fn a_segment_of_numbers_that_are_taken_is_named() {
    let mut files = log(&[4, 4]);
    let mut stranger = Writer { next: 6, ..Writer::default() };
    let segment = stranger.events(4);
    files.0.insert(layout::segment(6, 9), pack(&segment).unwrap());
    let found = look(&mut files);
    assert_eq!((found.faults[0].reason, found.faults[0].index), (Reason::SegmentDiffers, Some(6)));
    assert_eq!((found.faults.len(), found.proven, found.unproven), (1, 8, 0), "{found:?}");
}

/// The agent's key alone: the same records in other segments, so that no checkpoint of the old ones contradicts.
#[test]
fn a_history_whose_segments_end_elsewhere_is_named() {
    let old = log(&[4, 4]);
    let mut other = Writer::default();
    let segment = other.events(9);
    other.seal(0, &segment);
    let signed = other.files.clone();
    other.files.0.insert(layout::CHECKPOINT.into(), old.0[layout::CHECKPOINT].clone());
    assert_eq!(reasons(&mut other.files), [Reason::WitnessDiffers]);
    // Of both histories one is there, and what was signed of the other.
    let mut files = log(&[4, 8]);
    let path = layout::checkpoint(9);
    files.0.insert(path.clone(), signed.0[&path].clone());
    assert_eq!(reasons(&mut files), [Reason::CheckpointDiffers]);
}

/// The agent's key alone: what comes long after the witness last spoke isn't taken.
#[test]
fn a_log_that_goes_on_without_the_witness_is_named() {
    for (hours, stale) in [(0, false), (24 * 365, true)] {
        let mut writer = Writer::default();
        let segment = writer.events(4);
        writer.seal(0, &segment);
        writer.cosign();
        writer.passed = hours * 3600 * 1000;
        let segment = writer.events(4);
        writer.seal(4, &segment);
        let wanted: &[Reason] = if stale { &[Reason::WitnessStale] } else { &[] };
        assert_eq!(reasons(&mut writer.files), wanted);
    }
}

#[test]
fn parts_of_a_source_that_never_came_are_told() {
    let mut writer = Writer::default();
    let mut segment = writer.events(1);
    let gap = br#"{"auditID":"source-gap-x","file":"audit.log.1","from":7,"source":"apiserver","stage":"SourceGap","to":null,"why":"it was removed"}"#;
    writer.record(&mut segment, Source::Agent, gap);
    writer.record(&mut segment, Source::AuditFile, gap);
    writer.seal(0, &segment);
    writer.cosign();
    let found = look(&mut writer.files);
    assert!(found.faults.is_empty() && !found.is_whole(), "{found:?}");
    let told: Vec<_> =
        found.source_gaps.iter().map(|gap| (gap.seq, gap.file.as_str(), gap.from, gap.to)).collect();
    assert_eq!(told, [(1, "audit.log.1", 7, None)], "only the agent's own word counts");
}

fn evidence(files: &mut Folder, id: &str) -> Evidence {
    inclusion(files, &stream(), key(Kind::Log).public(), id).unwrap().found.remove(0)
}

/// Evidence rests on what the witness cosigned, and says so only where it does.
#[test]
fn evidence_that_the_agents_key_made_up_is_refused_with_the_witness_key() {
    let (log, witness) = (key(Kind::Log), key(Kind::Witness));
    let (log, witness) = (log.public(), witness.public());
    let mut writer = Writer::default();
    let segment = writer.events(4);
    writer.seal(0, &segment);
    writer.cosign();
    let segment = writer.events(4);
    writer.seal(4, &segment);
    let good = evidence(&mut writer.files, "id-2");
    assert!(good.check(log, Some(witness)).unwrap().contains("which witness.example cosigned at 2026-11-23"));
    let late = evidence(&mut writer.files, "id-5");
    assert!(late.check(log, None).is_ok());
    assert!(late.check(log, Some(witness)).is_err(), "no witness saw it");
    let mut forged = Writer::default();
    let mut segment = Vec::new();
    forged.record(
        &mut segment,
        Source::AuditFile,
        br#"{"auditID":"id-2","stage":"ResponseComplete","verb":"delete"}"#,
    );
    forged.seal(0, &segment);
    let made_up = evidence(&mut forged.files, "id-2");
    assert!(made_up.check(log, None).is_ok() && made_up.check(log, Some(witness)).is_err());
}

/// A leaf that the agent's key signed for a record of another name.
#[test]
fn a_record_is_shown_under_its_own_name_only() {
    let log = key(Kind::Log);
    let Evidence::Inclusion { record, leaf, .. } = evidence(&mut self::log(&[1]), "id-0") else { panic!() };
    let leaf = leaf.replace("id-0", "id-9");
    let mut tree = crate::audit::log::tree::Tree::default();
    tree.push(crate::audit::log::hash::leaf(leaf.as_bytes()), &mut Vec::new());
    let origin = stream().origin();
    let note = Checkpoint { origin: origin.clone(), size: 1, root: tree.root() }.note();
    let note = log.named(&origin).unwrap().sign(note, jiff::Timestamp::UNIX_EPOCH);
    let checkpoint = String::from_utf8(note.bytes()).unwrap();
    let lie = Evidence::Inclusion { index: 0, leaf, record, checkpoint, proof: Vec::new() };
    assert_eq!(lie.check(log.public(), None), Err("the record is not the one that the leaf names".into()));
}
