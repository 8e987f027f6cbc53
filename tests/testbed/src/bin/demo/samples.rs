//! The sample configuration repository, `manifests/samples`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tenantry_testbed::programs::repository_root;
use tenantry_testbed::{Error, Result};

/// What the demo needs to know about the samples.
pub(crate) struct Samples {
    /// The root of Tenantry's own repository.
    pub(crate) root: PathBuf,
    /// The names of all Tenants.
    pub(crate) tenants: Vec<String>,
    /// The files of the Tenants.
    pub(crate) files: Vec<String>,
    /// A file with a least replica count, that count, and whether it is also the most: for the hints.
    pub(crate) editable: Option<(String, u64, bool)>,
    /// The images of all services, once each.
    pub(crate) images: Vec<String>,
    platform: Vec<Value>,
}

impl Samples {
    pub(crate) fn load() -> Result<Self> {
        let root = repository_root();
        let folder = root.join("manifests/samples");
        let platform = documents(&folder.join("platform.yaml"))?;
        let tenants_folder = folder.join("tenants");
        let mut files: Vec<PathBuf> = fs::read_dir(&tenants_folder)
            .map_err(|error| Error::Invalid(format!("can't read {}: {error}", tenants_folder.display())))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"))
            .collect();
        files.sort();
        let (mut tenants, mut names, mut editable) = (Vec::new(), Vec::new(), None);
        let mut images = BTreeSet::new();
        for file in files {
            let name = format!("tenants/{}", file.file_name().unwrap_or_default().to_string_lossy());
            names.push(name.clone());
            for document in documents(&file)?.iter().filter(|document| document["kind"] == "Tenant") {
                tenants.extend(document["metadata"]["name"].as_str().map(String::from));
                let services = document.pointer("/spec/services").and_then(Value::as_array);
                let named = services.into_iter().flatten().filter_map(|service| service["image"].as_str());
                images.extend(named.map(String::from));
                let count =
                    |field: &str| document.pointer(&format!("/spec/services/0/replicas/{field}"))?.as_u64();
                let found = count("min").map(|min| (name.clone(), min, count("max") == Some(min)));
                editable = editable.or(found);
            }
        }
        let images = images.into_iter().collect();
        Ok(Self { root, tenants, files: names, editable, images, platform })
    }

    /// The name of the Platform.
    pub(crate) fn platform_name(&self) -> &str {
        let platform = self.platform.iter().find(|document| document["kind"] == "Platform");
        platform.and_then(|platform| platform["metadata"]["name"].as_str()).unwrap_or_default()
    }

    /// The Platform (and what else its file holds), with the real address of the repository, and the audit agent
    /// that must be heard.
    pub(crate) fn platform_for(&self, url: &str, agent: Option<&str>) -> Result<String> {
        let mut documents = Vec::new();
        for document in &self.platform {
            let mut document = document.clone();
            if document["kind"] == "Platform" {
                document["spec"]["source"]["git"]["url"] = url.into();
                if let Some(agent) = agent {
                    document["spec"]["audit"] = serde_json::json!({"agents": [agent]});
                }
            }
            documents
                .push(serde_json::to_string(&document).map_err(|error| Error::Invalid(error.to_string()))?);
        }
        // JSON is YAML too.
        Ok(documents.join("\n---\n"))
    }
}

fn documents(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::Invalid(format!("can't read {}: {error}", file.display())))?;
    serde_saphyr::from_multiple(&text).map_err(|error| Error::Invalid(format!("{}: {error}", file.display())))
}
