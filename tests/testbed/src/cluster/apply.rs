//! Applying manifests of any kind.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::core::discovery::Scope;
use kube::discovery::pinned_kind;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{Error, Result, io, kube_error};
use crate::wait::eventually;

/// The field manager of everything that the testbed applies.
const MANAGER: &str = "tenantry-testbed";

impl Cluster {
    /// Server-side applies every document of a YAML text, definitions and namespaces
    /// first; CRDs are waited for until their kinds are served.
    ///
    /// # Errors
    /// The text is not YAML, or the API server refuses a document.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<()> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
            .map_err(|error| Error::Invalid(format!("not YAML: {error}")))?;
        self.apply_documents(documents).await
    }

    /// Server-side applies a YAML file, or all `*.yaml` files of a folder.
    ///
    /// # Errors
    /// As [`Cluster::apply_yaml`], or the path can't be read.
    pub async fn apply_path(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut files = vec![path.to_path_buf()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(io("read", path))?;
            files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            files.retain(|file| file.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"));
            files.sort();
        }
        let mut documents = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(io("read", &file))?;
            let parsed: Vec<Value> = serde_saphyr::from_multiple(&text)
                .map_err(|error| Error::Invalid(format!("{}: not YAML: {error}", file.display())))?;
            documents.extend(parsed);
        }
        self.apply_documents(documents).await
    }

    async fn apply_documents(&self, mut documents: Vec<Value>) -> Result<()> {
        let client = self.client();
        documents.retain(|document| !document.is_null());
        documents.sort_by_key(rank);
        let mut definitions: Vec<String> = Vec::new();
        for document in &documents {
            if rank(document) > 0 {
                for name in definitions.drain(..) {
                    established(&client, &name).await?;
                }
            }
            apply(&client, document).await?;
            if rank(document) == 0 {
                definitions.push(text(document, "/metadata/name"));
            }
        }
        for name in definitions {
            established(&client, &name).await?;
        }
        Ok(())
    }
}

fn text(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string()
}

/// What others need comes first.
fn rank(document: &Value) -> u8 {
    match document["kind"].as_str() {
        Some("CustomResourceDefinition") => 0,
        Some("Namespace") => 1,
        _ => 2,
    }
}

async fn apply(client: &Client, document: &Value) -> Result<()> {
    let (api_version, kind) = (text(document, "/apiVersion"), text(document, "/kind"));
    let name = text(document, "/metadata/name");
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
    let gvk = GroupVersionKind::gvk(group, version, &kind);
    let found = pinned_kind(client, &gvk).await;
    let (resource, capabilities) =
        found.map_err(kube_error(format!("find the kind {api_version} {kind}")))?;
    let namespace = document.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let patch = Patch::Apply(document);
    api.patch(&name, &PatchParams::apply(MANAGER).force(), &patch)
        .await
        .map_err(kube_error(format!("apply {kind} {name}")))?;
    Ok(())
}

/// Waits until the kind of a CRD is served.
async fn established(client: &Client, name: &str) -> Result<()> {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kube::api::ApiResource::from_gvk(&gvk));
    eventually(Duration::from_secs(30), &format!("CRD {name} to be Established"), || async {
        let crd = api.get(name).await.map_err(|error| error.to_string())?;
        let conditions = crd.data.pointer("/status/conditions").and_then(Value::as_array);
        let is = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
        if conditions.is_some_and(|all| all.iter().any(is)) {
            return served(client, &crd).await;
        }
        Err(format!("{conditions:?}"))
    })
    .await
}

/// Established comes a moment before the endpoint: ask discovery too.
async fn served(client: &Client, crd: &DynamicObject) -> Result<(), String> {
    let group = text(&crd.data, "/spec/group");
    let kind = text(&crd.data, "/spec/names/kind");
    let versions = crd.data.pointer("/spec/versions").and_then(Value::as_array);
    for version in versions.into_iter().flatten().filter(|version| version["served"] == true) {
        let gvk = GroupVersionKind::gvk(&group, &text(version, "/name"), &kind);
        pinned_kind(client, &gvk).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
