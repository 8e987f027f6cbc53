//! A model of cluster and loop: whatever somebody does, and in whatever order events come, the children end
//! as they should be; and where nobody does anything, no pass follows.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use serde_json::Value;
use tenantry::api::kinds::{Kind, ObjectId};
use tenantry::api::tenant_status::InventoryEntry;
use tenantry::apply::manifest::Manifest;
use tenantry::apply::plan::{Plan, plan};
use tenantry::observe::live::Live;
use tenantry::observe::world::{Signal, World};

use crate::objects::{Child, finish, world};

const KINDS: [Kind; 3] = [Kind::ConfigMap, Kind::Service, Kind::NetworkPolicy];

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The watch of a kind shows its next event.
    Deliver(usize),
    /// The watch of a kind breaks and lists anew.
    Relist(usize),
    /// Somebody writes a status.
    Noise(usize),
    /// Somebody takes one of our fields.
    Steal(usize),
    /// Somebody takes our labels off.
    Strip(usize),
    /// Somebody deletes it.
    Delete(usize),
    /// Somebody backs etcd up.
    Save,
    /// Somebody restores that: versions go back, and every watch lists anew.
    Restore,
    /// The operator goes on by one step.
    Work,
}

/// Where a pass stands.
#[derive(Debug)]
struct Pass {
    plan: Plan,
    next: usize,
    written: Vec<(ObjectId, Live, InventoryEntry)>,
}

/// The API server, its watches, and the operator.
struct Model {
    version: u64,
    server: BTreeMap<ObjectId, Child>,
    events: BTreeMap<Kind, VecDeque<(bool, Child)>>,
    world: World,
    inventory: Vec<InventoryEntry>,
    awake: bool,
    pass: Option<Pass>,
    passes: usize,
    saved: Option<Saved>,
    uids: usize,
}

/// A backup of etcd: version, objects, and the inventory in the Tenant's status.
type Saved = (u64, BTreeMap<ObjectId, Child>, Vec<InventoryEntry>);

fn wanted() -> Vec<Child> {
    KINDS.iter().map(|kind| Child::new(*kind, "web", "", 0)).collect()
}

impl Model {
    fn new() -> Self {
        Self {
            version: 100,
            server: BTreeMap::new(),
            events: BTreeMap::new(),
            world: world(),
            inventory: Vec::new(),
            awake: true,
            pass: None,
            passes: 0,
            saved: None,
            uids: 0,
        }
    }

    fn hear(&mut self, signals: &[Signal]) {
        let ours = |signal: &Signal| matches!(signal, Signal::Tenant(_) | Signal::TenantSoon(_));
        self.awake |= signals.iter().any(ours);
    }

    fn put(&mut self, child: Child) -> Child {
        self.version += 1;
        let child = child.at(self.version);
        self.events.entry(child.kind).or_default().push_back((true, child.clone()));
        self.server.insert(child.id(), child.clone());
        child
    }

    /// Server-side apply: makes what is gone, mends what was changed, and leaves the rest as it is.
    fn apply(&mut self, id: &ObjectId) -> Child {
        let right =
            wanted().into_iter().find(|child| child.id() == *id).expect("only wanted ones are written");
        match self.server.get(id).cloned() {
            Some(live) if !live.stolen && live.tenant == right.tenant => live,
            Some(live) => self.put(Child { uid: live.uid, ..right }),
            None => {
                self.uids += 1;
                self.put(Child { uid: format!("u{}", self.uids), ..right })
            }
        }
    }

    fn deliver(&mut self, kind: Kind) {
        let Some((there, child)) = self.events.get_mut(&kind).and_then(VecDeque::pop_front) else { return };
        let signals = if there {
            self.world.child_seen(kind, &child.meta())
        } else {
            self.world.child_gone(kind, &child.meta())
        };
        self.hear(&signals);
    }

    fn relist(&mut self, kind: Kind) {
        self.events.remove(&kind);
        self.world.children_listing(kind);
        let all: Vec<Child> = self.server.values().filter(|child| child.kind == kind).cloned().collect();
        for child in all {
            let signals = self.world.child_seen(kind, &child.meta());
            self.hear(&signals);
        }
        let signals = self.world.children_listed(kind);
        self.hear(&signals);
    }

    fn touch(&mut self, kind: Kind, change: impl Fn(&mut Child)) {
        let found = self.server.values().find(|child| child.kind == kind).cloned();
        if let Some(mut child) = found {
            change(&mut child);
            self.put(child);
        }
    }

    fn delete(&mut self, kind: Kind) {
        let Some(id) = self.server.keys().find(|id| id.kind == kind).cloned() else { return };
        let child = self.server.remove(&id).expect("it was found");
        self.version += 1;
        self.events.entry(kind).or_default().push_back((false, child.at(self.version)));
    }

