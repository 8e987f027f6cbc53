//! What a round knows of each Tenant, kept to the next one: a Tenant of which nothing is new costs a few comparisons.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::{
    api::{Platform, Tenant, backup::Backups, tenant::Mode, tenant_status::Purpose},
    backup::{
        decide::{self, Decision, Known},
        hold::ACCEPT_DELETIONS,
        known::{self, Asked, Kind, Run, RunState, Settings},
        record::reasons,
        settings::{Beside, settings},
    },
    controller::pause,
    observe::runs::{JobFacts, Runs, State},
    validate::{self, platform::ValidatedPlatform, problem::Problem},
};

use super::{ended::Ended, volumes::Volumes};

/// Time after which it is decided anew though nothing is: what failed is tried again, and time alone changes things.
const ANEW: SignedDuration = SignedDuration::from_mins(1);

/// One Tenant.
pub(super) struct Case {
    pub(super) tenant: Arc<Tenant>,
    pub(super) name: String,
    pub(super) settings: Arc<Settings>,
    pub(super) runs: Vec<Run>,
    pub(super) jobs: Vec<JobFacts>,
    pub(super) decision: Decision,
    /// Whether this round decided.
    pub(super) awake: bool,
    /// Whether a run of a volume waits for something, or has something left to take away; now, and in the last round.
    busy: [bool; 2],
    subject: Subject,
    version: Option<u64>,
    /// When it was decided last, and on what.
    decided: Option<(Timestamp, Arc<Tenant>, Option<Arc<known::Store>>)>,
}

/// What settings are made of.
#[derive(Clone, PartialEq, Eq)]
struct Subject {
    tenant: (Option<String>, Option<i64>),
    platform: (Option<String>, Option<i64>),
    stopped: bool,
    accepted: Option<Timestamp>,
}

/// Every Tenant of a Platform that has something to back up, or had once.
#[derive(Default)]
pub(super) struct Cases {
    all: BTreeMap<String, Case>,
    /// Those whose spec can't be worked with, and why.
    wrong: BTreeMap<String, (Subject, String)>,
}

