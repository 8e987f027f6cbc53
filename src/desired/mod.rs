//! `ValidatedTenant` + inputs → `Objects<Prepared>`. Pure and infallible: what can be wrong was found in
//! `validate`. One small function and one name constant per object.
//!
//! - [`meta`]: names and marks, in one place
//! - [`namespace`], [`quota`], [`network`], [`rbac`], [`pull_secret`]: isolation
//! - [`workload`], [`storage`], [`pod`], [`exposure`]: services
//! - [`backup`]: the namespaces that no member reaches

use std::marker::PhantomData;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::RoleBinding,
};

use crate::{
    api::{kinds::ObjectId, tenant::Lifecycle},
    validate::{ground::Inputs, platform::ValidatedPlatform, tenant::ValidatedTenant},
};

pub mod backup;
pub mod exposure;
pub mod meta;
pub mod namespace;
pub mod network;
pub mod pod;
pub mod pull_secret;
pub mod quota;
pub mod rbac;
pub mod storage;
pub mod workload;

/// The set was built and nothing was written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared;

/// The set was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied;

/// Every object of one tenant, a list a kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields' types say it
pub struct Objects<State> {
    pub namespaces: Vec<Namespace>,
    pub quotas: Vec<ResourceQuota>,
    pub limit_ranges: Vec<LimitRange>,
    pub network_policies: Vec<NetworkPolicy>,
    pub role_bindings: Vec<RoleBinding>,
    pub secrets: Vec<Secret>,
    pub service_accounts: Vec<ServiceAccount>,
    pub config_maps: Vec<ConfigMap>,
    pub services: Vec<Service>,
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    pub deployments: Vec<Deployment>,
    pub stateful_sets: Vec<StatefulSet>,
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// How many pods each Deployment and StatefulSet should have; written through `/scale`.
    pub scales: Vec<Scale>,
    /// What has happened to the set.
    pub state: PhantomData<State>,
}

/// How many pods a Deployment or StatefulSet should have. Never part of the applied object, so that an autoscaler
/// and `kubectl scale` stay visible as what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The Deployment or StatefulSet.
    pub of: ObjectId,
    /// The rule.
    pub rule: ScaleRule,
}

/// How many pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleRule {
    /// Always this many.
    Exactly(i32),
    /// An autoscaler decides inside this range; outside of it (after creation, or on resuming from
    /// zero) the nearer end is written once.
    Between(i32, i32),
}

impl ScaleRule {
    /// The number to write, when the present one breaks the rule.
    pub fn correction(self, present: i32) -> Option<i32> {
        let right = match self {
            Self::Exactly(count) => count,
            Self::Between(min, max) => present.clamp(min, max),
        };
        (right != present).then_some(right)
    }
}

/// Everything that a pass is built from.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The Tenant.
    pub tenant: &'a ValidatedTenant,
    /// The Platform that sets its rules.
    pub platform: &'a ValidatedPlatform,
    /// What the cluster gave.
    pub inputs: &'a Inputs,
}

/// Builds every object that the tenant should have. A cancelled tenant keeps its namespace, the
/// limits, deny-all and the Secrets.
pub fn objects(plan: Plan<'_>) -> Objects<Prepared> {
    let alive = plan.tenant.lifecycle != Lifecycle::Cancelled;
    let services = if alive { plan.tenant.services.as_slice() } else { &[] };
    let stateless = || services.iter().filter(|one| !one.is_stateful());
    let stateful = || services.iter().filter(|one| one.is_stateful());
    Objects {
        namespaces: [namespace::namespace(plan)].into_iter().chain(backup::namespaces(plan)).collect(),
        quotas: [quota::resource_quota(plan)].into_iter().chain(backup::quotas(plan)).collect(),
        limit_ranges: vec![quota::limit_range(plan)],
        network_policies: [network::policies(plan, alive), backup::policies(plan, alive)].concat(),
        role_bindings: if alive { rbac::bindings(plan) } else { Vec::new() }
            .into_iter()
            .chain(backup::bindings(plan, alive))
            .chain(backup::run_bindings(plan))
            .collect(),
        secrets: pull_secret::secret(plan).into_iter().chain(backup::pull_secrets(plan)).collect(),
        service_accounts: services.iter().map(|one| workload::service_account(plan, one)).collect(),
        config_maps: services.iter().filter_map(|one| workload::config_map(plan, one)).collect(),
        services: services
            .iter()
            .flat_map(|one| [exposure::service(plan, one), storage::governing_service(plan, one)])
            .flatten()
            .collect(),
        disruption_budgets: services.iter().map(|one| exposure::disruption_budget(plan, one)).collect(),
        deployments: stateless().map(|one| workload::deployment(plan, one)).collect(),
        stateful_sets: stateful().map(|one| storage::stateful_set(plan, one)).collect(),
        autoscalers: services.iter().filter_map(|one| exposure::autoscaler(plan, one)).collect(),
        scales: services.iter().map(|one| workload::scale(plan, one)).collect(),
        state: PhantomData,
    }
}
