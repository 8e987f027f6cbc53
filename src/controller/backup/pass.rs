//! One round over a Platform's Tenants: look, decide, begin, tell.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    api::Platform,
    backup::{job, known::Kind, view::View},
    controller::context::Context,
    observe::runs::{JobFacts, Runs, State},
};

use super::{asked, begin, case::Case, ended::Ended, vault::Vault, volumes};

/// One round.
pub(super) async fn round(
    ctx: &Context,
    (runs, ended): (&Runs, &Ended),
    platform: &Arc<Platform>,
    vault: &mut Vault,
) {
    let Some(backups) = &platform.spec.backups else { return };
    vault.refresh(ctx, platform, backups).await;
    let tenants = ctx.world().tenants_of(platform.metadata.name.as_deref().unwrap_or_default());
    let now = Timestamp::now();
    let mut cases = std::mem::take(&mut vault.cases);
    cases.refresh(tenants, runs, (platform, backups), now);
    vault.look(cases.iter().map(|one| (one.name.as_str(), one.jobs.as_slice())), now).await;
    let with_files = cases.iter().filter(|one| !one.tenant.spec.buckets.is_empty());
    let files: Vec<_> = with_files.map(|one| (Arc::clone(&one.tenant), one.settings.active)).collect();
    vault.files.look(ctx, &files, backups.retention_days).await;
    let with_volumes = cases.iter().filter(|one| !one.tenant.spec.volumes.is_empty());
    vault.volumes.look(ctx, with_volumes.map(|one| &one.tenant)).await;
    for one in cases.iter_mut() {
        one.mark(&vault.volumes, ended);
        one.decide(vault.seen(&one.name), |name| asked::of(runs, name), now);
    }
    for one in cases.iter().filter(|one| one.awake) {
        volumes::advance(ctx, vault, &one.tenant, &one.jobs).await;
    }
    begin::begin(ctx, platform, backups, vault, &cases).await;
    for one in cases.iter().filter(|one| one.awake) {
        let store = vault.seen(&one.name);
        let problem = vault.problems.get(&one.name);
        asked::tell(ctx, runs, one, store.as_deref(), problem.map(String::as_str)).await;
        asked::show(ctx, runs, &one.tenant).await;
        tell(ctx, vault, ended, one);
    }
    vault.cases = cases;
}

/// Puts what is known where the status is made of it.
fn tell(ctx: &Context, vault: &Vault, ended: &Ended, one: &Case) {
    let now = Timestamp::now();
    let problems = [
        vault.problems.get(&one.name).cloned().unwrap_or_default(),
        leak(&one.jobs, false, now),
        vault.volumes.waits(&one.name),
    ];
    let view = View {
        store: vault.seen(&one.name),
        gone_early: vault.gone_early(&one.name, one.settings.retention_days),
        locked: vault.locked(&one.name),
        settings: Arc::clone(&one.settings),
        decision: one.decision.clone(),
        leak: leak(&one.jobs, true, now),
        words: one.jobs.iter().filter_map(|job| Some((job.name.clone(), word(job)?))).collect(),
        runs: one.runs.clone(),
        problem: problems.into_iter().find(|problem| !problem.is_empty()).unwrap_or_default(),
        left: ended.left(&one.name),
        shared_credentials: !vault.is_scoped(),
        buckets: vault.files.of(&one.name),
    };
    let mut board = ctx.board();
    let same = board.backups.get(&one.name).is_some_and(|before| before.says_the_same(&view));
    board.backups.insert(one.name.clone(), Arc::new(view));
    drop(board);
    if !same {
        ctx.tenants.add(one.name.clone());
    }
}

/// Whether a run should have ended long ago and hasn't. A Job goes on as long as a pod of its own is there, and a node
/// that is gone ends none.
pub(super) fn stays(job: &JobFacts, now: Timestamp) -> bool {
    let over = job.over.is_some_and(|over| job::stays(over, now));
    job.state == State::Active && (over || job::is_late(job.task.as_deref(), job.created, now))
}

/// Drills that stay, or other runs that do.
fn leak(jobs: &[JobFacts], drills: bool, now: Timestamp) -> String {
    let of_kind = |job: &&JobFacts| Kind::of(&job.name).is_some_and(|kind| kind.is_drill() == drills);
    let copy = if drills { ", with a copy of the data" } else { "" };
    let one = |job: &JobFacts| {
        format!(
            "Job {0}/{1} had to end long ago, and its pod is still there{copy}: see kubectl -n {0} get pods -o wide; if its node is gone for good, kubectl -n {0} delete pods --force -l batch.kubernetes.io/job-name={1}",
            job.namespace, job.name
        )
    };
    let late = jobs.iter().filter(of_kind).filter(|job| stays(job, now));
    late.map(one).collect::<Vec<_>>().join("; ")
}

/// Message and line of the log, of runs that failed.
fn word(job: &JobFacts) -> Option<(String, String)> {
    let words = job.words.as_ref()?;
    let said = words.record.as_ref().map(|record| (record.message.clone(), record.log_line.clone()));
    Some(said.unwrap_or_else(|| (words.message.clone(), String::new())))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn b15_what_stays_on_a_node_that_is_gone_is_told() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let job = |name: &str, over: Option<i64>, state| JobFacts {
            namespace: "acme-drill".into(),
            name: name.into(),
            over: over.map(|minutes| now - SignedDuration::from_mins(minutes)),
            state,
            ..JobFacts::default()
        };
        let jobs = [
            job("drill-app-1", Some(11), State::Active),
            job("drill-app-2", Some(9), State::Active),
            job("olddrill-app-3", Some(11), State::Failed),
            job("backup-app-4", Some(11), State::Active),
            job("backup-app-5", None, State::Active),
        ];
        let (drills, others) = (leak(&jobs, true, now), leak(&jobs, false, now));
        assert!(drills.starts_with("Job acme-drill/drill-app-1 ") && !drills.contains("; Job"), "{drills}");
        assert!(others.starts_with("Job acme-drill/backup-app-4 ") && !others.contains("copy"), "{others}");
    }
}
