//! Where a tenant's services run: pods → nodes → zones, measured. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{kinds::ObjectId, tenant_status::ProofStatus},
    prove::{doors::Doors, questions},
    validate::{platform::ValidatedPlatform, tenant::ValidatedTenant},
};

use super::{
    loss::Fit,
    trouble::Unready,
    world::{Workload, World},
};

/// What status is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Every declared service.
    pub services: Vec<ObservedService>,
    /// Nodes that are in no zone: no service's pods run there.
    pub unzoned: Vec<String>,
    /// Zones that the Platform names and no node is in.
    pub empty: Vec<String>,
    /// Zones that count: those that the Platform names, else those that nodes are in.
    pub zones: Vec<String>,
    /// NetworkPolicies and RoleBindings in the namespace that aren't ours.
    pub foreign: Vec<ObjectId>,
    /// Names of the PersistentVolumeClaims in the namespace, whoever made them.
    pub claims: BTreeSet<String>,
    /// What was found out about its isolation; `None` where nothing was yet.
    pub proof: Option<ProofStatus>,
    /// Digest of whom evidence has to speak of.
    pub subject: String,
    /// Whether the network keeps tenants apart.
    pub doors: Doors,
}

/// What makes a service's pods, and its ready pods by zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// Its name.
    pub name: String,
    /// Its Deployment or StatefulSet; absent before it is made.
    pub workload: Option<Workload>,
    /// Whether `workload` is as new as our own last write: before that it speaks of the old spec.
    pub current: bool,
    /// Ready pods in each zone that counts, and in zones that don't (`""`: no zone at all).
    pub ready: BTreeMap<String, i32>,
    /// Pods that are not ready and should be, by name.
    pub unready: Vec<(String, Unready)>,
    /// Whether its pods would find room elsewhere without one of their zones; `None` before it was counted.
    pub fit: Option<Fit>,
}

impl ObservedService {
    /// Whether the newest revision is the only one that runs.
    pub fn is_rolled_out(&self) -> bool {
        self.current && self.workload.as_ref().is_some_and(Workload::is_rolled_out)
    }
}

/// Observes a tenant.
pub fn observe(world: &World, tenant: &ValidatedTenant, platform: &ValidatedPlatform) -> Observed {
    let key = &platform.topology.zone_key;
    let zone_of = |node: &str| world.nodes().get(node).and_then(|node| node.labels.get(key)).cloned();
    let there: BTreeSet<String> = world.nodes().keys().filter_map(|node| zone_of(node)).collect();
    let named: BTreeSet<String> = platform.topology.zones.iter().cloned().collect();
    let empty = named.difference(&there).cloned().collect();
    let zones = if named.is_empty() { there } else { named };
    let services = tenant.services.iter().map(|service| {
        let mut ready: BTreeMap<String, i32> = zones.iter().map(|zone| (zone.clone(), 0)).collect();
        let mut unready = Vec::new();
        let pods = world.pods(&tenant.name, &tenant.namespace);
        for (name, pod) in pods.filter(|(_, pod)| pod.service == service.spec.name) {
            if pod.ready {
                *ready.entry(zone_of(&pod.node).unwrap_or_default()).or_default() += 1;
            }
            unready.extend(pod.unready.as_ref().map(|one| (name.clone(), one.as_ref().clone())));
        }
        let id = service.workload_in(&tenant.namespace);
        let workload = world.workload(&id).cloned();
        let written = world.written_version(&tenant.name, &id);
        let current =
            workload.as_ref().is_some_and(|workload| workload.version >= written && workload.version > 0);
        let fit = world.fit(&tenant.namespace, &service.spec.name).cloned();
        ObservedService { name: service.spec.name.clone(), workload, current, ready, unready, fit }
    });
    let unzoned = world.nodes().keys().filter(|node| zone_of(node).is_none());
    let known = world.tenant(&tenant.name);
    let beside = known.iter().flat_map(|known| known.namespaces_beside()).map(str::to_owned);
    let places: Vec<String> = std::iter::once(tenant.namespace.clone()).chain(beside).collect();
    Observed {
        services: services.collect(),
        unzoned: unzoned.cloned().collect(),
        empty,
        foreign: places.iter().flat_map(|place| world.foreign(place)).collect(),
        claims: world.claims(&tenant.namespace),
        proof: known.as_ref().and_then(|known| world.proof(known).cloned()),
        subject: known.as_ref().map(|known| questions::subject(known)).unwrap_or_default(),
        doors: world.doors().clone(),
        zones: zones.iter().cloned().collect(),
    }
}
