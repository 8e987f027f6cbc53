//! Credentials for the image registries that the Platform names.

use k8s_openapi::{
    ByteString,
    api::core::v1::{LocalObjectReference, Secret},
};

use super::{Plan, meta};

/// The one Secret that the operator writes in a tenant's namespace: a fixed name, so that RBAC can name it.
pub const NAME: &str = "tenantry-pull";

/// Annotation with the versions of the Secrets that it was made of.
pub const VERSION: &str = "tenantry.dev/pull-secret-version";

/// The copied credentials, where the Platform names any.
pub fn secret(plan: Plan<'_>) -> Option<Secret> {
    let source = plan.inputs.pull_secret.as_ref()?;
    let mut metadata = meta::namespaced(plan, NAME);
    metadata.annotations.get_or_insert_default().insert(VERSION.into(), source.version.clone());
    Some(Secret {
        metadata,
        type_: Some("kubernetes.io/dockerconfigjson".into()),
        data: Some([(".dockerconfigjson".to_owned(), ByteString(source.config.clone().into_bytes()))].into()),
        ..Secret::default()
    })
}

/// The reference that ServiceAccounts and pods carry.
pub fn references(plan: Plan<'_>) -> Option<Vec<LocalObjectReference>> {
    plan.inputs.pull_secret.as_ref().map(|_| vec![LocalObjectReference { name: NAME.into() }])
}
