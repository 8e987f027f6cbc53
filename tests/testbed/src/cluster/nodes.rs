//! Simulated nodes in zones.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::{Error, Result, kube_error};
use crate::nodes::Fleet;
use crate::wait::eventually;

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";

/// A zone and how many nodes it has.
#[derive(Debug, Clone)]
pub struct Zone {
    /// The value of `topology.kubernetes.io/zone`.
    pub name: String,
    /// The value of `topology.kubernetes.io/region`.
    pub region: String,
    /// How many nodes; named `ZONE-0`, `ZONE-1`, … .
    pub nodes: u32,
}

/// What a node says it has.
#[derive(Debug, Clone)]
pub struct NodeShape {
    /// CPU as a quantity.
    pub cpu: String,
    /// Memory as a quantity.
    pub memory: String,
    /// How many pods fit.
    pub pods: u32,
}

impl Default for NodeShape {
    fn default() -> Self {
        Self { cpu: "64".into(), memory: "256Gi".into(), pods: 500 }
    }
}

impl Cluster {
    pub(crate) async fn create_nodes(&self) -> Result<()> {
        let options = &self.own()?.options;
        let each = options.zones.iter().flat_map(|zone| (0..zone.nodes).map(move |index| (zone, index)));
        try_join_all(each.map(|(zone, index)| self.add_node(zone, index, &options.node))).await?;
        Ok(())
    }

    /// Adds the node `ZONE-INDEX`; kwok makes it Ready.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn add_node(&self, zone: &Zone, index: u32, shape: &NodeShape) -> Result<()> {
        let name = format!("{}-{index}", zone.name);
        let has = json!({"cpu": shape.cpu, "memory": shape.memory, "pods": shape.pods.to_string()});
        let node = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                ZONE: zone.name, REGION: zone.region, "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "type": "kwok",
            }, "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"}},
            "status": {"capacity": has, "allocatable": has, "phase": "Running"},
        }))
        .map_err(|error| Error::Invalid(format!("node {name}: {error}")))?;
        let nodes: Api<Node> = Api::all(self.client());
        nodes
            .create(&PostParams::default(), &node)
            .await
            .map_err(kube_error(format!("create node {name}")))?;
        Ok(())
    }

    /// Waits until all nodes are Ready without taints and pods find their service account.
    pub(crate) async fn wait_nodes(&self, timeout: Duration) -> Result<()> {
        let client = self.client();
        let nodes: Api<Node> = Api::all(client.clone());
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let own = self.own()?;
        let expected: u32 = own.options.zones.iter().map(|zone| zone.nodes).sum();
        let alive = || {
            own.fleet.iter().try_for_each(Fleet::check)?;
            own.plane().check()
        };
        eventually(timeout, "all nodes to be Ready", || {
            let (nodes, accounts, alive) = (nodes.clone(), accounts.clone(), alive());
            async move {
                if let Err(error) = alive {
                    return Ok(Err(error));
                }
                let list = nodes.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
                let waiting: Vec<String> = list
                    .iter()
                    .filter(|node| !takes_pods(node))
                    .filter_map(|n| n.metadata.name.clone())
                    .collect();
                if !waiting.is_empty() || list.items.len() < expected as usize {
                    let known = list.items.len();
                    return Err(format!("{known} of {expected} known; not Ready: {}", waiting.join(", ")));
                }
                accounts.get("default").await.map(|_| Ok(())).map_err(|error| error.to_string())
            }
        })
        .await?
    }

    /// Makes all nodes of a zone unschedulable, or schedulable again.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn cordon_zone(&self, zone: &str, cordoned: bool) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client());
        let patch = Patch::Merge(json!({"spec": {"unschedulable": cordoned}}));
        for name in self.nodes_of(zone).await? {
            let done = nodes.patch(&name, &PatchParams::default(), &patch).await;
            done.map_err(kube_error(format!("cordon node {name}")))?;
        }
        Ok(())
    }

    /// Cordons a zone and deletes the pods on its nodes, as a drain does without
    /// asking disruption budgets.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn drain_zone(&self, zone: &str) -> Result<()> {
        self.cordon_zone(zone, true).await?;
        for node in self.nodes_of(zone).await? {
            self.delete_pods_on(&node, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    async fn delete_pods_on(&self, node: &str, how: &DeleteParams) -> Result<()> {
        let pods: Api<Pod> = Api::all(self.client());
        let on_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        for pod in pods.list_metadata(&on_node).await.map_err(kube_error("list pods"))? {
            let (name, namespace) = (pod.metadata.name.unwrap_or_default(), pod.metadata.namespace);
            let pods: Api<Pod> = Api::namespaced(self.client(), namespace.as_deref().unwrap_or("default"));
            match pods.delete(&name, how).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                outcome => drop(outcome.map_err(kube_error(format!("delete pod {name}")))?),
            }
        }
        Ok(())
    }

    /// Loses a zone: its nodes are deleted, and their pods without waiting for anyone
    /// (by itself the pod collector takes a minute).
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn delete_zone(&self, zone: &str) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client());
        for name in self.nodes_of(zone).await? {
            let done = nodes.delete(&name, &DeleteParams::default()).await;
            done.map_err(kube_error(format!("delete node {name}")))?;
            self.delete_pods_on(&name, &DeleteParams::default().grace_period(0)).await?;
        }
        Ok(())
    }

    async fn nodes_of(&self, zone: &str) -> Result<Vec<String>> {
        let nodes: Api<Node> = Api::all(self.client());
        let of_zone = ListParams::default().labels(&format!("{ZONE}={zone}"));
        let list = nodes.list_metadata(&of_zone).await.map_err(kube_error("list nodes"))?;
        Ok(list.into_iter().filter_map(|node| node.metadata.name).collect())
    }
}

fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && node.spec.as_ref().is_none_or(|spec| spec.taints.as_deref().unwrap_or_default().is_empty())
}
