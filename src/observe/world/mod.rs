//! Everything that is known of the cluster, and what a change of it means. Pure: events go in,
//! [`Signal`]s come out.
//!
//! A child's event that shows what we wrote ourselves, or that changes nothing of ours, gives no
//! signal, whatever its resource version: that is what makes a quiet cluster cost nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    api::{
        Platform, Tenant,
        kinds::{Kind, ObjectId},
        tenant_status::{InventoryEntry, ProofStatus},
    },
    desired::ScaleRule,
    prove::doors::Doors,
};

use super::{live::Live, loss::Fits};

mod children;
mod claims;
mod customers;
mod nodes;
mod proof;
mod room;
mod workloads;

pub use nodes::{NodeFacts, NodeTurn, PodFacts};
pub use workloads::{Scaled, Workload};

/// Something that a controller should look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// A Tenant, at once: somebody changed it or a child of its.
    Tenant(String),
    /// A Tenant, soon: pods come and go in crowds.
    TenantSoon(String),
    /// A Platform.
    Platform(String),
    /// Every Tenant: nodes, zones.
    AllTenants,
    /// A node that isn't what it was.
    Node(NodeTurn),
}

/// What a child should look like in the cluster, from the last pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// uid of the object that we wrote.
    pub uid: Box<str>,
    /// Hash of what we wrote.
    pub hash: Box<str>,
    /// Digest of our entry after that.
    pub digest: Box<str>,
}

impl From<&InventoryEntry> for Expected {
    fn from(entry: &InventoryEntry) -> Self {
        Self {
            uid: entry.uid.as_str().into(),
            hash: entry.hash.as_str().into(),
            digest: entry.digest.as_str().into(),
        }
    }
}

impl Expected {
    /// Whether the live object is what we wrote, and nobody added what they may not.
    pub fn matches(&self, live: &Live, injectors: &[String]) -> bool {
        self.owns(live) && !live.terminating && live.unwelcome(injectors).next().is_none()
    }

    /// Whether every field that we wrote is still ours.
    pub fn owns(&self, live: &Live) -> bool {
        self.uid == live.uid
            && self.hash == live.hash
            && self.digest == live.digest
            && !self.digest.is_empty()
    }
}

/// What the last pass left of a Tenant, and what has happened since.
#[derive(Clone, Debug, Default)]
struct Memory {
    expected: BTreeMap<ObjectId, Expected>,
    scales: BTreeMap<ObjectId, ScaleRule>,
    injectors: Vec<String>,
    /// A pass is under way: its own writes come back as events.
    in_flight: bool,
    /// When its status was written last, or when the first one began to wait.
    spoke: Option<std::time::Instant>,
    /// What was made, where the status doesn't say it yet.
    unsaid: Vec<InventoryEntry>,
    /// Children that went meanwhile, and the version at which they did.
    deleted: BTreeMap<ObjectId, u64>,
    /// Kinds that were listed meanwhile: what a list didn't show may be gone again.
    listed: BTreeSet<Kind>,
    /// Policies and bindings with our marks that we didn't make, as the last pass knew them.
    strangers: Vec<ObjectId>,
}

/// Everything that is known of the cluster.
#[derive(Debug, Default)]
pub struct World {
    tenants: BTreeMap<String, Arc<Tenant>>,
    platforms: BTreeMap<String, Arc<Platform>>,
    memories: HashMap<String, Memory>,
    children: HashMap<String, BTreeMap<ObjectId, Live>>,
    /// Which Tenant has a namespace: the one that was there first.
    namespaces: HashMap<String, String>,
    /// NetworkPolicies and RoleBindings that aren't ours, by namespace.
    foreign: BTreeMap<Box<str>, BTreeSet<(Kind, Box<str>)>>,
    /// Names of claims, by namespace.
    claims: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    workloads: HashMap<ObjectId, Workload>,
    /// Pods by namespace and name: a pod can change the label that names its tenant.
    pods: HashMap<String, BTreeMap<String, PodFacts>>,
    nodes: BTreeMap<String, NodeFacts>,
    /// Addresses of API servers, by the object that gives them.
    api_servers: BTreeMap<String, Vec<core::net::IpAddr>>,
    /// Whether services' pods would find room elsewhere, as it was counted last.
    fits: Fits,
    /// What this process found out about Tenants' isolation.
    proofs: HashMap<String, ProofStatus>,
    /// Whether the network keeps tenants apart.
    doors: Doors,
    /// Lists under way, by what they list.
    listing: HashMap<&'static str, Listing>,
}

/// A list under way.
#[derive(Debug, Default)]
struct Listing {
    /// What it has shown so far.
    seen: BTreeSet<String>,
    /// What we may have written since it began.
    written: BTreeSet<String>,
}

impl World {
    /// A pass over the Tenant begins: its own writes give no signals until [`World::finish`].
    pub fn begin(&mut self, tenant: &str) {
        let memory = self.memories.entry(tenant.to_owned()).or_default();
        memory.in_flight = true;
        memory.deleted.clear();
        memory.listed.clear();
    }

