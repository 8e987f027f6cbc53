//! Children: what an event of one means.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
    },
    validate::ground::NamespaceFacts,
};

use super::{Live, Signal, World};

impl World {
    /// A list of this kind begins; what it doesn't show until [`World::children_listed`] is gone.
    pub fn children_listing(&mut self, kind: Kind) {
        self.list_begins(kind.info().plural);
    }

    /// The list of this kind is complete.
    pub fn children_listed(&mut self, kind: Kind) -> Vec<Signal> {
        let seen = self.list_ends(kind.info().plural);
        let known = self.children.values().flat_map(BTreeMap::iter);
        let gone: Vec<(ObjectId, Live)> = known
            .filter(|(id, _)| id.kind == kind && !seen.contains(&key(id)))
            .map(|(id, live)| (id.clone(), live.clone()))
            .collect();
        self.foreign.retain(|namespace, list| {
            list.retain(|(one, name)| *one != kind || seen.contains(&format!("{namespace}/{name}")));
            !list.is_empty()
        });
        for memory in self.memories.values_mut().filter(|memory| memory.in_flight) {
            memory.listed.insert(kind);
        }
        gone.into_iter().flat_map(|(id, live)| self.forget_child(&live.tenant, &id, &live)).collect()
    }

    /// An object of a child's kind is there, or changed.
    pub fn child_seen(&mut self, kind: Kind, meta: &ObjectMeta) -> Vec<Signal> {
        let id = object_id(kind, meta);
        let is_listed = self.is_listed(kind.info().plural, &key(&id));
        let live = Live::read(kind, meta);
        let owner = self.owner_of(&id);
        let strange = owner.as_ref().is_some_and(|owner| **owner != *live.tenant);
        if live.tenant.is_empty() || strange || !is_managed(meta) {
            let mut signals = self.foreign_seen(&id);
            if let Some(owner) = owner {
                // Our labels were taken off: for the label-selected watches this is a deletion. A list is
                // right even about one that we know newer: etcd was restored.
                let known = self.children.get(&owner).and_then(|children| children.get(&id));
                let last = known.filter(|_| is_listed).cloned().unwrap_or(live);
                signals.extend(self.forget_child(&owner, &id, &last));
            }
            return signals;
        }
        let tenant = live.tenant.to_string();
        let mut signals = self.foreign_gone(&id);
        if !is_listed && self.is_stale(&tenant, &id, &live) {
            return signals;
        }
        self.children.entry(tenant.clone()).or_default().insert(id.clone(), live);
        if let Some(memory) = self.memories.get_mut(&tenant) {
            memory.deleted.remove(&id);
        }
        if kind == Kind::Namespace && !self.tenants.contains_key(&tenant) {
            signals.extend(self.platforms.keys().cloned().map(Signal::Platform));
        }
        if let Some(memory) = self.memories.get(&tenant).filter(|memory| !memory.in_flight) {
            if self.is_drift(memory, &id, &self.children[&tenant][&id]) {
                signals.push(Signal::Tenant(tenant));
            } else if is_guarded(kind) && !memory.expected.contains_key(&id) {
                signals.push(Signal::TenantSoon(tenant));
            }
        }
        signals
    }

    /// An object of a child's kind is gone.
    pub fn child_gone(&mut self, kind: Kind, meta: &ObjectMeta) -> Vec<Signal> {
        let id = object_id(kind, meta);
        let live = Live::read(kind, meta);
        let mut signals = self.foreign_gone(&id);
        let tenant = self.owner_of(&id).unwrap_or_else(|| live.tenant.to_string());
        signals.extend(self.forget_child(&tenant, &id, &live));
        signals
    }

    /// We wrote a child: what came back is known before the watch shows it, unless the watch has shown
    /// that it is gone again.
    pub fn child_written(&mut self, id: &ObjectId, live: Live) {
        let tenant = live.tenant.to_string();
        self.wrote(id.kind.info().plural, &key(id));
        if !self.is_stale(&tenant, id, &live) && !self.is_gone_again(&tenant, id, &live) {
            self.children.entry(tenant).or_default().insert(id.clone(), live);
        }
    }

