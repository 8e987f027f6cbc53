//! Runs of backups and drills as the cluster has them: Jobs with our marks, the last words of their pods, and what people
//! asked for. Kept by the leader alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client, ResourceExt, runtime::watcher::Event};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    api::{Restore, RestoreDrill, marks},
    backup::{
        job::{CONTAINER, RUN, SLOT},
        record::reasons,
        task::{Task, VARIABLE},
        volumes::{GIVEN_UP, SAID},
    },
    desired::backup::DATABASE_LABEL,
    runtime::health::Health,
};

pub use super::last_words::{Words, words};
use super::{
    slim::{JobCondition, SlimJob},
    watch::{config, follow},
};

/// How a Job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It waits, or runs.
    #[default]
    Active,
    /// It is done.
    Succeeded,
    /// It has failed, or was killed.
    Failed,
}

/// A run's Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFacts {
    /// The Tenant that its label names.
    pub tenant: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What it is for.
    pub kind: String,
    /// The database.
    pub database: String,
    /// The slot that it fills, RFC 3339.
    pub slot: String,
    /// How it stands.
    pub state: State,
    /// The Job's own reason for its failure.
    pub reason: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Since when it goes on only because its pod is still there.
    pub over: Option<Timestamp>,
    /// The memory that its container may have.
    pub memory: String,
    /// Its task, while it goes on.
    pub task: Option<Box<Task>>,
    /// What its pod said at the end; `None` before that was read.
    pub words: Option<Words>,
    /// Reason and message, where it was given up before its pod could begin.
    pub given_up: Option<(String, String)>,
    /// What its pod said, where that was noted before the pod was removed.
    pub said: Option<Box<Words>>,
}

/// What is known of runs; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    inner: Arc<Mutex<Inner>>,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: BTreeMap<(String, String), JobFacts>,
    drills: BTreeMap<String, Arc<RestoreDrill>>,
    restores: BTreeMap<String, Arc<Restore>>,
    /// Names that a list under way has shown, by kind.
    seen: BTreeMap<&'static str, BTreeSet<(String, String)>>,
    /// Kinds that were listed.
    listed: BTreeSet<&'static str>,
    /// Changes so far, and the last one of each Tenant and of a list.
    changes: u64,
    changed: BTreeMap<String, u64>,
    relisted: u64,
}

const JOBS: &str = "jobs";
const DRILLS: &str = "restoredrills";
const RESTORES: &str = "restores";

impl Runs {
    /// Watches Jobs, RestoreDrills and Restores, as long as the tasks live.
    pub fn watch(&self, client: &Client, health: &Health) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let ours = config().labels(&format!("{}={},{RUN}", marks::MANAGED_BY, marks::MANAGED_BY_VALUE));
        let runs = self.clone();
        let api = Api::<SlimJob>::all(client.clone());
        tasks.spawn(follow(JOBS, health.watch(JOBS), api, ours, move |event| {
            let of = |job: &SlimJob| job.labels().get(marks::TENANT).cloned().unwrap_or_default();
            runs.heard(JOBS, event, of, |inner, job| {
                let facts = facts(&job);
                let id = (facts.namespace.clone(), facts.name.clone());
                let words =
                    inner.jobs.get(&id).filter(|old| old.uid == facts.uid).and_then(|old| old.words.clone());
                inner.jobs.insert(id, JobFacts { words, ..facts });
            });
        }));
        let runs = self.clone();
        let api = Api::<RestoreDrill>::all(client.clone());
        tasks.spawn(follow(DRILLS, health.watch(DRILLS), api, config(), move |event| {
            let of = |drill: &RestoreDrill| drill.spec.tenant_ref.name.clone();
            runs.heard(DRILLS, event, of, |inner, drill| {
                inner.drills.insert(drill.name_any(), Arc::new(drill));
            });
        }));
        let runs = self.clone();
        let api = Api::<Restore>::all(client.clone());
        tasks.spawn(follow(RESTORES, health.watch(RESTORES), api, config(), move |event| {
            let of = |restore: &Restore| restore.spec.tenant_ref.name.clone();
            runs.heard(RESTORES, event, of, |inner, restore| {
                inner.restores.insert(restore.name_any(), Arc::new(restore));
            });
        }));
        tasks
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard<K: ResourceExt>(
        &self,
        kind: &'static str,
        event: Event<K>,
        tenant: impl Fn(&K) -> String,
        keep: impl Fn(&mut Inner, K),
    ) {
        let mut inner = self.lock();
        if let Event::InitApply(object) | Event::Apply(object) | Event::Delete(object) = &event {
            inner.touch(tenant(object));
        }
        let id = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            Event::Init => {
                inner.seen.insert(kind, BTreeSet::new());
            }
            Event::InitApply(object) => {
                inner.seen.entry(kind).or_default().insert(id(&object));
                keep(&mut inner, object);
            }
            Event::Apply(object) => keep(&mut inner, object),
            Event::InitDone => {
                let seen = inner.seen.remove(kind).unwrap_or_default();
                inner.retain(kind, |id| seen.contains(id));
                inner.listed.insert(kind);
                inner.changes += 1;
                inner.relisted = inner.changes;
            }
            Event::Delete(object) => {
                let gone = id(&object);
                inner.retain(kind, |id| *id != gone);
            }
        }
        drop(inner);
        self.bell.notify_one();
    }

    /// Which change was the last that a Tenant saw: as long as it is the same, so are its Jobs, and what people asked for.
    #[must_use]
    pub fn version(&self, tenant: &str) -> u64 {
        let inner = self.lock();
        inner.changed.get(tenant).copied().unwrap_or_default().max(inner.relisted)
    }

    /// Waits for the next change.
    pub async fn changed(&self) {
        self.bell.notified().await;
    }

    /// Whether everything that there is has been shown: before, nothing may be decided.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lock().listed.len() == 3
    }

    /// The Jobs of a Tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Vec<JobFacts> {
        self.lock().jobs.values().filter(|job| job.tenant == tenant).cloned().collect()
    }

    /// Jobs that are so, whoever's they are.
    pub fn those(&self, wanted: impl Fn(&JobFacts) -> bool) -> Vec<JobFacts> {
        self.lock().jobs.values().filter(|job| wanted(job)).cloned().collect()
    }

    /// uids of all Jobs.
    #[must_use]
    pub fn uids(&self) -> HashSet<String> {
        self.lock().jobs.values().map(|job| job.uid.clone()).collect()
    }

    /// Jobs that have ended and whose words were not read yet.
    #[must_use]
    pub fn unread(&self) -> Vec<JobFacts> {
        self.those(|job| job.state != State::Active && job.words.is_none())
    }

    /// What a Job's pod said.
    pub fn told(&self, job: &JobFacts, words: Words) {
        let id = (job.namespace.clone(), job.name.clone());
        let mut inner = self.lock();
        if let Some(known) = inner.jobs.get_mut(&id).filter(|known| known.uid == job.uid) {
            known.words = Some(words);
            inner.touch(job.tenant.clone());
        }
    }

    /// Every drill and every restore, of any Tenant or none.
    #[must_use]
    pub fn everything_asked(&self) -> (Vec<Arc<RestoreDrill>>, Vec<Arc<Restore>>) {
        let inner = self.lock();
        (inner.drills.values().cloned().collect(), inner.restores.values().cloned().collect())
    }

    /// Drills that were asked for of a Tenant.
    #[must_use]
    pub fn drills(&self, tenant: &str) -> Vec<Arc<RestoreDrill>> {
        let inner = self.lock();
        inner.drills.values().filter(|one| one.spec.tenant_ref.name == tenant).cloned().collect()
    }

    /// Restores that were asked for of a Tenant.
    #[must_use]
    pub fn restores(&self, tenant: &str) -> Vec<Arc<Restore>> {
        let inner = self.lock();
        inner.restores.values().filter(|one| one.spec.tenant_ref.name == tenant).cloned().collect()
    }
}

