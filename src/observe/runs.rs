//! Runs of backups and drills as the cluster has them: Jobs with our marks, the last words of their pods, and what people
//! asked for. Kept by the leader alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client, ResourceExt, api::ListParams, runtime::watcher::Event};
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    api::{Restore, RestoreDrill, marks},
    backup::{
        job::{CONTAINER, RUN, SLOT},
        record::{Record, reasons},
        task::{Task, VARIABLE},
        volumes::{GIVEN_UP, SAID},
    },
    desired::backup::DATABASE_LABEL,
    runtime::{
        call::{CallError, READ_DEADLINE, deadline},
        health::Health,
    },
};

use super::{
    slim::{JobCondition, SlimJob, SlimPod},
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
    /// Its task, while it goes on.
    pub task: Option<Box<Task>>,
    /// What its pod said at the end; `None` before that was read.
    pub words: Option<Words>,
    /// Reason and message, where it was given up before its pod could begin.
    pub given_up: Option<(String, String)>,
    /// What its pod said, where that was noted before the pod was removed.
    pub said: Option<Box<Words>>,
}

/// What a run's pod left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Its record; `None` where it was killed before it could say anything.
    pub record: Option<Record>,
    /// Why, where there is no record.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// Names of its pods, which restic's locks have as hosts.
    pub hosts: Vec<String>,
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
            runs.heard(JOBS, event, |inner, job| {
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
            runs.heard(DRILLS, event, |inner, drill| {
                inner.drills.insert(drill.name_any(), Arc::new(drill));
            });
        }));
        let runs = self.clone();
        let api = Api::<Restore>::all(client.clone());
        tasks.spawn(follow(RESTORES, health.watch(RESTORES), api, config(), move |event| {
            runs.heard(RESTORES, event, |inner, restore| {
                inner.restores.insert(restore.name_any(), Arc::new(restore));
            });
        }));
        tasks
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard<K: ResourceExt>(&self, kind: &'static str, event: Event<K>, keep: impl Fn(&mut Inner, K)) {
        let mut inner = self.lock();
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
            }
            Event::Delete(object) => {
                let gone = id(&object);
                inner.retain(kind, |id| *id != gone);
            }
        }
        drop(inner);
        self.bell.notify_one();
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

    /// Every Job.
    #[must_use]
    pub fn all(&self) -> Vec<JobFacts> {
        self.lock().jobs.values().cloned().collect()
    }

    /// Jobs that have ended and whose words were not read yet.
    #[must_use]
    pub fn unread(&self) -> Vec<JobFacts> {
        let inner = self.lock();
        let ended = inner.jobs.values().filter(|job| job.state != State::Active && job.words.is_none());
        ended.cloned().collect()
    }

    /// What a Job's pod said.
    pub fn told(&self, job: &JobFacts, words: Words) {
        let id = (job.namespace.clone(), job.name.clone());
        if let Some(known) = self.lock().jobs.get_mut(&id).filter(|known| known.uid == job.uid) {
            known.words = Some(words);
        }
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
    fn retain(&mut self, kind: &str, keep: impl Fn(&(String, String)) -> bool) {
        match kind {
            JOBS => self.jobs.retain(|id, _| keep(id)),
            DRILLS => self.drills.retain(|name, _| keep(&(String::new(), name.clone()))),
            _ => self.restores.retain(|name, _| keep(&(String::new(), name.clone()))),
        }
    }
}

fn facts(job: &SlimJob) -> JobFacts {
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
        task: if state == State::Active { task(job) } else { None },
        words: None,
        said: serde_json::from_str(&annotation(SAID)).ok(),
        given_up: annotation(GIVEN_UP)
            .split_once('\n')
            .map(|(reason, message)| (reason.to_owned(), message.to_owned())),
    }
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

