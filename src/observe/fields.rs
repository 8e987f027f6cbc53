//! Managed fields (`fieldsV1`) as paths. Pure.
//!
//! The form is that of Kubernetes' structured-merge-diff: `f:name` is a field, `k:{…}` an item of an
//! associative list by its keys, `v:…` an item of a set, `.` the container itself.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field, or a key of a map.
    Field(String),
    /// An item of an associative list, by its keys as JSON text.
    Item(String),
    /// An item of a set, as JSON text.
    Member(String),
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// Whether the path starts with these fields.
    pub fn below(&self, fields: &[&str]) -> bool {
        self.0.len() >= fields.len()
            && self
                .0
                .iter()
                .zip(fields)
                .all(|(step, field)| matches!(step, Step::Field(name) if name == field))
    }

    /// The JSON pointer of the field in this object; `None` when it isn't there.
    pub fn pointer(&self, object: &Value) -> Option<String> {
        let mut here = object;
        let mut pointer = String::new();
        for step in &self.0 {
            let part = match step {
                Step::Field(name) => name.replace('~', "~0").replace('/', "~1"),
                Step::Item(keys) => {
                    let keys: Value = serde_json::from_str(keys).ok()?;
                    let keys = keys.as_object()?;
                    let same = |item: &Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
                    here.as_array()?.iter().position(same)?.to_string()
                }
                Step::Member(text) => {
                    let member: Value = serde_json::from_str(text).ok()?;
                    here.as_array()?.iter().position(|item| *item == member)?.to_string()
                }
            };
            here = here.pointer(&format!("/{part}"))?;
            pointer.push('/');
            pointer.push_str(&part);
        }
        Some(pointer)
    }
}

impl fmt::Display for Path {
    /// `spec.template.spec.containers[name=app].env`, never a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) if name.contains(['.', '/']) => write!(f, "[{name}]")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(keys) => write!(f, "[{}]", item_name(keys))?,
                Step::Member(_) => f.write_str("[…]")?,
            }
        }
        Ok(())
    }
}

/// `{"name":"app"}` as `name=app`.
fn item_name(keys: &str) -> String {
    let Ok(Value::Object(keys)) = serde_json::from_str(keys) else { return "?".into() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    keys.iter().map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(",")
}

/// Every leaf of a field set; containers (`.`) are left out.
pub fn leaves(fields: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(fields, &mut Vec::new(), &mut found);
    found
}

fn collect(fields: &Value, path: &mut Vec<Step>, found: &mut BTreeSet<Path>) {
    let Some(map) = fields.as_object() else { return };
    for (key, below) in map {
        let step = match key.split_at_checked(2) {
            Some(("f:", name)) => Step::Field(name.to_owned()),
            Some(("k:", keys)) => Step::Item(keys.to_owned()),
            Some(("v:", member)) => Step::Member(member.to_owned()),
            _ => continue,
        };
        path.push(step);
        let inner = below.as_object().is_some_and(|map| map.keys().any(|key| key != "."));
        if inner {
            collect(below, path, found);
        } else {
            found.insert(Path(path.clone()));
        }
        path.pop();
    }
}

/// A digest of a field set that doesn't depend on the order of keys.
pub fn digest(fields: &Value) -> String {
    let mut hasher = Sha256::new();
    feed(fields, &mut hasher);
    hex::encode(&hasher.finalize()[..12])
}

fn feed(fields: &Value, hasher: &mut Sha256) {
    if let Some(map) = fields.as_object() {
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort_unstable();
        for key in keys {
            hasher.update(key.as_bytes());
            hasher.update(b"{");
            feed(&map[key], hasher);
            hasher.update(b"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_are_found_and_pointed_at() {
        let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {".": {}, "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:value": {}}}}
        }}}}});
        let live = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "other"}, {"name": "app", "env": [{"name": "B"}, {"name": "A", "value": "1"}]}
        ]}}}});
        let found: Vec<Path> = leaves(&fields).into_iter().collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "spec.template.spec.containers[name=app].env[name=A].value");
        assert_eq!(found[0].pointer(&live).as_deref(), Some("/spec/template/spec/containers/1/env/1/value"));
        assert!(found[0].below(&["spec", "template"]));
    }

    #[test]
    fn a_digest_ignores_the_order_of_keys_and_nothing_else() {
        let a: Value = serde_json::from_str(r#"{"f:a":{},"f:b":{"f:c":{}}}"#).expect("json");
        let b: Value = serde_json::from_str(r#"{"f:b":{"f:c":{}},"f:a":{}}"#).expect("json");
        let c: Value = serde_json::from_str(r#"{"f:b":{},"f:c":{},"f:a":{}}"#).expect("json");
        assert_eq!(digest(&a), digest(&b));
        assert_ne!(digest(&a), digest(&c));
    }
}
