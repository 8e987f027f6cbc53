//! Lengths, patterns, ranges, enums and formats, in the API server's words.

use serde_json::Value;

use super::super::text::{quote, sanitize};
use super::node::{Bounds, Format, Range, Type};

/// What is wrong with a value.
pub(super) struct Wrong {
    pub message: String,
    /// The next step, when it can be named.
    pub hint: Option<String>,
    /// Whether the API server would ask no rules about such a value.
    pub blocking: bool,
}

impl Wrong {
    fn new(message: String) -> Self {
        Self { message, hint: None, blocking: false }
    }
}

/// What is wrong with a value apart from its type and its parts.
pub(super) fn bounds(bounds: &Bounds, value: &Value) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    match value {
        Value::String(text) => string(bounds, text, &mut wrong),
        Value::Number(number) => range(bounds, number.as_f64().unwrap_or_default(), value, &mut wrong),
        Value::Array(items) => count("items", bounds.items, items.len(), &mut wrong),
        Value::Object(fields) => count("fields", bounds.properties, fields.len(), &mut wrong),
        Value::Null | Value::Bool(_) => {}
    }
    if let Some(allowed) = &bounds.allowed
        && !allowed.contains(value)
    {
        let names: Vec<String> = allowed.iter().map(show).collect();
        let meant = value
            .as_str()
            .and_then(|text| super::nearest::nearest(text, allowed.iter().filter_map(Value::as_str)));
        let message = format!("unsupported value {}: supported values are {}", show(value), names.join(", "));
        let hint = meant.map(|meant| format!("did you mean {}?", quote(meant)));
        wrong.push(Wrong { hint, ..Wrong::new(message) });
    }
    wrong
}

/// A value as messages cite it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => sanitize(&other.to_string(), 80),
    }
}

fn string(bounds: &Bounds, text: &str, wrong: &mut Vec<Wrong>) {
    count("characters", bounds.length, text.chars().count(), wrong);
    if let Some(pattern) = &bounds.pattern
        && !pattern.is_match(text)
    {
        let must = sanitize(pattern.as_str(), 80); // ours, and no value: nothing in it is masked
        wrong.push(Wrong::new(format!("invalid value {}: must match \"{must}\"", quote(text))));
    }
    if matches!(bounds.format, Some(Format::DateTime)) && text.parse::<jiff::Timestamp>().is_err() {
        let message = format!("invalid value {}: must be a date and time as in RFC 3339", quote(text));
        let hint = Some("write it like 2026-11-22T08:30:00Z".to_owned());
        wrong.push(Wrong { hint, ..Wrong::new(message) });
    }
}

fn count(what: &str, range: Range, found: usize, wrong: &mut Vec<Wrong>) {
    let found = found as u64;
    if let Some(max) = range.max.filter(|max| found > *max) {
        let many = if what == "characters" { "too long" } else { "too many" };
        let message = format!("{many}: {found} {what}, at most {max} are allowed");
        wrong.push(Wrong { blocking: true, ..Wrong::new(message) });
    }
    if let Some(min) = range.min.filter(|min| found < *min) {
        let few = if what == "characters" { "too short" } else { "too few" };
        wrong.push(Wrong::new(format!("{few}: {found} {what}, at least {min} are needed")));
    }
}

fn range(bounds: &Bounds, number: f64, value: &Value, wrong: &mut Vec<Wrong>) {
    let mut say = |what: String| wrong.push(Wrong::new(format!("invalid value {value}: must be {what}")));
    match bounds.maximum {
        Some((max, true)) if number >= max => say(format!("less than {max}")),
        Some((max, false)) if number > max => say(format!("less than or equal to {max}")),
        _ => {}
    }
    match bounds.minimum {
        Some((min, true)) if number <= min => say(format!("greater than {min}")),
        Some((min, false)) if number < min => say(format!("greater than or equal to {min}")),
        _ => {}
    }
    if let Some(step) = bounds.multiple_of.filter(|step| *step > 0.0 && (number / step).fract() != 0.0) {
        say(format!("a multiple of {step}"));
    }
    if let Some(Format::Integer { min, max }) = bounds.format
        && !(min..=max).contains(&number)
    {
        say(format!("between {min} and {max}"));
    }
}

/// The next step for a value of the wrong type.
pub(super) fn type_hint(value: &Value, expected: Type) -> Option<String> {
    let hint = match (value, expected) {
        (Value::Number(_) | Value::Bool(_) | Value::Null, Type::String) => "put the value in quotes",
        (Value::String(text), Type::Integer | Type::Number) if text.parse::<f64>().is_ok() => {
            "remove the quotes"
        }
        (Value::String(text), Type::Boolean) if matches!(text.as_str(), "true" | "false") => {
            "remove the quotes"
        }
        (_, Type::Array) => "start each item on a line of its own with `- `",
        (Value::Array(_), Type::Object) => "write fields (`name: value`), without `- `",
        (Value::String(_), Type::Object) => "write fields (`name: value`), indented, on the lines below",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The type of a value, in words.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// A type of the schema, in words.
pub(super) fn expected(kind: Type) -> &'static str {
    match kind {
        Type::Object => "map",
        Type::Array => "list",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
    }
}
