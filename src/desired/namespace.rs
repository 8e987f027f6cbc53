//! The tenant's namespace, with its Pod Security level and what the guards in the API server go by.

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
    metadata.annotations.get_or_insert_default().extend(allowances(plan));
    Namespace { metadata, ..Namespace::default() }
}

/// What the guards allow here, beyond what they allow everywhere.
fn allowances(plan: Plan<'_>) -> Vec<(String, String)> {
    let images = &plan.platform.images;
    let mut registries: Vec<&str> = images.registries.iter().map(|one| one.trim_end_matches('/')).collect();
    registries.sort_unstable();
    let some =
        |key: &str| plan.tenant.quota.get(key).is_some_and(|count| count.milli().is_ok_and(|n| n.0 > 0));
    let types: Vec<&str> = [("NodePort", "services.nodeports"), ("LoadBalancer", "services.loadbalancers")]
        .into_iter()
        .filter(|(_, key)| some(key))
        .map(|(service_type, _)| service_type)
        .collect();
    let digests = if images.require_digests { "true" } else { "" };
    [
        (marks::REGISTRIES, registries.join(" ")),
        (marks::REQUIRE_DIGESTS, digests.to_owned()),
        (marks::SERVICE_TYPES, types.join(" ")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}
