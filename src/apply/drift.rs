//! What somebody changed, and who. Pure: paths and managers, never values.

use serde_json::{Value, json};

use crate::observe::{
    fields::{self, Path},
    live::Addition,
};

/// What somebody did to a child.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Fields were changed, added or removed.
    Fields {
        /// The field manager who did it; empty when nobody's entry names the field (it was removed).
        manager: String,
        /// The fields, as people write them.
        fields: Vec<String>,
    },
    /// The whole object was deleted; the API server doesn't say by whom.
    Deleted,
}

/// Most fields that a message names.
const MOST_FIELDS: usize = 5;

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Fields { manager, fields } = self else { return f.write_str("somebody deleted it") };
        let named = fields.iter().take(MOST_FIELDS).cloned().collect::<Vec<_>>().join(", ");
        let more = fields.len().saturating_sub(MOST_FIELDS);
        let by = if manager.is_empty() { "somebody" } else { manager };
        write!(f, "{by} changed {named}")?;
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}

/// Finds the desired fields that are not as they should be in the live object, and who has them now.
pub fn changes(desired: &Value, live: &Value) -> Vec<Change> {
    let mut wrong = Vec::new();
    compare(desired, live, String::new(), &mut wrong);
    let owners = owners(live);
    wrong.extend(taken(desired, live, &owners));
    wrong.sort();
    wrong.dedup();
    let all = wrong.clone();
    wrong.retain(|one| {
        !all.iter().any(|other| other != one && touches(one, other) && other.len() < one.len())
    });
    let mut by_manager: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for pointer in wrong {
        let manager = owners
            .iter()
            .find(|(_, path)| path.pointer(live).is_some_and(|owned| touches(&owned, &pointer)))
            .map(|(manager, _)| manager.clone())
            .unwrap_or_default();
        by_manager.entry(manager).or_default().push(readable(&pointer));
    }
    by_manager.into_iter().map(|(manager, fields)| Change::Fields { manager, fields }).collect()
}

/// Fields that we apply and that somebody else has taken over, whatever is in them now.
fn taken(desired: &Value, live: &Value, owners: &[(String, Path)]) -> Vec<String> {
    let ours: Vec<Path> = entries(live)
        .filter(|entry| is_ours(entry))
        .flat_map(|entry| fields::leaves(&entry["fieldsV1"]))
        .collect();
    let taken = owners.iter().filter(|(_, path)| path.pointer(desired).is_some() && !ours.contains(path));
    taken.filter_map(|(_, path)| path.pointer(live)).collect()
}

fn touches(owned: &str, pointer: &str) -> bool {
    let below = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(owned, pointer) || below(pointer, owned)
}

/// Fields of others than us, the newest entry first.
fn owners(live: &Value) -> Vec<(String, Path)> {
    let mut entries: Vec<&Value> = entries(live).filter(|entry| !is_ours(entry)).collect();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries.sort_by_key(|entry| std::cmp::Reverse(text(entry, "time")));
    entries
        .into_iter()
        .flat_map(|entry| {
            let manager = text(entry, "manager");
            fields::leaves(&entry["fieldsV1"]).into_iter().map(move |path| (manager.clone(), path))
        })
        .collect()
}

fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
}

fn is_ours(entry: &Value) -> bool {
    entry["manager"] == crate::api::marks::MANAGER_CHILDREN && entry["operation"] == "Apply"
}

/// Collects the pointers of desired values that the live object doesn't have. Items of lists are matched
/// by name where they have one, as server-side apply does.
fn compare(desired: &Value, live: &Value, pointer: String, wrong: &mut Vec<String>) {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            for (key, value) in desired {
                let here = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match live.get(key) {
                    Some(live) => compare(value, live, here, wrong),
                    None if is_empty(value) => {}
                    None => wrong.push(here),
                }
            }
        }
        (Value::Array(desired), Value::Array(live)) => compare_lists(desired, live, &pointer, wrong),
        (desired, live) if desired == live || same_quantity(desired, live) => {}
        _ => wrong.push(pointer),
    }
}

fn compare_lists(desired: &[Value], live: &[Value], pointer: &str, wrong: &mut Vec<String>) {
    for (index, value) in desired.iter().enumerate() {
        let name = value.get("name").filter(|name| name.is_string());
        let place = match name {
            Some(name) => live.iter().position(|item| item.get("name") == Some(name)),
            None => Some(index),
        };
        match place.and_then(|place| Some((place, live.get(place)?))) {
            Some((place, live)) => compare(value, live, format!("{pointer}/{place}"), wrong),
            None => wrong.push(format!("{pointer}/{index}")),
        }
    }
    let named = desired.iter().all(|item| item.get("name").is_some());
    if !named && live.len() > desired.len() {
        wrong.push(pointer.to_owned());
    }
}

