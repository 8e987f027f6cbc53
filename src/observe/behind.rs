//! What stands behind a condition, read when somebody asks why: a few lists in the tenant's namespace,
//! all of them things that a member with the role Viewer may read, but for RoleBindings.

use std::time::Duration;

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    api::{
        core::v1::{ContainerStatus, Event, Pod},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectList},
};
use serde::de::DeserializeOwned;

use crate::{
    api::{Platform, Tenant, finding::Finding, marks},
    runtime::call::{CallError, deadline},
};

use super::{
    slim::{SlimCondition, SlimDeployment},
    watch::READ_DEADLINE,
};

/// Most objects of a kind that are read.
const MOST: u32 = 500;
/// Longest time for a list.
const DEADLINE: Duration = READ_DEADLINE;

/// What to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Deployments, pods that aren't ready, warnings.
    pub workloads: bool,
    /// Policies and bindings that aren't ours.
    pub foreign: bool,
    /// What the Platform's source says of the Tenant's file.
    pub source: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// The tenant's Deployments.
    pub deployments: Vec<DeploymentFacts>,
    /// Pods that aren't ready.
    pub pods: Vec<PodTrouble>,
    /// Warnings, the newest first.
    pub events: Vec<Warning>,
    /// Policies and bindings that aren't ours, as `Kind namespace/name`.
    pub foreign: Vec<String>,
    /// What is wrong in the Tenant's file.
    pub findings: Vec<Finding>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

/// A Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// Its name.
    pub name: String,
    /// Pods asked for.
    pub desired: i32,
    /// Pods available.
    pub available: i32,
    /// What its controller says against it.
    pub complaints: Vec<SlimCondition>,
}

/// A pod that isn't ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTrouble {
    /// Its name.
    pub name: String,
    /// A word: `ImagePullBackOff`, `Unschedulable`.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// A warning about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// RFC 3339 time of the last one.
    pub last: String,
    /// `Kind name`.
    pub object: String,
    /// A word.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// Reads what is needed. What can't be read is said, and stops nothing.
pub async fn read(client: &Client, need: Need, tenant: &Tenant) -> Behind {
    let mut behind = Behind::default();
    let namespace = tenant.namespace();
    let ours = ListParams::default().limit(MOST).labels(&format!("{}={}", marks::TENANT, tenant.name_any()));
    if need.workloads {
        let found: Vec<SlimDeployment> = list(client, namespace, &ours, &mut behind).await;
        behind.deployments = found.iter().map(deployment).collect();
        let found: Vec<Pod> = list(client, namespace, &ours, &mut behind).await;
        behind.pods = found.iter().filter_map(trouble).collect();
        let warnings = ListParams::default().limit(MOST).fields("type=Warning");
        let found: Vec<Event> = list(client, namespace, &warnings, &mut behind).await;
        behind.events = found.iter().map(warning).collect();
        behind.events.sort_by(|a, b| b.cmp(a));
    }
    if need.foreign {
        let any = ListParams::default().limit(MOST);
        let policies: Vec<NetworkPolicy> = list(client, namespace, &any, &mut behind).await;
        let bindings: Vec<RoleBinding> = list(client, namespace, &any, &mut behind).await;
        let names = |kind: &'static str, names: Vec<String>| names.into_iter().map(move |name| (kind, name));
        let found = names("NetworkPolicy", policies.iter().map(ResourceExt::name_any).collect())
            .chain(names("RoleBinding", bindings.iter().map(ResourceExt::name_any).collect()));
        // The inventory says what is ours; labels can be forged.
        let inventory = tenant.status.as_ref().map(|status| status.inventory.as_slice()).unwrap_or_default();
        let ours = |kind: &str, name: &str| inventory.iter().any(|one| one.kind == kind && one.name == name);
        let foreign = found.filter(|(kind, name)| !ours(kind, name));
        behind.foreign = foreign.map(|(kind, name)| format!("{kind} {namespace}/{name}")).collect();
    }
    let annotation = tenant.annotations().get(marks::SOURCE).filter(|_| need.source);
    if let Some((platform, path)) = annotation.and_then(|source| source.split_once('/')) {
        match findings(client, platform, |finding| finding.file == path).await {
            Ok(found) => behind.findings = found,
            Err(error) => behind.unreadable.push(format!("Platform {platform}: {error}")),
        }
    }
    behind
}

