//! The calls that change the cluster: each with a deadline, and only while we lead.

use std::time::Duration;

use http::{Method, Request};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{kinds::ObjectId, marks},
    observe::live::Live,
    runtime::{
        call::{CallError, deadline, write},
        lease::Leadership,
    },
};

use super::manifest::Manifest;

/// Longest wait for an answer to a write.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Ask for an object's metadata only: the answer to a write is read for nothing else.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What came of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The object is gone, or another one has its name.
    Gone,
    /// Its deletion has begun.
    Pending,
}

impl Deleted {
    /// What a deletion asks for: the object with this uid, and no other.
    pub(super) fn options(uid: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": uid}, "propagationPolicy": "Background",
        })
    }
}

/// What the answer to a deletion means.
pub(super) fn deletion(answer: Result<Value, CallError>) -> Result<Deleted, CallError> {
    match answer {
        Ok(object) if object.pointer("/metadata/deletionTimestamp").is_some() => Ok(Deleted::Pending),
        Ok(_) | Err(CallError::NotFound(_)) => Ok(Deleted::Gone),
        // The uid didn't match: the object that we made is gone, and somebody else's has its name.
        Err(CallError::Conflict(_)) => Ok(Deleted::Gone),
        Err(error) => Err(error),
    }
}

/// The hand that writes.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leadership: Leadership,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("leadership", &self.leadership).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
pub(super) struct OnlyMeta {
    #[serde(default)]
    pub(super) metadata: ObjectMeta,
}

impl Writer {
    /// A writer that stops when leadership ends.
    pub fn new(client: Client, leadership: Leadership) -> Self {
        Self { client, leadership }
    }

    /// The client, for reads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether a write may start now.
    pub fn may_write(&self) -> bool {
        self.leadership.is_leader()
    }

    /// Applies an object, over whatever others made of our fields.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn apply(&self, manifest: &Manifest) -> Result<Live, CallError> {
        let uri = format!("{}?fieldManager={}&force=true", path(&manifest.id), marks::MANAGER_CHILDREN);
        let request = request(
            Method::PATCH,
            &uri,
            Some("application/apply-patch+yaml"),
            Some(METADATA),
            &manifest.body,
        )?;
        let answer: OnlyMeta = write(&self.leadership, WRITE_DEADLINE, self.client.request(request)).await?;
        Ok(Live::read(manifest.id.kind, &answer.metadata))
    }

    /// Patches an object by JSON patch.
    ///
    /// # Errors
    /// As [`CallError`]; `Conflict` when a `test` in the patch doesn't hold.
    pub async fn patch(&self, id: &ObjectId, patch: &Value) -> Result<Live, CallError> {
        let uri = format!("{}?fieldManager={}", path(id), marks::MANAGER_CHILDREN);
        let request =
            request(Method::PATCH, &uri, Some("application/json-patch+json"), Some(METADATA), patch)?;
        let answer: OnlyMeta =
            write(&self.leadership, WRITE_DEADLINE, self.client.request(request)).await.map_err(unmatched)?;
        Ok(Live::read(id.kind, &answer.metadata))
    }

    /// Sets the number of pods of a Deployment or StatefulSet; returns its resource version after that.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn scale(&self, id: &ObjectId, replicas: i32) -> Result<u64, CallError> {
        // Applied, not patched: the API server notes who changes a field only once somebody has applied it.
        let uri = format!("{}/scale?fieldManager={}&force=true", path(id), marks::MANAGER_REPLICAS);
        let body = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": {"name": id.name, "namespace": id.namespace},
            "spec": {"replicas": replicas},
        });
        let request = request(Method::PATCH, &uri, Some("application/apply-patch+yaml"), None, &body)?;
        let answer: OnlyMeta = write(&self.leadership, WRITE_DEADLINE, self.client.request(request)).await?;
        let version = answer.metadata.resource_version.and_then(|text| text.parse().ok());
        Ok(version.unwrap_or_default())
    }

    /// Deletes the object with this uid, and no other.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn delete(&self, id: &ObjectId, uid: &str) -> Result<Deleted, CallError> {
        let request =
            request(Method::DELETE, &path(id), Some("application/json"), None, &Deleted::options(uid))?;
        deletion(write(&self.leadership, WRITE_DEADLINE, self.client.request(request)).await)
    }

    /// Reads an object whole; `None` when it isn't there. Only where metadata shows that something is wrong.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn read(&self, id: &ObjectId) -> Result<Option<Value>, CallError> {
        self.find(id, None).await
    }

    /// Reads an object's metadata; `None` when it isn't there.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn look(&self, id: &ObjectId) -> Result<Option<Live>, CallError> {
        let found: Option<OnlyMeta> = self.find(id, Some(METADATA)).await?;
        Ok(found.map(|object| Live::read(id.kind, &object.metadata)))
    }

    pub(super) async fn find<T: serde::de::DeserializeOwned>(
        &self,
        id: &ObjectId,
        accept: Option<&str>,
    ) -> Result<Option<T>, CallError> {
        let request = request(Method::GET, &path(id), None, accept, &Value::Null)?;
        match deadline(WRITE_DEADLINE, self.client.request(request)).await {
            Ok(object) => Ok(Some(object)),
            Err(CallError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a write of our own kinds; the answer is the whole object.
    pub(super) async fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        uri: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<T, CallError> {
        let request = request(method, uri, Some(content_type), None, body)?;
        write(&self.leadership, WRITE_DEADLINE, self.client.request(request)).await
    }
}

/// A JSON patch whose `test` doesn't hold is answered like an invalid one, but without saying of which
/// object: the object has changed meanwhile, and another look helps.
pub(super) fn unmatched(error: CallError) -> CallError {
    match error {
        CallError::Invalid(message) if !message.contains(" is invalid") => CallError::Conflict(message),
        error => error,
    }
}

/// Where the API server has an object.
pub(super) fn path(id: &ObjectId) -> String {
    let info = id.kind.info();
    let root = if info.group.is_empty() {
        format!("/api/{}", info.version)
    } else {
        format!("/apis/{}/{}", info.group, info.version)
    };
    if id.kind.namespaced() {
        format!("{root}/namespaces/{}/{}/{}", id.namespace, info.plural, id.name)
    } else {
        format!("{root}/{}/{}", info.plural, id.name)
    }
}

/// A request with its headers.
pub(super) fn request(
    method: Method,
    uri: &str,
    content_type: Option<&str>,
    accept: Option<&str>,
    body: &Value,
) -> Result<Request<Vec<u8>>, CallError> {
    let mut builder = Request::builder().method(method).uri(uri);
    if let Some(content_type) = content_type {
        builder = builder.header(http::header::CONTENT_TYPE, content_type);
    }
    builder = builder.header(http::header::ACCEPT, accept.unwrap_or("application/json"));
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    builder.body(bytes).map_err(|error| CallError::Invalid(format!("{uri}: {error}")))
}
