//! What is tried for a Tenant, and what the answers mean. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        marks,
        tenant_status::InventoryEntry,
    },
    apply::{
        drift,
        manifest::Manifest,
        plan::{self, Why},
    },
    desired::Scale,
    observe::{
        live::Live,
        world::{Expected, id},
    },
};

use super::{
    super::{
        diff, objects,
        types::{FieldChange, ObjectChange, ScaleChange, Verb},
    },
    Drift, TenantThere, Wanted,
};

/// Why a Secret is not tried.
const SECRET: &str = "a plan reads no Secret; the operator copies what is in it";
/// Why nothing in a new namespace is tried.
const FRESH: &str = "its namespace is new: the API server takes nothing in it before it is there";
/// How the API server says that a webhook would have to do something.
const NO_DRY_RUN: &str = "does not support dry run";

/// What is tried for a Tenant.
#[derive(Debug)]
pub struct Trials {
    there: TenantThere,
    writes: Vec<Trial>,
    /// What is deleted, and whether that is the change's doing.
    deletes: Vec<(ObjectId, bool)>,
    scales: Vec<(Scale, Option<Scale>)>,
    live: BTreeMap<ObjectId, Value>,
    /// What files alone say of each object.
    offline: BTreeMap<ObjectId, ObjectChange>,
    sends: Vec<Manifest>,
    /// What the cluster's own Tenant asks for is known.
    is_known: bool,
}

/// A write.
#[derive(Debug)]
struct Trial {
    manifest: Manifest,
    /// Whether it is the change's doing.
    ours: bool,
    /// Who has to do with it being written, where that is somebody else.
    by: Vec<String>,
    /// Where its own answer is, if it is tried.
    after: Option<usize>,
    /// Where the answer is for what the cluster's own Tenant asks for, if that has to be tried.
    before: Option<usize>,
}

/// What is recorded, wanted and there, while the trials are made of it.
struct Ground<'a> {
    wanted: &'a Wanted,
    before: BTreeMap<&'a ObjectId, &'a Manifest>,
    recorded: BTreeMap<ObjectId, &'a InventoryEntry>,
    lives: BTreeMap<ObjectId, Live>,
}

impl Wanted {
    /// Decides what has to be tried, where these objects are there.
    pub fn trials(mut self, live: BTreeMap<ObjectId, Value>) -> Trials {
        let old = self.before.as_ref().map(|one| one.manifests.as_slice()).unwrap_or_default();
        let offline = objects::changes(old, &self.manifests);
        let offline = offline.into_iter().map(|one| (one.object(), one));
        let offline: BTreeMap<ObjectId, ObjectChange> =
            offline.filter_map(|(id, one)| Some((id?, one))).collect();
        self.settle_secrets();
        let mut there = self.there.clone();
        let manifests = self.own_only(&live, &mut there);
        let ground = Ground::new(&self, &live);
        let plan = plan::plan(manifests, &self.inventory, &ground.lives, &self.injectors);
        let mut sends = Vec::new();
        let writes: Vec<Trial> =
            plan.writes.into_iter().map(|write| ground.trial(write, &live, &mut there, &mut sends)).collect();
        for id in &plan.leaving {
            there.notes.push(format!("{id} is being deleted; it is made anew once it is gone"));
        }
        let deletes = plan.prune.iter().filter_map(|entry| ground.goes(entry)).collect();
        let is_known = self.before.is_some();
        let rules = self.before.as_ref().map(|one| one.scales.as_slice()).unwrap_or_default();
        let same = |scale: &Scale| rules.iter().find(|old| old.of == scale.of).cloned();
        let scales = self.scales.iter().map(|scale| (scale.clone(), same(scale))).collect();
        Trials { there, writes, deletes, scales, live, offline, sends, is_known }
    }

    /// A Secret that both sides want alike is as it was recorded: its versions are the operator's to know.
    fn settle_secrets(&mut self) {
        let old = self.before.as_ref().map(|one| one.manifests.as_slice()).unwrap_or_default();
        for manifest in self.manifests.iter_mut().filter(|one| one.id.kind == Kind::Secret) {
            let alike = old.iter().any(|one| one.id == manifest.id && one.hash == manifest.hash);
            let entry = self.inventory.iter().find(|entry| id(entry).as_ref() == Some(&manifest.id));
            if let Some(entry) = entry.filter(|_| alike) {
                manifest.hash.clone_from(&entry.hash);
            }
        }
    }

    /// What is wanted, less what somebody else's objects stand in the way of.
    fn own_only(&self, live: &BTreeMap<ObjectId, Value>, there: &mut TenantThere) -> Vec<Manifest> {
        let mut own = Vec::new();
        for manifest in &self.manifests {
            let found = live.get(&manifest.id).map(|object| read(manifest.id.kind, object));
            // A namespace that is adopted carries no marks yet.
            if manifest.id.kind == Kind::Namespace
                || found.is_none_or(|live| self.is_own(&manifest.id, &live))
            {
                own.push(manifest.clone());
            } else {
                let message = "is there already and not ours; rename it, delete it, or rename the service";
                there.refuse(manifest.id.to_string(), message);
            }
        }
        own
    }

