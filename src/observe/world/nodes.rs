//! Deployments, pods, nodes: where things run.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use crate::api::{
    kinds::{Kind, ObjectId},
    marks,
};

use super::{Signal, World};
use crate::observe::slim::{DeploymentStatus, SlimDeployment, SlimNode, SlimPod, is_true};

const PODS: &str = "pods";
const NODES: &str = "nodes";

/// A Deployment's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Pods asked for in `spec.replicas`.
    pub replicas: i32,
    /// The spec's generation.
    pub generation: i64,
    /// The resource version that this was read from.
    pub version: u64,
    /// What its controller says.
    pub status: DeploymentStatus,
}

impl Workload {
    /// Whether anything that a status says is different.
    fn differs(&self, other: &Self) -> bool {
        (self.replicas, self.generation, &self.status) != (other.replicas, other.generation, &other.status)
    }

    /// Whether the newest revision is the only one that runs.
    pub fn is_rolled_out(&self) -> bool {
        self.status.observed_generation >= self.generation
            && self.status.updated_replicas >= self.replicas
            && self.status.replicas <= self.status.updated_replicas
    }
}

/// A write to a Deployment's `/scale`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaled {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// Pods asked for.
    pub replicas: i32,
    /// The Deployment's resource version after the write.
    pub version: u64,
}

/// A pod's place and readiness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// The Tenant that its label names.
    pub tenant: String,
    /// The service that it belongs to.
    pub service: String,
    /// The node that it runs on; empty before it is scheduled.
    pub node: String,
    /// Whether it may get traffic.
    pub ready: bool,
}