/// The API server drops empty maps and lists.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

/// The API server writes quantities in its own way: `1000m` comes back as `1`.
fn same_quantity(desired: &Value, live: &Value) -> bool {
    let milli = |value: &Value| {
        value.as_str().and_then(|text| crate::api::quantity::Quantity::from(text).milli().ok())
    };
    milli(desired).is_some_and(|amount| milli(live) == Some(amount))
}

/// `/spec/template/spec/containers/0/image` as `spec.template.spec.containers[0].image`.
fn readable(pointer: &str) -> String {
    crate::validate::problem::Problem::new(pointer, "").field()
}

/// The JSON patch that takes others' additions out of a live object: it names the object's version, so
/// that nothing is removed that we haven't seen.
pub fn removal<'a>(
    additions: impl Iterator<Item = &'a Addition>,
    live: &Value,
) -> Option<(Value, Vec<Change>)> {
    let mut pointers = Vec::new();
    let mut changes = Vec::new();
    for addition in additions {
        let found: Vec<(String, String)> =
            addition.paths.iter().filter_map(|path| Some((path.pointer(live)?, path.to_string()))).collect();
        if !found.is_empty() {
            let fields = found.iter().map(|(_, name)| name.clone()).collect();
            changes.push(Change::Fields { manager: addition.manager.clone(), fields });
            pointers.extend(found.into_iter().map(|(pointer, _)| pointer));
        }
    }
    let pointers = outermost(pointers, live);
    let version = live.pointer("/metadata/resourceVersion")?.clone();
    let mut patch = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
    patch.extend(pointers.iter().map(|pointer| json!({"op": "remove", "path": pointer})));
    (!pointers.is_empty()).then_some((Value::Array(patch), changes))
}

/// An added item of a list goes as a whole, by its key; from the back, so that indices stay right.
fn outermost(pointers: Vec<String>, live: &Value) -> Vec<String> {
    let whole = |pointer: String| match pointer.rsplit_once('/') {
        // The key of an associative list's item can't be removed alone.
        Some((item, "name" | "key" | "mountPath" | "containerPort" | "topologyKey"))
            if item.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok()) =>
        {
            item.to_owned()
        }
        _ => pointer,
    };
    let mut pointers: Vec<String> =
        pointers.into_iter().map(whole).filter(|pointer| live.pointer(pointer).is_some()).collect();
    pointers.sort_by_key(|pointer| {
        pointer
            .split('/')
            .map(|part| (part.parse::<u64>().unwrap_or_default(), part.to_owned()))
            .collect::<Vec<_>>()
    });
    pointers.dedup();
    let all = pointers.clone();
    let inside = |pointer: &String| {
        all.iter().any(|other| pointer.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    pointers.retain(|pointer| !inside(pointer));
    pointers.reverse();
    pointers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Value {
        json!({
            "metadata": {"resourceVersion": "7", "managedFields": [
                {"manager": "tenantry", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
                 "fieldsV1": {"f:spec": {"f:a": {}}}},
                {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z",
                 "fieldsV1": {"f:spec": {"f:image": {}, "f:list": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}
            ]},
            "spec": {"a": 1, "image": "evil", "cpu": "1", "list": [{"name": "keep"}, {"name": "x", "value": "s3cret"}]}
        })
    }

    #[test]
    fn a_change_names_field_and_manager_and_no_value() {
        let desired = json!({"spec": {"a": 1, "image": "good", "cpu": "1000m", "gone": "x", "none": {}}});
        let changes = changes(&desired, &live());
        let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["somebody changed spec.gone", "kubectl-edit changed spec.image"]);
    }

    #[test]
    fn a_field_that_somebody_took_over_is_a_change_whatever_is_in_it() {
        let live = json!({
            "metadata": {"managedFields": [
                {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z",
                 "fieldsV1": {"f:subjects": {}}}
            ]},
            "subjects": [{"name": "ann"}, {"name": "eve"}],
        });
        let changes = changes(&json!({"subjects": [{"name": "ann"}]}), &live);
        let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["kubectl-edit changed subjects"]);
    }

    #[test]
    fn additions_are_removed_as_whole_items_under_a_version_test() {
        let entry = &live()["metadata"]["managedFields"][1]["fieldsV1"];
        let paths = fields::leaves(entry).into_iter().filter(|path| path.below(&["spec", "list"])).collect();
        let addition = Addition { manager: "kubectl-edit".into(), paths };
        let (patch, changes) =
            removal([&addition].into_iter(), &live()).expect("there is something to remove");
        assert_eq!(
            patch,
            json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}, {"op": "remove", "path": "/spec/list/1"}])
        );
        assert!(!format!("{changes:?}").contains("s3cret"));
    }
}
