//! One round over a Platform's Tenants: look, decide, start, tell.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::{
    api::{Platform, Tenant, backup::Backups, tenant::Mode, tenant_status::Purpose},
    backup::{
        decide::{self, Decision, Known},
        hold::ACCEPT_DELETIONS,
        known::{Kind, Run, RunState, Settings},
        record::reasons,
        settings::{Beside, settings},
        spread::{self, Budget, Taken},
        view::View,
    },
    controller::{context::Context, pause},
    observe::runs::{JobFacts, Runs, State},
    validate,
};

use super::{asked, start, vault::Vault, volumes};

/// One Tenant in a round.
struct One {
    tenant: Arc<Tenant>,
    name: String,
    settings: Settings,
    runs: Vec<Run>,
    jobs: Vec<JobFacts>,
    decision: Decision,
}

/// One round.
pub(super) async fn round(ctx: &Context, runs: &Runs, platform: &Arc<Platform>, vault: &mut Vault) {
    let Some(backups) = &platform.spec.backups else { return };
    let platform_name = platform.metadata.name.clone().unwrap_or_default();
    vault.refresh(ctx, platform, backups).await;
    let tenants = ctx.world().tenants_of(&platform_name);
    let mut round = Vec::new();
    for tenant in tenants.into_iter().filter(|tenant| concerns(tenant)) {
        match settings_of(platform, backups, &tenant) {
            Ok(settings) => round.push(one(runs, tenant, settings)),
            Err(problem) => warn!(problem, tenant = tenant.metadata.name, "its backups can't be scheduled"),
        }
    }
    let now = Timestamp::now();
    vault.look(round.iter().map(|one| (one.name.as_str(), one.jobs.as_slice())), now).await;
    let buckets: Vec<_> = round.iter().map(|one| (Arc::clone(&one.tenant), one.settings.active)).collect();
    vault.files.look(ctx, &buckets, backups.retention_days).await;
    let tenants: Vec<_> = round.iter().map(|one| Arc::clone(&one.tenant)).collect();
    vault.volumes.look(ctx, &tenants).await;
    for one in &mut round {
        vault.volumes.mark(&mut one.settings);
        let store = vault.seen(&one.name);
        let asked = asked::of(runs, &one.name);
        one.decision = decide::decide(Known {
            settings: &one.settings,
            store: store.as_deref(),
            runs: &one.runs,
            asked: &asked,
            now,
        });
    }
    for one in &round {
        volumes::advance(ctx, vault, &one.tenant, &one.jobs).await;
    }
    volumes::forget(vault, |uid| round.iter().any(|one| one.jobs.iter().any(|job| job.uid == uid)));
    begin(ctx, runs, platform, backups, vault, &round).await;
    for one in round {
        let store = vault.seen(&one.name);
        let points = |database: &str| {
            let listed = one.settings.databases.iter().any(|known| known.name == database);
            listed.then(|| store.as_ref().map_or(0, |store| store.points_of(database).len()))
        };
        asked::tell(ctx, runs, &one.name, &one.jobs, points).await;
        asked::show(ctx, runs, &one.tenant).await;
        tell(ctx, vault, one);
    }
}

/// Whether a Tenant has something to back up, or had once.
fn concerns(tenant: &Tenant) -> bool {
    let namespaces = tenant.status.as_ref().map(|status| status.namespaces.as_slice()).unwrap_or_default();
    let spec = &tenant.spec;
    let listed = !spec.databases.is_empty() || !spec.volumes.is_empty() || !spec.buckets.is_empty();
    listed || namespaces.iter().any(|one| one.purpose == Purpose::Backup)
}

/// What shall be, of a Tenant that is right.
fn settings_of(platform: &Platform, backups: &Backups, tenant: &Tenant) -> Result<Settings, String> {
    let rules = validate::platform::validate(platform).map_err(|problems| problems[0].to_string())?;
    let (checked, problems) = validate::tenant::examine(tenant, &rules);
    let checked = checked.ok_or_else(|| problems.first().map(ToString::to_string).unwrap_or_default())?;
    let now = Timestamp::now();
    let stopped = tenant.spec.mode != Mode::Enforce
        || pause::until(&tenant.metadata, now).is_some()
        || pause::until(&platform.metadata, now).is_some();
    let annotations = tenant.metadata.annotations.as_ref();
    let accepted = annotations.and_then(|map| map.get(ACCEPT_DELETIONS)).and_then(|text| text.parse().ok());
    let beside = Beside {
        platform_uid: platform.metadata.uid.as_deref().unwrap_or_default(),
        paused: stopped,
        accepted_deletions: accepted,
    };
    settings(backups, &checked, beside).map_err(|error| error.to_string())
}

fn one(runs: &Runs, tenant: Arc<Tenant>, settings: Settings) -> One {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let jobs = runs.of(&name);
    let runs = jobs.iter().filter_map(run).collect();
    One { tenant, name, settings, runs, jobs, decision: Decision::default() }
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

/// Starts what the budget lets in.
async fn begin(
    ctx: &Context,
    runs: &Runs,
    platform: &Platform,
    backups: &Backups,
    vault: &mut Vault,
    round: &[One],
) {
    if !vault.is_fit() {
        return;
    }
    vault.complete.retain(|uid| round.iter().any(|one| one.jobs.iter().any(|job| job.uid == *uid)));
    for one in round {
        start::complete(ctx, vault, &one.tenant, &one.jobs).await;
    }
    let ready = |one: &&One| start::namespaces(&one.tenant).is_some();
    let places: Vec<(&One, usize)> = round
        .iter()
        .filter(ready)
        .flat_map(|one| (0..one.decision.starts.len()).map(move |index| (one, index)))
        .collect();
    let bids: Vec<_> =
        places.iter().map(|(one, index)| one.decision.bids(&one.name).swap_remove(*index)).collect();
    let admission = spread::admit(&bids, &taken(runs), &budget(backups, round), Timestamp::now());
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

fn budget(backups: &Backups, round: &[One]) -> Budget {
    let rates = round.iter().flat_map(|one| one.settings.databases.iter().map(|one| one.schedule.rate()));
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
fn tell(ctx: &Context, vault: &Vault, one: One) {
    let view = View {
        store: vault.seen(&one.name),
        gone_early: vault.gone_early(&one.name, one.settings.retention_days),
        settings: one.settings,
        decision: one.decision,
        words: one.jobs.iter().filter_map(|job| Some((job.name.clone(), word(job)?))).collect(),
        runs: one.runs,
        problem: vault.problems.get(&one.name).cloned().unwrap_or_else(|| vault.volumes.waits(&one.name)),
        left: vault.volumes.left(&one.name),
        shared_credentials: !vault.is_scoped(),
        buckets: vault.files.of(&one.name),
    };
    let before = ctx.board().backups.insert(one.name.clone(), Arc::new(view.clone()));
    let same = before.is_some_and(|before| before.says_the_same(&view));
    if !same {
        ctx.tenants.add(one.name);
    }
}

/// Message and line of the log, of runs that failed.
fn word(job: &JobFacts) -> Option<(String, String)> {
    let words = job.words.as_ref()?;
    let said = words.record.as_ref().map(|record| (record.message.clone(), record.log_line.clone()));
    Some(said.unwrap_or_else(|| (words.message.clone(), String::new())))
}
