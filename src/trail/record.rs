//! What a record holds. Pure.
//!
//! A record is one line of canonical JSON: sorted keys, no white space.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::desired::meta::short_hash;

/// One change that was applied, or was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// When it was written down, RFC 3339.
    pub time: String,
    /// The Platform whose source it came from.
    pub platform: String,
    /// The file.
    pub file: String,
    /// The commit that last changed the file.
    pub commit: String,
    /// Who wrote the commit, as the commit says.
    pub author: Person,
    /// Who made it, as the commit says.
    pub committer: Person,
    /// Whose signature on the commit was verified.
    pub signer: Option<String>,
    /// Who approved it.
    pub approvers: Vec<String>,
    /// What was written.
    pub object: Object,
    /// Digest of the object before; none when it was made.
    pub before: Option<String>,
    /// Digest of the object after; none when it was not written.
    pub after: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Somebody, as a commit names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their mail address.
    pub email: String,
    /// RFC 3339 time by their clock.
    pub time: String,
}

/// An object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `Tenant` or `Platform`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty when it was never made.
    pub uid: String,
}

/// An object of ours, as records name it.
#[must_use]
pub fn object<K: kube::Resource<DynamicType = ()>>(of: &K) -> Object {
    let meta = of.meta();
    Object {
        kind: K::kind(&()).into_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
    }
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The object was made.
    Created,
    /// The object was brought to a file that changed.
    Updated,
    /// Somebody had changed the object beside Git; it was brought back.
    Healed,
    /// The API server refused it.
    Refused,
    /// It could not be written; it is tried again.
    Failed,
    /// Nobody knows whether it was written; it is tried again.
    Unknown,
}

impl Outcome {
    /// The word in records and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Healed => "Healed",
            Self::Refused => "Refused",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// Digest of what people say of an object: labels, annotations and spec, without fields that are empty, which
/// mean the same as absent ones. Anybody can make it:
///
/// ```text
/// kubectl get tenant acme -o json | jq -cjS '{annotations: .metadata.annotations, labels: .metadata.labels, spec}
///   | walk(if type == "object" then with_entries(select(.value | . != null and . != [] and . != {})) else . end)' \
///   | sha256sum
/// ```
#[must_use]
pub fn digest(metadata: &ObjectMeta, spec: &impl Serialize) -> String {
    let whole = json!({"annotations": metadata.annotations, "labels": metadata.labels, "spec": spec});
    hash(canonical(filled(whole)).as_bytes())
}

/// A value without fields that are empty.
fn filled(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(items) => items.into_iter().map(filled).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, filled(value)));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        other => other,
    }
}

/// A value as canonical JSON.
#[must_use]
pub fn canonical(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// SHA-256 in hex.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    short_hash(bytes, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sha256sum says of the text that the comment of [`digest`] makes with jq.
    #[test]
    fn a_digest_is_what_jq_and_sha256sum_make() {
        let metadata: ObjectMeta =
            serde_json::from_value(json!({"annotations": {"b": "2", "a": "é"}})).expect("metadata");
        let spec = json!({
            "services": [], "quota": {"hard": {}}, "z": [{"x": null, "n": 1}], "on": false, "text": "",
        });
        let text = r#"{"annotations":{"a":"é","b":"2"},"spec":{"on":false,"text":"","z":[{"n":1}]}}"#;
        assert_eq!(digest(&metadata, &spec), hash(text.as_bytes()));
        assert_eq!(
            digest(&metadata, &spec),
            "292cdec1607e22859bd83605501da16cee7fbc8608c1501b1db9eec216402cb7"
        );
    }
}
