//! What runs that have ended leave: their Secrets, and what those of volumes made. It goes whoever's they are: neither a
//! Tenant that is gone, or can't be worked with, nor a Platform that has no backups any more leaves anything behind.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    api::{
        marks,
        tenant_status::{InventoryEntry, Purpose},
    },
    apply::runs::OfJob,
    backup::volumes::{objects::Bridge, steps},
    controller::context::Context,
    desired::backup::workload_of,
    observe::{
        last_words,
        runs::{JobFacts, Runs, State},
        volumes as observed,
    },
    runtime::call::{CallError, report},
};

use super::volumes;

/// Runs that are seen to in one round: after a restart nobody knows which have left nothing.
const MOST: usize = 100;
/// Of those, at once.
const AT_ONCE: usize = 8;
/// Time after which one that failed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// How long controllers may take to remove what a run made before people are told.
const REMOVED: SignedDuration = SignedDuration::from_mins(10);

/// What is known between two rounds; all of it can be found out again, but for Jobs that somebody deletes.
#[derive(Default)]
pub(super) struct Ended {
    round: u64,
    /// uids of Jobs of which nothing is left.
    clean: HashSet<String>,
    /// Runs of which something may be left, and those of volumes that go on, by their Jobs' uids.
    open: HashMap<String, Open>,
}

#[derive(Clone, Default)]
struct Open {
    job: JobFacts,
    /// Whether somebody has deleted the Job: what it said went with it, and so did all that it owned.
    gone: bool,
    /// The round that saw to it last.
    tried: u64,
    /// When that failed, if it did.
    failed: Option<Timestamp>,
    /// What is still there long after its end: kind and name.
    left: Vec<String>,
}

impl Ended {
    /// Sees to those that have ended, and says whose volumes are still in use.
    pub(super) async fn sweep(&mut self, ctx: &Context, runs: &Runs) {
        self.learn(runs);
        let due = self.due(Timestamp::now());
        let seen = stream::iter(due).map(|(uid, open)| {
            let ctx = ctx.clone();
            async move { (uid, see_to(&ctx, &open).await, open) }
        });
        let mut seen = seen.buffer_unordered(AT_ONCE);
        while let Some((uid, left, open)) = seen.next().await {
            match left {
                Ok(left) => self.saw(uid, left),
                Err(error) => {
                    self.open.entry(uid).and_modify(|open| open.failed = Some(Timestamp::now()));
                    warn!(job = open.job.name, error = report(&error), "what it left can't be removed now");
                    // The same goes for all others.
                    if error.is_throttled() {
                        break;
                    }
                }
            }
        }
        self.publish(ctx);
    }

    fn learn(&mut self, runs: &Runs) {
        let there = runs.uids();
        self.clean.retain(|uid| there.contains(uid));
        let concerns = |job: &JobFacts| job.state != State::Active || volumes::is_ours(job);
        let jobs = runs.those(|job| concerns(job) && !self.clean.contains(&job.uid));
        self.know(jobs, |uid| there.contains(uid), Timestamp::now());
    }

    fn know(&mut self, jobs: Vec<JobFacts>, there: impl Fn(&String) -> bool, now: Timestamp) {
        for job in jobs {
            let open = self.open.entry(job.uid.clone()).or_default();
            open.job = job;
        }
        self.open.retain(|uid, open| {
            if !there(uid) {
                open.gone = true;
                open.job.ended.get_or_insert(now);
            }
            // Nobody has a right in a namespace that is gone: of a Job that went with it nothing is ever found out.
            let hopeless = open.is_late(now) && (open.left.is_empty() || open.failed.is_some());
            !open.gone || volumes::is_ours(&open.job) && !hopeless
        });
    }

