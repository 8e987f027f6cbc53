//! Pods and nodes: where things run.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use crate::{
    api::marks,
    observe::{
        slim::{SlimNode, SlimPod},
        trouble::{Unready, unready},
    },
};

use super::{Signal, World};

const PODS: &str = "pods";
const NODES: &str = "nodes";

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
    /// What keeps it from that, where it should.
    pub unready: Option<Box<Unready>>,
}

impl PodFacts {
    /// Whether a status says anything of it.
    fn matters(&self) -> bool {
        self.ready || self.unready.as_ref().is_some_and(|unready| unready.trouble.is_some())
    }
}

/// A node whose health turned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeTurn {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its condition `Ready` before.
    pub from: String,
    /// And now; `None` when the node is gone.
    pub to: Option<String>,
    /// Why, as the node says.
    pub reason: String,
}

/// A node's zone, health and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its labels: any could name a zone.
    pub labels: BTreeMap<String, String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its condition `Ready`, and why.
    pub ready: Option<(String, String)>,
}

impl World {
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
                if !there && pod.matters() {
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
        let unready = unready(pod);
        let facts = PodFacts {
            tenant: label(marks::TENANT),
            service: label(marks::SERVICE),
            node: pod.spec.node_name.clone(),
            ready: pod.is_current() && pod.is_ready(),
            unready: unready.map(Box::new),
        };
        let before = self.pods.entry(namespace).or_default().insert(name, facts.clone());
        if before.as_ref() == Some(&facts) {
            return Vec::new();
        }
        // A pod that was and is not ready, and has nothing to complain of, changes nothing that a status says.
        let matter = before.into_iter().chain([facts]).filter(PodFacts::matters);
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
        was.filter(PodFacts::matters).map(|was| Signal::TenantSoon(was.tenant)).into_iter().collect()
    }

    /// The pods of a tenant's namespace, in the order of their names.
    pub fn pods<'a>(
        &'a self,
        tenant: &'a str,
        namespace: &str,
    ) -> impl Iterator<Item = (&'a String, &'a PodFacts)> {
        let pods = self.pods.get(namespace).into_iter().flatten();
        pods.filter(move |(_, pod)| pod.tenant == tenant)
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
        let ready = node.status.conditions.iter().find(|one| one.type_ == "Ready");
        let ready = ready.map(|one| (one.status.clone(), one.reason.clone()));
        let facts = NodeFacts { labels: node.labels().clone(), addresses: addresses.collect(), ready };
        let before = self.nodes.insert(name, facts.clone());
        let same = before.as_ref().is_some_and(|before| {
            before.addresses == facts.addresses
                && self.zone_keys().all(|key| before.labels.get(key) == facts.labels.get(key))
        });
        let mut signals = if same { Vec::new() } else { vec![Signal::AllTenants] };
        signals.extend(turned(node, before, facts.ready));
        signals
    }

    /// The labels that Platforms take for zones: others change as they like.
    pub fn zone_keys(&self) -> impl Iterator<Item = &String> {
        self.platforms.values().map(|platform| &platform.spec.topology.zone_key)
    }

    /// A node is gone.
    pub fn node_gone(&mut self, node: &SlimNode) -> Vec<Signal> {
        let before = self.nodes.remove(&node.name_any());
        let turn = turned(node, before, None);
        turn.into_iter().chain([Signal::AllTenants]).collect()
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

/// Whether a node that was known says something else than before; the first word about one turns nothing.
fn turned(node: &SlimNode, before: Option<NodeFacts>, now: Option<(String, String)>) -> Option<Signal> {
    let (from, why) = before?.ready?;
    let (to, reason) = now.map_or((None, why), |(to, reason)| (Some(to), reason));
    let turn = NodeTurn { name: node.name_any(), uid: node.uid().unwrap_or_default(), from, to, reason };
    (turn.to.as_ref() != Some(&turn.from)).then_some(Signal::Node(turn))
}
