//! `tenantry crds`: prints the custom resource definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::api::{Platform, Tenant};

/// The definitions with the file names that they have in `crds/`.
pub fn definitions() -> [(&'static str, CustomResourceDefinition); 2] {
    [("platforms.yaml", Platform::crd()), ("tenants.yaml", Tenant::crd())]
}

/// A definition as YAML.
///
/// # Errors
/// The definition can't be written as YAML.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(definition)
}
