//! Where a tenant's services run: pods → nodes → zones, measured. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{kinds::ObjectId, tenant_status::ProofStatus},
    prove::{doors::Doors, questions},
    validate::{platform::ValidatedPlatform, tenant::ValidatedTenant},
};

use super::{
    loss::Fit,
    world::{Workload, World},
};

/// What status is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Every declared service.
    pub services: Vec<ObservedService>,
    /// Zones that count: those that the Platform names, else those that nodes are in.
    pub zones: Vec<String>,
    /// NetworkPolicies and RoleBindings in the namespace that aren't ours.
    pub foreign: Vec<ObjectId>,
    /// What was found out about its isolation; `None` where nothing was yet.
    pub proof: Option<ProofStatus>,
    /// Digest of whom evidence has to speak of.
    pub subject: String,
    /// Whether the network keeps tenants apart.
    pub doors: Doors,
}

/// A service's Deployment and its ready pods by zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// Its name.
    pub name: String,
    /// Its Deployment; absent before it is made.
    pub workload: Option<Workload>,
    /// Whether `workload` is as new as our own last write: before that it speaks of the old spec.
    pub current: bool,
    /// Ready pods in each zone that counts, and in zones that don't (`""`: no zone at all).
    pub ready: BTreeMap<String, i32>,
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
    let zones: BTreeSet<String> = if platform.topology.zones.is_empty() {
        world.nodes().values().filter_map(|node| node.labels.get(key).cloned()).collect()
    } else {
        platform.topology.zones.iter().cloned().collect()
    };
    let services = tenant.services.iter().map(|service| {
        let mut ready: BTreeMap<String, i32> = zones.iter().map(|zone| (zone.clone(), 0)).collect();
        let pods = world.pods(&tenant.name, &tenant.namespace);
        for pod in pods.filter(|pod| pod.ready && pod.service == service.spec.name) {
            *ready.entry(zone_of(&pod.node).unwrap_or_default()).or_default() += 1;
        }
        let workload = world.workload(&tenant.namespace, &service.spec.name).cloned();
        let written = world.written_version(&tenant.name, &tenant.namespace, &service.spec.name);
        let current =
            workload.as_ref().is_some_and(|workload| workload.version >= written && workload.version > 0);
        let fit = world.fit(&tenant.namespace, &service.spec.name).cloned();
        ObservedService { name: service.spec.name.clone(), workload, current, ready, fit }
    });
    let known = world.tenant(&tenant.name);
    Observed {
        services: services.collect(),
        foreign: world.foreign(&tenant.namespace),
        proof: known.as_ref().and_then(|known| world.proof(known).cloned()),
        subject: known.as_ref().map(|known| questions::subject(known)).unwrap_or_default(),
        doors: world.doors().clone(),
        zones: zones.iter().cloned().collect(),
    }
}
