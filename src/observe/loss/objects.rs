//! What is decoded of Nodes and Pods: what a scheduler's filters look at, and nothing else. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{api::quantity::Quantity, observe::slim::SlimCondition};

use super::census::{Amount, COUNTED};

/// What is decoded of an object's metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)] // the API's own names
pub struct Meta {
    pub name: String,
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
    pub owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Owner {
    pub kind: String,
    pub controller: bool,
}

impl Meta {
    /// Whether a controller makes another one elsewhere. A DaemonSet has one a node already, a static pod ends with
    /// its node, and a pod that nobody owns stays away.
    pub fn comes_back(&self) -> bool {
        let owner = self.owner_references.iter().find(|owner| owner.controller);
        owner.is_some_and(|owner| !matches!(owner.kind.as_str(), "DaemonSet" | "Node"))
    }
}

/// What is decoded of a Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Node {
    pub metadata: Meta,
    pub spec: NodeSpec,
    pub status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct NodeSpec {
    pub unschedulable: bool,
    pub taints: Vec<Taint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Taint {
    pub effect: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct NodeStatus {
    pub allocatable: BTreeMap<String, Quantity>,
    pub conditions: Vec<SlimCondition>,
}

/// What is decoded of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Pod {
    pub metadata: Meta,
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PodStatus {
    pub phase: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PodSpec {
    pub node_name: String,
    pub containers: Vec<Container>,
    pub init_containers: Vec<Container>,
    pub overhead: BTreeMap<String, Quantity>,
    pub resources: Resources,
    pub node_selector: BTreeMap<String, String>,
    pub affinity: Value,
    pub tolerations: Vec<Toleration>,
    pub topology_spread_constraints: Vec<Spread>,
    pub volumes: Vec<BTreeMap<String, Value>>,
    pub resource_claims: Vec<Value>,
    pub host_network: bool,
    pub scheduler_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Container {
    pub resources: Resources,
    pub restart_policy: String,
    pub ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Resources {
    pub requests: BTreeMap<String, Quantity>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Port {
    pub host_port: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Toleration {
    pub key: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Spread {
    pub max_skew: i128,
    pub topology_key: String,
    pub when_unsatisfiable: String,
}

/// Tolerations that the API server gives to every pod.
const GIVEN: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

impl PodSpec {
    /// What the scheduler reserves for the pod, and whether that is all that it asks for. As Kubernetes counts: the
    /// sum of the containers and of the sidecars, or the most that an init container takes beside the sidecars
    /// before it, whichever is more; what the pod itself asks for goes first; overhead on top.
    pub fn asks(&self) -> (Amount, bool) {
        let mut counted = true;
        let mut amount = |quantities: &BTreeMap<String, Quantity>| {
            let found = Amount::of(quantities);
            counted &= found.is_some();
            found.unwrap_or_default()
        };
        let mut running = Amount::default();
        let mut most = Amount::default();
        for init in &self.init_containers {
            let asks = amount(&init.resources.requests);
            if init.restart_policy == "Always" {
                running = running.plus(asks, 1);
                most = most.max(running);
            } else {
                most = most.max(running.plus(asks, 1));
            }
        }
        for container in &self.containers {
            running = running.plus(amount(&container.resources.requests), 1);
        }
        let mut all = running.max(most);
        let own = amount(&self.resources.requests);
        for (index, name) in COUNTED.iter().enumerate() {
            if self.resources.requests.contains_key(*name) {
                all.resources[index] = own.resources[index];
            }
        }
        all = all.plus(amount(&self.overhead), 1);
        all.pods = 1;
        (all, counted)
    }

    /// What a scheduler would look at and this doesn't.
    pub fn beyond(&self, counted: bool) -> &'static str {
        let claims = |volume: &BTreeMap<String, Value>| {
            volume.contains_key("persistentVolumeClaim") || volume.contains_key("ephemeral")
        };
        let every = || self.containers.iter().chain(&self.init_containers);
        if !counted {
            "resources"
        } else if !self.node_selector.is_empty() {
            "nodeSelector"
        } else if self.volumes.iter().any(claims) {
            "volumes"
        } else if !self.resource_claims.is_empty() {
            "resourceClaims"
        } else if self.host_network || every().any(|one| one.ports.iter().any(|port| port.host_port != 0)) {
            "host ports"
        } else if self.tolerations.iter().any(|one| !GIVEN.contains(&one.key.as_str())) {
            "tolerations"
        } else if !matches!(self.scheduler_name.as_str(), "" | "default-scheduler") {
            "schedulerName"
        } else {
            ""
        }
    }
}
