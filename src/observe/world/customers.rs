//! Tenants and Platforms: what an event of one means.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{
    Platform, Tenant,
    conditions::{Condition, ConditionStatus, ConditionType, find, reasons},
    marks,
    promises::TABLE,
};

use super::{Signal, World, id};

const TENANTS: &str = "tenants";
const PLATFORMS: &str = "platforms";

impl World {
    /// A list of Tenants begins.
    pub fn tenants_listing(&mut self) {
        self.list_begins(TENANTS);
    }

    /// The list of Tenants is complete.
    pub fn tenants_listed(&mut self) -> Vec<Signal> {
        let seen = self.list_ends(TENANTS);
        let gone: Vec<String> = self.tenants.keys().filter(|name| !seen.contains(*name)).cloned().collect();
        gone.iter().flat_map(|name| self.tenant_gone(name)).collect()
    }

    /// A Tenant is there, or changed. Our own status writes mean nothing.
    pub fn tenant_seen(&mut self, mut tenant: Arc<Tenant>) -> Vec<Signal> {
        forget_managers(&mut tenant);
        let name = tenant.name_any();
        let is_listed = self.is_listed(TENANTS, &name);
        let known = self.tenants.get(&name);
        if !is_listed && known.is_some_and(|known| version(known.as_ref()) > version(tenant.as_ref())) {
            return Vec::new();
        }
        let mut signals = Self::news(known.map(Arc::as_ref), &tenant);
        if let Some(former) = known.filter(|known| known.metadata.uid != tenant.metadata.uid) {
            let former = former.namespace().to_owned();
            self.memories.remove(&name);
            if former != tenant.namespace() {
                signals.extend(self.leave(&name, &former));
            }
        }
        let memory = self.memories.entry(name.clone()).or_default();
        if memory.expected.is_empty() && !memory.in_flight {
            let inventory = tenant.status.iter().flat_map(|status| &status.inventory);
            memory.expected = inventory.filter_map(|entry| Some((id(entry)?, entry.into()))).collect();
        }
        self.claim(&tenant);
        self.tenants.insert(name, tenant);
        signals
    }

    /// What a Tenant has that wasn't known of it.
    fn news(known: Option<&Tenant>, tenant: &Tenant) -> Vec<Signal> {
        let own = Signal::Tenant(tenant.name_any());
        let platform = Signal::Platform(tenant.spec.platform_ref.name.clone());
        match known {
            None => vec![own, platform],
            Some(known) if known.metadata.uid != tenant.metadata.uid || asks_anew(known, tenant) => {
                vec![own, platform]
            }
            Some(known) if !said_silent(conditions(known)) && said_silent(conditions(tenant)) => {
                vec![own, platform]
            }
            Some(known) if known.status != tenant.status || is_relabelled(known, tenant) => vec![platform],
            Some(_) => Vec::new(),
        }
    }

    /// We wrote a Tenant's status: the answer is known before the watch shows it. It may well bring a
    /// spec that nobody has seen yet, and no event will say so again.
    pub fn tenant_written(&mut self, mut tenant: Arc<Tenant>) -> Vec<Signal> {
        forget_managers(&mut tenant);
        let name = tenant.name_any();
        self.wrote(TENANTS, &name);
        let Some(known) = self.tenants.get(&name) else { return Vec::new() };
        if version(known.as_ref()) >= version(tenant.as_ref()) {
            return Vec::new();
        }
        let mut signals = Self::news(Some(known), &tenant);
        signals.retain(|signal| matches!(signal, Signal::Tenant(_)));
        self.tenants.insert(name, tenant);
        signals
    }

    /// A Tenant is gone. Its children keep running; they are orphans now.
    pub fn tenant_gone(&mut self, name: &str) -> Vec<Signal> {
        let Some(tenant) = self.tenants.remove(name) else { return Vec::new() };
        self.memories.remove(name);
        let mut signals = self.leave(name, tenant.namespace());
        signals.push(Signal::Platform(tenant.spec.platform_ref.name.clone()));
        signals
    }

