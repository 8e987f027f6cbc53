//! What stands behind a condition, read when somebody asks why: a few lists in the tenant's namespace,
//! all of them things that a member with the role Viewer may read, but for RoleBindings.

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    api::{
        core::v1::{Event, Pod},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, ObjectList},
};
use serde::de::DeserializeOwned;

use crate::{
    api::{Platform, Tenant, finding::Finding, marks},
    runtime::call::{CallError, deadline},
};

use super::{
    behind::{Behind, Need, deployment, stateful_set, trouble, warning},
    slim::{SlimDeployment, SlimStatefulSet},
    watch::READ_DEADLINE as DEADLINE,
};

/// Most objects of a kind that are read, or of a page.
const MOST: u32 = 500;

/// Reads what is needed. What can't be read is said, and stops nothing.
pub async fn read(client: &Client, need: Need, tenant: &Tenant) -> Behind {
    let mut behind = Behind::default();
    let namespace = tenant.namespace();
    let ours = ListParams::default().limit(MOST).labels(&format!("{}={}", marks::TENANT, tenant.name_any()));
    if need.workloads {
        let found: Vec<SlimDeployment> = list(client, namespace, &ours, &mut behind).await;
        behind.deployments = found.iter().map(deployment).collect();
        let found: Vec<SlimStatefulSet> = list(client, namespace, &ours, &mut behind).await;
        behind.deployments.extend(found.into_iter().map(stateful_set));
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

/// Everything of a cluster-scoped kind, page by page, each object by itself: one that this version can't
/// read doesn't hide the others.
///
/// # Errors
/// The list can't be read.
pub async fn all<K>(client: &Client) -> Result<Vec<Result<K, (String, String)>>, CallError>
where
    K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = page::<K>(client, MOST, next.as_deref()).await?;
        for object in page.items {
            let name = object.name_any();
            let typed = serde_json::to_value(object).and_then(serde_json::from_value::<K>);
            all.push(typed.map_err(|error| (name, error.to_string())));
        }
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// Some objects of a kind, as they are.
#[derive(Debug)]
pub struct Page {
    /// The objects.
    pub items: Vec<DynamicObject>,
    /// What asks for the next page; `None` after the last one.
    pub next: Option<String>,
}

/// One page of a cluster-scoped kind, of at most `limit` objects.
///
/// # Errors
/// The list can't be read.
pub async fn page<K>(client: &Client, limit: u32, token: Option<&str>) -> Result<Page, CallError>
where
    K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut params = ListParams::default().limit(limit);
    params.continue_token = token.map(str::to_owned);
    let page = deadline(DEADLINE, api.list(&params)).await.map_err(|error| match error {
        // A kind that is served answers with an empty list.
        CallError::NotFound(_) => CallError::NotFound(format!(
            "the cluster has no {}; apply the definitions: tenantry crds | kubectl apply --server-side -f -",
            K::plural(&())
        )),
        other => other,
    })?;
    Ok(Page { items: page.items, next: page.metadata.continue_.filter(|token| !token.is_empty()) })
}
