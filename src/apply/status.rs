//! Status of our own kinds. Nothing else is written by the manager `tenantry-status`.

use http::Method;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::{
    api::{
        Platform, Tenant, marks,
        platform_status::PlatformStatus,
        tenant_status::{InventoryEntry, TenantStatus},
    },
    runtime::call::CallError,
};

use super::writer::Writer;

impl Writer {
    /// Writes a Tenant's status and returns the Tenant as it is now.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn tenant_status(&self, tenant: &Tenant, status: &TenantStatus) -> Result<Tenant, CallError> {
        self.status("tenants", "Tenant", &names(&tenant.metadata), &json!(status)).await
    }

    /// Writes a Platform's status and returns the Platform as it is now.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn platform_status(
        &self,
        platform: &Platform,
        status: &PlatformStatus,
    ) -> Result<Platform, CallError> {
        self.status("platforms", "Platform", &names(&platform.metadata), &json!(status)).await
    }

    /// Writes a status over the one that was read, and never over a newer one: who speaks meanwhile is right.
    /// As the operator's own manager, so that the operator finds nobody else's fields when it is back.
    ///
    /// # Errors
    /// As [`CallError`]; `Conflict` when the object has changed.
    pub async fn status_of_this_version(
        &self,
        plural: &str,
        kind: &str,
        meta: &ObjectMeta,
        status: &Value,
    ) -> Result<(), CallError> {
        let Some(version) = meta.resource_version.as_deref().filter(|version| !version.is_empty()) else {
            return Err(CallError::Conflict(format!("the {kind} has no resourceVersion")));
        };
        let mut named = names(meta);
        named["resourceVersion"] = json!(version);
        self.status(plural, kind, &named, status).await.map(|_: Value| ())
    }

    /// Writes the status of a RestoreDrill or a Restore.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn run_status(
        &self,
        plural: &str,
        kind: &str,
        meta: &ObjectMeta,
        status: &Value,
    ) -> Result<(), CallError> {
        self.status(plural, kind, &names(meta), status).await.map(|_: Value| ())
    }

    async fn status<T: serde::de::DeserializeOwned>(
        &self,
        plural: &str,
        kind: &str,
        meta: &Value,
        status: &Value,
    ) -> Result<T, CallError> {
        let name = meta["name"].as_str().unwrap_or_default();
        let uri = format!(
            "/apis/{}/{plural}/{name}/status?fieldManager={}&force=true",
            marks::API_VERSION,
            marks::MANAGER_STATUS
        );
        let body = json!({
            "apiVersion": marks::API_VERSION, "kind": kind,
            "metadata": meta,
            "status": status,
        });
        self.send(Method::PATCH, &uri, "application/apply-patch+yaml", &body).await
    }
}

/// The uid goes along: a status is never written to another object of the same name.
fn names(meta: &ObjectMeta) -> Value {
    json!({"name": meta.name, "uid": meta.uid})
}

/// Writes the inventory ahead of a pass, and nothing else of the status.
#[derive(Debug)]
pub struct Recorder<'a> {
    writer: &'a Writer,
    tenant: &'a Tenant,
}

impl<'a> Recorder<'a> {
    /// A recorder for this Tenant.
    pub fn new(writer: &'a Writer, tenant: &'a Tenant) -> Self {
        Self { writer, tenant }
    }

    /// Records what is about to be written, so that a crash in between leaves nothing unknown.
    ///
    /// # Errors
    /// As [`CallError`]: then nothing may be written.
    pub async fn announce(&self, mut inventory: Vec<InventoryEntry>) -> Result<(), CallError> {
        inventory.sort_by_cached_key(|entry| (crate::observe::world::id(entry), entry.clone()));
        let mut status = self.tenant.status.clone().unwrap_or_default();
        status.inventory = inventory;
        self.writer.tenant_status(self.tenant, &status).await.map(|_| ())
    }
}