/// Reads what the pods of an ended Job left.
///
/// # Errors
/// They can't be listed.
pub async fn words(client: &Client, job: &JobFacts) -> Result<Words, CallError> {
    let pods = list(client, job).await?;
    match &job.said {
        Some(said) if pods.is_empty() => Ok((**said).clone()),
        _ => Ok(read(job, &pods)),
    }
}

/// Names and uids of a Job's pods.
///
/// # Errors
/// They can't be listed.
pub async fn pods(client: &Client, job: &JobFacts) -> Result<Vec<(String, String)>, CallError> {
    let pods = list(client, job).await?;
    Ok(pods.iter().map(|pod| (pod.name_any(), pod.uid().unwrap_or_default())).collect())
}

async fn list(client: &Client, job: &JobFacts) -> Result<Vec<SlimPod>, CallError> {
    let api: Api<SlimPod> = Api::namespaced(client.clone(), &job.namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", job.name));
    Ok(deadline(READ_DEADLINE, api.list(&of_job)).await?.items)
}

fn read(job: &JobFacts, pods: &[SlimPod]) -> Words {
    let hosts = pods.iter().map(ResourceExt::name_any).collect();
    if let Some((reason, message)) = job.given_up.clone() {
        return Words { record: None, reason, message, hosts };
    }
    let containers = pods
        .iter()
        .flat_map(|pod| pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses));
    let ended: Vec<_> =
        containers.filter_map(|one| Some((one.name.as_str(), one.state.terminated.as_ref()?))).collect();
    let work = ended.iter().find(|(name, _)| *name == CONTAINER);
    let record: Option<Record> = work.and_then(|(_, end)| serde_json::from_str(&end.message).ok());
    let memory = ended.iter().any(|(_, end)| end.reason == "OOMKilled");
    let code = ended.iter().find(|(_, end)| end.exit_code != 0);
    let (reason, message) = match (memory, code) {
        (true, _) => {
            let message = format!(
                "the pod of Job {} needed more memory than it may have; it is tried with twice as much, and Platform.spec.backups.postgresql.resources sets it",
                job.name
            );
            (reasons::OUT_OF_MEMORY, message)
        }
        (false, Some((name, end))) if job.reason != reasons::DEADLINE_EXCEEDED => {
            let said: String = end.message.chars().filter(|c| !c.is_control()).take(300).collect();
            let message =
                format!("container {name} of Job {} ended with code {}: {said}", job.name, end.exit_code);
            (reasons::INTERRUPTED, message)
        }
        _ if job.reason == reasons::DEADLINE_EXCEEDED => {
            let message = format!(
                "Job {} took longer than Platform.spec.backups.runDeadline; see kubectl -n {} describe job {}",
                job.name, job.namespace, job.name
            );
            (reasons::DEADLINE_EXCEEDED, message)
        }
        _ => (reasons::INTERRUPTED, format!("the pod of Job {} ended without a word", job.name)),
    };
    Words { record, reason: reason.to_owned(), message, hosts }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_was_given_up_says_why() {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "backup--files-1", "namespace": "acme-backup", "labels": {RUN: "backup"},
                "annotations": {GIVEN_UP: "SnapshotFailed\nthe driver says no"},
            },
            "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]},
        });
        let said = |job: &serde_json::Value| {
            let words = read(&facts(&serde_json::from_value(job.clone()).unwrap()), &[]);
            (words.reason, words.message)
        };
        assert_eq!(said(&job), (reasons::SNAPSHOT_FAILED.to_owned(), "the driver says no".to_owned()));
        job["metadata"]["annotations"] = json!({});
        assert_eq!(said(&job).0, reasons::DEADLINE_EXCEEDED, "its deadline was only the means");
        let words = Words { reason: "OutOfMemory".into(), hosts: vec!["pod-1".into()], ..Words::default() };
        job["metadata"]["annotations"] = json!({SAID: serde_json::to_string(&words).unwrap()});
        let facts = facts(&serde_json::from_value(job).unwrap());
        assert_eq!(facts.said.as_deref(), Some(&words), "locks are known by the hosts of pods that are gone");
    }
}
