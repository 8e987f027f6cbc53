//! Two objects, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::validate::{
    text::mask,
    yaml::spans::{dotted, push},
};

use super::types::FieldChange;

/// The fields in which two values differ, in the order of their paths. Items of a list that have a name
/// each are paired by it. User and password in URLs become stars: whoever may read a plan may not thereby
/// read them.
pub fn fields(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    walk("", Some(old), Some(new), &mut found);
    found
}

/// The same, without any value: for what must not be shown.
pub fn paths(old: &Value, new: &Value) -> Vec<FieldChange> {
    let hidden = |field: FieldChange| FieldChange { old: None, new: None, hidden: true, ..field };
    fields(old, new).into_iter().map(hidden).collect()
}

fn walk(at: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<FieldChange>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in union(old.keys(), new.keys()) {
                walk(&push(at, key), old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => list(at, old, new, found),
        (Some(Value::Object(map)), None) if !map.is_empty() => one_sided(at, map, true, found),
        (None, Some(Value::Object(map))) if !map.is_empty() => one_sided(at, map, false, found),
        (Some(Value::Array(old)), None) if is_named(old) => list(at, old, &[], found),
        (None, Some(Value::Array(new))) if is_named(new) => list(at, &[], new, found),
        (old, new) => found.push(change(at, old, new)),
    }
}

/// One field. What differs only in what must not be shown is hidden.
fn change(at: &str, old: Option<&Value>, new: Option<&Value>) -> FieldChange {
    let (old, new) = (old.map(masked), new.map(masked));
    let hidden = old == new;
    let shown = |value: Option<Value>| value.filter(|_| !hidden);
    FieldChange { path: dotted(at), old: shown(old), new: shown(new), hidden }
}

/// A map that only one side has: each of its fields by itself, so that nobody has to read JSON.
fn one_sided(at: &str, map: &Map<String, Value>, is_old: bool, found: &mut Vec<FieldChange>) {
    for (key, value) in map {
        let (old, new) = if is_old { (Some(value), None) } else { (None, Some(value)) };
        walk(&push(at, key), old, new, found);
    }
}

fn list(at: &str, old: &[Value], new: &[Value], found: &mut Vec<FieldChange>) {
    if let (Some(before), Some(after)) = (named(old), named(new)) {
        for name in union(before.iter().map(|(name, _)| name), after.iter().map(|(name, _)| name)) {
            named_item(&push(at, name), item(&before, name), item(&after, name), found);
        }
        // What both have, in another order: to Kubernetes the order of env and of containers means something.
        let order = |items: &[(String, &Value)], other: &[(String, &Value)]| -> Vec<String> {
            let shared = items.iter().filter(|(name, _)| other.iter().any(|(one, _)| one == name));
            shared.map(|(name, _)| name.clone()).collect()
        };
        let (was, is) = (order(&before, &after), order(&after, &before));
        if was != is {
            found.push(change(at, Some(&Value::from(was)), Some(&Value::from(is))));
        }
    } else if old.len() == new.len() && old.iter().chain(new).all(Value::is_object) {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            walk(&format!("{at}/{index}"), Some(old), Some(new), found);
        }
    } else {
        let (old, new) = (Value::from(old.to_vec()), Value::from(new.to_vec()));
        found.push(change(at, Some(&old), Some(&new)));
    }
}

fn item<'a>(items: &[(String, &'a Value)], name: &str) -> Option<&'a Value> {
    items.iter().find(|(one, _)| one == name).map(|(_, item)| *item)
}

/// An item's name is in its path already.
fn named_item(at: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<FieldChange>) {
    let without_name = |item: &Value| {
        let mut item = item.clone();
        if let Some(map) = item.as_object_mut().filter(|map| map.len() > 1) {
            map.remove("name");
        }
        item
    };
    let (old, new) = (old.map(without_name), new.map(without_name));
    walk(at, old.as_ref(), new.as_ref(), found);
}

/// The items by their names, where each is a map with a name of its own.
fn named(items: &[Value]) -> Option<Vec<(String, &Value)>> {
    let mut seen = BTreeSet::new();
    let name = |item: &Value| item.as_object()?.get("name")?.as_str().map(str::to_owned);
    let items = items.iter().map(|item| Some((name(item)?, item))).collect::<Option<Vec<_>>>()?;
    items.iter().all(|(name, _)| seen.insert(name.clone())).then_some(items)
}

fn is_named(items: &[Value]) -> bool {
    !items.is_empty() && named(items).is_some()
}

fn union<'a>(
    one: impl Iterator<Item = &'a String>,
    other: impl Iterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    one.chain(other).collect()
}

fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(text)),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(map) => {
            let map: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, masked(value))).collect();
            map.into_iter().map(|(key, value)| (key.clone(), value)).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(old: &Value, new: &Value) -> Vec<String> {
        let text = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        fields(old, new)
            .into_iter()
            .map(|one| format!("{}: {} -> {}", one.path, text(one.old), text(one.new)))
            .collect()
    }

    #[test]
    fn named_items_are_paired_by_name() {
        let old = json!({"spec": {"containers": [{"name": "app", "image": "a:1", "env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}});
        let new = json!({"spec": {"containers": [{"name": "app", "image": "a:2", "env": [
            {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]}]}});
        assert_eq!(
            said(&old, &new),
            [
                "spec.containers.app.env.A.value: \"1\" -> -",
                "spec.containers.app.env.C.value: - -> \"3\"",
                "spec.containers.app.image: \"a:1\" -> \"a:2\"",
            ]
        );
    }

    #[test]
    fn another_order_of_names_is_a_change() {
        let list = |names: [&str; 2]| json!({"env": names.map(|name| json!({"name": name, "value": "1"}))});
        assert_eq!(said(&list(["A", "B"]), &list(["B", "A"])), [r#"env: ["A","B"] -> ["B","A"]"#]);
        assert_eq!(said(&list(["A", "B"]), &list(["A", "B"])), [""; 0]);
    }

    #[test]
    fn other_lists_are_compared_by_place_or_as_a_whole() {
        let rules = |cidr: &str| json!({"egress": [{"to": [{"ipBlock": {"cidr": cidr}}]}]});
        assert_eq!(
            said(&rules("10.0.0.0/8"), &rules("10.0.0.0/9")),
            [r#"egress[0].to[0].ipBlock.cidr: "10.0.0.0/8" -> "10.0.0.0/9""#]
        );
        assert_eq!(said(&json!({"a": [1, 2]}), &json!({"a": [1]})), ["a: [1,2] -> [1]"]);
        assert_eq!(said(&json!({"a": 1}), &json!({"a": null})), ["a: 1 -> null"]);
    }

    #[test]
    fn what_is_in_a_url_is_not_told() {
        let at = |password: &str| json!({"url": format!("postgres://shop:{password}@db/x")});
        let found = fields(&at("canary-1"), &at("canary-2"));
        assert_eq!(found.len(), 1);
        assert!(found[0].hidden && !format!("{found:?}").contains("canary"), "{found:?}");
        let longer = fields(&at("canary"), &at("canary-3"));
        assert!(!longer[0].hidden && !format!("{longer:?}").contains("canary"), "{longer:?}");
        let hidden = paths(&json!({"a": "canary"}), &json!({"a": "other"}));
        assert!(hidden[0].hidden && hidden[0].old.is_none() && hidden[0].new.is_none());
    }
}
