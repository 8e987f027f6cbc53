//! What has to be written and deleted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        tenant_status::InventoryEntry,
    },
    desired::workload::is_config_map_of,
    observe::{
        live::Live,
        workloads::Observed,
        world::{Expected, id},
    },
};

use super::manifest::Manifest;

/// Why an object has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was never written.
    New,
    /// Its desired content changed.
    Changed,
    /// It was there and is gone.
    Gone,
    /// Somebody changed it.
    Drifted,
}

/// A write that has to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What to write.
    pub manifest: Manifest,
    /// Why.
    pub why: Why,
}

/// What a pass has to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// Recorded objects that are no longer wanted, in reverse order.
    pub prune: Vec<InventoryEntry>,
    /// Recorded objects that stay as they are: wanted and right, or of a kind that this version doesn't
    /// know, or never pruned.
    pub kept: Vec<InventoryEntry>,
    /// Objects that the inventory must name before they are written.
    pub announce: Vec<InventoryEntry>,
    /// Wanted objects that are being deleted: they can be made anew once they are gone.
    pub leaving: Vec<ObjectId>,
}

/// How far a pass may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Everything that is wanted.
    #[default]
    Everything,
    /// Only what somebody else changed or deleted: what is wanted now has to wait.
    Touched,
    /// Only that, and only where the same is wanted as before: what is wanted now may not be written.
    Recorded,
}

/// Most objects that a description names.
const MOST_NAMED: usize = 10;

impl Plan {
    /// Takes out what has to wait. What is recorded of it stays as it is.
    #[must_use]
    pub fn within(
        mut self,
        reach: Reach,
        inventory: &[InventoryEntry],
        live: &BTreeMap<ObjectId, Live>,
        injectors: &[String],
    ) -> Self {
        if reach == Reach::Everything {
            return self;
        }
        let recorded: BTreeMap<ObjectId, &InventoryEntry> =
            inventory.iter().filter_map(|entry| Some((id(entry)?, entry))).collect();
        let is_touched = |id: &ObjectId| {
            let entry = recorded.get(id)?;
            let right = live.get(id).is_some_and(|live| Expected::from(*entry).matches(live, injectors));
            (!right).then_some(*entry)
        };
        let may = |write: &Write| {
            let touched = is_touched(&write.manifest.id);
            touched.is_some_and(|entry| reach == Reach::Touched || entry.hash == write.manifest.hash)
        };
        let (now, later): (Vec<Write>, Vec<Write>) =
            std::mem::take(&mut self.writes).into_iter().partition(may);
        let waits = |one: &ObjectId| later.iter().any(|write| write.manifest.id == *one);
        self.kept.extend(recorded.iter().filter(|(id, _)| waits(id)).map(|(_, entry)| (*entry).clone()));
        let gone = |entry: &InventoryEntry| id(entry).is_some_and(|id| is_touched(&id).is_some());
        let (prune, stays): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.prune).into_iter().partition(|one| reach == Reach::Touched && gone(one));
        self.prune = prune;
        self.kept.extend(stays);
        self.announce.retain(|entry| id(entry).is_none_or(|id| !waits(&id)));
        self.writes = now;
        self
    }

    /// What would be done, for people: `create Deployment shop/web`.
    pub fn describe(&self) -> Vec<String> {
        let writes = self.writes.iter().map(|write| {
            let verb = match write.why {
                Why::New | Why::Gone => "create",
                Why::Changed => "change",
                Why::Drifted => "heal",
            };
            format!("{verb} {}", write.manifest.id)
        });
        let leaving = self.leaving.iter().map(|id| format!("create {id}"));
        let prunes = self.prune.iter().filter_map(id).map(|id| format!("delete {id}"));
        let all: Vec<String> = writes.chain(leaving).chain(prunes).collect();
        let more = all.len().saturating_sub(MOST_NAMED);
        let mut named: Vec<String> = all.into_iter().take(MOST_NAMED).collect();
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        named
    }
}

