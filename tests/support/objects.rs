//! Objects of any kind as JSON, over plain requests.

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use super::Outcome;

/// Where the API server has a kind's objects, or one of them.
pub fn at(plural: &str, namespace: &str, name: &str) -> String {
    let root = match plural {
        "deployments" | "replicasets" | "statefulsets" => "/apis/apps/v1",
        "cronjobs" | "jobs" => "/apis/batch/v1",
        "networkpolicies" => "/apis/networking.k8s.io/v1",
        "roles" | "rolebindings" | "clusterrolebindings" => "/apis/rbac.authorization.k8s.io/v1",
        "poddisruptionbudgets" => "/apis/policy/v1",
        "horizontalpodautoscalers" => "/apis/autoscaling/v2",
        "tenants" | "platforms" | "restoredrills" | "restores" => "/apis/tenantry.dev/v1alpha1",
        "customresourcedefinitions" => "/apis/apiextensions.k8s.io/v1",
        "validatingadmissionpolicies" => "/apis/admissionregistration.k8s.io/v1",
        "storageclasses" => "/apis/storage.k8s.io/v1",
        "leases" => "/apis/coordination.k8s.io/v1",
        "events" => "/apis/events.k8s.io/v1",
        _ => "/api/v1",
    };
    let namespace = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    let name = if name.is_empty() { String::new() } else { format!("/{name}") };
    format!("{root}{namespace}/{plural}{name}")
}

/// A client that speaks JSON.
#[derive(Clone)]
pub struct Call {
    pub client: Client,
}

impl Call {
    pub async fn get(&self, path: &str) -> Outcome<Option<Value>> {
        match self.send(Method::GET, path, "", &Value::Null).await {
            Err(error) if code(&error) == Some(404) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    /// An object that must be there.
    pub async fn the(&self, path: &str) -> Outcome<Value> {
        self.get(path).await?.ok_or_else(|| format!("{path} is not there").into())
    }

    /// A list's items; `path` may have a query.
    pub async fn list(&self, path: &str) -> Outcome<Vec<Value>> {
        let mut list = self.send(Method::GET, path, "", &Value::Null).await?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    pub async fn create(&self, path: &str, body: &Value) -> kube::Result<Value> {
        self.post(&format!("{path}?fieldManager=tess-create"), body).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> kube::Result<Value> {
        self.send(Method::POST, path, "application/json", body).await
    }

    /// Server-side apply as `manager`, by force.
    pub async fn apply(&self, path: &str, manager: &str, body: &Value) -> kube::Result<Value> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", body).await
    }

    /// A JSON merge patch as `manager`.
    pub async fn merge(&self, path: &str, manager: &str, body: &Value) -> kube::Result<Value> {
        let path = format!("{path}?fieldManager={manager}");
        self.send(Method::PATCH, &path, "application/merge-patch+json", body).await
    }

    /// A strategic merge patch as `manager`: what kubectl sends.
    pub async fn strategic(&self, path: &str, manager: &str, body: &Value) -> kube::Result<Value> {
        let path = format!("{path}?fieldManager={manager}");
        self.send(Method::PATCH, &path, "application/strategic-merge-patch+json", body).await
    }

    /// A JSON patch as `manager`.
    pub async fn patch(&self, path: &str, manager: &str, body: &Value) -> kube::Result<Value> {
        let path = format!("{path}?fieldManager={manager}");
        self.send(Method::PATCH, &path, "application/json-patch+json", body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> kube::Result<Value> {
        self.send(Method::PUT, path, "application/json", body).await
    }

    pub async fn delete(&self, path: &str) -> kube::Result<Value> {
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        self.send(Method::DELETE, path, "application/json", &body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> kube::Result<Value> {
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.client.request(request.body(bytes).expect("a test's path is right")).await
    }
}

/// The HTTP status of an API error.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// What the API server said when it refused.
#[track_caller]
pub fn refusal(answer: kube::Result<Value>) -> String {
    match answer {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("the API server should refuse, and says {other:?}"),
    }
}

/// A string in an object; empty when there is none.
pub fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// A condition by type; `Null` when there is none.
pub fn condition(object: &Value, type_: &str) -> Value {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().find(|one| one["type"] == type_).cloned().unwrap_or_default()
}