impl Cases {
    /// Brings it to what is in the cluster. Only what changed is checked again.
    pub(super) fn refresh(
        &mut self,
        tenants: Vec<Arc<Tenant>>,
        runs: &Runs,
        (platform, backups): (&Platform, &Backups),
        now: Timestamp,
    ) {
        let (mut before, mut wrong) = (std::mem::take(&mut self.all), std::mem::take(&mut self.wrong));
        // One check of the Platform serves all Tenants.
        let mut rules = None;
        for tenant in tenants.into_iter().filter(|tenant| concerns(tenant)) {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            let subject = Subject::of(&tenant, platform, now);
            if let Some(known) = wrong.remove(&name).filter(|(known, _)| *known == subject) {
                self.wrong.insert(name, known);
                continue;
            }
            let mut case = match before.remove(&name).filter(|case| case.subject == subject) {
                Some(case) => Case { tenant, ..case },
                None => {
                    let rules = rules.get_or_insert_with(|| validate::platform::validate(platform));
                    match subject.settings(&tenant, rules, backups) {
                        Ok(settings) => Case::new(tenant, name.clone(), subject, settings),
                        Err(problem) => {
                            warn!(problem, tenant = name, "its backups can't be scheduled");
                            self.wrong.insert(name, (subject, problem));
                            continue;
                        }
                    }
                }
            };
            case.listen(runs);
            self.all.insert(name, case);
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Case> {
        self.all.values()
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Case> {
        self.all.values_mut()
    }

    /// Whether a Tenant is among them.
    pub(super) fn has(&self, tenant: &str) -> bool {
        self.all.contains_key(tenant)
    }

    /// What is wrong with a Tenant, if something is.
    pub(super) fn wrong(&self, tenant: &str) -> Option<&str> {
        self.wrong.get(tenant).map(|(_, problem)| problem.as_str())
    }
}

impl Subject {
    fn of(tenant: &Tenant, platform: &Platform, now: Timestamp) -> Self {
        let annotations = tenant.metadata.annotations.as_ref();
        let accepted = annotations.and_then(|map| map.get(ACCEPT_DELETIONS));
        Self {
            tenant: (tenant.metadata.uid.clone(), tenant.metadata.generation),
            platform: (platform.metadata.uid.clone(), platform.metadata.generation),
            stopped: tenant.spec.mode != Mode::Enforce
                || pause::until(&tenant.metadata, now).is_some()
                || pause::until(&platform.metadata, now).is_some(),
            accepted: accepted.and_then(|text| text.parse().ok()),
        }
    }

    /// What shall be, of a Tenant that is right.
    fn settings(
        &self,
        tenant: &Tenant,
        rules: &Result<ValidatedPlatform, Vec<Problem>>,
        backups: &Backups,
    ) -> Result<Settings, String> {
        let rules = rules.as_ref().map_err(|problems| problems[0].to_string())?;
        let (checked, problems) = validate::tenant::examine(tenant, rules);
        let checked = checked.ok_or_else(|| problems.first().map(ToString::to_string).unwrap_or_default())?;
        let beside = Beside {
            platform_uid: self.platform.0.as_deref().unwrap_or_default(),
            paused: self.stopped,
            accepted_deletions: self.accepted,
        };
        settings(backups, &checked, beside).map_err(|error| error.to_string())
    }
}

impl Case {
    fn new(tenant: Arc<Tenant>, name: String, subject: Subject, settings: Settings) -> Self {
        Self {
            tenant,
            name,
            settings: Arc::new(settings),
            runs: Vec::new(),
            jobs: Vec::new(),
            decision: Decision::default(),
            awake: true,
            busy: [false; 2],
            subject,
            version: None,
            decided: None,
        }
    }

    /// Takes what is new of its Jobs.
    fn listen(&mut self, runs: &Runs) {
        // First: what comes between the two is taken with the next round.
        let version = runs.version(&self.name);
        if self.version != Some(version) {
            self.jobs = runs.of(&self.name);
            self.runs = self.jobs.iter().filter_map(run).collect();
            (self.version, self.decided) = (Some(version), None);
        }
    }

    /// Takes what is known of its volumes.
    pub(super) fn mark(&mut self, volumes: &Volumes, ended: &Ended) {
        self.busy = [volumes.is_busy(&self.jobs) || ended.is_busy(&self.name), self.busy[0]];
        if volumes.mark(&mut self.settings) {
            self.decided = None;
        }
    }

    /// Decides, unless nothing is new since the last time.
    pub(super) fn decide(
        &mut self,
        store: Option<Arc<known::Store>>,
        asked: impl FnOnce(&str) -> Vec<Asked>,
        now: Timestamp,
    ) {
        self.awake = !self.is_quiet(store.as_ref(), now);
        if !self.awake {
            return;
        }
        let asked = asked(&self.name);
        self.decision = decide::decide(Known {
            settings: &self.settings,
            store: store.as_deref(),
            runs: &self.runs,
            asked: &asked,
            now,
        });
        self.decided = Some((now, Arc::clone(&self.tenant), store));
    }

    fn is_quiet(&self, store: Option<&Arc<known::Store>>, now: Timestamp) -> bool {
        let Some((at, tenant, seen)) = &self.decided else { return false };
        let same_store = match (seen, store) {
            (Some(seen), Some(store)) => Arc::ptr_eq(seen, store),
            (None, None) => true,
            _ => false,
        };
        same_store
            && Arc::ptr_eq(tenant, &self.tenant)
            && *at <= now
            && now.duration_since(*at) < ANEW
            && self.decision.next.is_none_or(|next| now < next)
            // What may begin waits for its turn; buckets of files are looked at beside all this.
            && self.decision.starts.is_empty()
            && self.tenant.spec.buckets.is_empty()
            // That nothing is left any more has to be said, too.
            && self.busy == [false; 2]
    }
}

/// Whether a Tenant has something to back up, or had once.
fn concerns(tenant: &Tenant) -> bool {
    let namespaces = tenant.status.as_ref().map(|status| status.namespaces.as_slice()).unwrap_or_default();
    let spec = &tenant.spec;
    let listed = !(spec.databases.is_empty() && spec.volumes.is_empty() && spec.buckets.is_empty());
    listed || namespaces.iter().any(|one| one.purpose == Purpose::Backup)
}

/// A Job as decisions know it; one that has ended goes on until its last words were read.
fn run(job: &JobFacts) -> Option<Run> {
    let words = job.words.as_ref();
    let record = words.and_then(|words| words.record.as_ref());
    let state = match (job.state, words) {
        (State::Active, _) | (_, None) => RunState::Active,
        // A Job that ended well and left no record, or a bad one, did nothing that can be believed.
        (State::Succeeded, Some(_)) if record.is_some_and(|record| record.succeeded) => RunState::Succeeded,
        _ => RunState::Failed,
    };
    let reason = match record {
        Some(record) => record.reason.clone(),
        None => words.map_or_else(|| reasons::INTERRUPTED.to_owned(), |words| words.reason.clone()),
    };
    Some(Run {
        job: job.name.clone(),
        kind: Kind::of(&job.name)?,
        database: job.database.clone(),
        slot: job.slot.parse().ok(),
        state,
        reason,
        created: job.created,
        ended: job.ended.filter(|_| state != RunState::Active),
        hosts: words.map(|words| words.hosts.clone()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::marks, observe::last_words::Words};

    #[test]
    fn a_job_did_what_its_record_says_and_nothing_without_one() {
        let record = |succeeded: bool| {
            let record = json!({
                "version": 1, "kind": "backup", "id": "backup-app-x", "installId": "i", "platform": "p",
                "tenant": "t", "generation": 1, "started": "", "ended": "", "succeeded": succeeded,
                "reason": "Shrunken",
            });
            serde_json::from_value(record).unwrap()
        };
        let of = |state, words: Option<Option<bool>>| {
            let words = words.map(|said| Words {
                record: said.map(record),
                reason: "Evicted".into(),
                ..Words::default()
            });
            let (name, ended) = ("backup-app-x".to_owned(), Some(Timestamp::UNIX_EPOCH));
            let run = run(&JobFacts { name, state, ended, words, ..JobFacts::default() }).unwrap();
            (run.state, run.reason, run.ended.is_some())
        };
        let is = |state, reason: &str, ended| (state, reason.to_owned(), ended);
        // Until its last words were read it goes on: what it did decides what comes next.
        for state in [State::Active, State::Succeeded, State::Failed] {
            assert_eq!(of(state, None), is(RunState::Active, "Interrupted", false), "{state:?}");
        }
        assert_eq!(of(State::Succeeded, Some(None)), is(RunState::Failed, "Evicted", true));
        assert_eq!(of(State::Succeeded, Some(Some(false))), is(RunState::Failed, "Shrunken", true));
        assert_eq!(of(State::Succeeded, Some(Some(true))), is(RunState::Succeeded, "Shrunken", true));
        assert_eq!(of(State::Failed, Some(Some(true))), is(RunState::Failed, "Shrunken", true));
    }

    #[test]
    fn who_is_observed_or_paused_is_left_alone() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let meta = |paused: bool| {
            let until = if paused { "2026-11-22T04:00:00Z" } else { "2026-11-22T02:00:00Z" };
            json!({"name": "a", "annotations": {marks::PAUSED_UNTIL: until}})
        };
        let stopped = |mode: &str, tenant: bool, platform: bool| {
            let tenant: Tenant = serde_json::from_value(json!({
                "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": meta(tenant),
                "spec": {"platformRef": {"name": "p"}, "mode": mode},
            }))
            .unwrap();
            let platform: Platform = serde_json::from_value(json!({
                "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": meta(platform), "spec": {},
            }))
            .unwrap();
            Subject::of(&tenant, &platform, now).stopped
        };
        assert!(!stopped("Enforce", false, false));
        assert!(stopped("Observe", false, false));
        assert!(stopped("Enforce", true, false) && stopped("Enforce", false, true));
    }
}
