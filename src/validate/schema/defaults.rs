//! What the API server fills in and drops before it checks: first empty fields
//! (`quota:`) that may not be null are dropped, then defaults are set, also in
//! what a default has just brought.

use serde_json::Value;

use super::node::Node;

/// Applies a schema's defaults to a value.
pub(super) fn apply(node: &Node, value: &mut Value) {
    prune(node, value);
    fill(node, value);
}

fn below<'a>(node: &'a Node, field: &str) -> Option<&'a Node> {
    node.properties.get(field).or(node.additional.as_deref())
}

fn is_missing(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}

fn prune(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, child| {
                below(node, name).is_none_or(|node| !is_missing(node, child) || node.default.is_some())
            });
            for (name, child) in fields.iter_mut() {
                if let Some(node) = below(node, name) {
                    prune(node, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                items.iter_mut().for_each(|item| prune(node, item));
            }
        }
        _ => {}
    }
}

fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                if fields.get(name).is_none_or(|child| is_missing(property, child)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in fields.iter_mut() {
                if let Some(node) = below(node, name) {
                    fill_one(node, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                items.iter_mut().for_each(|item| fill_one(node, item));
            }
        }
        _ => {}
    }
}

fn fill_one(node: &Node, value: &mut Value) {
    if let Some(default) = node.default.as_ref().filter(|_| is_missing(node, value)) {
        *value = default.clone();
    }
    fill(node, value);
}