    /// Since the pass began, the object went at a later version than this, or a list did not show it. One
    /// that was written after that is still to be shown.
    fn is_gone_again(&self, tenant: &str, id: &ObjectId, live: &Live) -> bool {
        let known = self.children.get(tenant).is_some_and(|children| children.contains_key(id));
        self.memories.get(tenant).is_some_and(|memory| {
            let deleted = memory.deleted.get(id).is_some_and(|version| *version >= live.version);
            deleted || (!known && memory.listed.contains(&id.kind))
        })
    }

    /// A child's watch shows it older than we wrote it ourselves.
    fn is_stale(&self, tenant: &str, id: &ObjectId, live: &Live) -> bool {
        let known = self.children.get(tenant).and_then(|children| children.get(id));
        known.is_some_and(|known| known.version > live.version)
    }

    /// A child is gone, or no longer ours, since this version; a newer one of the same name stays.
    fn forget_child(&mut self, owner: &str, id: &ObjectId, last: &Live) -> Vec<Signal> {
        let mut signals = self.remember_gone(owner, id, last);
        if id.kind == Kind::Namespace {
            signals.extend(self.platforms.keys().cloned().map(Signal::Platform));
        }
        signals
    }

    fn remember_gone(&mut self, owner: &str, id: &ObjectId, last: &Live) -> Vec<Signal> {
        if let Some(memory) = self.memories.get_mut(owner).filter(|memory| memory.in_flight) {
            memory.deleted.insert(id.clone(), last.version);
        }
        let Some(children) = self.children.get_mut(owner) else { return Vec::new() };
        if children.get(id).is_none_or(|live| live.uid != last.uid && live.version > last.version) {
            return Vec::new();
        }
        children.remove(id);
        if children.is_empty() {
            self.children.remove(owner);
        }
        let Some(memory) = self.memories.get(owner).filter(|memory| !memory.in_flight) else {
            return Vec::new();
        };
        if memory.expected.contains_key(id) {
            vec![Signal::Tenant(owner.to_owned())]
        } else if is_guarded(id.kind) {
            vec![Signal::TenantSoon(owner.to_owned())]
        } else {
            Vec::new()
        }
    }

    /// The Tenant that has a namespace.
    pub fn namespace_owner(&self, namespace: &str) -> Option<String> {
        self.namespaces.get(namespace).cloned()
    }

    /// Whose namespace it is, or whose backups are in it.
    fn concerned(&self, namespace: &str) -> Option<String> {
        let has = |owner: &String| {
            self.tenants
                .get(owner)
                .is_some_and(|tenant| tenant.namespaces_beside().any(|one| one == namespace))
        };
        self.namespace_owner(namespace).or_else(|| {
            let workload = namespace.rsplit_once('-')?.0;
            self.namespace_owner(workload).filter(has)
        })
    }

    /// The Tenant that has the namespace that an object is, or is in.
    fn owner_of(&self, id: &ObjectId) -> Option<String> {
        self.namespace_owner(if id.kind == Kind::Namespace { &id.name } else { &id.namespace })
    }

    /// Kept for every namespace: a Tenant may come to have it later, and nothing says so again.
    fn foreign_seen(&mut self, id: &ObjectId) -> Vec<Signal> {
        if !is_guarded(id.kind) {
            return Vec::new();
        }
        let list = self.foreign.entry(id.namespace.as_str().into()).or_default();
        let new = list.insert((id.kind, id.name.as_str().into()));
        match self.concerned(&id.namespace) {
            Some(owner) if new => vec![Signal::TenantSoon(owner)],
            _ => Vec::new(),
        }
    }

