//! Does the cluster have the definitions that this version knows? Writing into another schema would
//! lose fields without a word.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt};

use crate::{
    api::{conditions::reasons, marks},
    runtime::call::{CallError, deadline},
};

use super::watch::READ_DEADLINE;

/// Time between two looks.
pub const RETRY: Duration = Duration::from_secs(2);

/// Compares the digests that the definitions carry.
///
/// # Errors
/// What is missing or different, and the next step.
pub async fn skew(client: &Client, known: &[CustomResourceDefinition]) -> Result<(), String> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in known {
        let name = definition.name_any();
        let found = match deadline(READ_DEADLINE, api.get_metadata(&name)).await {
            Ok(found) => found,
            Err(CallError::NotFound(_)) => {
                return Err(format!(
                    "the cluster has no CRD {name}; apply it: tenantry crds | kubectl apply --server-side -f -"
                ));
            }
            Err(error) => return Err(format!("CRD {name} can't be read: {error}")),
        };
        let digest = |annotations: &std::collections::BTreeMap<String, String>| {
            annotations.get(marks::SCHEMA).cloned().unwrap_or_default()
        };
        let (ours, theirs) = (digest(definition.annotations()), digest(found.annotations()));
        if ours != theirs {
            return Err(format!(
                "{}: CRD {name} in the cluster has schema {theirs:?}, and this version knows {ours:?}; apply the CRDs of this version, or run the version of the CRDs",
                reasons::CRD_VERSION_SKEW
            ));
        }
    }
    Ok(())
}