    /// Not during a pass: what that wrote may be of neither state, and only the next list would tell.
    fn restore(&mut self) {
        if self.pass.is_some() {
            return;
        }
        let Some((version, server, inventory)) = self.saved.clone() else { return };
        (self.version, self.server, self.inventory) = (version, server, inventory);
        KINDS.into_iter().for_each(|kind| self.relist(kind));
    }

    /// One step of the operator: begin, a write, remember, finish.
    fn work(&mut self) {
        let Some(mut pass) = self.pass.take() else {
            if std::mem::take(&mut self.awake) {
                self.begin();
            }
            return;
        };
        if let Some(write) = pass.plan.writes.get(pass.next) {
            let child = self.apply(&write.manifest.id);
            pass.written.push((child.id(), child.live(), child.entry()));
            pass.next += 1;
            self.pass = Some(pass);
        } else if pass.next == pass.plan.writes.len() {
            self.inventory = pass.plan.kept.clone();
            self.inventory.extend(pass.written.iter().map(|(_, _, entry)| entry.clone()));
            self.world.expect("acme", &self.inventory);
            for (id, live, _) in &pass.written {
                self.world.child_written(id, live.clone());
            }
            pass.next += 1;
            self.pass = Some(pass);
        } else if finish(&mut self.world) {
            self.awake = true;
        }
    }

    fn begin(&mut self) {
        self.passes += 1;
        self.world.begin("acme");
        let manifests = wanted().into_iter();
        let manifests =
            manifests.map(|child| Manifest { id: child.id(), hash: child.hash, body: Value::Null });
        let plan = plan(manifests.collect(), &self.inventory, &self.world.children("acme"), &[]);
        assert!(plan.prune.is_empty(), "nothing that is wanted is deleted");
        self.pass = Some(Pass { plan, next: 0, written: Vec::new() });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Deliver(kind) => self.deliver(KINDS[kind]),
            Step::Relist(kind) => self.relist(KINDS[kind]),
            Step::Noise(kind) => self.touch(KINDS[kind], |_| {}),
            Step::Steal(kind) => self.touch(KINDS[kind], |child| child.stolen = true),
            Step::Strip(kind) => self.touch(KINDS[kind], |child| child.tenant = None),
            Step::Delete(kind) => self.delete(KINDS[kind]),
            Step::Save => self.saved = Some((self.version, self.server.clone(), self.inventory.clone())),
            Step::Restore => self.restore(),
            Step::Work => self.work(),
        }
    }

    /// Lets everything that is under way come to its end.
    fn settle(&mut self) {
        for _ in 0..200 {
            KINDS.into_iter().for_each(|kind| self.deliver(kind));
            self.work();
        }
        assert!(!self.awake && self.pass.is_none(), "it comes to rest");
    }
}

fn step(foreign: bool) -> BoxedStrategy<Step> {
    let kind = || 0..KINDS.len();
    let quiet = prop_oneof![
        4 => Just(Step::Work),
        4 => kind().prop_map(Step::Deliver),
        1 => kind().prop_map(Step::Noise),
    ];
    if !foreign {
        return quiet.boxed();
    }
    prop_oneof![
        6 => quiet,
        1 => kind().prop_map(Step::Relist),
        1 => kind().prop_map(Step::Steal),
        1 => kind().prop_map(Step::Strip),
        1 => kind().prop_map(Step::Delete),
        1 => Just(Step::Save),
        1 => Just(Step::Restore),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn children_end_as_they_should_be(steps in proptest::collection::vec(step(true), 0..60)) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        model.settle();
        for child in wanted() {
            let live = model.server.get(&child.id());
            prop_assert!(live.is_some_and(|live| !live.stolen && live.tenant == child.tenant), "{live:?}");
        }
        prop_assert_eq!(model.world.foreign("acme"), Vec::new());
        // What is known is what is there: the next pass has nothing to do.
        let known = model.world.children("acme");
        let there: BTreeMap<ObjectId, Live> =
            model.server.values().map(|child| (child.id(), child.live())).collect();
        prop_assert_eq!(known, there);
    }

    #[test]
    fn where_nobody_interferes_one_pass_is_enough(steps in proptest::collection::vec(step(false), 0..60)) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        model.settle();
        prop_assert_eq!(model.passes, 1);
        prop_assert_eq!(model.server.len(), KINDS.len());
    }
}

/// Found by the property above: the list showed an older object without our labels, and the newer one with
/// them stayed known for ever.
#[test]
fn a_restored_cluster_that_lacks_our_labels_is_mended() {
    use Step::{Delete, Relist, Restore, Save, Strip, Work};
    let mut model = Model::new();
    let before = [Work, Work, Strip(0), Save, Work, Relist(0), Work, Work, Delete(0)];
    before.into_iter().chain([Work; 5]).chain([Restore]).for_each(|step| model.step(step));
    model.settle();
    assert!(model.server.values().all(|child| child.tenant.is_some()), "{:?}", model.server);
}
