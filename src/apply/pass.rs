//! One pass over a tenant's objects: announce, write, scale, prune.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info};

use crate::{
    api::{
        kinds::{Kind, ObjectId},
        tenant_status::InventoryEntry,
    },
    desired::{Applied, Objects, ScaleRule},
    observe::{live::Live, world::Scaled},
    runtime::call::{CallError, Class},
};

use super::{
    drift::Change,
    heal,
    order::{self, Listed},
    plan::{self, Plan, Reach, Why, Write},
    prune, scale,
    status::Recorder,
    writer::Writer,
};

/// What a pass works on.
#[derive(Debug)]
pub struct Request<'a> {
    /// What should be.
    pub wanted: Listed,
    /// What we made so far.
    pub inventory: Vec<InventoryEntry>,
    /// What is.
    pub live: BTreeMap<ObjectId, Live>,
    /// `spec.replicas` of what makes the tenant's pods.
    pub replicas: BTreeMap<ObjectId, i32>,
    /// The rules of the pass before: who breaks one that still holds is somebody else.
    pub rules: BTreeMap<ObjectId, ScaleRule>,
    /// Managers whose additions to pod templates are left alone.
    pub injectors: &'a [String],
    /// How far the pass may go.
    pub reach: Reach,
    /// The Tenant's name and the installation's id: the marks of what is ours.
    pub owner: (&'a str, &'a str),
    /// The namespace is made in this pass: nothing of anybody's can be in it.
    pub fresh: bool,
    /// Objects that are no longer wanted and still needed, such as a ConfigMap of pods that roll out.
    pub in_use: BTreeSet<ObjectId>,
}

impl Request<'_> {
    /// What is recorded of an object.
    pub(super) fn entry(&self, id: &ObjectId) -> Option<&InventoryEntry> {
        self.inventory.iter().find(|entry| crate::observe::world::id(entry).as_ref() == Some(id))
    }
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Pass {
    /// Proof that every object is in the cluster as it should be; absent after a failure, and where the pass
    /// might not go that far.
    pub objects: Option<Objects<Applied>>,
    /// What we made so far.
    pub inventory: Vec<InventoryEntry>,
    /// What came back from each write.
    pub written: Vec<(ObjectId, Live)>,
    /// Scales that were written.
    pub scaled: Vec<Scaled>,
    /// What somebody had changed or deleted.
    pub healed: Vec<(ObjectId, Vec<Change>)>,
    /// What was deleted, with its uid.
    pub deleted: Vec<(ObjectId, String)>,
    /// Objects that wait for their deletion.
    pub pending: Vec<ObjectId>,
    /// What went wrong.
    pub failures: Vec<Failure>,
}

/// A write that failed.
#[derive(Debug)]
pub struct Failure {
    /// The object.
    pub id: ObjectId,
    /// What went wrong.
    pub problem: Problem,
}

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The API server refused, or didn't answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// An object of that name is there, and not ours.
    #[error("is there already and not ours; rename it, delete it, or rename the service")]
    NotOurs,
    /// The object is on its way out.
    #[error("is being deleted; it is made anew once it is gone: its finalizers say what holds it")]
    Terminating,
}

impl Problem {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Call(error) => error.class(),
            Self::Terminating => Class::Waiting(std::time::Duration::from_secs(2)),
            Self::NotOurs => Class::Waiting(std::time::Duration::from_secs(60)),
        }
    }
}

/// Runs a pass. What fails is in the result, never lost; the other objects go on, unless isolation
/// itself failed or the API server is gone.
pub async fn run(writer: &Writer, recorder: &Recorder<'_>, mut request: Request<'_>) -> Pass {
    let manifests = std::mem::take(&mut request.wanted.manifests);
    let plan = plan::plan(manifests, &request.inventory, &request.live, request.injectors);
    let plan = plan.within(request.reach, &request.inventory, &request.live, request.injectors);
    let mut pass = Pass { inventory: plan.kept.clone(), pending: plan.leaving.clone(), ..Pass::default() };
    // Everything that is recorded stays recorded until it is written or deleted.
    let waiting: Vec<InventoryEntry> = unwritten(&plan, &request);
    if !plan.announce.is_empty() {
        let announced: Vec<_> = [&plan.kept[..], &waiting, &plan.prune].concat();
        if let Err(error) = recorder.announce(announced).await {
            let id = plan.writes[0].manifest.id.clone();
            pass.failures.push(Failure { id, problem: error.into() });
            pass.inventory.extend(waiting.into_iter().chain(plan.prune));
            return pass.sorted();
        }
    }
    let stopped = write_all(writer, &request, plan.writes, &mut pass).await;
    let missed = waiting.into_iter().filter(|entry| !pass.inventory.iter().any(|other| entry.is_of(other)));
    let missed: Vec<_> = missed.collect();
    pass.inventory.extend(missed);
    if !stopped {
        scale::run(writer, &request, &request.wanted.scales, &mut pass).await;
    }
    if pass.failures.is_empty() {
        prune::run(writer, &request, plan.prune, &mut pass).await;
    } else {
        pass.inventory.extend(plan.prune);
    }
    if pass.failures.is_empty() && request.reach == Reach::Everything {
        pass.objects = Some(order::applied(request.wanted.objects));
    }
    pass.sorted()
}

