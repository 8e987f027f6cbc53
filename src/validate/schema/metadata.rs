//! The part of ObjectMeta that a file may set: name, labels, annotations.

use serde_json::{Map, Value};

use super::super::place::Place;
use super::super::text::{code, quote};
use super::super::yaml::spans::push;
use super::leaf::{found, show};
use super::nearest::nearest;
use crate::api::finding::Finding;

/// Bytes of all annotations together, as the API server limits them.
const ANNOTATIONS: usize = 256 << 10;

/// What the API server would set or refuse, with what to do about it.
const REFUSED: [(&str, &str); 12] = [
    ("namespace", "remove it: the resource is cluster-scoped"),
    ("generateName", "give it a `name`"),
    ("ownerReferences", "remove it: nothing may own a resource from a file"),
    ("finalizers", "remove it: nothing may hold up a deletion"),
    ("uid", "remove it: the cluster sets it"),
    ("resourceVersion", "remove it: the cluster sets it"),
    ("generation", "remove it: the cluster sets it"),
    ("creationTimestamp", "remove it: the cluster sets it"),
    ("deletionTimestamp", "remove it: the cluster sets it"),
    ("deletionGracePeriodSeconds", "remove it: the cluster sets it"),
    ("managedFields", "remove it: the cluster sets it"),
    ("selfLink", "remove it: the cluster sets it"),
];

/// What is wrong with `metadata`. The rules for the name are the caller's.
pub(super) fn check(metadata: &Value, place: Place<'_>) -> Vec<Finding> {
    let Value::Object(fields) = metadata else {
        let message = format!("must be of type map, found {}", found(metadata));
        return vec![place.value("/metadata", message)];
    };
    let mut findings = Vec::new();
    for (name, value) in fields {
        let at = push("/metadata", name);
        match name.as_str() {
            "name" if value.is_string() => {}
            "name" => findings.push(not_text(value, &at, place)),
            "labels" => findings.extend(strings(value, &at, place, label)),
            "annotations" => findings.extend(annotations(value, &at, place)),
            _ => findings.push(refused(name, &at, place)),
        }
    }
    findings
}

fn refused(name: &str, at: &str, place: Place<'_>) -> Finding {
    if let Some((_, hint)) = REFUSED.iter().find(|(field, _)| *field == name) {
        return place.key(at, format!("{} is not accepted from a file", code(name))).hint(*hint);
    }
    let hint = match nearest(name, ["name", "labels", "annotations"].into_iter()) {
        Some(meant) => format!("did you mean {}?", code(meant)),
        None => "known fields: name, labels, annotations".to_owned(),
    };
    place.key(at, format!("unknown field {}", code(name))).hint(hint)
}

fn not_text(value: &Value, at: &str, place: Place<'_>) -> Finding {
    let message = format!("invalid value {}: must be of type string, found {}", show(value), found(value));
    place.value(at, message).hint("put the value in quotes")
}

/// Checks a map of strings: the syntax of each key, and each value with a rule.
fn strings(
    value: &Value,
    at: &str,
    place: Place<'_>,
    rule: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Finding> {
    let entries = match value {
        Value::Object(entries) => entries,
        Value::Null => return Vec::new(),
        other => return vec![place.value(at, format!("must be of type map, found {}", found(other)))],
    };
    let mut findings = Vec::new();
    for (key, value) in entries {
        let at = push(at, key);
        if let Some(wrong) = qualified_name(key) {
            findings.push(place.key(&at, format!("invalid key {}: {wrong}", quote(key))));
        }
        match value.as_str().map(&rule) {
            None => findings.push(not_text(value, &at, place)),
            Some(Some(wrong)) => {
                findings.push(place.value(&at, format!("invalid value {}: {wrong}", show(value))))
            }
            Some(None) => {}
        }
    }
    findings
}

fn annotations(value: &Value, at: &str, place: Place<'_>) -> Vec<Finding> {
    let mut findings = strings(value, at, place, |_| None);
    let size = |entries: &Map<String, Value>| -> usize {
        entries.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
    };
    let bytes = value.as_object().map_or(0, size);
    if bytes > ANNOTATIONS {
        let message = format!("too long: {bytes} bytes of annotations, at most {ANNOTATIONS} are allowed");
        findings.push(place.key(at, message));
    }
    findings
}

/// What is wrong with a label's value.
fn label(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("a label may not be longer than 63 characters");
    }
    (!value.is_empty() && !is_name(value)).then_some(
        "a label consists of letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit",
    )
}

/// What is wrong with the key of a label or annotation: `[domain/]name`.
fn qualified_name(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        let part = |part: &str| {
            is_name(part) && !part.contains(['_', '.']) && !part.contains(|c: char| c.is_ascii_uppercase())
        };
        if prefix.len() > 253 || !prefix.split('.').all(part) {
            return Some("what stands before `/` must be a lower-case domain name");
        }
    }
    if name.len() > 63 {
        return Some("the name may not be longer than 63 characters");
    }
    (!is_name(name)).then_some(
        "the name consists of letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit",
    )
}

fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
