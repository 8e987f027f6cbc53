//! `tenantry crds`: prints the custom resource definitions.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, ResourceExt};
use serde_json::json;

use crate::{
    api::{Platform, Restore, RestoreDrill, Tenant, marks},
    desired::meta::short_hash,
    validate::manifest::Schemas,
};

use super::{Outcome, out};

/// Arguments of `tenantry crds`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tenantry crds | kubectl apply --server-side -f -\n  tenantry crds --write crds"
)]
pub struct Args {
    /// Write one file a definition into this folder instead of printing them
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<PathBuf>,
}

/// Prints or writes the definitions.
///
/// # Errors
/// A file can't be written.
pub fn main(args: &Args) -> Outcome {
    for (name, definition) in definitions() {
        let text = serde_saphyr::to_string(&definition)?;
        match &args.write {
            Some(folder) => write(&folder.join(name), &text)?,
            None => out::stdout(&format!("---\n{text}"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{} can't be written: {error}", path.display()))
}

/// The definitions with the file names that they have in `crds/`.
pub fn definitions() -> [(&'static str, CustomResourceDefinition); 4] {
    [
        ("platforms.yaml", stamped(Platform::crd())),
        ("tenants.yaml", stamped(Tenant::crd())),
        ("restoredrills.yaml", stamped(RestoreDrill::crd())),
        ("restores.yaml", stamped(Restore::crd())),
    ]
}

/// Shape and rules of the two kinds that files hold, as files are checked against them.
pub fn schemas() -> Schemas {
    let [platform, tenant, ..] = definitions().map(|(_, definition)| json!(definition));
    Schemas::new(&tenant, &platform)
}

/// A definition with the digest of its schema as annotation: by it the operator knows whether the
/// cluster has the schema that it was built with. Helm would delete our tenants with the definitions
/// without the other annotation.
fn stamped(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let digest = schema_digest(&definition);
    let annotations = definition.annotations_mut();
    annotations.insert(marks::SCHEMA.to_owned(), digest);
    annotations.insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    definition
}

/// Digest of a definition's versions.
pub fn schema_digest(definition: &CustomResourceDefinition) -> String {
    let mut versions = json!(definition.spec.versions);
    versions.sort_all_objects();
    short_hash(versions.to_string().as_bytes(), 24)
}
