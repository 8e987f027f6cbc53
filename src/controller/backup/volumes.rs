//! Volumes of Tenants: whether each can have snapshots, looked at now and then; and for each run of one the snapshot, the
//! copy and the claim that its Job reads. What a run made goes when it is over, however it ended.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::{
    api::Tenant,
    backup::{
        known::{Kind, Settings},
        task::{Task, Work},
        volumes::{
            TAKEN, name_of,
            objects::Bridge,
            steps::{self, Step},
            support::{self, Class},
        },
    },
    controller::context::Context,
    observe::{
        last_words,
        runs::{JobFacts, State},
        volumes as observed,
    },
    runtime::call::{CallError, report},
};

use super::{tend, vault::Vault};

/// Time between two looks at a claim and its classes.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);
/// Time after which one that can't be backed up is looked at again.
const AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// Looks at once.
const AT_ONCE: usize = 8;
/// Steps of one run in a round: more than it has.
const STEPS: usize = 8;
/// How long controllers may take to remove what a run made before people are told.
const REMOVED: SignedDuration = SignedDuration::from_mins(10);

/// The class for a volume's snapshots, or why there is none; and when that was asked.
type Support = (Result<String, String>, Timestamp);

/// What is known between two rounds; all of it can be found out again.
#[derive(Default)]
pub(super) struct Volumes {
    /// By Tenant and by name in `Tenant.spec.volumes`.
    support: HashMap<String, BTreeMap<String, Support>>,
    /// uids of Jobs that have their volume.
    ready: HashSet<String>,
    /// uids of ended Jobs of which nothing is left.
    cleaned: HashSet<String>,
    /// What a Tenant's run waits for.
    waits: HashMap<String, String>,
    /// What runs of a Tenant left behind.
    left: HashMap<String, Vec<String>>,
}