impl Inner {
    fn touch(&mut self, tenant: String) {
        self.changes += 1;
        self.changed.insert(tenant, self.changes);
    }

    fn retain(&mut self, kind: &str, keep: impl Fn(&(String, String)) -> bool) {
        match kind {
            JOBS => self.jobs.retain(|id, _| keep(id)),
            DRILLS => self.drills.retain(|name, _| keep(&(String::new(), name.clone()))),
            _ => self.restores.retain(|name, _| keep(&(String::new(), name.clone()))),
        }
    }
}

pub(super) fn facts(job: &SlimJob) -> JobFacts {
    let meta = &job.metadata;
    let label = |key: &str| meta.labels.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default();
    let annotation =
        |key: &str| meta.annotations.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default();
    let condition =
        |type_: &str| job.status.conditions.iter().find(|one| one.type_ == type_ && one.status == "True");
    let time = |time: Option<&Time>| time.map(|time| time.0);
    let (state, ended) = match (condition("Complete"), condition("Failed")) {
        (Some(done), _) => (State::Succeeded, Some(done)),
        (None, Some(failed)) => (State::Failed, Some(failed)),
        (None, None) => (State::Active, None),
    };
    JobFacts {
        tenant: label(marks::TENANT),
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        kind: label(RUN),
        database: label(DATABASE_LABEL),
        slot: annotation(SLOT),
        state,
        reason: ended
            .filter(|_| state == State::Failed)
            .map(|why| job_reason(why).to_owned())
            .unwrap_or_default(),
        created: time(meta.creation_timestamp.as_ref()).unwrap_or_default(),
        ended: ended.and_then(|why| time(why.last_transition_time.as_ref())),
        over: ["FailureTarget", "SuccessCriteriaMet"]
            .into_iter()
            .filter_map(|word| time(condition(word)?.last_transition_time.as_ref()))
            .chain(time(meta.deletion_timestamp.as_ref()))
            .min(),
        memory: memory(job),
        task: if state == State::Active { task(job) } else { None },
        words: None,
        said: serde_json::from_str(&annotation(SAID)).ok(),
        given_up: annotation(GIVEN_UP)
            .split_once('\n')
            .map(|(reason, message)| (reason.to_owned(), message.to_owned())),
    }
}

fn memory(job: &SlimJob) -> String {
    let work = job.spec.template.spec.containers.iter().find(|one| one.name == CONTAINER);
    work.and_then(|one| one.resources.limits.get("memory")).cloned().unwrap_or_default()
}

fn task(job: &SlimJob) -> Option<Box<Task>> {
    let mut variables = job.spec.template.spec.containers.iter().flat_map(|one| &one.env);
    let variable = variables.find(|one| one.name == VARIABLE)?;
    serde_json::from_str(&variable.value).ok()
}

fn job_reason(condition: &JobCondition) -> &str {
    match condition.reason.as_str() {
        "DeadlineExceeded" => reasons::DEADLINE_EXCEEDED,
        _ => reasons::INTERRUPTED,
    }
}
