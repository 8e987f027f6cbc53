//! The tenant's namespace, with its Pod Security level.

use k8s_openapi::api::core::v1::Namespace;

use crate::api::marks;

use super::{Plan, meta};

/// The workload namespace. All three modes of Pod Security are set: enforcement alone would only
/// show a refused pod in the ReplicaSet's events.
pub fn namespace(plan: Plan<'_>) -> Namespace {
    let mut metadata = meta::cluster(plan, &plan.tenant.namespace);
    let labels = metadata.labels.get_or_insert_default();
    let level = plan.platform.isolation.pod_security.as_str();
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
    }
    labels.insert(marks::PLATFORM.to_owned(), plan.platform.name.clone());
    Namespace { metadata, ..Namespace::default() }
}