/// Compares what should be with what is recorded and what is live.
pub fn plan(
    wanted: Vec<Manifest>,
    inventory: &[InventoryEntry],
    live: &BTreeMap<ObjectId, Live>,
    injectors: &[String],
) -> Plan {
    let recorded: BTreeMap<ObjectId, &InventoryEntry> =
        inventory.iter().filter_map(|entry| Some((id(entry)?, entry))).collect();
    let wanted_ids: BTreeSet<ObjectId> = wanted.iter().map(|one| one.id.clone()).collect();
    let mut plan = Plan::default();
    for manifest in wanted {
        let entry = recorded.get(&manifest.id).copied();
        let live = live.get(&manifest.id);
        match judge(&manifest, entry, live, injectors) {
            Some(_) if entry.is_some() && live.is_some_and(|live| live.terminating) => {
                plan.kept.extend(entry.cloned());
                plan.leaving.push(manifest.id);
            }
            None => plan.kept.extend(entry.cloned()),
            Some(why) => {
                if !is_recorded(entry, live) {
                    plan.announce.push(announced(&manifest.id));
                }
                plan.writes.push(Write { manifest, why });
            }
        }
    }
    for entry in inventory {
        match id(entry) {
            Some(id) if wanted_ids.contains(&id) => {}
            // A namespace holds data: it never goes by a prune.
            Some(id) if id.kind != Kind::Namespace => plan.prune.push(entry.clone()),
            _ => plan.kept.push(entry.clone()),
        }
    }
    plan.prune.sort_by_key(|entry| std::cmp::Reverse(id(entry)));
    plan
}

/// Kinds of what is wanted otherwise than it was written last: of what changes, comes and goes.
pub fn changed_kinds(wanted: &[Manifest], inventory: &[InventoryEntry]) -> BTreeSet<Kind> {
    let recorded: BTreeMap<ObjectId, &str> =
        inventory.iter().filter_map(|entry| Some((id(entry)?, entry.hash.as_str()))).collect();
    let other = wanted.iter().filter(|one| recorded.get(&one.id) != Some(&one.hash.as_str()));
    let mut kinds: BTreeSet<Kind> = other.map(|one| one.id.kind).collect();
    let ids: BTreeSet<&ObjectId> = wanted.iter().map(|one| &one.id).collect();
    kinds.extend(
        recorded.keys().filter(|id| !ids.contains(id) && id.kind != Kind::Namespace).map(|id| id.kind),
    );
    kinds
}

/// Whether the inventory names the very object that a write will leave behind. One that is gone comes back
/// under another uid: whoever dies between the write and its record must not leave the old uid in the
/// inventory, or a prune would delete by it, find nothing, and forget the new object.
fn is_recorded(entry: Option<&InventoryEntry>, live: Option<&Live>) -> bool {
    entry.is_some_and(|entry| entry.uid.is_empty() || live.is_some_and(|live| *live.uid == *entry.uid))
}

/// Why an object has to be written; `None` when it is right.
fn judge(
    manifest: &Manifest,
    entry: Option<&InventoryEntry>,
    live: Option<&Live>,
    injectors: &[String],
) -> Option<Why> {
    let (Some(entry), Some(live)) = (entry, live) else {
        return Some(match entry {
            // Without a hash it went because we deleted it.
            Some(entry) if !entry.uid.is_empty() && !entry.hash.is_empty() => Why::Gone,
            _ => Why::New,
        });
    };
    if entry.hash != manifest.hash {
        return Some(if entry.hash.is_empty() { Why::New } else { Why::Changed });
    }
    (!Expected::from(entry).matches(live, injectors)).then_some(Why::Drifted)
}