    /// What a pass under way has made so far.
    pub fn expect(&mut self, tenant: &str, inventory: &[InventoryEntry]) {
        let memory = self.memories.entry(tenant.to_owned()).or_default();
        memory.expected = inventory.iter().filter_map(|entry| Some((id(entry)?, entry.into()))).collect();
        let strangers = self.strangers(tenant);
        self.memories.entry(tenant.to_owned()).or_default().strangers = strangers;
    }

    /// A pass ended and left this. Returns whether the cluster has moved on meanwhile, so that the
    /// Tenant needs another look.
    pub fn finish(&mut self, tenant: &str, left: Left) -> bool {
        let memory = self.memories.entry(tenant.to_owned()).or_default();
        memory.in_flight = false;
        memory.scales = left.scales;
        memory.injectors = left.injectors;
        let memory = &self.memories[tenant];
        let strange = memory.strangers != self.strangers(tenant);
        let known = self.children.get(tenant);
        let gone = memory.expected.iter().any(|(id, expected)| {
            !expected.uid.is_empty() && known.is_none_or(|children| !children.contains_key(id))
        });
        // What is being deleted can't be mended before it is gone, and then there is an event.
        let moved = known.is_some_and(|children| {
            children.iter().any(|(id, live)| !live.terminating && self.is_drift(memory, id, live))
        });
        left.settled && (gone || moved || strange)
    }

    /// A Tenant's status was written.
    pub fn spoke(&mut self, tenant: &str, now: std::time::Instant) {
        let memory = self.memories.entry(tenant.to_owned()).or_default();
        memory.spoke = Some(now);
        memory.unsaid.clear();
    }

    /// A Tenant's status is written later: what was made is kept here until then. Returns since when it waits.
    pub fn holds_back(
        &mut self,
        tenant: &str,
        inventory: Vec<InventoryEntry>,
        now: std::time::Instant,
    ) -> std::time::Instant {
        let memory = self.memories.entry(tenant.to_owned()).or_default();
        memory.unsaid = inventory;
        *memory.spoke.get_or_insert(now)
    }

    /// What was made of a Tenant's that its status doesn't say yet. A status that says anything, or names other
    /// objects, was written by another leader since.
    pub fn unsaid(&self, tenant: &Tenant) -> Option<Vec<InventoryEntry>> {
        let memory = self.memories.get(tenant.metadata.name.as_deref()?)?;
        let said = tenant.status.as_ref().filter(|said| said.conditions.is_empty())?;
        let holds =
            !memory.unsaid.is_empty() && InventoryEntry::are_of_the_same(&said.inventory, &memory.unsaid);
        holds.then(|| memory.unsaid.clone())
    }

    /// What was made of a Tenant's: as its status records it, or as this process knows better.
    pub fn recorded(&self, tenant: &Tenant) -> Vec<InventoryEntry> {
        let said = || tenant.status.as_ref().map(|status| status.inventory.clone()).unwrap_or_default();
        self.unsaid(tenant).unwrap_or_else(said)
    }

    /// When a Tenant's status was written last.
    pub fn last_spoke(&self, tenant: &str) -> Option<std::time::Instant> {
        self.memories.get(tenant)?.spoke
    }

    /// Pods that each service of a Tenant should have, by the last pass that wrote.
    pub fn scales(&self, tenant: &str) -> BTreeMap<ObjectId, ScaleRule> {
        self.memories.get(tenant).map(|memory| memory.scales.clone()).unwrap_or_default()
    }

    /// A list begins.
    fn list_begins(&mut self, what: &'static str) {
        self.listing.insert(what, Listing::default());
    }

    /// An object is shown, by a list or by a watch. Returns whether it is right whatever its version: a list is
    /// as new as its beginning, so that only what we wrote since then can be newer. After an older state of the
    /// cluster was restored, every version goes back.
    fn is_listed(&mut self, what: &'static str, key: &str) -> bool {
        let Some(listing) = self.listing.get_mut(what) else { return false };
        listing.seen.insert(key.to_owned());
        !listing.written.contains(key)
    }

    /// We wrote an object.
    fn wrote(&mut self, what: &'static str, key: &str) {
        if let Some(listing) = self.listing.get_mut(what) {
            listing.written.insert(key.to_owned());
        }
    }

    /// A list is complete; returns what it has shown.
    fn list_ends(&mut self, what: &'static str) -> BTreeSet<String> {
        self.listing.remove(what).unwrap_or_default().seen
    }

    /// Whether a live child isn't what the last pass left.
    fn is_drift(&self, memory: &Memory, id: &ObjectId, live: &Live) -> bool {
        memory.expected.get(id).is_some_and(|expected| !expected.matches(live, &memory.injectors))
    }
}

/// What a pass left behind.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Pods that each service should have.
    pub scales: BTreeMap<ObjectId, ScaleRule>,
    /// Managers whose additions to pod templates are left alone.
    pub injectors: Vec<String>,
    /// Whether the pass went through: one that failed is tried again anyway.
    pub settled: bool,
}

/// The id of a recorded object; `None` for a kind that this version doesn't know.
pub fn id(entry: &InventoryEntry) -> Option<ObjectId> {
    let kind = Kind::find(&entry.group, &entry.kind)?;
    Some(ObjectId { kind, namespace: entry.namespace.clone(), name: entry.name.clone() })
}
