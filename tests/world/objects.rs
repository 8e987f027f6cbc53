//! Objects as the API server would send them.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::{Value, json};
use tenantry::api::{
    Platform, Tenant,
    kinds::{Kind, ObjectId},
    marks,
    tenant_status::InventoryEntry,
};
use tenantry::apply::manifest::Manifest;
use tenantry::apply::plan::written;
use tenantry::observe::live::Live;
use tenantry::observe::slim::{
    DeploymentSpec, DeploymentStatus, NodeAddress, NodeStatus, PodCondition, PodSpec, PodStatus,
    SlimDeployment, SlimNode, SlimPod,
};
use tenantry::observe::world::{Left, World};

pub const INSTALL: &str = "install-1";

/// A child as the cluster has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub version: u64,
    pub hash: String,
    /// The Tenant that its label names, if any.
    pub tenant: Option<String>,
    /// Whether somebody took one of our fields.
    pub stolen: bool,
    pub terminating: bool,
}

impl Child {
    /// A child of `acme` in namespace `acme`, as we would write it.
    pub fn new(kind: Kind, name: &str, uid: &str, version: u64) -> Self {
        let namespace = if kind.namespaced() { "acme".to_owned() } else { String::new() };
        Self {
            kind,
            namespace,
            name: name.into(),
            uid: uid.into(),
            version,
            hash: "h1".into(),
            tenant: Some("acme".into()),
            stolen: false,
            terminating: false,
        }
    }

    pub fn at(&self, version: u64) -> Self {
        Self { version, ..self.clone() }
    }

    pub fn id(&self) -> ObjectId {
        ObjectId { kind: self.kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }

    pub fn meta(&self) -> ObjectMeta {
        let mut fields = json!({"f:metadata": {"f:labels": {}}, "f:spec": {"f:a": {}, "f:b": {}}});
        if self.stolen {
            fields = json!({"f:metadata": {"f:labels": {}}, "f:spec": {"f:a": {}}});
        }
        let entry = ManagedFieldsEntry {
            manager: Some(marks::MANAGER_CHILDREN.into()),
            operation: Some("Apply".into()),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        };
        let labels = self.tenant.iter().flat_map(|tenant| {
            [(marks::MANAGED_BY, marks::MANAGED_BY_VALUE), (marks::TENANT, tenant), (marks::PLATFORM, "shop")]
        });
        let annotations = [(marks::HASH, self.hash.as_str()), (marks::INSTALL_ID, INSTALL)];
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()).filter(|text| !text.is_empty()),
            uid: Some(self.uid.clone()),
            resource_version: Some(self.version.to_string()),
            labels: Some(labels.map(own).collect()),
            annotations: Some(annotations.into_iter().map(own).collect()),
            managed_fields: self.tenant.is_some().then(|| vec![entry]),
            deletion_timestamp: self.terminating.then(|| {
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a test's time is right")
            }),
            ..ObjectMeta::default()
        }
    }

    pub fn live(&self) -> Live {
        Live::read(self.kind, &self.meta())
    }

    /// What the inventory says after we wrote it so.
    pub fn entry(&self) -> InventoryEntry {
        let manifest = Manifest { id: self.id(), hash: self.hash.clone(), body: Value::Null };
        written(&manifest, &self.live())
    }
}

/// A pass that wrote these, with its echoes still to come.
pub fn pass(world: &mut World, children: &[Child]) -> bool {
    world.begin("acme");
    remember(world, children);
    finish(world)
}

pub fn remember(world: &mut World, children: &[Child]) {
    let inventory: Vec<InventoryEntry> = children.iter().map(Child::entry).collect();
    world.expect("acme", &inventory);
    for child in children {
        world.child_written(&child.id(), child.live());
    }
}

pub fn finish(world: &mut World) -> bool {
    world.finish("acme", Left { settled: true, ..Left::default() })
}

pub fn tenant(name: &str, uid: &str, version: u64, spec: Value) -> Arc<Tenant> {
    let mut spec = spec;
    spec["platformRef"] = json!({"name": "shop"});
    let tenant = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant",
        "metadata": {"name": name, "uid": uid, "resourceVersion": version.to_string(), "generation": 1,
            "creationTimestamp": format!("2026-01-01T00:{version:02}:00Z")},
        "spec": spec
    });
    Arc::new(serde_json::from_value(tenant).expect("a test's Tenant is right"))
}

pub fn platform(version: u64, spec: Value) -> Arc<Platform> {
    let platform = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform",
        "metadata": {"name": "shop", "uid": "p", "resourceVersion": version.to_string(), "generation": version},
        "spec": spec
    });
    Arc::new(serde_json::from_value(platform).expect("a test's Platform is right"))
}

/// A world with Platform `shop` and Tenant `acme`.
pub fn world() -> World {
    let mut world = World::default();
    world.platform_seen(platform(1, json!({})));
    world.tenant_seen(tenant("acme", "t1", 1, json!({})));
    world
}

fn labels(pairs: &[(&str, &str)]) -> ObjectMeta {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ObjectMeta { labels: Some(pairs.collect()), ..ObjectMeta::default() }
}

pub fn pod(name: &str, tenant: &str, ready: bool) -> SlimPod {
    let condition = PodCondition { type_: "Ready".into(), status: "True".into(), ..PodCondition::default() };
    let mut metadata = labels(&[(marks::TENANT, tenant), (marks::SERVICE, "web")]);
    metadata.name = Some(name.into());
    metadata.namespace = Some("acme".into());
    SlimPod {
        metadata,
        spec: PodSpec { node_name: "n1".into() },
        status: PodStatus {
            phase: "Running".into(),
            conditions: if ready { vec![condition] } else { Vec::new() },
            ..PodStatus::default()
        },
    }
}

pub fn node(name: &str, zone: &str, address: &str) -> SlimNode {
    let mut metadata = labels(&[("topology.kubernetes.io/zone", zone)]);
    metadata.name = Some(name.into());
    let address = NodeAddress { type_: "InternalIP".into(), address: address.into() };
    SlimNode { metadata, status: NodeStatus { addresses: vec![address], ..NodeStatus::default() } }
}

pub fn deployment(child: &Child, replicas: i32, available: i32) -> SlimDeployment {
    let status = DeploymentStatus { replicas, available_replicas: available, ..DeploymentStatus::default() };
    SlimDeployment { metadata: child.meta(), spec: DeploymentSpec { replicas }, status }
}
