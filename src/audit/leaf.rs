//! What stands in the tree for a record. Pure.
//!
//! A leaf is one line of canonical JSON, which names the record's bytes by their SHA-256 and says where they lie. The
//! bytes themselves lie in a segment, since an entry of a log has 65,535 bytes at most and an event may have more.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::frame::{Record, Source};

/// Longest id that stands in a leaf, in bytes: the API server cuts those of clients at 64.
const MOST_ID: usize = 128;

/// What tells events of the API server apart: several sources may bring the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Identity<'a> {
    /// One a request; of our own records, what names them.
    #[serde(rename = "auditID", borrow)]
    pub audit_id: Cow<'a, str>,
    /// `RequestReceived`, `ResponseStarted`, `ResponseComplete` or `Panic`; of our own records, their kind.
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
}

impl<'a> Identity<'a> {
    /// Of a record's bytes; empty when they are no JSON object, or hold a key twice.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// The leaf of a record that begins at `offset` of the segment whose first record is number `segment`.
#[must_use]
pub fn leaf(record: &Record<'_>, segment: u64, offset: usize) -> String {
    let mut leaf = String::with_capacity(320);
    write(record, segment, offset, &mut leaf);
    leaf
}

/// The same, at the end of a text that is used again and again.
pub fn write(record: &Record<'_>, segment: u64, offset: usize, leaf: &mut String) {
    let id = match record.source {
        // What the agent says names itself in the same way as events do.
        Source::Agent | Source::AuditFile | Source::AuditWebhook => Identity::of(record.bytes),
        Source::ChangeTrail | Source::Health | Source::Backup => Identity::default(),
    };
    leaf.push_str(r#"{"auditID":"#);
    text(&id.audit_id, leaf);
    let _ = write!(
        leaf,
        r#","bytes":{},"offset":{offset},"received":{},"segment":{segment},"seq":{},"sha256":""#,
        record.bytes.len(),
        record.received,
        record.seq,
    );
    digest(record.bytes, leaf);
    leaf.push_str(r#"","source":""#);
    leaf.push_str(record.source.as_str());
    leaf.push_str(r#"","stage":"#);
    text(&id.stage, leaf);
    leaf.push('}');
}

/// A JSON string; of a long one its digest.
fn text(id: &str, leaf: &mut String) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if id.len() > MOST_ID {
        leaf.push_str("\"sha256:");
        digest(id.as_bytes(), leaf);
        leaf.push('"');
    } else if id.bytes().all(plain) {
        leaf.push('"');
        leaf.push_str(id);
        leaf.push('"');
    } else {
        leaf.push_str(&serde_json::Value::from(id).to_string());
    }
}

/// The SHA-256 of these bytes.
fn digest(bytes: &[u8], leaf: &mut String) {
    let mut digits = [0; 64];
    let written = hex::encode_to_slice(Sha256::digest(bytes), &mut digits);
    leaf.push_str(written.ok().and_then(|()| str::from_utf8(&digits).ok()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_leaf_is_canonical_and_short_whatever_the_record_is() {
        let long = format!(r#"{{"auditID":"{}","stage":"é\n"}}"#, "x".repeat(100_000));
        let records: [&[u8]; 5] = [
            br#"{"stage":"Panic","auditID":"a-1","user":{"auditID":"no"}}"#,
            long.as_bytes(),
            b"\xff\x00",
            b"",
            br#"{"auditID":"a","auditID":"b"}"#,
        ];
        for bytes in records {
            let record = Record { seq: 7, synced: 0, received: 12, source: Source::AuditFile, bytes };
            let leaf = leaf(&record, 3, 40);
            assert!(leaf.len() < 1000, "{leaf}");
            let mut value: Value = serde_json::from_str(&leaf).unwrap();
            value.sort_all_objects();
            assert_eq!(value.to_string(), leaf);
            assert_eq!(value["sha256"], crate::trail::record::hash(bytes));
        }
        assert_eq!(Identity::of(records[0]), Identity { audit_id: "a-1".into(), stage: "Panic".into() });
        assert_eq!(Identity::of(records[4]), Identity::default());
    }
}
