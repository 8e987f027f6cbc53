//! An object as it goes over the wire, with its hash. Pure.

use kube::Resource;
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
    },
    desired::meta::short_hash,
};

/// An object ready to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Which object.
    pub id: ObjectId,
    /// Hash of everything in it, but for Secrets' data and for the hash itself.
    pub hash: String,
    /// The apply configuration, with the hash as annotation.
    pub body: Value,
}

/// Hexadecimal digits of a hash: 96 bits.
const DIGITS: usize = 24;

impl Manifest {
    /// Reads the object's name and computes its hash.
    pub fn new<K: Resource + Serialize>(kind: Kind, object: &K) -> Self {
        let meta = object.meta();
        let id = ObjectId {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        };
        // The generated types hold maps with string keys and plain values: nothing that JSON can't say.
        let mut body = serde_json::to_value(object).unwrap_or_default();
        let hash = match (kind, body.as_object_mut().and_then(|map| map.remove("data"))) {
            // Not even a digest of a secret leaves: the annotation with the sources' versions stands for it.
            (Kind::Secret, Some(data)) => {
                let hash = hash(&body);
                body["data"] = data;
                hash
            }
            (_, Some(data)) => {
                body["data"] = data;
                hash(&body)
            }
            (_, None) => hash(&body),
        };
        body["metadata"]["annotations"][marks::HASH] = Value::String(hash.clone());
        Self { id, hash, body }
    }
}

fn hash(body: &Value) -> String {
    let mut sorted = body.clone();
    sorted.sort_all_objects();
    short_hash(sorted.to_string().as_bytes(), DIGITS)
}
