//! The walk over a value and its schema: types, fields, lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::place::Place;
use super::super::text::code;
use super::super::yaml::spans::push;
use super::leaf::{self, expected, found, show};
use super::metadata;
use super::nearest::nearest;
use super::node::{ListType, Node, Type};
use crate::api::finding::Finding;

/// Checks a whole resource; says also whether its shape is good enough to ask
/// rules about it, by the API server's own measure.
pub(super) fn resource(root: &Node, value: &Value, place: Place<'_>) -> (Vec<Finding>, bool) {
    let mut walk = Walk { place, findings: Vec::new(), blocked: false };
    let Value::Object(fields) = value else {
        walk.wrong_type(value, "", Type::Object);
        return (walk.findings, false);
    };
    for (name, child) in fields {
        let at = push("", name);
        match name.as_str() {
            "apiVersion" | "kind" => walk.text(child, &at),
            "metadata" => walk.findings.extend(metadata::check(child, place)),
            "status" => {
                let finding = place.key(&at, "`status` is written by the operator, not by people");
                walk.findings.push(finding.hint("remove it"));
            }
            _ => match root.properties.get(name) {
                Some(node) => walk.value(node, child, &at),
                None => walk.unknown(root, name, &at, &["apiVersion", "kind", "metadata"]),
            },
        }
    }
    walk.missing(root, fields, "");
    (walk.findings, !walk.blocked)
}

/// Findings on one resource, after which the walk ends.
const MOST: usize = 200;

