//! What a pass needs of the cluster before it decides. In the steady state all of it is known already:
//! only a namespace that we have never seen with our marks is asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client};

use crate::{
    api::{Tenant, marks, tenant_status::Purpose},
    desired::backup,
    runtime::call::{CallError, deadline},
    validate::{
        cidr::Cidr,
        ground::{Inputs, NamespaceFacts, PullSecret},
    },
};

use super::{watch::READ_DEADLINE, world::World};

/// The world, shared. A panic inside a short critical section leaves it whole.
pub fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gathers the inputs of a pass over this Tenant.
///
/// # Errors
/// The namespace can't be read: the pass must not go on, least of all delete.
pub async fn gather(
    world: &Mutex<World>,
    client: &Client,
    tenant: &Tenant,
    pull_secret: Option<PullSecret>,
    (install_id, operator): (&str, &str),
) -> Result<Inputs, CallError> {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let (mut inputs, known) = {
        let world = lock(world);
        let owner = world.namespace_owner(tenant.namespace());
        let inputs = Inputs {
            namespace: world.marked_namespace(tenant.namespace()),
            recorded_uid: recorded_uid(tenant),
            taken_by: owner.filter(|owner| *owner != name),
            denied: world.infrastructure().map(Cidr::host).collect(),
            pull_secret,
            install_id: install_id.to_owned(),
            operator: operator.to_owned(),
            had_backups: has_backups(tenant),
            volumes_in_use: false,
            beside: Vec::new(),
        };
        let known = inputs.namespace.is_some() || inputs.taken_by.is_some();
        (inputs, known)
    };
    if !known {
        inputs.namespace = read_namespace(client, tenant.namespace()).await?;
    }
    let spec = &tenant.spec;
    if inputs.had_backups || !(spec.databases.is_empty() && spec.volumes.is_empty()) {
        inputs.beside = beside(world, client, tenant.namespace()).await?;
    }
    Ok(inputs)
}

/// The namespaces for backups, where they are there.
async fn beside(
    world: &Mutex<World>,
    client: &Client,
    workload: &str,
) -> Result<Vec<(String, NamespaceFacts)>, CallError> {
    let mut found = Vec::new();
    for name in backup::beside(workload) {
        let known = lock(world).marked_namespace(&name);
        let facts = match known {
            Some(facts) => Some(facts),
            None => read_namespace(client, &name).await?,
        };
        found.extend(facts.map(|facts| (name, facts)));
    }
    Ok(found)
}

/// Whether a Tenant's status records a namespace for backups.
pub(super) fn has_backups(tenant: &Tenant) -> bool {
    let status = tenant.status.as_ref();
    status.is_some_and(|status| status.namespaces.iter().any(|one| one.purpose == Purpose::Backup))
}

/// uid of the namespace that a Tenant's status records.
pub(super) fn recorded_uid(tenant: &Tenant) -> Option<String> {
    let namespaces = &tenant.status.as_ref()?.namespaces;
    let workload = namespaces.iter().find(|one| one.purpose == Purpose::Workload)?;
    Some(workload.uid.clone()).filter(|uid| !uid.is_empty())
}

pub(super) async fn read_namespace(client: &Client, name: &str) -> Result<Option<NamespaceFacts>, CallError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = deadline(READ_DEADLINE, api.get_metadata_opt(name)).await?;
    Ok(found.map(|object| facts(&object.metadata)))
}

fn facts(meta: &ObjectMeta) -> NamespaceFacts {
    NamespaceFacts {
        uid: meta.uid.clone().unwrap_or_default(),
        terminating: meta.deletion_timestamp.is_some(),
        tenant: meta.labels.as_ref().and_then(|labels| labels.get(marks::TENANT)).cloned(),
        install_id: meta.annotations.as_ref().and_then(|map| map.get(marks::INSTALL_ID)).cloned(),
    }
}
