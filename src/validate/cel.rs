//! Do the CRD's own rules (`x-kubernetes-validations`) hold, offline.
//!
//! kube-cel evaluates one node's rules; the walk is ours. So each finding has an
//! exact position (a dotted path is ambiguous for keys with dots), and items of
//! a keyed list meet their old selves by key, as in the API server (kube-cel
//! pairs them by place).

use std::collections::BTreeMap;

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

use super::place::Place;
use super::schema::Unchecked;
use super::yaml::spans::{dotted, push};
use crate::api::finding::Finding;

/// The compiled rules of one version of a CRD.
pub struct Rules {
    root: Node,
    validator: Validator,
}

/// What the rules say about a value.
#[derive(Debug, Default)]
pub struct Checked {
    /// Rules that are broken.
    pub findings: Vec<Finding>,
    /// Rules that only the API server can decide.
    pub unchecked: Vec<Unchecked>,
}

/// A part of the schema on the way to a rule.
struct Node {
    own: Option<CompiledSchema>,
    fields: BTreeMap<String, Node>,
    entries: Option<Box<Node>>,
    items: Option<Box<Node>>,
    keys: Keys,
}

/// How an item of a list finds its old self.
enum Keys {
    /// Not at all: rules about change are not asked of it.
    None,
    Map(Vec<String>),
    Set,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

impl Rules {
    /// Compiles the rules of an `openAPIV3Schema`.
    pub fn compile(schema: &Value) -> Self {
        Self { root: Node::compile(schema).unwrap_or_default(), validator: Validator::new() }
    }

    /// Checks a whole resource, with defaults filled in; with its old state also
    /// the rules about change.
    pub fn check(&self, value: &Value, old: Option<&Value>, place: Place<'_>) -> Checked {
        let mut checked = Checked::default();
        let (value, old) = (without_nulls(value), old.map(without_nulls));
        self.walk(&self.root, &value, old.as_ref(), "", place, &mut checked);
        checked
    }

    fn walk(
        &self,
        node: &Node,
        value: &Value,
        old: Option<&Value>,
        at: &str,
        place: Place<'_>,
        checked: &mut Checked,
    ) {
        if value.is_null() {
            return;
        }
        if let Some(own) = node.own.as_ref().filter(|own| old.is_some() || asks_of_new(own)) {
            self.evaluate(own, value, old, at, place, checked);
        }
        match value {
            Value::Object(fields) => {
                for (name, child) in fields {
                    let Some(node) = node.fields.get(name).or(node.entries.as_deref()) else { continue };
                    let old = old.and_then(|old| old.get(name));
                    self.walk(node, child, old, &push(at, name), place, checked);
                }
            }
            Value::Array(items) => {
                let Some(below) = &node.items else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| node.keys.old_self(item, old));
                    self.walk(below, item, old, &format!("{at}/{index}"), place, checked);
                }
            }
            _ => {}
        }
    }

    fn evaluate(
        &self,
        own: &CompiledSchema,
        value: &Value,
        old: Option<&Value>,
        at: &str,
        place: Place<'_>,
        checked: &mut Checked,
    ) {
        let Err(errors) = self.validator.validate_compiled(own, value, old) else { return };
        for error in errors {
            let pointer = format!("{at}{}", relative(&error.field_path));
            match error.kind {
                ErrorKind::ValidationFailure => {
                    checked.findings.push(place.key(&pointer, sentence(&error.message)));
                }
                _ => checked.unchecked.push(Unchecked {
                    field: dotted(&pointer),
                    rule: error.rule,
                    reason: error.message,
                }),
            }
        }
    }
}

impl Node {
    /// Compiles a part of the schema; none if there is no rule in it.
    fn compile(schema: &Value) -> Option<Self> {
        let below = |name: &str| schema.get(name).and_then(Self::compile).map(Box::new);
        let has_rules = schema.get("x-kubernetes-validations").is_some();
        let node = Self {
            own: has_rules.then(|| compile_schema(&without_inner_rules(schema, true))),
            fields: schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(name, child)| Some((name.clone(), Self::compile(child)?)))
                .collect(),
            entries: below("additionalProperties"),
            items: below("items"),
            keys: Keys::of(schema),
        };
        (has_rules || !node.fields.is_empty() || node.entries.is_some() || node.items.is_some())
            .then_some(node)
    }
}

impl Default for Node {
    fn default() -> Self {
        Self { own: None, fields: BTreeMap::new(), entries: None, items: None, keys: Keys::None }
    }
}

/// The schema with the rules of its outermost node only.
fn without_inner_rules(schema: &Value, outermost: bool) -> Value {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| outermost || *name != "x-kubernetes-validations")
            .map(|(name, child)| {
                let child = if name == "x-kubernetes-validations" {
                    child.clone()
                } else {
                    without_inner_rules(child, false)
                };
                (name.clone(), child)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| without_inner_rules(item, false)).collect(),
        other => other.clone(),
    }
}

impl Keys {
    fn of(schema: &Value) -> Self {
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("map") => {
                let names = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let names = names.into_iter().flatten().filter_map(Value::as_str);
                Self::Map(names.map(str::to_owned).collect())
            }
            Some("set") => Self::Set,
            _ => Self::None,
        }
    }

    fn old_self<'a>(&self, item: &Value, old: &'a Value) -> Option<&'a Value> {
        let mut candidates = old.as_array()?.iter();
        match self {
            Self::None => None,
            Self::Set => candidates.find(|old| *old == item),
            Self::Map(keys) => candidates.find(|old| keys.iter().all(|key| old.get(key) == item.get(key))),
        }
    }
}

/// The value without its empty fields: to the API server's `has()` a field that is null is not there.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let full = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(full.map(|(name, field)| (name.clone(), without_nulls(field))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        plain => plain.clone(),
    }
}

/// Whether a node has rules that are asked of a value without an old state (kube-cel skips
/// the others, but only after converting the value).
fn asks_of_new(own: &CompiledSchema) -> bool {
    own.validations.iter().any(|rule| match rule {
        Ok(rule) => !rule.is_transition_rule || rule.rule.optional_old_self == Some(true),
        Err(_) => true,
    })
}

/// A rule's `fieldPath` (`.spec.name`, `.labels['a.b']`, `.items[0]`) as a JSON pointer.
fn relative(path: &str) -> String {
    let mut pointer = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (token, tail) = if let Some(quoted) = rest.strip_prefix("['") {
            quoted.split_once("']").unwrap_or((quoted, ""))
        } else if let Some(index) = rest.strip_prefix('[') {
            index.split_once(']').unwrap_or((index, ""))
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        };
        pointer = push(&pointer, token);
        rest = tail;
    }
    pointer
}

/// A rule's message in our style: one line, no full stop.
fn sentence(message: &str) -> String {
    message.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
