//! Volumes of Tenants: whether each can have snapshots, looked at now and then; and for each run of one the snapshot, the
//! copy and the claim that its Job reads. What a run made goes when it is over, however it ended ([`super::ended`]).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::{
    api::{Tenant, data::Volume},
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
/// Looks in one round at those that were looked at before: they would all be due together for ever.
const MOST: usize = 100;
/// Steps of one run in a round: more than it has.
const STEPS: usize = 8;

/// Whether a volume can have snapshots.
#[derive(Clone)]
struct Support {
    /// The claim that was asked for.
    claim: String,
    /// The class for its snapshots, or why there is none.
    class: Result<String, String>,
    /// When that was asked.
    at: Timestamp,
}

/// What is known between two rounds; all of it can be found out again.
#[derive(Default)]
pub(super) struct Volumes {
    /// By Tenant and by name in `Tenant.spec.volumes`.
    support: HashMap<String, BTreeMap<String, Support>>,
    /// uids of Jobs that have their volume.
    ready: HashSet<String>,
    /// What a Tenant's run waits for.
    waits: HashMap<String, String>,
}

impl Volumes {
    /// Looks at those whose last look is old, and forgets what nobody lists any more.
    pub(super) async fn look<'a>(&mut self, ctx: &Context, tenants: impl Iterator<Item = &'a Arc<Tenant>>) {
        let now = Timestamp::now();
        let due = self.due(tenants, now);
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
                let class = judge(&volume.claim, found, classes);
                let name = tenant.metadata.name.clone().unwrap_or_default();
                (name, volume.name, Support { claim: volume.claim, class, at: now })
            }
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        for (tenant, volume, support) in found {
            self.support.entry(tenant).or_default().insert(volume, support);
        }
    }

    /// Those whose last look is old, the oldest first, and no more than a round may look at.
    fn due<'a>(
        &mut self,
        tenants: impl Iterator<Item = &'a Arc<Tenant>>,
        now: Timestamp,
    ) -> Vec<(Arc<Tenant>, Volume)> {
        let mut kept = std::mem::take(&mut self.support);
        let mut due = Vec::new();
        for tenant in tenants {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            let mut before = kept.remove(&name).unwrap_or_default();
            let listed = |name: &str, claim: &str| {
                tenant.spec.volumes.iter().any(|volume| volume.name == name && volume.claim == claim)
            };
            before.retain(|volume, known| listed(volume, &known.claim));
            for volume in &tenant.spec.volumes {
                let known = before.get(&volume.name);
                if known.is_none_or(|known| known.is_old(now)) {
                    due.push((known.map(|known| known.at), Arc::clone(tenant), volume.clone()));
                }
            }
            self.support.insert(name, before);
        }
        due.sort_by_key(|(at, ..)| *at);
        // Of those that nobody has looked at yet nothing good can be said meanwhile: they don't wait.
        let never = due.iter().filter(|(at, ..)| at.is_none()).count();
        due.truncate(never.max(MOST));
        due.into_iter().map(|(_, tenant, volume)| (tenant, volume)).collect()
    }

    /// Says in the settings which volumes can't be backed up. Returns whether that is new.
    pub(super) fn mark(&self, settings: &mut Arc<Settings>) -> bool {
        let known = self.support.get(&settings.tenant);
        let why = |volume: &str| match known.and_then(|known| known.get(volume)) {
            Some(Support { class: Ok(_), .. }) => None,
            Some(Support { class: Err(why), .. }) => Some(why.as_str()),
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

    /// Whether a run of a volume waits for something.
    pub(super) fn is_busy(&self, jobs: &[JobFacts]) -> bool {
        let waits = |job: &JobFacts| job.state == State::Active && !self.ready.contains(&job.uid);
        jobs.iter().any(|job| is_ours(job) && waits(job))
    }

    /// Goes over a run's steps again.
    pub(super) fn again(&mut self, uid: &str) {
        self.ready.remove(uid);
    }

    /// Forgets all Jobs but these.
    pub(super) fn forget(&mut self, there: &HashSet<&String>) {
        self.ready.retain(|uid| there.contains(uid));
    }

    /// The class for a volume's snapshots; empty where there is none.
    fn class(&self, tenant: &str, volume: &str) -> &str {
        let found = self.support.get(tenant).and_then(|known| known.get(volume));
        found.and_then(|known| known.class.as_deref().ok()).unwrap_or_default()
    }

    /// What a Tenant's run waits for; empty where none waits.
    pub(super) fn waits(&self, tenant: &str) -> String {
        self.waits.get(tenant).cloned().unwrap_or_default()
    }
}

impl Support {
    fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() >= if self.class.is_ok() { REFRESH } else { AGAIN }
    }
}

