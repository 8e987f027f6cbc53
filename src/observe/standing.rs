//! What a plan has to know of a cluster: read once, by name, and not kept. No Secret is ever read: whoever may
//! only plan needs no right to.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    core::v1::{Namespace, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use crate::{
    api::{
        Platform, Tenant,
        kinds::{Kind, ObjectId},
    },
    runtime::call::{CallError, deadline},
    validate::{cidr::Cidr, ground::Inputs},
};

use super::{
    inputs::{read_namespace, recorded_uid},
    lists,
    slim::SlimNode,
    watch::{READ_DEADLINE, api_addresses, resource},
    world::World,
};

/// Reads under way at once.
const AT_ONCE: usize = 4;

/// Something that has to be read can't be.
#[derive(Debug, thiserror::Error)]
#[error("{what} can't be read")]
pub struct Unread {
    what: String,
    #[source]
    source: CallError,
}

fn unread(what: impl Into<String>) -> impl FnOnce(CallError) -> Unread {
    let what = what.into();
    move |source| Unread { what, source }
}

/// What is the same for every Tenant.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Id of the installation.
    pub install_id: String,
    /// Addresses of nodes and of API servers.
    pub denied: Vec<Cidr>,
}

/// Reads what is the same for every Tenant; `namespace` is the operator's own.
///
/// # Errors
/// Something of it can't be read.
pub async fn cluster(client: &Client, namespace: &str) -> Result<Cluster, Unread> {
    let api: Api<Namespace> = Api::all(client.clone());
    let what = format!("namespace {namespace}, the operator's own by --namespace,");
    let found = deadline(READ_DEADLINE, api.get_metadata(namespace)).await.map_err(unread(what))?;
    let mut world = World::default();
    for node in lists::all::<SlimNode>(client).await.map_err(unread("nodes"))?.into_iter().flatten() {
        world.node_seen(&node);
    }
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let params = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let slices = deadline(READ_DEADLINE, slices.list(&params)).await;
    for slice in slices.map_err(unread("endpointslices in default"))?.items {
        let name = slice.metadata.name.unwrap_or_default();
        let addresses = slice.endpoints.into_iter().flat_map(|endpoint| endpoint.addresses);
        world.api_servers_seen(&name, api_addresses(addresses));
    }
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let service = deadline(READ_DEADLINE, services.get("kubernetes")).await;
    let spec = service.map_err(unread("Service default/kubernetes"))?.spec.unwrap_or_default();
    world.api_servers_seen("service", api_addresses(spec.cluster_ips.unwrap_or_default()));
    Ok(Cluster {
        install_id: found.metadata.uid.unwrap_or_default(),
        denied: world.infrastructure().map(Cidr::host).collect(),
    })
}

/// Reads a Platform.
///
/// # Errors
/// It can't be read.
pub async fn platform(client: &Client, name: &str) -> Result<Option<Platform>, Unread> {
    let api: Api<Platform> = Api::all(client.clone());
    let found = deadline(READ_DEADLINE, api.get_opt(name)).await;
    found.map_err(unread(format!("Platform {name}")))
}

/// Reads a Tenant, and what a pass over it would know of its namespace; all but its pull Secret.
///
/// # Errors
/// One of them can't be read.
pub async fn tenant(
    client: &Client,
    name: &str,
    namespace: &str,
    cluster: &Cluster,
) -> Result<(Option<Tenant>, Inputs), Unread> {
    let api: Api<Tenant> = Api::all(client.clone());
    let found = deadline(READ_DEADLINE, api.get_opt(name)).await;
    let tenant = found.map_err(unread(format!("Tenant {name}")))?;
    let facts = read_namespace(client, namespace).await;
    let inputs = Inputs {
        namespace: facts.map_err(unread(format!("namespace {namespace}")))?,
        recorded_uid: tenant.as_ref().and_then(recorded_uid),
        denied: cluster.denied.clone(),
        install_id: cluster.install_id.clone(),
        operator: crate::api::marks::OPERATOR.to_owned(),
        had_backups: tenant.as_ref().is_some_and(super::inputs::has_backups),
        ..Inputs::default()
    };
    Ok((tenant, inputs))
}

/// Reads objects whole; one that isn't there is left out, and so is every Secret.
///
/// # Errors
/// One of them can't be read.
pub async fn objects(client: &Client, ids: BTreeSet<ObjectId>) -> Result<BTreeMap<ObjectId, Value>, Unread> {
    let reads = ids.into_iter().filter(|id| id.kind != Kind::Secret).map(|id| object(client.clone(), id));
    let found = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    Ok(found.into_iter().filter_map(|(id, object)| Some((id, object?))).collect())
}

async fn object(client: Client, id: ObjectId) -> Result<(ObjectId, Option<Value>), Unread> {
    let resource = resource(id.kind);
    let api: Api<DynamicObject> = match id.kind.namespaced() {
        true => Api::namespaced_with(client, &id.namespace, &resource),
        false => Api::all_with(client, &resource),
    };
    let found = deadline(READ_DEADLINE, api.get_opt(&id.name)).await.map_err(unread(id.to_string()))?;
    // It was JSON a moment ago.
    Ok((id, found.and_then(|object| serde_json::to_value(object).ok())))
}

/// The user that this process is to the API server.
///
/// # Errors
/// It doesn't say.
pub async fn whoami(client: &Client) -> Result<String, CallError> {
    let body = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.as_bytes().to_vec())
        .map_err(|error| CallError::Invalid(error.to_string()))?;
    let said: Value = deadline(READ_DEADLINE, client.request(request)).await?;
    Ok(said["status"]["userInfo"]["username"].as_str().unwrap_or_default().to_owned())
}
