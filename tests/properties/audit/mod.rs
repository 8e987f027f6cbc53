//! Parsers of the audit log, with what nobody would write: valid bytes, changed at random. They stand in for fuzzing by
//! coverage (`tests/fuzz`), which needs a compiler of another channel.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod bodies;
mod memory;
#[path = "../../support/audit/parsers.rs"]
mod parsers;
mod segments;
mod tree;

use proptest::prelude::*;

use crate::many;

/// A change of bytes: one flipped, some cut out, some put in, or some doubled.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Put(prop::sample::Index, Vec<u8>),
    Double(prop::sample::Index, usize),
}

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    let at = any::<prop::sample::Index>;
    let change = prop_oneof![
        4 => (at(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => (at(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        1 => (at(), 1..60_usize).prop_map(|(at, length)| Change::Double(at, length)),
    ];
    prop::collection::vec(change, 0..most)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Change::Cut(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            Change::Put(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Double(at, count) => {
                let at = at.index(length);
                let again = bytes[at..(at + count).min(length)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(many(1500))]

    /// The targets of the fuzzer: what holds of a parser holds of all bytes, and its memory grows with what it is given.
    #[test]
    fn the_targets_of_the_fuzzer_hold(
        target in 0..parsers::TARGETS.len(),
        seed: prop::sample::Index,
        other: prop::sample::Index,
        changes in changes(8),
    ) {
        let parsers::Target { name, run, seeds } = &parsers::TARGETS[target];
        let (seeds, mut bytes) = (seeds(), Vec::new());
        bytes.extend_from_slice(seed.get::<Vec<u8>>(&seeds));
        if changes.len() % 4 == 3 {
            bytes.extend_from_slice(other.get::<Vec<u8>>(&seeds));
        }
        let bytes = changed(bytes, &changes);
        let most = memory::most(|| run(&bytes));
        prop_assert!(most < parsers::most_memory(name, bytes.len()), "{name}: {most} bytes for {}", bytes.len());
    }
}
