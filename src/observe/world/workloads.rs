//! Deployments and StatefulSets: how many pods there should be, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
    },
    observe::slim::DeploymentStatus,
};

use super::{Signal, World, children::object_id};

/// The pods of a Deployment or StatefulSet.
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

/// A write to `/scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// What was scaled.
    pub of: ObjectId,
    /// Pods asked for.
    pub replicas: i32,
    /// Its resource version after the write.
    pub version: u64,
}

impl World {
    /// A Deployment or StatefulSet of ours is there, or changed: `replicas` as its spec says.
    pub fn workload_seen(
        &mut self,
        kind: Kind,
        meta: &ObjectMeta,
        replicas: i32,
        status: &DeploymentStatus,
    ) -> Vec<Signal> {
        let id = object_id(kind, meta);
        let owner = meta.labels.as_ref().and_then(|labels| labels.get(marks::TENANT).cloned());
        let owner = owner.unwrap_or_default();
        let written = self.written_version(&owner, &id);
        let mut signals = self.child_seen(kind, meta);
        let version = meta.resource_version.as_ref().and_then(|text| text.parse().ok());
        let workload = Workload {
            replicas,
            generation: meta.generation.unwrap_or_default(),
            version: version.unwrap_or_default(),
            status: status.clone(),
        };
        let before = self.workloads.insert(id.clone(), workload.clone());
        let Some(memory) = self.memories.get(&owner) else { return signals };
        let rule = memory.scales.get(&id).filter(|_| !memory.in_flight);
        if rule.is_some_and(|rule| rule.correction(workload.replicas).is_some()) {
            signals.push(Signal::Tenant(owner));
        } else if before.is_none_or(|before| before.version < written || before.differs(&workload)) {
            // Also while a pass is under way: it may have looked before.
            signals.push(Signal::TenantSoon(owner));
        }
        signals
    }

    /// One of ours is gone.
    pub fn workload_gone(&mut self, kind: Kind, meta: &ObjectMeta) -> Vec<Signal> {
        self.workloads.remove(&object_id(kind, meta));
        self.child_gone(kind, meta)
    }

    /// The list of this kind is complete.
    pub fn workloads_listed(&mut self, kind: Kind) -> Vec<Signal> {
        let signals = self.children_listed(kind);
        let live: BTreeSet<&ObjectId> = self.children.values().flat_map(BTreeMap::keys).collect();
        self.workloads.retain(|id, _| id.kind != kind || live.contains(id));
        signals
    }

    /// We scaled one: what is older than this version no longer speaks for it. The watch may well have shown a newer
    /// one already.
    pub fn workload_scaled(&mut self, tenant: &str, scaled: &Scaled) {
        let Scaled { of, replicas, version } = scaled;
        if let Some(workload) = self.workloads.get_mut(of).filter(|workload| workload.version < *version) {
            workload.replicas = *replicas;
        }
        self.wrote(of.kind.info().plural, &format!("{}/{}", of.namespace, of.name));
        if let Some(live) = self.children.get_mut(tenant).and_then(|children| children.get_mut(of)) {
            live.version = live.version.max(*version);
        }
    }

    /// What makes a service's pods, and how many there are.
    pub fn workload(&self, id: &ObjectId) -> Option<&Workload> {
        self.workloads.get(id)
    }

    /// Resource version of a Deployment or StatefulSet as it was last seen or written.
    pub fn written_version(&self, tenant: &str, id: &ObjectId) -> u64 {
        self.children.get(tenant).and_then(|children| children.get(id)).map_or(0, |live| live.version)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::slim::SlimDeployment;

    fn web() -> ObjectId {
        ObjectId { kind: Kind::Deployment, namespace: "shop".into(), name: "web".into() }
    }

    fn seen(world: &mut World, kind: Kind, version: u64, replicas: i32, ready: i32) -> Vec<Signal> {
        let labels = json!({marks::MANAGED_BY: marks::MANAGED_BY_VALUE, marks::TENANT: "shop"});
        let one: SlimDeployment = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": labels, "resourceVersion": version.to_string()},
            "spec": {"replicas": replicas}, "status": {"availableReplicas": ready},
        }))
        .expect("a Deployment");
        world.workload_seen(kind, &one.metadata, one.spec.replicas, &one.status)
    }

    #[test]
    fn pods_that_get_ready_during_a_pass_are_not_missed() {
        let mut world = World::default();
        seen(&mut world, Kind::Deployment, 1, 3, 0);
        world.begin("shop");
        let signals = seen(&mut world, Kind::Deployment, 2, 3, 3);
        assert_eq!(signals, [Signal::TenantSoon("shop".into())]);
    }

    #[test]
    fn a_scale_that_the_watch_has_shown_already_makes_nothing_old() {
        let mut world = World::default();
        world.begin("shop");
        seen(&mut world, Kind::Deployment, 1, 1, 0);
        let scaled = |version| Scaled { of: web(), replicas: 3, version };
        world.workload_scaled("shop", &scaled(5));
        let workload = |world: &World| world.workload(&web()).cloned().expect("it was seen");
        assert_eq!((workload(&world).replicas, world.written_version("shop", &web())), (3, 5));
        seen(&mut world, Kind::Deployment, 6, 3, 3);
        world.workload_scaled("shop", &scaled(5));
        assert!(workload(&world).version >= world.written_version("shop", &web()));
    }

    /// A service that comes back with volumes has another kind under the same name for a while.
    #[test]
    fn a_deployment_that_goes_takes_no_stateful_set_along() {
        let mut world = World::default();
        seen(&mut world, Kind::Deployment, 1, 3, 3);
        seen(&mut world, Kind::StatefulSet, 2, 2, 2);
        let meta =
            ObjectMeta { name: Some("web".into()), namespace: Some("shop".into()), ..ObjectMeta::default() };
        world.workload_gone(Kind::Deployment, &meta);
        assert_eq!(world.workload(&web()), None);
        let stateful = ObjectId { kind: Kind::StatefulSet, ..web() };
        assert_eq!(world.workload(&stateful).map(|one| one.replicas), Some(2));
        world.children_listing(Kind::StatefulSet);
        world.workloads_listed(Kind::StatefulSet);
        assert_eq!(world.workload(&stateful), None, "the list doesn't show it");
    }
}