impl Pass {
    /// The inventory in one order, so that the same state gives the same status.
    fn sorted(mut self) -> Self {
        self.inventory.sort_by_cached_key(|entry| (crate::observe::world::id(entry), entry.clone()));
        self
    }

    /// Whether anything was written.
    pub fn wrote(&self) -> bool {
        !self.written.is_empty() || !self.scaled.is_empty()
    }
}

/// Entries of what is about to be written: as they are announced, or else as they are recorded.
fn unwritten(plan: &Plan, request: &Request<'_>) -> Vec<InventoryEntry> {
    let recorded = plan.writes.iter().filter_map(|write| request.entry(&write.manifest.id));
    let recorded = recorded.filter(|entry| !plan.announce.iter().any(|other| entry.is_of(other)));
    recorded.chain(&plan.announce).cloned().collect()
}

/// Writes what it can; returns whether it stopped before the end.
async fn write_all(writer: &Writer, request: &Request<'_>, writes: Vec<Write>, pass: &mut Pass) -> bool {
    for write in writes {
        let id = write.manifest.id.clone();
        match write_one(writer, request, &write, pass).await {
            Ok(live) => {
                debug!(object = %id, why = ?write.why, "applied");
                if was_deleted(request, &write, &live) {
                    pass.healed.push((id.clone(), vec![Change::Deleted]));
                }
                pass.inventory.push(plan::written(&write.manifest, &live));
                pass.written.push((id, live));
            }
            Err(problem) => {
                info!(object = %id, why = ?write.why, %problem, "not applied");
                // Without isolation no workload starts; without an API server nothing does.
                let stop = id.kind <= Kind::RoleBinding || !matches!(problem.class(), Class::Rejected);
                let foreign = matches!(problem, Problem::NotOurs | Problem::Terminating);
                pass.failures.push(Failure { id, problem });
                if stop && !foreign {
                    return true;
                }
            }
        }
    }
    false
}

async fn write_one(
    writer: &Writer,
    request: &Request<'_>,
    write: &Write,
    pass: &mut Pass,
) -> Result<Live, Problem> {
    let id = &write.manifest.id;
    let live = match request.live.get(id) {
        None if !request.fresh && id.kind != Kind::Namespace => look(writer, request, id).await?,
        known => known.cloned(),
    };
    match (write.why, live) {
        (_, Some(live)) if live.terminating => Err(Problem::Terminating),
        // One that seemed gone, and isn't, has lost the marks that the watches select by. Where something
        // else is wanted than before, what differs is no drift.
        (Why::Drifted | Why::Gone, Some(live))
            if request.entry(id).is_some_and(|entry| entry.hash == write.manifest.hash) =>
        {
            heal::run(writer, request, &write.manifest, &live, pass).await
        }
        _ => Ok(writer.apply(&write.manifest).await?),
    }
}

/// Whether somebody deleted what was just written: only if another object came back than the recorded one.
/// A namespace takes everything in it along; that is one deletion.
fn was_deleted(request: &Request<'_>, write: &Write, live: &Live) -> bool {
    let id = &write.manifest.id;
    let is_recorded =
        |id: &ObjectId, live: &Live| request.entry(id).is_some_and(|entry| *entry.uid == *live.uid);
    let home = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: id.namespace.clone() };
    let by_itself =
        id.kind == Kind::Namespace || request.live.get(&home).is_some_and(|live| is_recorded(&home, live));
    write.why == Why::Gone && by_itself && !is_recorded(id, live)
}

/// An object of the name may be there without our marks: made by a member, or stripped of them. One that we
/// announced, and that has an entry of our field manager, was ours before.
async fn look(writer: &Writer, request: &Request<'_>, id: &ObjectId) -> Result<Option<Live>, Problem> {
    let Some(found) = writer.look(id).await? else { return Ok(None) };
    let ours = request
        .entry(id)
        .is_some_and(|entry| *entry.uid == *found.uid || (entry.uid.is_empty() && !found.digest.is_empty()));
    if ours || (&*found.tenant, &*found.install_id) == request.owner {
        return Ok(Some(found));
    }
    Err(Problem::NotOurs)
}
