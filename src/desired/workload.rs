//! A service's ServiceAccount, configuration and Deployment; with volumes it has a StatefulSet: [`super::storage`].

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{ConfigMap, PodTemplateSpec, ServiceAccount},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use crate::{
    api::{marks, tenant::Lifecycle},
    validate::service::{SURGE_PERCENT, ValidatedService},
};

use super::{Plan, Scale, ScaleRule, meta, pod, pull_secret};

/// The identity of a service's pods: without a token, and with annotations for cloud identities.
pub fn service_account(plan: Plan<'_>, service: &ValidatedService) -> ServiceAccount {
    let mut metadata = meta::of_service(plan, &service.spec.name, &service.spec.name);
    let extra =
        service.spec.service_account_annotations.iter().map(|(key, value)| (key.clone(), value.0.clone()));
    metadata.annotations.get_or_insert_default().extend(extra);
    ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        image_pull_secrets: pull_secret::references(plan),
        ..ServiceAccount::default()
    }
}

/// Digits of the hash in a ConfigMap's name.
const HASH_DIGITS: usize = 10;

/// Whether a ConfigMap of this name holds a configuration of the service, of now or of some other time.
/// Exact: `web-api-…` is none of `web`'s.
pub fn is_config_map_of(service: &str, name: &str) -> bool {
    let hash = name.strip_prefix(service).and_then(|rest| rest.strip_prefix('-'));
    hash.is_some_and(|hash| {
        hash.len() == HASH_DIGITS && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Name of the ConfigMap with this content. A new content is a new name, so that it rolls out, and
/// so that old pods keep what they were started with.
pub fn config_map_name(service: &ValidatedService) -> Option<String> {
    if service.spec.config.is_empty() {
        return None;
    }
    let bytes: Vec<u8> = service
        .spec
        .config
        .iter()
        .flat_map(|(key, value)| [key.as_bytes(), b"\0", value.0.as_bytes(), b"\0"])
        .flatten()
        .copied()
        .collect();
    Some(format!("{}-{}", service.spec.name, meta::short_hash(&bytes, HASH_DIGITS)))
}

/// A service's configuration; immutable, because its name says its content.
pub fn config_map(plan: Plan<'_>, service: &ValidatedService) -> Option<ConfigMap> {
    let name = config_map_name(service)?;
    let data: BTreeMap<String, String> =
        service.spec.config.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    Some(ConfigMap {
        metadata: meta::of_service(plan, &service.spec.name, name),
        data: Some(data),
        immutable: Some(true),
        binary_data: None,
    })
}

/// The Deployment. `replicas` is never in it: see [`Scale`].
pub fn deployment(plan: Plan<'_>, service: &ValidatedService) -> Deployment {
    let name = &service.spec.name;
    let spec = DeploymentSpec {
        replicas: None,
        selector: meta::pod_selector(plan, name),
        template: template(plan, service),
        strategy: Some(DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            // No pod goes before its replacement is ready.
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(IntOrString::String(format!("{SURGE_PERCENT}%"))),
                max_unavailable: Some(IntOrString::Int(0)),
            }),
        }),
        revision_history_limit: Some(5),
        progress_deadline_seconds: Some(plan.platform.progress_seconds),
        ..DeploymentSpec::default()
    };
    Deployment { metadata: meta::of_service(plan, name, name), spec: Some(spec), status: None }
}

/// The pods, whoever makes them.
pub fn template(plan: Plan<'_>, service: &ValidatedService) -> PodTemplateSpec {
    let restarted = service.spec.restarted_at.as_ref().map(|at| (marks::RESTARTED_AT.to_owned(), at.clone()));
    let metadata = ObjectMeta {
        labels: Some(meta::pod_labels(plan, &service.spec.name)),
        annotations: restarted.map(|pair| [pair].into()),
        ..ObjectMeta::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(pod::spec(plan, service)) }
}

/// How many pods the service should have.
pub fn scale(plan: Plan<'_>, service: &ValidatedService) -> Scale {
    let replicas = &service.spec.replicas;
    let rule = match plan.tenant.lifecycle {
        Lifecycle::Suspended | Lifecycle::Cancelled => ScaleRule::Exactly(0),
        Lifecycle::Active if replicas.max() > replicas.min => {
            ScaleRule::Between(replicas.min, replicas.max())
        }
        Lifecycle::Active => ScaleRule::Exactly(replicas.min),
    };
    Scale { of: service.workload_in(&plan.tenant.namespace), rule }
}
