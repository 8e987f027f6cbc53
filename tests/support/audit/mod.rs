//! What tests and benchmarks of the audit log share: what a spool holds, agents as processes, a disk that loses power.

#![allow(dead_code, unreachable_pub, reason = "each binary uses a part of it")]
#![allow(missing_docs, reason = "the names say it")]

pub mod agent;
pub mod cuts;
pub mod disk;
pub mod kills;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use tenantry::audit::frame::{Found, Source, scan};
use tenantry::audit::leaf::Identity;
use tenantry::audit::prove::Prover;
use tenantry::audit::spool::names::{Name, SEGMENTS};

/// What a test ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Numbers that look random and come again with the same seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A record, out of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub seq: u64,
    pub source: Source,
    pub bytes: Vec<u8>,
}

impl Kept {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Id and stage, as far as it has them.
    pub fn identity(&self) -> (String, String) {
        let id = Identity::of(&self.bytes);
        (id.audit_id.into_owned(), id.stage.into_owned())
    }
}

/// Segments by their first record.
pub type Segments = BTreeMap<u64, Vec<u8>>;

/// All segments in a spool's folder.
pub fn segments(spool: &Path) -> Outcome<Segments> {
    let mut segments = Segments::new();
    for entry in std::fs::read_dir(spool.join(SEGMENTS))? {
        let entry = entry?;
        let first = match Name::of(&entry.file_name().to_string_lossy()) {
            Some(Name::Open(first) | Name::Sealed(first, _)) => first,
            None => return Err(format!("{} is no segment", entry.path().display()).into()),
        };
        match std::fs::read(entry.path()) {
            Ok(bytes) => segments.insert(first, bytes),
            // Sealed in between: it has another name now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self::segments(spool),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(segments)
}

/// All records of segments in order; an agent may be in the middle of the last one.
pub fn records(segments: &Segments) -> Vec<Kept> {
    let found = segments.values().flat_map(|segment| scan(segment));
    let kept = found.filter_map(|found| match found {
        Found::Record { record, .. } => {
            Some(Kept { seq: record.seq, source: record.source, bytes: record.bytes.to_vec() })
        }
        Found::Damage { .. } => None,
    });
    kept.collect()
}

/// Every record from 0 on is there once, is undamaged, and is in the tree.
pub fn proved(segments: &Segments) -> Outcome<Vec<Kept>> {
    let mut prover = Prover::default();
    for (first, segment) in segments {
        let size = prover.tree().size();
        if size != *first {
            return Err(format!("record {size} is not there; the next segment begins with {first}").into());
        }
        let added = prover.segment(*first, segment);
        if !added.damaged.is_empty() || !added.jumps.is_empty() {
            return Err(format!("segment {first}: {:?} {:?}", added.damaged, added.jumps).into());
        }
    }
    let records = records(segments);
    if records.len() as u64 != prover.tree().size() {
        return Err(format!("{} records, {} of them proved", records.len(), prover.tree().size()).into());
    }
    Ok(records)
}

/// What of `wanted` isn't among the records' contents.
pub fn missing<'a>(wanted: impl IntoIterator<Item = &'a Vec<u8>>, records: &[Kept]) -> Vec<String> {
    let have: HashSet<&[u8]> = records.iter().map(|one| one.bytes.as_slice()).collect();
    let gone = wanted.into_iter().filter(|bytes| !have.contains(bytes.as_slice()));
    gone.map(|bytes| String::from_utf8_lossy(bytes).chars().take(200).collect()).collect()
}

/// An event with an id of its own.
pub fn event(id: &str, padding: usize) -> Vec<u8> {
    let padding = "x".repeat(padding);
    let text = format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"{id}","stage":"ResponseComplete","verb":"get","padding":"{padding}"}}"#
    );
    text.into_bytes()
}

/// What the API server posts.
pub fn list(events: &[Vec<u8>]) -> Vec<u8> {
    let mut body = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#.to_vec();
    body.extend_from_slice(&events.join(&b','));
    body.extend_from_slice(b"]}\n");
    body
}