    fn foreign_gone(&mut self, id: &ObjectId) -> Vec<Signal> {
        let Some(list) = self.foreign.get_mut(id.namespace.as_str()) else { return Vec::new() };
        let known = list.remove(&(id.kind, id.name.as_str().into()));
        if list.is_empty() {
            self.foreign.remove(id.namespace.as_str());
        }
        match self.concerned(&id.namespace) {
            Some(owner) if known => vec![Signal::TenantSoon(owner)],
            _ => Vec::new(),
        }
    }

    /// We deleted the child with this uid: known before the watch shows it.
    pub fn child_deleted(&mut self, tenant: &str, id: &ObjectId, uid: &str) {
        if let Some(children) = self.children.get_mut(tenant)
            && children.get(id).is_some_and(|live| &*live.uid == uid)
        {
            children.remove(id);
        }
    }

    /// Policies and bindings that carry our marks, and that we didn't make: copies of ours.
    pub(super) fn strangers(&self, tenant: &str) -> Vec<ObjectId> {
        let Some(memory) = self.memories.get(tenant).filter(|memory| !memory.expected.is_empty()) else {
            return Vec::new();
        };
        let children = self.children.get(tenant).into_iter().flat_map(BTreeMap::keys);
        children.filter(|id| is_guarded(id.kind) && !memory.expected.contains_key(id)).cloned().collect()
    }

    /// NetworkPolicies and RoleBindings in a namespace that aren't ours.
    pub fn foreign(&self, namespace: &str) -> Vec<ObjectId> {
        let copies = self.namespace_owner(namespace).map(|owner| self.strangers(&owner)).unwrap_or_default();
        let list = self.foreign.get(namespace).into_iter().flatten();
        list.map(|(kind, name)| ObjectId {
            kind: *kind,
            namespace: namespace.to_owned(),
            name: name.to_string(),
        })
        .chain(copies)
        .collect()
    }

    /// The live children of a Tenant.
    pub fn children(&self, tenant: &str) -> BTreeMap<ObjectId, Live> {
        self.children.get(tenant).cloned().unwrap_or_default()
    }

    /// A namespace with our marks.
    pub fn marked_namespace(&self, name: &str) -> Option<NamespaceFacts> {
        let id = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: name.to_owned() };
        let owner = self.namespaces.get(name).and_then(|owner| self.children.get(owner)?.get(&id));
        // Marks may name somebody else than the Tenant that asks for it.
        let live = owner.or_else(|| self.children.values().find_map(|children| children.get(&id)))?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(NamespaceFacts {
            uid: live.uid.to_string(),
            terminating: live.terminating,
            tenant: some(&live.tenant),
            install_id: some(&live.install_id),
        })
    }

    /// Namespaces with our marks whose Tenant is gone, with that Tenant's name.
    pub fn orphans(&self, platform: &str) -> Vec<(String, String)> {
        let lost = self.children.iter().filter(|(tenant, _)| !self.tenants.contains_key(*tenant));
        let mut orphans: Vec<_> = lost
            .flat_map(|(tenant, children)| {
                let namespaces = children.iter().filter(|(id, _)| id.kind == Kind::Namespace);
                let ours = namespaces.filter(|(_, live)| &*live.platform == platform);
                ours.map(move |(id, _)| (id.name.clone(), tenant.clone()))
            })
            .collect();
        orphans.sort();
        orphans
    }
}

/// Kinds that open a way into a namespace: those of others are reported.
fn is_guarded(kind: Kind) -> bool {
    matches!(kind, Kind::NetworkPolicy | Kind::RoleBinding)
}

pub(super) fn object_id(kind: Kind, meta: &ObjectMeta) -> ObjectId {
    ObjectId {
        kind,
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

fn key(id: &ObjectId) -> String {
    format!("{}/{}", id.namespace, id.name)
}

fn is_managed(meta: &ObjectMeta) -> bool {
    let value = meta.labels.as_ref().and_then(|labels| labels.get(marks::MANAGED_BY));
    value.is_some_and(|value| value == marks::MANAGED_BY_VALUE)
}
