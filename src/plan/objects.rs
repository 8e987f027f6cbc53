//! A Tenant's children before and after: what apply will write and delete.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
    },
    apply::manifest::Manifest,
};

use super::{
    diff,
    types::{ObjectChange, Verb},
};

/// What has to be done, in the order in which apply does it: writes as they are listed, then deletions
/// backwards. As in apply, the hash decides what is written, and a namespace never goes.
pub fn changes(old: &[Manifest], new: &[Manifest]) -> Vec<ObjectChange> {
    let before: BTreeMap<&ObjectId, &Manifest> = old.iter().map(|one| (&one.id, one)).collect();
    let after: BTreeMap<&ObjectId, &Manifest> = new.iter().map(|one| (&one.id, one)).collect();
    let mut gone: Vec<&Manifest> =
        old.iter().filter(|one| !after.contains_key(&one.id) && one.id.kind != Kind::Namespace).collect();
    gone.sort_by_key(|one| std::cmp::Reverse(&one.id));
    let mut changes = Vec::new();
    for manifest in new {
        match before.get(&manifest.id) {
            Some(old) if old.hash == manifest.hash => {}
            Some(old) => changes.push(changed(old, manifest)),
            None => changes.push(created(manifest, &gone)),
        }
    }
    changes.extend(gone.into_iter().map(|one| ObjectChange::new(Verb::Delete, &one.id, "")));
    changes
}

fn changed(old: &Manifest, new: &Manifest) -> ObjectChange {
    let fields = if new.id.kind == Kind::Secret {
        diff::paths(&shown(old), &shown(new))
    } else {
        diff::fields(&shown(old), &shown(new))
    };
    ObjectChange { fields, ..ObjectChange::new(Verb::Change, &new.id, &new.hash) }
}

/// A new object. A ConfigMap with another content is another object: what the reader wants to see is what
/// changed in it.
fn created(new: &Manifest, gone: &[&Manifest]) -> ObjectChange {
    let change = ObjectChange::new(Verb::Create, &new.id, &new.hash);
    let service = |one: &Manifest| one.body["metadata"]["labels"].get(marks::SERVICE).cloned();
    let replaced = gone.iter().find(|old| {
        new.id.kind == Kind::ConfigMap && old.id.kind == Kind::ConfigMap && service(old) == service(new)
    });
    let Some(old) = replaced else { return change };
    let data = |one: &Manifest| serde_json::json!({ "data": one.body["data"] });
    ObjectChange {
        replaces: Some(old.id.name.clone()),
        fields: diff::fields(&data(old), &data(new)),
        ..change
    }
}

/// An object as a reader may see it: without our hash, which says nothing to people, and without what is in
/// a Secret.
fn shown(manifest: &Manifest) -> Value {
    let mut body = manifest.body.clone();
    if let Some(annotations) = body.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(marks::HASH);
    }
    if let Some(map) = body.as_object_mut().filter(|_| manifest.id.kind == Kind::Secret) {
        map.remove("data");
        map.remove("stringData");
    }
    body
}
