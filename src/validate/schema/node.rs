//! The schema, compiled once: what the walk needs, in Rust types.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::super::yaml::spans::{dotted, push};
use super::Unchecked;

/// What a node says about its value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// How the items of a list are told apart.
#[derive(Clone, Debug, Default)]
pub(super) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// Formats that are checked; the API server ignores or knows others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    DateTime,
    Integer { min: f64, max: f64 },
}

/// One node of a structural schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub kind: Option<Type>,
    pub nullable: bool,
    pub int_or_string: bool,
    pub preserve_unknown: bool,
    pub embedded: bool,
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Node>,
    pub required: Vec<String>,
    pub additional: Option<Box<Node>>,
    pub items: Option<Box<Node>>,
    pub list: ListType,
    pub bounds: Bounds,
    pub all_of: Vec<Node>,
    pub any_of: Vec<Node>,
    pub one_of: Vec<Node>,
    pub not: Option<Box<Node>>,
}

/// Limits on the value itself.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub allowed: Option<Vec<Value>>,
    pub length: Range,
    pub items: Range,
    pub properties: Range,
    pub minimum: Option<(f64, bool)>,
    pub maximum: Option<(f64, bool)>,
    pub multiple_of: Option<f64>,
    pub pattern: Option<Regex>,
    pub format: Option<Format>,
}

/// A number of characters, items or fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

impl Node {
    /// Compiles a node; what cannot be is noted with its place.
    pub(super) fn compile(schema: &Value, at: &str, unchecked: &mut Vec<Unchecked>) -> Self {
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let mut below = |name: &str| -> Option<Box<Node>> {
            let child = schema.get(name)?;
            (*child != Value::Bool(false)).then(|| Box::new(Node::compile(child, &push(at, name), unchecked)))
        };
        let (additional, items, not) = (below("additionalProperties"), below("items"), below("not"));
        let mut branches = |name: &str| -> Vec<Node> {
            let list = schema.get(name).and_then(Value::as_array).into_iter().flatten();
            list.map(|branch| Node::compile(branch, at, unchecked)).collect()
        };
        let (all_of, any_of, one_of) = (branches("allOf"), branches("anyOf"), branches("oneOf"));
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let properties = fields
            .map(|(name, child)| (name.clone(), Node::compile(child, &push(at, name), unchecked)))
            .collect();
        Self {
            kind: kind(schema),
            nullable: flag("nullable"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            default: schema.get("default").cloned(),
            properties,
            required: strings(schema.get("required")),
            additional,
            items,
            list: list(schema),
            bounds: Bounds::compile(schema, at, unchecked),
            all_of,
            any_of,
            one_of,
            not,
        }
    }
}

impl Bounds {
    fn compile(schema: &Value, at: &str, unchecked: &mut Vec<Unchecked>) -> Self {
        let count = |name: &str| schema.get(name).and_then(Value::as_u64);
        let range = |min: &str, max: &str| Range { min: count(min), max: count(max) };
        let limit = |name: &str, exclusive: &str| {
            let exclusive = schema.get(exclusive).and_then(Value::as_bool).unwrap_or(false);
            schema.get(name).and_then(Value::as_f64).map(|bound| (bound, exclusive))
        };
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        let mut leave = |rule: String, reason: &str| {
            unchecked.push(Unchecked { field: dotted(at), rule, reason: reason.to_owned() });
        };
        let pattern = text("pattern").and_then(|pattern| {
            let compiled = Regex::new(pattern);
            compiled
                .inspect_err(|_| leave(format!("pattern {pattern}"), "not a pattern that can be read here"))
                .ok()
        });
        let format = match text("format") {
            Some("date-time") => Some(Format::DateTime),
            Some("int32") => Some(Format::Integer { min: f64::from(i32::MIN), max: f64::from(i32::MAX) }),
            Some("uint32") => Some(Format::Integer { min: 0.0, max: f64::from(u32::MAX) }),
            None | Some("int64" | "float" | "double" | "password") => None,
            Some(other) => {
                leave(format!("format {other}"), "the format is not known here");
                None
            }
        };
        Self {
            allowed: schema.get("enum").and_then(Value::as_array).cloned(),
            length: range("minLength", "maxLength"),
            items: range("minItems", "maxItems"),
            properties: range("minProperties", "maxProperties"),
            minimum: limit("minimum", "exclusiveMinimum"),
            maximum: limit("maximum", "exclusiveMaximum"),
            multiple_of: schema.get("multipleOf").and_then(Value::as_f64),
            pattern,
            format,
        }
    }
}

fn kind(schema: &Value) -> Option<Type> {
    Some(match schema.get("type")?.as_str()? {
        "object" => Type::Object,
        "array" => Type::Array,
        "string" => Type::String,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        _ => return None,
    })
}

fn list(schema: &Value) -> ListType {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(strings(schema.get("x-kubernetes-list-map-keys"))),
        _ => ListType::Atomic,
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