struct Walk<'a> {
    place: Place<'a>,
    findings: Vec<Finding>,
    /// Whether some value is of the wrong type, missing or too long.
    blocked: bool,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node, value: &Value, at: &str) {
        if value.is_null() && node.nullable || self.findings.len() >= MOST {
            return;
        }
        if !self.has_type(node, value, at) {
            return;
        }
        for wrong in leaf::bounds(&node.bounds, value) {
            let mut finding = self.place.value(at, wrong.message);
            finding.hint = wrong.hint;
            self.findings.push(finding);
            self.blocked |= wrong.blocking;
        }
        match value {
            Value::Object(fields) => self.object(node, fields, at),
            Value::Array(items) => self.list(node, items, at),
            _ => {}
        }
        self.branches(node, value, at);
    }

    /// Whether the value is of the node's type; says so if not.
    fn has_type(&mut self, node: &Node, value: &Value, at: &str) -> bool {
        if node.int_or_string {
            let fits = value.is_string() || is_integer(value);
            if !fits {
                let message = format!("must be an integer or a string, found {}", found(value));
                self.findings.push(self.place.value(at, message));
                self.blocked = true;
            }
            return fits;
        }
        let Some(kind) = node.kind else { return true };
        let fits = match kind {
            Type::Object => value.is_object(),
            Type::Array => value.is_array(),
            Type::String => value.is_string(),
            Type::Integer => is_integer(value),
            Type::Number => value.is_number(),
            Type::Boolean => value.is_boolean(),
        };
        if !fits {
            self.wrong_type(value, at, kind);
        }
        fits
    }

    fn wrong_type(&mut self, value: &Value, at: &str, kind: Type) {
        let message = match value {
            Value::Null | Value::Array(_) | Value::Object(_) => {
                format!("must be of type {}, found {}", expected(kind), found(value))
            }
            scalar => {
                let (shown, found) = (show(scalar), found(scalar));
                format!("invalid value {shown}: must be of type {}, found {found}", expected(kind))
            }
        };
        let mut finding = self.place.value(at, message);
        finding.hint = leaf::type_hint(value, kind);
        self.findings.push(finding);
        self.blocked = true;
    }

    fn text(&mut self, value: &Value, at: &str) {
        if !value.is_string() {
            self.wrong_type(value, at, Type::String);
        }
    }

    fn object(&mut self, node: &Node, fields: &Map<String, Value>, at: &str) {
        let implied: &[&str] = if node.embedded { &["apiVersion", "kind", "metadata"] } else { &[] };
        for (name, child) in fields {
            if self.findings.len() >= MOST {
                return;
            }
            let below = push(at, name);
            match node.properties.get(name).or(node.additional.as_deref()) {
                Some(node) => self.value(node, child, &below),
                None if node.preserve_unknown || implied.contains(&name.as_str()) => {}
                // A branch of anyOf says nothing about other fields.
                None if node.kind.is_none() => {}
                None => self.unknown(node, name, &below, implied),
            }
        }
        self.missing(node, fields, at);
    }

    fn unknown(&mut self, node: &Node, name: &str, at: &str, implied: &[&str]) {
        // The root's `status` is no field for people.
        let hidden = if at.rfind('/') == Some(0) { "status" } else { "" };
        let fields = || node.properties.keys().map(String::as_str).filter(|field| *field != hidden);
        let known = || fields().chain(implied.iter().copied());
        let hint = match nearest(name, known()) {
            Some(meant) => format!("did you mean {}?", code(meant)),
            None if known().next().is_none() => "remove it: there are no fields here".to_owned(),
            None => format!("known fields: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.findings.push(self.place.key(at, format!("unknown field {}", code(name))).hint(hint));
    }

    fn missing(&mut self, node: &Node, fields: &Map<String, Value>, at: &str) {
        for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
            let mut finding = self.place.key(at, format!("required field {} is missing", code(name)));
            finding.field = self.place.key(&push(at, name), "").field;
            self.findings.push(finding);
            self.blocked = true;
        }
    }

    fn list(&mut self, node: &Node, items: &[Value], at: &str) {
        if let Some(node) = &node.items {
            for (index, item) in items.iter().enumerate() {
                self.value(node, item, &format!("{at}/{index}"));
            }
        }
        match &node.list {
            ListType::Atomic => {}
            ListType::Set => {
                let whole = |item: &Value| Some(item.clone());
                self.duplicates(items, at, whole, |item| format!("duplicate value {}", show(item)));
            }
            ListType::Map(keys) => {
                let identity = |item: &Value| -> Option<Value> {
                    let fields = item.as_object()?;
                    Some(keys.iter().map(|key| fields.get(key).cloned().unwrap_or_default()).collect())
                };
                self.duplicates(items, at, identity, |item| {
                    let pairs = keys.iter().filter_map(|key| Some((key, item.get(key)?)));
                    let named: Vec<String> = pairs.map(|(key, it)| format!("{key}: {}", show(it))).collect();
                    format!("duplicate item {}", code(&named.join(", ")))
                });
            }
        }
    }

    fn duplicates(
        &mut self,
        items: &[Value],
        at: &str,
        identity: impl Fn(&Value) -> Option<Value>,
        say: impl Fn(&Value) -> String,
    ) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let Some(key) = identity(item) else { continue };
            let first = *seen.entry(key.to_string()).or_insert(index);
            if first == index || self.findings.len() >= MOST {
                continue;
            }
            let (line, _) = self.place.spans.locate(&format!("{at}/{first}"));
            let message = format!("{}: first set on line {line}", say(item));
            self.findings.push(self.place.value(&format!("{at}/{index}"), message).hint("keep one of them"));
        }
    }

    /// allOf, anyOf, oneOf and not; of several ways none of which fits, the
    /// nearest one is reported.
    fn branches(&mut self, node: &Node, value: &Value, at: &str) {
        for branch in &node.all_of {
            self.value(branch, value, at);
        }
        if !node.any_of.is_empty() {
            let tries: Vec<_> = node.any_of.iter().map(|branch| self.attempt(branch, value, at)).collect();
            if tries.iter().all(|findings| !findings.is_empty()) {
                self.fits_nowhere(tries);
            }
        }
        if !node.one_of.is_empty() {
            let tries: Vec<_> = node.one_of.iter().map(|branch| self.attempt(branch, value, at)).collect();
            match tries.iter().filter(|findings| findings.is_empty()).count() {
                1 => {}
                0 => self.fits_nowhere(tries),
                many => {
                    let message = format!("must be valid in exactly one way, but fits {many}");
                    self.findings.push(self.place.value(at, message));
                }
            }
        }
        if let Some(node) = &node.not
            && self.attempt(node, value, at).is_empty()
        {
            self.findings.push(self.place.value(at, "is of a shape that is not allowed here"));
        }
    }

    fn fits_nowhere(&mut self, tries: Vec<Vec<Finding>>) {
        self.findings.extend(tries.into_iter().min_by_key(Vec::len).unwrap_or_default());
        self.blocked = true;
    }

    fn attempt(&self, node: &Node, value: &Value, at: &str) -> Vec<Finding> {
        let mut walk = Walk { place: self.place, findings: Vec::new(), blocked: false };
        walk.value(node, value, at);
        walk.findings
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}
