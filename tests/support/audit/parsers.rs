//! What must hold of the audit log's parsers whatever they are given, in one place: `tests/properties` gives them valid bytes
//! that were changed at random, `tests/fuzz` what a fuzzer finds by coverage. Each panics where something doesn't hold.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a panic is what fuzzers look for"
)]

use serde_json::Value;
use sha2::{Digest, Sha256};
use tenantry::audit::events::{EventsError, events};
use tenantry::audit::frame::{Found, HEADER, MOST_BYTES, Record, Source, recover, scan};
use tenantry::audit::layout;
use tenantry::audit::log::checkpoint::Checkpoint;
use tenantry::audit::log::note::{Kind, Note, PrivateKey, PublicKey, Signed};
use tenantry::audit::log::tile::{self, Place};
use tenantry::audit::log::tree::{Tree, WIDTH};
use tenantry::audit::pack::{MOST_UNPACKED, Unreadable, pack, unpack};
use tenantry::audit::prove::Prover;
use tenantry::audit::verify::objects;

/// A parser, by the name of its fuzz target.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// What it is usually given.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: [Target; 5] = [
    Target {
        name: "frame",
        run: frame,
        seeds: || vec![records(&[b"", b"{\"auditID\":\"a\"}", &[0xab; 90]])],
    },
    Target { name: "segment", run: segment, seeds: packed },
    Target { name: "checkpoint", run: checkpoint, seeds: notes },
    Target { name: "tile", run: tile, seeds: tiles },
    Target { name: "webhook", run: webhook, seeds: bodies },
];

/// Bytes of memory that a target may hold at a time, beside zstd's own.
pub fn most_memory(name: &str, length: usize) -> usize {
    // A compressed segment may be of any length up to the longest, and a buffer that grows is there twice.
    let unpacked = if name == "segment" { 3 * MOST_UNPACKED } else { 0 };
    unpacked + 64 * length + (1 << 20)
}

fn records(contents: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for (seq, bytes) in (0..).zip(contents) {
        Record { seq, synced: seq / 2, received: -7, source: Source::AuditFile, bytes }.append(&mut all);
    }
    all
}

/// Records in a segment: whatever it holds is told apart without a gap, and a start after a crash comes to an end.
pub fn frame(bytes: &[u8]) {
    let (mut end, mut count) = (0, 0);
    for found in scan(bytes) {
        let (offset, next) = match found {
            Found::Record { offset, record } => {
                let mut again = Vec::new();
                record.append(&mut again);
                let next = offset + record.frame_len();
                assert_eq!(again, bytes[offset..next], "one record has one form");
                count += 1;
                (offset, next)
            }
            Found::Damage { offset, end } => (offset, end),
        };
        assert!(offset == end && next > offset);
        end = next;
    }
    assert_eq!(end, bytes.len());
    let synced = bytes.len() as u64 / 50;
    let kept = recover(bytes, 0, synced);
    assert!(kept.keep <= bytes.len() && kept.next >= synced);
    let again = recover(&bytes[..kept.keep], 0, synced);
    assert_eq!((again.keep, again.next), (kept.keep, kept.next), "a second start cuts nothing more");
    let mut prover = Prover::default();
    let added = prover.segment(0, bytes);
    assert_eq!((added.records, prover.tree().size()), (count, count));
    assert_eq!(Prover::of(&prover.keep()).as_ref(), Some(&prover));
    // And as a record of its own.
    if bytes.len() <= MOST_BYTES {
        let one = records(&[bytes]);
        assert_eq!(one.len(), HEADER + bytes.len());
        assert!(matches!(scan(&one).next(), Some(Found::Record { record, .. }) if record.bytes == bytes));
    }
}

fn packed() -> Vec<Vec<u8>> {
    let one = pack(&records(&[b"{}", &[7; 3000]])).unwrap();
    // Without the sum at its end: the target puts it there again after a change.
    vec![one[..one.len() - 40].to_vec(), pack(b"").unwrap(), one]
}

/// A segment as it lies in the archive.
pub fn segment(bytes: &[u8]) {
    let read = |packed: &[u8]| match unpack(packed) {
        Ok(segment) => assert!(segment.len() <= MOST_UNPACKED),
        Err(Unreadable::Damaged(said)) => assert!(said.len() < 1000),
        Err(Unreadable::TooLong) => {}
    };
    read(bytes);
    // A sum that is right lets everything through to zstd.
    let mut summed = bytes.to_vec();
    summed.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0]);
    summed.extend_from_slice(&Sha256::digest(bytes));
    read(&summed);
    assert_eq!(unpack(&pack(bytes).unwrap()).as_deref(), Ok(bytes));
}

const ORIGIN: &str = "tenantry.dev/audit/eu/cp-1/e";

fn keys() -> [PrivateKey; 2] {
    let key = |name, kind| PrivateKey::of_seed(name, kind, [3; 32]).unwrap();
    [key(ORIGIN, Kind::Log), key("archive.example.org", Kind::Witness)]
}

fn notes() -> Vec<Vec<u8>> {
    let [log, witness] = keys();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 77, root: [9; 32] };
    let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    let signed = log.sign(checkpoint.note(), now);
    let lines = [log.public().to_string(), witness.public().to_string(), witness.expose()];
    let mut seeds = vec![signed.bytes(), witness.sign(signed, now).bytes()];
    seeds.extend(lines.map(String::into_bytes));
    seeds
}

