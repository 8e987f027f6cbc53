//! What Git writes: Tenants, and a Platform's own rules.

use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{Platform, Tenant, marks},
    runtime::call::CallError,
};

use super::writer::{Writer, unmatched};

/// Where a Tenant's content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The door: `<platform>/<path>`.
    pub source: String,
    /// The commit that last changed the file.
    pub commit: String,
    /// RFC 3339 time of that commit.
    pub committed_at: String,
    /// Digest of the document.
    pub blob: String,
    /// The Platform whose source it is.
    pub platform: String,
}

impl Writer {
    /// Writes a Tenant as its file says.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn tenant(
        &self,
        name: &str,
        metadata: &Value,
        spec: &Value,
        origin: &Origin,
    ) -> Result<Tenant, CallError> {
        let body = body(name, metadata, spec, origin);
        self.send(Method::PATCH, &uri("tenants", name), "application/apply-patch+yaml", &body).await
    }

    /// Takes out of a Tenant's spec what others put in beside Git: apply alone leaves their fields.
    ///
    /// # Errors
    /// As [`CallError`]; `Conflict` when the Tenant has changed since.
    pub async fn tenant_spec(&self, tenant: &Tenant, spec: &Value) -> Result<Tenant, CallError> {
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        let body = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": tenant.metadata.resource_version},
            {"op": "replace", "path": "/spec", "value": spec},
        ]);
        let uri =
            format!("/apis/{}/tenants/{name}?fieldManager={}", marks::API_VERSION, marks::MANAGER_SOURCE);
        let sent = self.send(Method::PATCH, &uri, "application/json-patch+json", &body).await;
        sent.map_err(unmatched)
    }

    /// Takes out of a Platform's rules what the file doesn't have; the trust root stays as it is.
    ///
    /// # Errors
    /// As [`CallError`]; `Conflict` when the Platform has changed since.
    pub async fn platform_spec(&self, platform: &Platform, rules: &Value) -> Result<Platform, CallError> {
        let name = platform.metadata.name.as_deref().unwrap_or_default();
        let mut spec = rules.clone();
        if let Some(source) = &platform.spec.source {
            spec["source"] = json!(source);
        }
        let body = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": platform.metadata.resource_version},
            {"op": "replace", "path": "/spec", "value": spec},
        ]);
        let uri =
            format!("/apis/{}/platforms/{name}?fieldManager={}", marks::API_VERSION, marks::MANAGER_SOURCE);
        let sent = self.send(Method::PATCH, &uri, "application/json-patch+json", &body).await;
        sent.map_err(unmatched)
    }

    /// Writes the rules of a Platform that Git may set; the trust root is never among them.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn platform_rules(&self, name: &str, rules: &Value) -> Result<Platform, CallError> {
        let body = json!({
            "apiVersion": marks::API_VERSION, "kind": "Platform",
            "metadata": {"name": name}, "spec": rules,
        });
        self.send(Method::PATCH, &uri("platforms", name), "application/apply-patch+yaml", &body).await
    }
}

/// A Tenant as its file says, with where it comes from.
pub(super) fn body(name: &str, metadata: &Value, spec: &Value, origin: &Origin) -> Value {
    let mut labels = metadata.get("labels").cloned().unwrap_or_else(|| json!({}));
    labels[marks::PLATFORM] = json!(origin.platform);
    let mut annotations = metadata.get("annotations").cloned().unwrap_or_else(|| json!({}));
    annotations[marks::SOURCE] = json!(origin.source);
    annotations[marks::COMMIT] = json!(origin.commit);
    annotations[marks::COMMITTED_AT] = json!(origin.committed_at);
    annotations[marks::BLOB] = json!(origin.blob);
    json!({
        "apiVersion": marks::API_VERSION, "kind": "Tenant",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": spec,
    })
}

/// Where the API server has one of our own kinds.
pub(super) fn path(plural: &str, name: &str) -> String {
    format!("/apis/{}/{plural}/{name}", marks::API_VERSION)
}

fn uri(plural: &str, name: &str) -> String {
    format!("{}?fieldManager={}&force=true", path(plural, name), marks::MANAGER_SOURCE)
}