impl Volumes {
    /// Looks at those whose last look is old, and forgets what nobody lists any more.
    pub(super) async fn look<'a>(&mut self, ctx: &Context, tenants: impl Iterator<Item = &'a Arc<Tenant>>) {
        let now = Timestamp::now();
        let mut kept = std::mem::take(&mut self.support);
        let mut due = Vec::new();
        for tenant in tenants {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            let mut before = kept.remove(&name).unwrap_or_default();
            before.retain(|one, _| tenant.spec.volumes.iter().any(|volume| volume.name == *one));
            let old = |volume: &str| before.get(volume).is_none_or(|found| is_old(found, now));
            let volumes = tenant.spec.volumes.iter().filter(|volume| old(&volume.name));
            due.extend(volumes.map(|volume| (Arc::clone(tenant), volume.clone())));
            self.support.insert(name, before);
        }
        if due.is_empty() {
            return;
        }
        let classes = match observed::classes(&ctx.client).await {
            Ok(classes) => classes,
            Err(error) => {
                warn!(error = report(&error), "VolumeSnapshotClasses can't be listed now");
                return;
            }
        };
        let looks = stream::iter(due).map(|(tenant, volume)| {
            let (ctx, classes) = (ctx.clone(), classes.as_deref());
            async move {
                let found = observed::claim(&ctx.client, tenant.namespace(), &volume.claim).await;
                (
                    tenant.metadata.name.clone().unwrap_or_default(),
                    judge(&volume.claim, found, classes),
                    volume,
                )
            }
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        for (tenant, judged, volume) in found {
            self.support.entry(tenant).or_default().insert(volume.name, (judged, now));
        }
    }

    /// Says in the settings which volumes can't be backed up. Returns whether that is new.
    pub(super) fn mark(&self, settings: &mut Arc<Settings>) -> bool {
        let known = self.support.get(&settings.tenant);
        let why = |volume: &str| match known.and_then(|known| known.get(volume)) {
            Some((Ok(_), _)) => None,
            Some((Err(why), _)) => Some(why.as_str()),
            None => Some("nobody has looked at its claim yet"),
        };
        let volumes = settings
            .databases
            .iter()
            .enumerate()
            .filter_map(|(at, one)| Some((at, one, name_of(&one.name)?)));
        let news: Vec<_> = volumes
            .filter(|(_, one, volume)| one.unsupported.as_deref() != why(volume))
            .map(|(at, _, volume)| (at, why(volume).map(str::to_owned)))
            .collect();
        for (at, why) in &news {
            Arc::make_mut(settings).databases[*at].unsupported.clone_from(why);
        }
        !news.is_empty()
    }

    /// Whether a run of a volume waits for something, or left something that has to go.
    pub(super) fn is_busy(&self, jobs: &[JobFacts]) -> bool {
        jobs.iter().filter(ours).any(|job| match job.state {
            State::Active => !self.ready.contains(&job.uid),
            _ => !self.cleaned.contains(&job.uid),
        })
    }

    /// Goes over a run's steps again.
    pub(super) fn again(&mut self, uid: &str) {
        self.ready.remove(uid);
    }

    /// Forgets all Jobs but these.
    pub(super) fn forget(&mut self, there: &HashSet<&String>) {
        self.ready.retain(|uid| there.contains(uid));
        self.cleaned.retain(|uid| there.contains(uid));
    }

    /// The class for a volume's snapshots; empty where there is none.
    fn class(&self, tenant: &str, volume: &str) -> &str {
        let found = self.support.get(tenant).and_then(|known| known.get(volume));
        found.and_then(|(class, _)| class.as_deref().ok()).unwrap_or_default()
    }

    /// What a Tenant's run waits for; empty where none waits.
    pub(super) fn waits(&self, tenant: &str) -> String {
        self.waits.get(tenant).cloned().unwrap_or_default()
    }

    /// What runs of a Tenant left behind.
    pub(super) fn left(&self, tenant: &str) -> Vec<String> {
        self.left.get(tenant).cloned().unwrap_or_default()
    }
}

fn is_old((found, at): &Support, now: Timestamp) -> bool {
    now.duration_since(*at).abs() >= if found.is_ok() { REFRESH } else { AGAIN }
}

fn judge(
    name: &str,
    found: Result<Option<crate::backup::volumes::seen::Claim>, CallError>,
    classes: Option<&[Class]>,
) -> Result<String, String> {
    let found = found.map_err(|error| format!("claim {name} can't be looked at: {}", report(&error)))?;
    support::class(name, found.as_ref(), classes).map(|class| class.name.clone())
}

/// Brings each run of a volume a few steps on, and takes away what ended ones made.
pub(super) async fn advance(ctx: &Context, vault: &mut Vault, tenant: &Tenant, jobs: &[JobFacts]) {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    vault.volumes.waits.remove(name);
    vault.volumes.left.remove(name);
    for job in jobs.iter().filter(ours) {
        let uid = &job.uid;
        let done = match job.state {
            State::Active if vault.volumes.ready.contains(uid) => Ok(()),
            State::Active => go_on(ctx, vault, tenant, job).await,
            _ if vault.volumes.cleaned.contains(uid) => Ok(()),
            _ => clean(ctx, vault, tenant, job).await,
        };
        if let Err(problem) = done {
            warn!(job = job.name, problem, "its volume has to wait");
            vault.volumes.waits.insert(name.to_owned(), problem);
        }
    }
}

/// Whether it saves a volume.
fn ours(job: &&JobFacts) -> bool {
    job.kind == Kind::Backup.word() && name_of(&job.database).is_some()
}

fn bridge<'a>(
    ctx: &'a Context,
    tenant: &'a Tenant,
    job: &'a JobFacts,
    (claim, class): (&'a str, &'a str),
) -> Bridge<'a> {
    Bridge {
        job: &job.name,
        uid: &job.uid,
        tenant: &job.tenant,
        tenant_uid: tenant.metadata.uid.as_deref().unwrap_or_default(),
        install_id: &ctx.install_id,
        from: tenant.namespace(),
        claim,
        to: &job.namespace,
        class,
    }
}

