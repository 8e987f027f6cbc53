//! Names and marks of every child, in one place.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use sha2::{Digest, Sha256};

use crate::api::marks;

use super::Plan;

/// Metadata of a child in the tenant's namespace.
pub fn namespaced(plan: Plan<'_>, name: impl Into<String>) -> ObjectMeta {
    ObjectMeta { namespace: Some(plan.tenant.namespace.clone()), ..cluster(plan, name) }
}

/// Metadata of a child of one service.
pub fn of_service(plan: Plan<'_>, service: &str, name: impl Into<String>) -> ObjectMeta {
    let mut meta = namespaced(plan, name);
    meta.labels.get_or_insert_default().insert(marks::SERVICE.into(), service.into());
    meta
}

/// Metadata of a cluster-scoped child.
pub fn cluster(plan: Plan<'_>, name: impl Into<String>) -> ObjectMeta {
    let labels = [
        (marks::MANAGED_BY.to_owned(), marks::MANAGED_BY_VALUE.to_owned()),
        (marks::TENANT.to_owned(), plan.tenant.name.clone()),
    ];
    let annotations = [
        (marks::TENANT_UID.to_owned(), plan.tenant.uid.clone()),
        (marks::INSTALL_ID.to_owned(), plan.inputs.install_id.clone()),
    ];
    ObjectMeta {
        name: Some(name.into()),
        labels: Some(labels.into()),
        annotations: Some(annotations.into()),
        ..ObjectMeta::default()
    }
}

/// The labels that select a service's pods. Selectors can't change: neither may these.
pub fn pod_labels(plan: Plan<'_>, service: &str) -> BTreeMap<String, String> {
    [(marks::TENANT.to_owned(), plan.tenant.name.clone()), (marks::SERVICE.to_owned(), service.to_owned())]
        .into()
}

/// A selector of a service's pods.
pub fn pod_selector(plan: Plan<'_>, service: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(pod_labels(plan, service)), match_expressions: None }
}

/// The first `digits` hexadecimal digits of the bytes' SHA-256.
pub fn short_hash(bytes: &[u8], digits: usize) -> String {
    let mut text = hex::encode(Sha256::digest(bytes));
    text.truncate(digits);
    text
}