/// Findings in a Platform's source.
///
/// # Errors
/// The Platform can't be read.
pub async fn findings(
    client: &Client,
    platform: &str,
    about: impl Fn(&Finding) -> bool,
) -> Result<Vec<Finding>, CallError> {
    let api: Api<Platform> = Api::all(client.clone());
    let found = deadline(DEADLINE, api.get(platform)).await?;
    let source = found.status.and_then(|status| status.source).unwrap_or_default();
    Ok(source.findings.into_iter().filter(about).collect())
}

async fn list<K>(client: &Client, namespace: &str, params: &ListParams, behind: &mut Behind) -> Vec<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    match deadline(DEADLINE, api.list(params)).await {
        Ok(ObjectList { items, .. }) => items,
        Err(error) => {
            behind.unreadable.push(format!("{} in {namespace}: {error}", K::plural(&())));
            Vec::new()
        }
    }
}

fn deployment(found: &SlimDeployment) -> DeploymentFacts {
    let against = |one: &&SlimCondition| match one.type_.as_str() {
        "ReplicaFailure" => one.status == "True",
        _ => one.status == "False",
    };
    DeploymentFacts {
        name: found.name_any(),
        desired: found.spec.replicas,
        available: found.status.available_replicas,
        complaints: found.status.conditions.iter().filter(against).cloned().collect(),
    }
}

/// What keeps a pod from being ready; nothing when it is, or when it is done.
fn trouble(pod: &Pod) -> Option<PodTrouble> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let condition = |type_: &str| conditions.iter().find(|one| one.type_ == type_);
    if condition("Ready").is_some_and(|ready| ready.status == "True")
        || status.phase.as_deref() == Some("Succeeded")
    {
        return None;
    }
    let name = pod.name_any();
    let containers =
        status.init_container_statuses.iter().chain(&status.container_statuses).flatten().find_map(stuck);
    let (reason, message) = containers.unwrap_or_else(|| {
        let unscheduled = condition("PodScheduled").filter(|one| one.status == "False");
        let said = unscheduled.or_else(|| condition("Ready"));
        let words = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let reason = said.and_then(|one| words(&one.reason)).or_else(|| words(&status.reason));
        let message = said.and_then(|one| words(&one.message)).or_else(|| words(&status.message));
        (reason.or_else(|| status.phase.clone()).unwrap_or_default(), message.unwrap_or_default())
    });
    Some(PodTrouble { name, reason, message })
}

fn stuck(container: &ContainerStatus) -> Option<(String, String)> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().unwrap_or_else(|| "Waiting".to_owned());
        let message = waiting.message.clone().unwrap_or_default();
        return Some((reason, format!("container {}: {message}", container.name)));
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.clone().unwrap_or_else(|| "Error".to_owned());
    Some((reason, format!("container {} ended with {}", container.name, ended.exit_code)))
}

fn warning(event: &Event) -> Warning {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let last = series
        .map(|time| time.0)
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.creation_timestamp().map(|time| time.0));
    let object = &event.involved_object;
    Warning {
        last: last.map(|time| time.to_string()).unwrap_or_default(),
        object: format!(
            "{} {}",
            object.kind.as_deref().unwrap_or("object"),
            object.name.as_deref().unwrap_or_default()
        ),
        reason: event.reason.clone().unwrap_or_default(),
        message: event.message.clone().unwrap_or_default(),
    }
}

/// Everything of a cluster-scoped kind, page by page, each object by itself: one that this version can't
/// read doesn't hide the others.
///
/// # Errors
/// The list can't be read.
pub async fn all<K>(client: &Client) -> Result<Vec<Result<K, (String, String)>>, CallError>
where
    K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + DeserializeOwned,
{
    let resource = kube::api::ApiResource::erase::<K>(&());
    let api: Api<kube::api::DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut params = ListParams::default().limit(MOST);
    let mut all = Vec::new();
    loop {
        let page = deadline(DEADLINE, api.list(&params)).await?;
        for object in page.items {
            let name = object.name_any();
            let typed = serde_json::to_value(object).and_then(serde_json::from_value::<K>);
            all.push(typed.map_err(|error| (name, error.to_string())));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
