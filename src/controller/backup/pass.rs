//! One round over a Platform's Tenants: look, decide, start, tell.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use tracing::{info, warn};

use crate::{
    api::{Platform, backup::Backups},
    backup::{
        job,
        known::Kind,
        spread::{self, Budget, Taken},
        view::View,
    },
    controller::context::Context,
    observe::runs::{JobFacts, Runs, State},
};

use super::{
    asked,
    case::{Case, Cases},
    start, tend,
    vault::Vault,
    volumes,
};

/// One round.
pub(super) async fn round(ctx: &Context, runs: &Runs, platform: &Arc<Platform>, vault: &mut Vault) {
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
        one.mark(&vault.volumes);
        one.decide(vault.seen(&one.name), |name| asked::of(runs, name), now);
    }
    for one in cases.iter().filter(|one| one.awake) {
        volumes::advance(ctx, vault, &one.tenant, &one.jobs).await;
    }
    begin(ctx, runs, platform, backups, vault, &cases).await;
    for one in cases.iter().filter(|one| one.awake) {
        let store = vault.seen(&one.name);
        let problem = vault.problems.get(&one.name);
        asked::tell(ctx, runs, one, store.as_deref(), problem.map(String::as_str)).await;
        asked::show(ctx, runs, &one.tenant).await;
        tell(ctx, vault, one);
    }
    vault.cases = cases;
}

/// Starts what the budget lets in.
async fn begin(
    ctx: &Context,
    runs: &Runs,
    platform: &Platform,
    backups: &Backups,
    vault: &mut Vault,
    cases: &Cases,
) {
    if !vault.tended.is_empty() {
        let there: HashSet<&String> = cases.iter().flat_map(|one| &one.jobs).map(|job| &job.uid).collect();
        vault.tended.retain(|uid, _| there.contains(uid));
        vault.volumes.forget(&there);
    }
    let ended = tend::ended(vault, cases.iter().flat_map(|one| &one.jobs));
    tend::clear(ctx, vault, ended).await;
    if !vault.is_fit() {
        return;
    }
    for one in cases.iter().filter(|one| !one.jobs.is_empty()) {
        tend::supply(ctx, vault, &one.tenant, &one.jobs).await;
    }
    let ready = |one: &&Case| start::namespaces(&one.tenant).is_some();
    let places: Vec<(&Case, usize)> = cases
        .iter()
        .filter(ready)
        .flat_map(|one| (0..one.decision.starts.len()).map(move |index| (one, index)))
        .collect();
    if places.is_empty() {
        return;
    }
    let bids: Vec<_> =
        places.iter().map(|(one, index)| one.decision.bids(&one.name).swap_remove(*index)).collect();
    let admission = spread::admit(&bids, &taken(runs), &budget(backups, cases), Timestamp::now());
    for index in admission.admitted {
        let (one, index) = places[index];
        let want = &one.decision.starts[index];
        match start::start(ctx, platform, vault, &one.tenant, want).await {
            Ok(true) => info!(tenant = one.name, job = want.job, "run begun"),
            Ok(false) => {}
            Err(problem) => {
                warn!(tenant = one.name, job = want.job, problem, "run can't begin");
                vault.problems.insert(one.name.clone(), problem);
                continue;
            }
        }
        vault.problems.remove(&one.name);
    }
}

fn budget(backups: &Backups, cases: &Cases) -> Budget {
    let rates = cases.iter().flat_map(|one| one.settings.databases.iter().map(|one| one.schedule.rate()));
    Budget {
        concurrency: backups.concurrency,
        drills: backups.drills.concurrency,
        per_minute: spread::per_minute(rates),
    }
}

fn taken(runs: &Runs) -> Vec<Taken> {
    let jobs = runs.all().into_iter();
    jobs.filter_map(|job| {
        let kind = Kind::of(&job.name)?;
        Some(Taken { kind, created: job.created, active: job.state == State::Active })
    })
    .collect()
}

/// Puts what is known where the status is made of it.
fn tell(ctx: &Context, vault: &Vault, one: &Case) {
    let view = View {
        store: vault.seen(&one.name),
        gone_early: vault.gone_early(&one.name, one.settings.retention_days),
        locked: vault.locked(&one.name),
        settings: Arc::clone(&one.settings),
        decision: one.decision.clone(),
        leak: leak(&one.jobs, Timestamp::now()),
        words: one.jobs.iter().filter_map(|job| Some((job.name.clone(), word(job)?))).collect(),
        runs: one.runs.clone(),
        problem: vault.problems.get(&one.name).cloned().unwrap_or_else(|| vault.volumes.waits(&one.name)),
        left: vault.volumes.left(&one.name),
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

/// Drills that should have ended and haven't. A Job goes on as long as a pod of its own is there, and a node that is gone
/// ends none.
fn leak(jobs: &[JobFacts], now: Timestamp) -> String {
    let drills = jobs.iter().filter(|job| Kind::of(&job.name).is_some_and(Kind::is_drill));
    let late = drills
        .filter(|job| job.state == State::Active && job::is_late(job.task.as_deref(), job.created, now));
    let one = |job: &JobFacts| {
        format!(
            "Job {0}/{1} had to end long ago, and its pod is still there, with a copy of the data: see kubectl -n {0} get pods -o wide; if its node is gone for good, kubectl -n {0} delete pods --force -l batch.kubernetes.io/job-name={1}",
            job.namespace, job.name
        )
    };
    late.map(one).collect::<Vec<_>>().join("; ")
}

/// Message and line of the log, of runs that failed.
fn word(job: &JobFacts) -> Option<(String, String)> {
    let words = job.words.as_ref()?;
    let said = words.record.as_ref().map(|record| (record.message.clone(), record.log_line.clone()));
    Some(said.unwrap_or_else(|| (words.message.clone(), String::new())))
}