    /// As the operator decides it: by the recorded uid, or by the marks.
    fn is_own(&self, object: &ObjectId, live: &Live) -> bool {
        let entry = self.inventory.iter().find(|entry| id(entry).as_ref() == Some(object));
        let recorded = entry.is_some_and(|entry| {
            *entry.uid == *live.uid || (entry.uid.is_empty() && !live.digest.is_empty())
        });
        recorded || (*live.tenant == *self.there.name && *live.install_id == *self.install_id)
    }
}

impl<'a> Ground<'a> {
    fn new(wanted: &'a Wanted, live: &BTreeMap<ObjectId, Value>) -> Self {
        let old = wanted.before.iter().flat_map(|one| &one.manifests);
        let entries = wanted.inventory.iter();
        let recorded: BTreeMap<ObjectId, &InventoryEntry> =
            entries.filter_map(|entry| Some((id(entry)?, entry))).collect();
        let found = live.iter().map(|(id, object)| (id.clone(), read(id.kind, object)));
        let mut lives: BTreeMap<ObjectId, Live> =
            found.filter(|(id, live)| id.kind == Kind::Namespace || wanted.is_own(id, live)).collect();
        for (id, entry) in recorded.iter().filter(|(id, _)| id.kind == Kind::Secret) {
            let Expected { uid, hash, digest } = Expected::from(*entry);
            lives.insert(id.clone(), Live { uid, hash, digest, ..Live::default() });
        }
        Self { wanted, before: old.map(|one| (&one.id, one)).collect(), recorded, lives }
    }

    fn trial(
        &self,
        write: plan::Write,
        live: &BTreeMap<ObjectId, Value>,
        there: &mut TenantThere,
        sends: &mut Vec<Manifest>,
    ) -> Trial {
        let plan::Write { manifest, why } = write;
        let id = manifest.id.clone();
        let old = self.before.get(&id).copied();
        let ours = old.is_none_or(|old| old.hash != manifest.hash);
        let touched = self.is_touched(&id);
        let by = match live.get(&id) {
            None if why == Why::Gone => vec!["somebody deleted it".to_owned()],
            Some(object) if touched || !ours => self.hands(old.unwrap_or(&manifest), object),
            _ => Vec::new(),
        };
        let mut send = |manifest: &Manifest| {
            sends.push(manifest.clone());
            sends.len() - 1
        };
        let (mut after, mut before) = (None, None);
        if id.kind == Kind::Secret {
            there.leave(id.to_string(), SECRET);
        } else if self.wanted.fresh && id.kind != Kind::Namespace {
            there.leave(id.to_string(), FRESH);
        } else {
            after = Some(send(&manifest));
            before = old.filter(|_| ours && touched).map(send);
        }
        Trial { manifest, ours, by, after, before }
    }

    /// Whether an object that is there isn't what the cluster's own Tenant asks for.
    fn is_touched(&self, id: &ObjectId) -> bool {
        let (Some(entry), Some(live)) = (self.recorded.get(id), self.lives.get(id)) else { return false };
        let pending = self.before.get(id).is_some_and(|old| old.hash != entry.hash);
        pending || !Expected::from(*entry).matches(live, &self.wanted.injectors)
    }

    /// Who changed and who added what.
    fn hands(&self, manifest: &Manifest, object: &Value) -> Vec<String> {
        let (entry, live) = (self.recorded.get(&manifest.id), self.lives.get(&manifest.id));
        let matches = |(entry, live): (&&InventoryEntry, &Live)| {
            Expected::from(*entry).matches(live, &self.wanted.injectors)
        };
        if entry.zip(live).is_some_and(matches) {
            return vec!["the operator has not applied it yet".to_owned()];
        }
        let changed = drift::changes(&manifest.body, object).into_iter().map(|one| one.to_string());
        let added = live.into_iter().flat_map(|live| live.unwelcome(&self.wanted.injectors)).map(|one| {
            let paths: Vec<String> = one.paths.iter().take(5).map(ToString::to_string).collect();
            format!("{} added {}", one.manager, paths.join(", "))
        });
        changed.chain(added).collect()
    }

    /// What goes, unless it is gone: by the uid that is recorded, as the operator deletes it.
    fn goes(&self, entry: &InventoryEntry) -> Option<(ObjectId, bool)> {
        let id = id(entry)?;
        let live = self.lives.get(&id)?;
        let is_it = entry.uid.is_empty() || *live.uid == *entry.uid;
        let ours = self.wanted.before.is_none() || self.before.contains_key(&id);
        is_it.then_some((id, ours))
    }
}