/// Notes, checkpoints and the lines of keys. Nothing but what was signed is ever taken for signed.
pub fn checkpoint(bytes: &[u8]) {
    let [log, witness] = keys();
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(Note::parse(&note.bytes()).as_ref(), Ok(&note));
        if let Ok(found) = Checkpoint::of(&note) {
            assert_eq!(Checkpoint::of(&found.note()), Ok(found));
        }
        for key in [&log, &witness] {
            let good = Note::parse(&notes()[1]).unwrap();
            let is_ours = note.text() == good.text();
            assert!(is_ours || !matches!(note.signed(key.public()), Signed::Yes(_)), "{}", note.text());
        }
    }
    if let Ok(found) = objects::signed(bytes, log.public()) {
        assert_eq!((found.size, found.root), (77, [9; 32]));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }
    if let Ok(key) = PrivateKey::parse(text) {
        assert_eq!(PrivateKey::parse(&key.expose()).unwrap().public(), key.public());
    }
}

fn tiles() -> Vec<Vec<u8>> {
    let mut prover = Prover::default();
    let contents = vec![&b"{\"auditID\":\"a\",\"stage\":\"Panic\"}"[..]; 300];
    let added = prover.segment(0, &records(&contents));
    let mut seeds: Vec<Vec<u8>> = added.objects.iter().map(|object| object.content.clone()).collect();
    seeds.extend(added.objects.iter().map(|object| object.path.clone().into_bytes()));
    seeds.push([300_u64.to_be_bytes().to_vec(), prover.tree().edge_bytes()].concat());
    seeds.extend([prover.keep(), layout::segment(3, 70).into_bytes(), layout::checkpoint(9).into_bytes()]);
    seeds
}

/// Tiles, bundles and edges, their paths, and a tree as it lies on disk.
pub fn tile(bytes: &[u8]) {
    if let Some(entries) = tile::entries(bytes) {
        let mut again = Vec::new();
        entries.iter().for_each(|entry| tile::append(&mut again, entry));
        assert!(again == bytes && entries.len() <= WIDTH);
    }
    if let Some(hashes) = tile::hashes(bytes) {
        assert!(hashes.concat() == bytes && hashes.len() <= WIDTH);
    }
    if let Some((size, edge)) = bytes.split_first_chunk::<8>() {
        let size = u64::from_be_bytes(*size);
        if let Some(tree) = Tree::of_edge_bytes(size, edge) {
            assert_eq!((tree.size(), tree.edge_bytes().as_slice()), (size, edge));
            let _ = (tree.root(), tree.partial());
        }
    }
    if let Some(prover) = Prover::of(bytes) {
        assert_eq!(Prover::of(&prover.keep()), Some(prover));
    }
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    if let Some(place) = Place::of(path) {
        assert!(place.path() == path && place.end() > 0);
    }
    let segment = layout::segment_of(path).map(|(first, last)| layout::segment(first, last));
    let checkpoint = layout::checkpoint_of(path).map(layout::checkpoint);
    let edge = layout::edge_of(path).map(layout::edge);
    assert!(segment.or(checkpoint).or(edge).is_none_or(|again| again == path));
}

fn bodies() -> Vec<Vec<u8>> {
    let list = |items: &str| {
        format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{items}]}}"#)
    };
    let event = r#"{"auditID":"a","stage":"ResponseComplete","n":[1.5e3,-0,null,true],"s":"\u00e9\"\\"}"#;
    [list(event), list(&[event; 3].join(" ,\n")), list(""), event.to_owned()].map(String::into_bytes).to_vec()
}

/// What the API server posts, against an independent reader of JSON: what one takes for JSON the other does, too, and the
/// items are the same.
pub fn webhook(bytes: &[u8]) {
    let ours = events(bytes);
    if let Ok(ranges) = &ours {
        assert!(ranges.is_sorted_by(|one, other| one.end < other.start), "each lies behind the one before");
        assert!(ranges.iter().all(|range| range.start < range.end && range.end < bytes.len()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text);
    let is_json = !matches!(ours, Err(EventsError::Syntax(_) | EventsError::Deep(_)));
    // A list that isn't one is told before its end is read, and how deep one may nest is one's own affair.
    let is_deep = matches!(ours, Err(EventsError::Deep(_))) || is_nested(bytes);
    assert!(
        is_deep || matches!(ours, Err(EventsError::NoList)) || is_json == theirs.is_ok(),
        "{ours:?} {theirs:?}"
    );
    let (Ok(ranges), Ok(value)) = (&ours, serde_json::from_str::<Value>(text)) else { return };
    // Of two lists the other reader keeps the last one only.
    let found: Vec<Value> =
        ranges.iter().map(|range| serde_json::from_str(&text[range.clone()]).unwrap()).collect();
    let theirs = value["items"].as_array().cloned().unwrap_or_default();
    assert!(found.ends_with(&theirs) || found.len() >= theirs.len(), "{found:?} {theirs:?}");
}

/// Deeper than the other reader goes.
fn is_nested(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100
}