    /// Those that nobody has seen to for the longest time, and no more than a round may see to.
    fn due(&mut self, now: Timestamp) -> Vec<(String, Open)> {
        self.round += 1;
        let round = self.round;
        let mut due: Vec<(&String, &mut Open)> =
            self.open.iter_mut().filter(|(_, open)| open.has_ended() && !open.has_failed(now)).collect();
        due.sort_by(|a, b| (a.1.tried, a.0).cmp(&(b.1.tried, b.0)));
        due.truncate(MOST);
        let take = |(uid, open): (&String, &mut Open)| {
            open.tried = round;
            (uid.clone(), open.clone())
        };
        due.into_iter().map(take).collect()
    }

    fn saw(&mut self, uid: String, left: Vec<String>) {
        if left.is_empty() {
            self.open.remove(&uid);
            self.clean.insert(uid);
        } else if let Some(open) = self.open.get_mut(&uid) {
            open.failed = None;
            if open.is_late(Timestamp::now()) {
                open.left = left;
            }
        }
    }

    /// Whether a run of a Tenant's volume has ended and may have left something.
    pub(super) fn is_busy(&self, tenant: &str) -> bool {
        self.of(tenant).any(Open::has_ended)
    }

    /// What runs of a Tenant's volumes left behind.
    pub(super) fn left(&self, tenant: &str) -> Vec<String> {
        let mut left: Vec<String> = self.of(tenant).flat_map(|open| open.left.clone()).collect();
        left.sort();
        left
    }

    fn of(&self, tenant: &str) -> impl Iterator<Item = &Open> {
        self.open.values().filter(move |open| open.job.tenant == tenant && volumes::is_ours(&open.job))
    }

    /// Says whose volumes runs still have to do with: as long the operator keeps its rights there, whatever the Tenant
    /// lists meanwhile.
    fn publish(&self, ctx: &Context) {
        let ours = self.open.values().filter(|open| volumes::is_ours(&open.job));
        let now: BTreeSet<String> = ours.map(|open| open.job.tenant.clone()).collect();
        let before = ctx.board().volumes.replace(now.clone());
        let before = before.unwrap_or_else(|| with_rights(ctx));
        before.symmetric_difference(&now).for_each(|tenant| ctx.tenants.add(tenant.clone()));
    }
}

impl Open {
    fn has_ended(&self) -> bool {
        self.gone || self.job.state != State::Active
    }

    fn has_failed(&self, now: Timestamp) -> bool {
        self.failed.is_some_and(|failed| now.duration_since(failed).abs() < AGAIN)
    }

    fn is_late(&self, now: Timestamp) -> bool {
        self.job.ended.is_some_and(|ended| now.duration_since(ended) > REMOVED)
    }
}

/// Whether this is a right to a tenant's volumes.
pub(super) fn is_right(entry: &InventoryEntry) -> bool {
    entry.kind == "RoleBinding" && entry.name == marks::ROLE_VOLUME_SOURCE
}

/// Tenants in whose volumes the operator has rights.
fn with_rights(ctx: &Context) -> BTreeSet<String> {
    let world = ctx.world();
    let names = world.tenant_names().into_iter();
    let has =
        |name: &String| world.tenant(name).is_some_and(|tenant| world.recorded(&tenant).iter().any(is_right));
    names.filter(has).collect()
}

/// Takes away what a run left; returns what of a volume's was still there.
async fn see_to(ctx: &Context, open: &Open) -> Result<Vec<String>, CallError> {
    let job = &open.job;
    if !open.gone {
        // It holds a tenant's key, and nobody needs it any more.
        let of = OfJob { namespace: &job.namespace, name: &job.name, uid: &job.uid };
        ctx.writer.remove_run_secret(of).await?;
    }
    if !volumes::is_ours(job) {
        return Ok(Vec::new());
    }
    // Its Job alone says where: the Tenant may be gone.
    let Some(from) = workload_of(&job.namespace, Purpose::Backup) else { return Ok(Vec::new()) };
    let bridge = Bridge {
        job: &job.name,
        uid: &job.uid,
        tenant: &job.tenant,
        tenant_uid: "",
        install_id: &ctx.install_id,
        from,
        claim: "",
        to: &job.namespace,
        class: "",
    };
    let seen = observed::seen(&ctx.client, &bridge, true).await?;
    let left = steps::left(&bridge, &seen);
    if left.is_empty() {
        return Ok(Vec::new());
    }
    if !open.gone {
        free(ctx, job).await?;
    }
    let mut names = Vec::new();
    for (thing, path, uid) in left {
        ctx.writer.remove_of_volume(&path, &uid).await?;
        names.push(format!("{} {}", thing.kind(), path.rsplit('/').next().unwrap_or_default()));
    }
    Ok(names)
}

