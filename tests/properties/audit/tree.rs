//! The tree and its proofs against an independent implementation, and parsers of what lies in an archive.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tenantry::audit::log::checkpoint::Checkpoint;
use tenantry::audit::log::hash::{self, Hash};
use tenantry::audit::log::note::{Kind, Note, PrivateKey, Signed};
use tenantry::audit::log::proof::{self, Nodes};
use tenantry::audit::log::tile;
use tenantry::audit::log::tree::Tree;
use tenantry::audit::pack::{pack, unpack};

use super::{changed, changes};

struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let at = |index: u64| usize::try_from(index << level).unwrap();
        Ok(hash::over(&self.0[at(index)..at(index + 1)]))
    }
}

proptest! {
    #[test]
    fn roots_and_proofs_are_those_of_another_implementation(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..700),
        index: prop::sample::Index,
        old: prop::sample::Index,
    ) {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let (mut ours, mut filled) = (Tree::default(), Vec::new());
        let mut leaves = Leaves(Vec::new());
        for entry in &entries {
            theirs.push(entry.clone());
            let leaf = hash::leaf(entry);
            leaves.0.push(leaf);
            ours.push(leaf, &mut filled);
        }
        let size = entries.len();
        let root = ours.root();
        prop_assert_eq!(root.to_vec(), theirs.root().as_bytes().to_vec());
        let index = index.index(size);
        let inclusion = proof::inclusion(&mut leaves, index as u64, size as u64).unwrap().unwrap();
        prop_assert_eq!(inclusion.concat(), theirs.prove_inclusion(index).as_bytes().to_vec());
        let old = 1 + old.index(size);
        let consistency = proof::consistency(&mut leaves, old as u64, size as u64).unwrap().unwrap();
        let theirs = theirs.prove_consistency(size - old);
        prop_assert_eq!(consistency.concat(), theirs.as_bytes().to_vec());
        let old_root = proof::root(&mut leaves, old as u64).unwrap();
        prop_assert!(proof::is_consistent(old as u64, &old_root, size as u64, &root, &consistency));
    }

    #[test]
    fn a_checkpoint_that_was_changed_is_never_signed(changes in changes(4)) {
        let key = PrivateKey::of_seed("tenantry.dev/audit/eu/cp-1/e", Kind::Log, [3; 32]).unwrap();
        let checkpoint = Checkpoint { origin: key.public().name().to_owned(), size: 77, root: [9; 32] };
        let note = key.sign(checkpoint.note(), jiff::Timestamp::UNIX_EPOCH);
        let good = note.bytes();
        let bytes = changed(good.clone(), &changes);
        if let Ok(found) = Note::parse(&bytes) {
            let _ = Checkpoint::of(&found);
            prop_assert!(found.signed(key.public()) != Signed::Yes(None) || found.text() == note.text());
        }
    }

    #[test]
    fn tiles_bundles_and_segments_are_read_or_refused(changes in changes(4), bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut bundle = Vec::new();
        bytes.chunks(50).take(200).for_each(|entry| tile::append(&mut bundle, entry));
        let _ = tile::entries(&changed(bundle, &changes));
        let _ = tile::hashes(&bytes);
        let packed = pack(&bytes).unwrap();
        let bad = changed(packed.clone(), &changes);
        // What isn't what was packed is never taken for a segment.
        prop_assert_eq!(unpack(&bad).is_ok(), bad == packed);
    }
}