/// A node's zone, health and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its labels: any could name a zone.
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl World {
    /// A Deployment of ours is there, or changed.
    pub fn deployment_seen(&mut self, deployment: &SlimDeployment) -> Vec<Signal> {
        let key = (deployment.namespace().unwrap_or_default(), deployment.name_any());
        let owner = deployment.labels().get(marks::TENANT).cloned().unwrap_or_default();
        let written = self.written_version(&owner, &key.0, &key.1);
        let mut signals = self.child_seen(Kind::Deployment, &deployment.metadata);
        let workload = Workload {
            replicas: deployment.spec.replicas,
            generation: deployment.metadata.generation.unwrap_or_default(),
            version: deployment.resource_version().and_then(|text| text.parse().ok()).unwrap_or_default(),
            status: deployment.status.clone(),
        };
        let before = self.workloads.insert(key.clone(), workload.clone());
        let Some(memory) = self.memories.get(&owner) else { return signals };
        let rule = memory.scales.get(&key).filter(|_| !memory.in_flight);
        if rule.is_some_and(|rule| rule.correction(workload.replicas).is_some()) {
            signals.push(Signal::Tenant(owner));
        } else if before.is_none_or(|before| before.version < written || before.differs(&workload)) {
            // Also while a pass is under way: it may have looked before.
            signals.push(Signal::TenantSoon(owner));
        }
        signals
    }

    /// A Deployment of ours is gone.
    pub fn deployment_gone(&mut self, deployment: &SlimDeployment) -> Vec<Signal> {
        let key = (deployment.namespace().unwrap_or_default(), deployment.name_any());
        self.workloads.remove(&key);
        self.child_gone(Kind::Deployment, &deployment.metadata)
    }

    /// The list of Deployments is complete.
    pub fn deployments_listed(&mut self) -> Vec<Signal> {
        let signals = self.children_listed(Kind::Deployment);
        let live: BTreeSet<(String, String)> = self
            .children
            .values()
            .flat_map(BTreeMap::keys)
            .filter(|id| id.kind == Kind::Deployment)
            .map(|ObjectId { namespace, name, .. }| (namespace.clone(), name.clone()))
            .collect();
        self.workloads.retain(|key, _| live.contains(key));
        signals
    }

    /// We scaled a Deployment: what is older than this version no longer speaks for it. The watch may
    /// well have shown a newer one already.
    pub fn deployment_scaled(&mut self, tenant: &str, scaled: &Scaled) {
        let Scaled { namespace, deployment, replicas, version } = scaled;
        let key = (namespace.clone(), deployment.clone());
        if let Some(workload) = self.workloads.get_mut(&key).filter(|workload| workload.version < *version) {
            workload.replicas = *replicas;
        }
        let id = ObjectId { kind: Kind::Deployment, namespace: key.0, name: key.1 };
        self.wrote(Kind::Deployment.info().plural, &format!("{}/{}", id.namespace, id.name));
        if let Some(live) = self.children.get_mut(tenant).and_then(|children| children.get_mut(&id)) {
            live.version = live.version.max(*version);
        }
    }

    /// A Deployment's pods.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Workload> {
        self.workloads.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// A list of pods begins.
    pub fn pods_listing(&mut self) {
        self.list_begins(PODS);
    }

    /// The list of pods is complete.
    pub fn pods_listed(&mut self) -> Vec<Signal> {
        let seen = self.list_ends(PODS);
        let mut lost = BTreeSet::new();
        self.pods.retain(|namespace, pods| {
            pods.retain(|name, pod| {
                let there = seen.contains(&format!("{namespace}/{name}"));
                if !there && pod.ready {
                    lost.insert(pod.tenant.clone());
                }
                there
            });
            !pods.is_empty()
        });
        lost.into_iter().map(Signal::TenantSoon).collect()
    }

    /// A pod of a tenant is there, or changed.
    pub fn pod_seen(&mut self, pod: &SlimPod) -> Vec<Signal> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        self.is_listed(PODS, &format!("{namespace}/{name}"));
        let label = |key: &str| pod.labels().get(key).cloned().unwrap_or_default();
        let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        let facts = PodFacts {
            tenant: label(marks::TENANT),
            service: label(marks::SERVICE),
            node: pod.spec.node_name.clone(),
            ready: !ended
                && pod.metadata.deletion_timestamp.is_none()
                && is_true(&pod.status.conditions, "Ready"),
        };
        let before = self.pods.entry(namespace).or_default().insert(name, facts.clone());
        if before.as_ref() == Some(&facts) {
            return Vec::new();
        }
        // A pod that was and is not ready changes nothing that a status says.
        let matter = before.into_iter().chain([facts]).filter(|pod| pod.ready);
        let tenants: BTreeSet<String> = matter.map(|pod| pod.tenant).collect();
        tenants.into_iter().map(Signal::TenantSoon).collect()
    }

    /// A pod is gone.
    pub fn pod_gone(&mut self, pod: &SlimPod) -> Vec<Signal> {
        let namespace = pod.namespace().unwrap_or_default();
        let Some(pods) = self.pods.get_mut(&namespace) else { return Vec::new() };
        let was = pods.remove(&pod.name_any());
        if pods.is_empty() {
            self.pods.remove(&namespace);
        }
        was.filter(|was| was.ready).map(|was| Signal::TenantSoon(was.tenant)).into_iter().collect()
    }

    /// The pods of a tenant's namespace.
    pub fn pods<'a>(&'a self, tenant: &'a str, namespace: &str) -> impl Iterator<Item = &'a PodFacts> {
        let pods = self.pods.get(namespace).into_iter().flat_map(BTreeMap::values);
        pods.filter(move |pod| pod.tenant == tenant)
    }

    /// A list of nodes begins.
    pub fn nodes_listing(&mut self) {
        self.list_begins(NODES);
    }

    /// The list of nodes is complete.
    pub fn nodes_listed(&mut self) -> Vec<Signal> {
        let seen = self.list_ends(NODES);
        let before = self.nodes.len();
        self.nodes.retain(|name, _| seen.contains(name));
        if self.nodes.len() == before { Vec::new() } else { vec![Signal::AllTenants] }
    }

    /// A node is there, or changed; heartbeats mean nothing.
    pub fn node_seen(&mut self, node: &SlimNode) -> Vec<Signal> {
        let name = node.name_any();
        self.is_listed(NODES, &name);
        let addresses = node.status.addresses.iter().filter_map(|one| one.address.parse().ok());
        let facts = NodeFacts { labels: node.labels().clone(), addresses: addresses.collect() };
        let before = self.nodes.insert(name, facts.clone());
        let same = before.is_some_and(|before| {
            before.addresses == facts.addresses
                && self.zone_keys().all(|key| before.labels.get(key) == facts.labels.get(key))
        });
        if same { Vec::new() } else { vec![Signal::AllTenants] }
    }

    /// The labels that Platforms take for zones: others change as they like.
    pub fn zone_keys(&self) -> impl Iterator<Item = &String> {
        self.platforms.values().map(|platform| &platform.spec.topology.zone_key)
    }

    /// A node is gone.
    pub fn node_gone(&mut self, node: &SlimNode) -> Vec<Signal> {
        self.nodes.remove(&node.name_any());
        vec![Signal::AllTenants]
    }

    /// The nodes.
    pub fn nodes(&self) -> &BTreeMap<String, NodeFacts> {
        &self.nodes
    }

    /// Addresses of API servers, as one object gives them: a slice of the `kubernetes` Service's endpoints
    /// (there is one an address family), or the Service itself. Some network plugins judge a packet by the
    /// Service's address, others by the endpoint's.
    pub fn api_servers_seen(&mut self, from: &str, mut addresses: Vec<IpAddr>) -> Vec<Signal> {
        addresses.sort_unstable();
        if self.api_servers.get(from) == Some(&addresses) {
            return Vec::new();
        }
        self.api_servers.insert(from.to_owned(), addresses);
        vec![Signal::AllTenants]
    }

    /// An object that gave addresses of API servers is gone.
    pub fn api_servers_gone(&mut self, from: &str) -> Vec<Signal> {
        self.api_servers.remove(from).map(|_| Signal::AllTenants).into_iter().collect()
    }

    /// Addresses that no tenant may reach: nodes and API servers.
    pub fn infrastructure(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.nodes
            .values()
            .flat_map(|node| node.addresses.iter().copied())
            .chain(self.api_servers.values().flatten().copied())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(version: u64, replicas: i32, ready: i32) -> SlimDeployment {
        let labels = json!({marks::MANAGED_BY: marks::MANAGED_BY_VALUE, marks::TENANT: "shop"});
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": labels, "resourceVersion": version.to_string()},
            "spec": {"replicas": replicas}, "status": {"availableReplicas": ready},
        }))
        .expect("a Deployment")
    }

    #[test]
    fn pods_that_get_ready_during_a_pass_are_not_missed() {
        let mut world = World::default();
        world.deployment_seen(&deployment(1, 3, 0));
        world.begin("shop");
        let signals = world.deployment_seen(&deployment(2, 3, 3));
        assert_eq!(signals, [Signal::TenantSoon("shop".into())]);
    }

    #[test]
    fn a_scale_that_the_watch_has_shown_already_makes_nothing_old() {
        let mut world = World::default();
        world.begin("shop");
        world.deployment_seen(&deployment(1, 1, 0));
        let scaled =
            |version| Scaled { namespace: "shop".into(), deployment: "web".into(), replicas: 3, version };
        world.deployment_scaled("shop", &scaled(5));
        let workload = |world: &World| world.workload("shop", "web").cloned().expect("it was seen");
        assert_eq!((workload(&world).replicas, world.written_version("shop", "shop", "web")), (3, 5));
        world.deployment_seen(&deployment(6, 3, 3));
        world.deployment_scaled("shop", &scaled(5));
        assert!(workload(&world).version >= world.written_version("shop", "shop", "web"));
    }
}