/// Removes an ended run's pod: as long as there is one, even one that has ended, its claim stays. What it said is noted
/// on the Job first.
async fn free(ctx: &Context, job: &JobFacts) -> Result<(), CallError> {
    let pods = last_words::pods(&ctx.client, job).await?;
    let Some(words) = job.words.as_ref().filter(|_| !pods.is_empty()) else { return Ok(()) };
    let note = serde_json::to_string(words).map_err(|error| CallError::Invalid(error.to_string()))?;
    let id = (job.namespace.as_str(), job.name.as_str(), job.uid.as_str());
    ctx.writer.note_said(id, &note).await?;
    for (name, uid) in pods {
        let path = format!("/api/v1/namespaces/{}/pods/{name}", job.namespace);
        ctx.writer.remove_of_volume(&path, &uid).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: usize, database: &str, state: State) -> JobFacts {
        JobFacts {
            tenant: "acme".into(),
            uid: format!("uid-{number:04}"),
            kind: "backup".into(),
            database: database.into(),
            state,
            ..JobFacts::default()
        }
    }

    #[test]
    fn b16_no_round_sees_to_more_than_a_share_and_each_has_its_turn() {
        let (mut ended, now) = (Ended::default(), Timestamp::now());
        ended.know((0..1000).map(|number| job(number, "app", State::Failed)).collect(), |_| true, now);
        let mut seen = HashSet::new();
        for _ in 0..10 {
            let due = ended.due(now);
            assert_eq!(due.len(), MOST);
            seen.extend(due.into_iter().map(|(uid, _)| uid));
        }
        assert_eq!(seen.len(), 1000, "none of them could be removed, and each was tried");
        seen.into_iter().for_each(|uid| ended.saw(uid, Vec::new()));
        assert!(ended.due(now).is_empty() && ended.clean.len() == 1000);
    }

    #[test]
    fn a_run_whose_job_is_deleted_is_over() {
        let (mut ended, now) = (Ended::default(), Timestamp::now());
        let jobs = [job(1, "volume.files", State::Active), job(2, "app", State::Failed)];
        ended.know(jobs.into(), |_| true, now);
        assert!(!ended.is_busy("acme"), "it goes on");
        assert_eq!(ended.due(now).len(), 1, "of the other one nobody needs the Secret any more");
        ended.know(Vec::new(), |_| false, now);
        assert!(ended.is_busy("acme") && !ended.is_busy("globex"));
        let due = ended.due(now);
        assert_eq!((due.len(), due[0].0.as_str(), due[0].1.gone), (1, "uid-0001", true));
        let later = now + REMOVED + SignedDuration::from_secs(1);
        ended.know(Vec::new(), |_| false, later);
        assert!(ended.due(later).is_empty(), "nothing is tried for ever");

        ended.know([job(3, "volume.files", State::Failed)].into(), |_| true, now);
        ended.open.get_mut("uid-0003").unwrap().left = vec!["VolumeSnapshot tenantry-x".into()];
        ended.know(Vec::new(), |_| false, later);
        ended.know(Vec::new(), |_| false, later + REMOVED * 2);
        assert_eq!(ended.left("acme").len(), 1, "Kubernetes removes a Job after a day, and not what it left");
    }
}