async fn go_on(ctx: &Context, vault: &mut Vault, tenant: &Tenant, job: &JobFacts) -> Result<(), String> {
    let Some((task, work)) = job.task.as_deref().and_then(volume) else { return Ok(()) };
    let class = vault.volumes.class(&job.tenant, name_of(&job.database).unwrap_or_default()).to_owned();
    let bridge = bridge(ctx, tenant, job, (&work.claim, &class));
    let said = |error: CallError| report(&error);
    for _ in 0..STEPS {
        let told = vault.tended.contains_key(&job.uid);
        let seen = observed::seen(&ctx.client, &bridge, told).await.map_err(said)?;
        match steps::next(&bridge, &seen, job.created, Timestamp::now()) {
            Step::Make(thing, object) => {
                info!(job = job.name, kind = thing.kind(), "made for a volume");
                ctx.writer.make_for_volume(thing, &object).await.map_err(said)?;
            }
            Step::Tell(time) => {
                let taken = BTreeMap::from([(TAKEN.to_owned(), time.to_string())]);
                tend::one(ctx, vault, tenant, (job, task), taken).await?;
            }
            Step::Wait(what) => {
                vault.volumes.waits.insert(job.tenant.clone(), format!("{} waits for {what}", job.name));
                return Ok(());
            }
            Step::GiveUp(reason, message) => {
                warn!(job = job.name, reason, message, "given up");
                let job = (job.namespace.as_str(), job.name.as_str(), job.uid.as_str());
                return ctx.writer.give_up(job, reason, &message).await.map_err(said);
            }
            Step::Ready => {
                vault.volumes.ready.insert(job.uid.clone());
                return Ok(());
            }
        }
    }
    Ok(())
}

fn volume(task: &Task) -> Option<(&Task, &crate::backup::task::Volume)> {
    match &task.work {
        Work::Volume(work) => Some((task, work)),
        _ => None,
    }
}

/// Removes an ended run's pod: as long as there is one, even one that has ended, its claim stays. What it said is noted
/// on the Job first.
async fn free(ctx: &Context, job: &JobFacts) -> Result<(), String> {
    let said = |error: CallError| report(&error);
    let pods = last_words::pods(&ctx.client, job).await.map_err(said)?;
    let Some(words) = job.words.as_ref().filter(|_| !pods.is_empty()) else { return Ok(()) };
    let note = serde_json::to_string(words).map_err(|error| error.to_string())?;
    let id = (job.namespace.as_str(), job.name.as_str(), job.uid.as_str());
    ctx.writer.note_said(id, &note).await.map_err(said)?;
    for (name, uid) in pods {
        let path = format!("/api/v1/namespaces/{}/pods/{name}", job.namespace);
        ctx.writer.remove_of_volume(&path, &uid).await.map_err(said)?;
    }
    Ok(())
}

/// Removes what an ended run made; until a look finds nothing of it.
async fn clean(ctx: &Context, vault: &mut Vault, tenant: &Tenant, job: &JobFacts) -> Result<(), String> {
    let bridge = bridge(ctx, tenant, job, ("", ""));
    let said = |error: CallError| report(&error);
    let seen = observed::seen(&ctx.client, &bridge, true).await.map_err(said)?;
    let left = steps::left(&bridge, &seen);
    if left.is_empty() {
        vault.volumes.cleaned.insert(job.uid.clone());
        return Ok(());
    }
    free(ctx, job).await?;
    let late = job.ended.is_some_and(|ended| Timestamp::now().duration_since(ended) > REMOVED);
    for (thing, path, uid) in left {
        ctx.writer.remove_of_volume(&path, &uid).await.map_err(said)?;
        if late {
            let name = path.rsplit('/').next().unwrap_or_default();
            let all = vault.volumes.left.entry(job.tenant.clone()).or_default();
            all.push(format!("{} {name}", thing.kind()));
        }
    }
    Ok(())
}