impl Trials {
    /// What has to be sent, as dry runs.
    pub fn sends(&self) -> &[Manifest] {
        &self.sends
    }

    /// What it comes to, with an answer to each of [`Trials::sends`]: the object as it would be, or who refuses.
    pub fn told(mut self, answers: &[Result<Value, String>]) -> TenantThere {
        let mut there = std::mem::take(&mut self.there);
        let mut refused = BTreeSet::new();
        for trial in &self.writes {
            let answer = |index: Option<usize>| answers.get(index?);
            let id = &trial.manifest.id;
            match answer(trial.after) {
                Some(Err(message)) if message.contains(NO_DRY_RUN) => there.leave(id.to_string(), message),
                Some(Err(message)) => {
                    refused.insert(id.clone());
                    there.refuse(id.to_string(), message.clone());
                    continue;
                }
                _ => {}
            }
            let [after, before] = [trial.after, trial.before].map(|index| answer(index)?.as_ref().ok());
            self.tell(trial, before, after, &mut there);
        }
        for (id, ours) in &self.deletes {
            let object = ObjectChange::new(Verb::Delete, id, "");
            match ours {
                true => there.objects.push(object),
                false => there.drift.push(Drift { object, by: vec!["nothing wants it any more".to_owned()] }),
            }
        }
        for (scale, old) in &self.scales {
            if !refused.contains(&scale.of) {
                self.tell_scale(&scale.of, scale, old.as_ref(), &mut there);
            }
        }
        there
    }

    fn tell(&self, trial: &Trial, before: Option<&Value>, after: Option<&Value>, there: &mut TenantThere) {
        let Trial { manifest, ours, by, .. } = trial;
        let live = self.live.get(&manifest.id);
        // A Secret is never read: what is recorded of it stands for it.
        let is_there = live.is_some()
            || self
                .offline
                .get(&manifest.id)
                .is_some_and(|one| manifest.id.kind == Kind::Secret && one.verb == Verb::Change);
        let verb = if is_there { Verb::Change } else { Verb::Create };
        let object = ObjectChange::new(verb, &manifest.id, &manifest.hash);
        let hidden = |new: Option<&Value>| -> Vec<FieldChange> {
            live.zip(new).map(|(old, new)| diff::paths(&shown(old), &shown(new))).unwrap_or_default()
        };
        if !ours {
            let by = if by.is_empty() {
                vec!["it is not as the cluster's Tenant asks for".to_owned()]
            } else {
                by.clone()
            };
            there.drift.push(Drift { object: ObjectChange { fields: hidden(after), ..object }, by });
            return;
        }
        if !by.is_empty() && live.is_some() {
            let fields = hidden(before.or(after));
            there.drift.push(Drift { object: ObjectChange { fields, ..object.clone() }, by: by.clone() });
        }
        let fields = match (live, before, after) {
            (None, ..) => {
                let offline = self.offline.get(&manifest.id).filter(|one| one.verb == verb);
                let known = offline.map(|one| (one.replaces.clone(), one.fields.clone()));
                let (replaces, fields) = known.unwrap_or_default();
                there.objects.push(ObjectChange { replaces, fields, ..object });
                return;
            }
            // Nobody knows who wrote what is there.
            (Some(_), _, after) if !self.is_known => hidden(after),
            (Some(live), before, Some(after)) => diff::fields(&shown(before.unwrap_or(live)), &shown(after)),
            (Some(_), _, None) => Vec::new(),
        };
        there.objects.push(ObjectChange { fields, ..object });
    }

    /// One that runs with another number of pods than its rule has.
    fn tell_scale(&self, id: &ObjectId, scale: &Scale, old: Option<&Scale>, there: &mut TenantThere) {
        let replicas = self.live.get(id).and_then(|object| object.pointer("/spec/replicas")?.as_i64());
        let Some(present) = replicas.and_then(|number| i32::try_from(number).ok()) else { return };
        let Some(wanted) = scale.rule.correction(present) else { return };
        if old.is_none_or(|old| old.rule != scale.rule) {
            let (deployment, from, to) = (id.name.clone(), present.to_string(), wanted.to_string());
            there.scales.push(ScaleChange { deployment, from, to });
            return;
        }
        let field = FieldChange {
            path: "spec.replicas".to_owned(),
            old: Some(json!(present)),
            new: Some(json!(wanted)),
            hidden: false,
        };
        let object = ObjectChange { fields: vec![field], ..ObjectChange::new(Verb::Change, id, "") };
        there.drift.push(Drift { object, by: vec!["somebody scaled it".to_owned()] });
    }
}

fn read(kind: Kind, object: &Value) -> Live {
    // What has no metadata that makes sense carries no marks either.
    let meta: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap_or_default();
    Live::read(kind, &meta)
}

/// An object as a reader may see it: without what the API server keeps for itself, and without our hash.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(meta) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"]
        {
            meta.remove(key);
        }
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(marks::HASH);
    }
    object
}