fn judge(
    name: &str,
    found: Result<Option<crate::backup::volumes::seen::Claim>, CallError>,
    classes: Option<&[Class]>,
) -> Result<String, String> {
    let found = found.map_err(|error| format!("claim {name} can't be looked at: {}", report(&error)))?;
    support::class(name, found.as_ref(), classes).map(|class| class.name.clone())
}

/// Brings each run of a volume a few steps on.
pub(super) async fn advance(ctx: &Context, vault: &mut Vault, tenant: &Tenant, jobs: &[JobFacts]) {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    vault.volumes.waits.remove(name);
    let goes_on = |job: &&JobFacts| is_ours(job) && job.state == State::Active;
    for job in jobs.iter().filter(goes_on) {
        if vault.volumes.ready.contains(&job.uid) {
            continue;
        }
        if let Err(problem) = go_on(ctx, vault, tenant, job).await {
            warn!(job = job.name, problem, "its volume has to wait");
            vault.volumes.waits.insert(name.to_owned(), problem);
        }
    }
}

/// Whether it saves a volume.
pub(super) fn is_ours(job: &JobFacts) -> bool {
    job.kind == Kind::Backup.word() && name_of(&job.database).is_some()
}

async fn go_on(ctx: &Context, vault: &mut Vault, tenant: &Tenant, job: &JobFacts) -> Result<(), String> {
    let Some((task, work)) = job.task.as_deref().and_then(volume) else { return Ok(()) };
    let class = vault.volumes.class(&job.tenant, name_of(&job.database).unwrap_or_default()).to_owned();
    let bridge = Bridge {
        job: &job.name,
        uid: &job.uid,
        tenant: &job.tenant,
        tenant_uid: tenant.metadata.uid.as_deref().unwrap_or_default(),
        install_id: &ctx.install_id,
        from: tenant.namespace(),
        claim: &work.claim,
        to: &job.namespace,
        class: &class,
    };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenants(many: usize, claim: &str) -> Vec<Arc<Tenant>> {
        let one = |number: usize| {
            let spec =
                json!({"platformRef": {"name": "shop"}, "volumes": [{"name": "files", "claim": claim}]});
            let name = format!("tenant-{number:04}");
            let tenant = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec});
            Arc::new(serde_json::from_value(tenant).unwrap())
        };
        (0..many).map(one).collect()
    }

    #[test]
    fn b16_no_round_looks_at_more_than_a_share_and_each_has_its_turn() {
        let start: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let (mut volumes, tenants) = (Volumes::default(), tenants(1000, "data"));
        let mut looked = HashMap::new();
        // None of them can be backed up: all are due again after twenty seconds, and a round comes every two.
        for round in 0..40 {
            let now = start + SignedDuration::from_secs(2 * round);
            let due = volumes.due(tenants.iter(), now);
            assert!(due.len() <= if round == 0 { 1000 } else { MOST }, "{round}: {}", due.len());
            for (tenant, volume) in due {
                let name = tenant.metadata.name.clone().unwrap();
                *looked.entry(name.clone()).or_insert(0) += 1;
                let support = Support { claim: volume.claim, class: Err("no class".into()), at: now };
                volumes.support.entry(name).or_default().insert(volume.name, support);
            }
        }
        assert!(tenants.len() == looked.len() && looked.values().all(|times| *times == 4), "{looked:?}");
    }

    #[test]
    fn what_is_known_of_one_claim_says_nothing_of_the_next() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let mut volumes = Volumes::default();
        let support = Support { claim: "data".into(), class: Ok("fast".into()), at: now };
        volumes.support.entry("tenant-0000".into()).or_default().insert("files".into(), support);
        assert!(volumes.due(tenants(1, "data").iter(), now).is_empty());
        assert_eq!(volumes.class("tenant-0000", "files"), "fast");
        assert_eq!(volumes.due(tenants(1, "other").iter(), now).len(), 1, "another claim of the same name");
        assert_eq!(volumes.class("tenant-0000", "files"), "");
    }
}