    /// A Tenant no longer has a namespace: the oldest that waited for it inherits it.
    fn leave(&mut self, name: &str, namespace: &str) -> Vec<Signal> {
        if self.namespaces.get(namespace).is_none_or(|owner| owner != name) {
            return Vec::new();
        }
        self.namespaces.remove(namespace);
        let waiting =
            self.tenants.values().filter(|other| other.namespace() == namespace && other.name_any() != name);
        let waiting: Vec<_> = waiting.cloned().collect();
        waiting.iter().for_each(|other| self.claim(other));
        let heir = self.namespaces.get(namespace).and_then(|heir| self.tenants.get(heir));
        let heir = heir.map(|heir| {
            [Signal::Tenant(heir.name_any()), Signal::Platform(heir.spec.platform_ref.name.clone())]
        });
        heir.into_iter().flatten().collect()
    }

    /// Gives the namespace to the Tenant that it was made for, as its status says, or else to the one that
    /// was there first. Of two of the same second, the one that has it keeps it.
    fn claim(&mut self, tenant: &Tenant) {
        let namespace = tenant.namespace().to_owned();
        let rank = |tenant: &Tenant| {
            let made = tenant.status.as_ref().is_some_and(|status| !status.namespaces.is_empty());
            (!made, tenant.creation_timestamp().map(|time| time.0))
        };
        let holder = self.namespaces.get(&namespace).and_then(|name| self.tenants.get(name));
        if holder.is_none_or(|holder| rank(tenant) < rank(holder)) {
            self.namespaces.insert(namespace, tenant.name_any());
        }
    }

    /// A list of Platforms begins.
    pub fn platforms_listing(&mut self) {
        self.list_begins(PLATFORMS);
    }

    /// The list of Platforms is complete.
    pub fn platforms_listed(&mut self) -> Vec<Signal> {
        let seen = self.list_ends(PLATFORMS);
        let gone: Vec<String> = self.platforms.keys().filter(|name| !seen.contains(*name)).cloned().collect();
        gone.iter().flat_map(|name| self.platform_gone(name)).collect()
    }

    /// A Platform is there, or changed: its Tenants follow when its spec or a brake did.
    pub fn platform_seen(&mut self, platform: Arc<Platform>) -> Vec<Signal> {
        let name = platform.name_any();
        let is_listed = self.is_listed(PLATFORMS, &name);
        let known = self.platforms.get(&name);
        if !is_listed && known.is_some_and(|known| version(known.as_ref()) > version(platform.as_ref())) {
            return Vec::new();
        }
        let changed = known.is_none_or(|known| is_changed(known, &platform));
        let said = |one: &Platform| said_silent(one.status.iter().flat_map(|status| &status.conditions));
        let silenced = known.is_some_and(|known| !said(known) && said(&platform));
        self.platforms.insert(name.clone(), platform);
        match (changed, silenced) {
            (true, _) => self.platform_signals(&name),
            (false, true) => vec![Signal::Platform(name)],
            (false, false) => Vec::new(),
        }
    }

    /// We wrote a Platform's status; the answer may bring a spec that nobody has seen yet.
    pub fn platform_written(&mut self, platform: Arc<Platform>) -> Vec<Signal> {
        let name = platform.name_any();
        self.wrote(PLATFORMS, &name);
        let known = self.platforms.get(&name);
        if known.is_some_and(|known| version(known.as_ref()) < version(platform.as_ref())) {
            return self.platform_seen(platform);
        }
        Vec::new()
    }

    /// A Platform is gone.
    pub fn platform_gone(&mut self, name: &str) -> Vec<Signal> {
        self.platforms.remove(name);
        self.platform_signals(name)
    }

    fn platform_signals(&self, name: &str) -> Vec<Signal> {
        let tenants = self.tenants_of(name).into_iter().map(|tenant| Signal::Tenant(tenant.name_any()));
        std::iter::once(Signal::Platform(name.to_owned())).chain(tenants).collect()
    }