/// An entry for an object that is about to be written.
fn announced(id: &ObjectId) -> InventoryEntry {
    InventoryEntry {
        group: id.kind.info().group.to_owned(),
        kind: id.kind.info().kind.to_owned(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        uid: String::new(),
        hash: String::new(),
        digest: String::new(),
    }
}

/// The entry of an object whose deletion we asked for: its uid says what goes, and nothing is as recorded any
/// more. Should it be wanted again, nobody else is to blame.
pub fn leaving(entry: InventoryEntry) -> InventoryEntry {
    InventoryEntry { hash: String::new(), ..entry }
}

/// The entry of an object that was written.
pub fn written(manifest: &Manifest, live: &Live) -> InventoryEntry {
    InventoryEntry {
        uid: live.uid.to_string(),
        hash: manifest.hash.clone(),
        digest: live.digest.to_string(),
        ..announced(&manifest.id)
    }
}

/// Old ConfigMaps of services that still roll out: their old pods may restart, and would not come up again.
pub fn in_use(inventory: &[InventoryEntry], wanted: &[Manifest], observed: &Observed) -> BTreeSet<ObjectId> {
    let written = |manifest: &Manifest| {
        let mut recorded = inventory.iter().filter(|entry| id(entry).as_ref() == Some(&manifest.id));
        recorded.any(|entry| entry.hash == manifest.hash)
    };
    let rolling: Vec<&str> = observed
        .services
        .iter()
        .filter(|one| {
            // A service that goes has no pods that could need anything.
            let makes_pods = |it: &&Manifest| it.id.kind.has_pods() && it.id.name == one.name;
            let wanted = wanted.iter().find(makes_pods);
            wanted.is_some_and(|wanted| !(written(wanted) && one.is_rolled_out()))
        })
        .map(|one| one.name.as_str())
        .collect();
    let maps = inventory.iter().filter_map(id).filter(|id| id.kind == Kind::ConfigMap);
    maps.filter(|id| rolling.iter().any(|service| is_config_map_of(service, &id.name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::workloads::ObservedService;

    fn object(kind: Kind, name: &str) -> ObjectId {
        ObjectId { kind, namespace: "ns".into(), name: name.into() }
    }

    fn wanted(kind: Kind, name: &str, hash: &str) -> Manifest {
        Manifest { id: object(kind, name), hash: hash.into(), body: json!({}) }
    }

    fn live(uid: &str, hash: &str, digest: &str) -> Live {
        Live { uid: uid.into(), hash: hash.into(), digest: digest.into(), ..Live::default() }
    }

    fn entry(kind: Kind, name: &str, uid: &str, hash: &str, digest: &str) -> InventoryEntry {
        InventoryEntry {
            uid: uid.into(),
            hash: hash.into(),
            digest: digest.into(),
            ..announced(&object(kind, name))
        }
    }

    #[test]
    fn what_is_right_is_left_alone() {
        let inventory = [entry(Kind::Service, "a", "u", "h", "d")];
        let live = [(object(Kind::Service, "a"), live("u", "h", "d"))].into();
        let plan = plan(vec![wanted(Kind::Service, "a", "h")], &inventory, &live, &[]);
        assert_eq!((plan.writes.len(), plan.prune.len(), plan.kept.len()), (0, 0, 1));
    }

    #[test]
    fn every_difference_has_its_reason() {
        let recorded = |uid: &str, hash: &str| vec![entry(Kind::Service, "a", uid, hash, "d")];
        let cases = [
            (vec![], None, Why::New, 1),
            (recorded("", ""), None, Why::New, 0),
            (recorded("u", "h"), None, Why::Gone, 1),
            (recorded("u", ""), None, Why::New, 1),
            (recorded("u", "old"), Some(live("u", "old", "d")), Why::Changed, 0),
            (recorded("u", "h"), Some(live("u", "h", "other")), Why::Drifted, 0),
            (recorded("u", "h"), Some(live("other", "h", "d")), Why::Drifted, 1),
            (recorded("u", "h"), Some(live("u", "other", "d")), Why::Drifted, 0),
        ];
        for (inventory, live, why, announced) in cases {
            let live = live.into_iter().map(|one| (object(Kind::Service, "a"), one)).collect();
            let plan = plan(vec![wanted(Kind::Service, "a", "h")], &inventory, &live, &[]);
            assert_eq!(plan.writes.iter().map(|write| write.why).collect::<Vec<_>>(), [why]);
            assert_eq!(plan.announce.len(), announced, "{why:?}: {inventory:?}");
            assert!(plan.announce.iter().all(|entry| entry.uid.is_empty()));
        }
    }

    #[test]
    fn what_is_no_longer_wanted_goes_backwards_and_namespaces_stay() {
        let inventory = [
            entry(Kind::Namespace, "ns", "u0", "h", "d"),
            entry(Kind::Service, "a", "u1", "h", "d"),
            entry(Kind::Deployment, "a", "u2", "h", "d"),
            InventoryEntry { kind: "Future".into(), ..entry(Kind::Service, "b", "u3", "h", "d") },
        ];
        let plan = plan(vec![], &inventory, &BTreeMap::new(), &[]);
        let pruned: Vec<&str> = plan.prune.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(pruned, ["Deployment", "Service"]);
        let kept: Vec<&str> = plan.kept.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kept, ["Namespace", "Future"]);
    }

    /// Where the rest has to wait, only what somebody touched is written; and what may not be written isn't.
    #[test]
    fn what_has_to_wait_leaves_what_is_recorded() {
        let inventory = [
            entry(Kind::Service, "same", "u1", "h", "d"),
            entry(Kind::Service, "other", "u2", "old", "d"),
            entry(Kind::Service, "touched", "u3", "old", "d"),
            entry(Kind::Service, "gone", "u4", "h", "d"),
            entry(Kind::Deployment, "unwanted", "u5", "h", "d"),
        ];
        let live: BTreeMap<ObjectId, Live> = [
            ("same", live("u1", "h", "else")),
            ("other", live("u2", "old", "d")),
            ("touched", live("u3", "old", "else")),
        ]
        .into_iter()
        .map(|(name, live)| (object(Kind::Service, name), live))
        .collect();
        let names = ["same", "other", "touched", "gone", "new"];
        let list = || names.map(|name| wanted(Kind::Service, name, "h")).to_vec();
        let within = |reach| {
            let plan = plan(list(), &inventory, &live, &[]).within(reach, &inventory, &live, &[]);
            let writes: Vec<String> =
                plan.writes.iter().map(|write| write.manifest.id.name.clone()).collect();
            let announced = plan.announce.len();
            (writes.join(" "), plan.prune.len(), plan.kept.len(), announced)
        };
        assert_eq!(within(Reach::Everything), ("same other touched gone new".into(), 1, 0, 2));
        assert_eq!(within(Reach::Touched), ("same touched gone".into(), 1, 1, 1));
        assert_eq!(within(Reach::Recorded), ("same gone".into(), 0, 3, 1));
        assert_eq!(changed_kinds(&list(), &inventory), [Kind::Service, Kind::Deployment].into());
        assert_eq!(changed_kinds(&list()[..1], &inventory[..1]), BTreeSet::new());
    }

    #[test]
    fn only_a_services_own_config_waits_for_its_roll_out() {
        let maps = ["web-0123456789", "web-api-0123456789", "web-0123456789-0123456789", "web-settings99"];
        let inventory: Vec<_> = maps
            .iter()
            .map(|name| entry(Kind::ConfigMap, name, "u", "h", "d"))
            .chain([
                entry(Kind::Deployment, "web", "u", "h", "d"),
                entry(Kind::Secret, "web-0123456789", "u", "h", "d"),
            ])
            .collect();
        // Nothing was observed of its pods yet: it rolls out.
        let web = ObservedService { name: "web".into(), ..ObservedService::default() };
        let observed = Observed { services: vec![web], ..Observed::default() };
        let held = in_use(&inventory, &[wanted(Kind::Deployment, "web", "h")], &observed);
        assert_eq!(held, [object(Kind::ConfigMap, "web-0123456789")].into());
        assert_eq!(in_use(&inventory, &[], &observed), BTreeSet::new(), "its Deployment goes");
    }
}
