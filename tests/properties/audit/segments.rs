//! Records, tiles, notes and the small files of the spool.

use proptest::prelude::*;
use tenantry::audit::frame::{Found, Record, Source, recover, scan};
use tenantry::audit::log::checkpoint::Checkpoint;
use tenantry::audit::log::note::Note;
use tenantry::audit::log::tile;
use tenantry::audit::prove::Prover;
use tenantry::audit::spool::names::{Name, acked, acked_of};
use tenantry::audit::tail::lines::lines;

use super::{changed, changes};
use crate::many;

/// A segment in batches, each of which knows what was safe before it.
fn segment() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let record = prop::collection::vec(any::<u8>(), 0..80);
    prop::collection::vec(prop::collection::vec(record, 1..4), 0..8).prop_map(|batches| {
        let (mut segment, mut seq) = (Vec::new(), 0);
        for batch in &batches {
            let synced = seq;
            for bytes in batch {
                Record { seq, synced, received: 7, source: Source::AuditFile, bytes }.append(&mut segment);
                seq += 1;
            }
        }
        (batches.concat(), segment)
    })
}

proptest! {
    #![proptest_config(many(2000))]

    /// Whatever happens to a segment, what comes out of it was in it.
    #[test]
    fn nothing_is_made_up((records, segment) in segment(), changes in changes(5), synced in 0..20_u64) {
        let bad = changed(segment, &changes);
        let mut end = 0;
        for found in scan(&bad) {
            match found {
                Found::Record { record, offset } => {
                    prop_assert_eq!(offset, end);
                    end += record.frame_len();
                    let original = usize::try_from(record.seq).ok().and_then(|seq| records.get(seq));
                    prop_assert_eq!(original.map(Vec::as_slice), Some(record.bytes));
                }
                Found::Damage { offset, end: next } => {
                    prop_assert_eq!(offset, end);
                    end = next;
                }
            }
        }
        prop_assert_eq!(end, bad.len());
        let kept = recover(&bad, 0, synced);
        prop_assert!(kept.keep <= bad.len() && kept.next >= synced);
        // A second start finds the same and cuts nothing more.
        let again = recover(&bad[..kept.keep], 0, synced);
        prop_assert_eq!((again.keep, again.next), (kept.keep, kept.next));
        let mut prover = Prover::default();
        let added = prover.segment(0, &bad);
        prop_assert_eq!(added.records, prover.tree().size());
        prop_assert_eq!(Prover::of(&prover.keep()), Some(prover));
    }

    /// A power cut: a torn end loses nothing that was safe.
    #[test]
    fn what_was_safe_survives_a_torn_end((records, segment) in segment(), at in any::<prop::sample::Index>()) {
        let end = at.index(segment.len() + 1);
        let kept = recover(&segment[..end], 0, 0);
        prop_assert!(kept.lost.is_empty());
        let whole = scan(&segment).filter(|found| matches!(found, Found::Record { offset, record }
            if offset + record.frame_len() <= end)).count();
        prop_assert_eq!((kept.next, records.len() >= whole), (whole as u64, true));
    }

    #[test]
    fn changed_files_are_read_without_a_panic(changes in changes(4), first in any::<u64>(), more in 0..1000_u64) {
        let mut bundle = Vec::new();
        tile::append(&mut bundle, b"one");
        tile::append(&mut bundle, b"another entry");
        let _ = tile::entries(&changed(bundle, &changes));
        let _ = tile::hashes(&changed(vec![1; 96], &changes));
        let checkpoint = Checkpoint { origin: "tenantry.dev/audit/eu/cp-1/e".into(), size: first, root: [3; 32] };
        if let Ok(note) = Note::parse(&changed(checkpoint.note().bytes(), &changes)) {
            let _ = Checkpoint::of(&note);
        }
        let mut prover = Prover::default();
        prover.segment(0, &[]);
        let _ = Prover::of(&changed(prover.keep(), &changes));
        let hint = changed(acked(first).into_bytes(), &changes);
        let found = acked_of(&hint);
        prop_assert!(found == 0 || hint == acked(found).into_bytes());
        for name in [Name::Open(first), Name::Sealed(first, first.saturating_add(more))] {
            let file = String::from_utf8_lossy(&changed(name.file().into_bytes(), &changes)).into_owned();
            if let Some(name) = Name::of(&file) {
                prop_assert_eq!(name.file(), file);
            }
        }
    }

    /// However a log is cut into pieces, its lines are the same.
    #[test]
    fn lines_are_those_of_the_whole(
        text in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..9), 0..20),
    ) {
        let whole = text.concat();
        let (mut held, mut found): (Vec<u8>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for (number, piece) in text.iter().enumerate() {
            held.extend_from_slice(piece);
            let cut = lines(&held, number + 1 == text.len());
            found.extend(cut.records.iter().map(|range| held[range.clone()].to_vec()));
            held.drain(..cut.used);
        }
        prop_assert!(held.is_empty());
        let wanted: Vec<Vec<u8>> =
            whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(found, wanted);
    }
}