    /// A Tenant by name.
    pub fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(name).cloned()
    }

    /// A Platform by name.
    pub fn platform(&self, name: &str) -> Option<Arc<Platform>> {
        self.platforms.get(name).cloned()
    }

    /// Every Platform.
    pub fn platforms(&self) -> Vec<Arc<Platform>> {
        self.platforms.values().cloned().collect()
    }

    /// Every Tenant that names this Platform.
    pub fn tenants_of(&self, platform: &str) -> Vec<Arc<Tenant>> {
        self.tenants.values().filter(|tenant| tenant.spec.platform_ref.name == platform).cloned().collect()
    }

    /// Tenants that are Ready, that aren't, and of which nobody knows.
    pub fn readiness(&self) -> (usize, usize, usize) {
        let verdict = |tenant: &Arc<Tenant>| {
            let conditions =
                tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            find(conditions, ConditionType::Ready).map(|ready| ready.status)
        };
        let mut counts = (0, 0, 0);
        for tenant in self.tenants.values() {
            match verdict(tenant) {
                Some(ConditionStatus::True) => counts.0 += 1,
                Some(ConditionStatus::False) => counts.1 += 1,
                _ => counts.2 += 1,
            }
        }
        counts
    }

    /// Each promise that has a condition: on how many Tenants and Platforms it is kept, isn't, and isn't known.
    pub fn promises(&self) -> Vec<(&'static str, [usize; 3])> {
        let of_tenants = self.tenants.values().map(|tenant| conditions(tenant).collect::<Vec<_>>());
        let of_platforms = self
            .platforms
            .values()
            .map(|one| one.status.iter().flat_map(|status| &status.conditions).collect());
        let all: Vec<Vec<&Condition>> = of_tenants.chain(of_platforms).collect();
        let count = |type_: ConditionType| {
            let mut counts = [0; 3];
            for one in all.iter().filter_map(|one| one.iter().find(|one| one.type_ == type_.as_str())) {
                counts[match one.status {
                    ConditionStatus::True => 0,
                    ConditionStatus::False => 1,
                    ConditionStatus::Unknown => 2,
                }] += 1;
            }
            counts
        };
        TABLE.iter().filter_map(|promise| Some((promise.id, count(promise.condition?)))).collect()
    }

    /// Names of every Tenant.
    pub fn tenant_names(&self) -> Vec<String> {
        self.tenants.keys().cloned().collect()
    }
}

/// What a Tenant's status says.
fn conditions(tenant: &Tenant) -> impl Iterator<Item = &Condition> {
    tenant.status.iter().flat_map(|status| &status.conditions)
}

/// Whether a watchdog has said that there is no operator. To whoever reads this there is one: it may have come
/// back between the watchdog's last look and its write.
fn said_silent<'a>(mut conditions: impl Iterator<Item = &'a Condition>) -> bool {
    conditions.any(|one| one.reason == reasons::OPERATOR_NOT_RUNNING)
}

/// A resource version as a number: see [`super::Live`].
fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Whether a Platform's rules or brakes are others than before.
fn is_changed(known: &Platform, platform: &Platform) -> bool {
    let dying = |one: &Platform| one.metadata.deletion_timestamp.is_some();
    known.metadata.uid != platform.metadata.uid
        || dying(known) != dying(platform)
        || known.spec != platform.spec
        || requests(known) != requests(platform)
}

/// Whether the user asks for something else than before.
fn asks_anew(known: &Tenant, tenant: &Tenant) -> bool {
    known.metadata.generation != tenant.metadata.generation || requests(known) != requests(tenant)
}

/// Whether labels or annotations are others than before: those of a file are healed by its source.
fn is_relabelled(known: &Tenant, tenant: &Tenant) -> bool {
    known.labels() != tenant.labels() || known.annotations() != tenant.annotations()
}

/// The annotations that mean something to a pass.
/// Nobody asks which manager owns a field of a Tenant, and that takes more room than the Tenant itself.
fn forget_managers(tenant: &mut Arc<Tenant>) {
    if tenant.metadata.managed_fields.is_some() {
        Arc::make_mut(tenant).metadata.managed_fields = None;
    }
}

fn requests(object: &impl ResourceExt) -> Vec<Option<&String>> {
    let annotations = object.annotations();
    [marks::PAUSED_UNTIL, marks::RECONCILE_REQUESTED_AT, marks::SOURCE, marks::COMMIT]
        .into_iter()
        .map(|key| annotations.get(key))
        .collect()
}
