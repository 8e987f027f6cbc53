//! RestoreDrills and Restores: what people asked for, and what they are told.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::{ResourceExt, api::ObjectMeta};
use serde_json::json;
use tracing::warn;

use crate::{
    api::{
        Restore, RestoreDrill, Tenant,
        backup_status::{DrillResult, RunResult},
        data::DataKind,
        drill::{PointChoice, RestoreDrillSpec, RestoreDrillStatus},
        marks,
        restore::{RestoreSpec, RestoreStatus},
        tenant::PlatformRef,
    },
    backup::{
        hold::Hold,
        known::{self, Asked, Choice, Kind},
        names, tell,
        volumes::{key, name_of},
        wait::Wait,
    },
    controller::context::Context,
    observe::runs::{JobFacts, Runs, State},
    validate::text::sanitize,
};

use super::{case::Case, start, vault::Vault};

/// What people asked for of a Tenant and what hasn't ended. What can't be read is asked for by nobody.
pub(super) fn of(runs: &Runs, tenant: &str) -> Vec<Asked> {
    let drills = runs.drills(tenant);
    let drills = drills.iter().filter(|one| !is_ours(one) && is_open(one.status.as_ref().map(|s| s.result)));
    let drills = drills.filter_map(|one| {
        Some(Asked {
            name: one.name_any(),
            created: created(&one.metadata),
            database: one.spec.subject(),
            choice: of_drill(&one.spec).ok()?,
            restore: None,
        })
    });
    let restores = runs.restores(tenant);
    let restores = restores.iter().filter(|one| is_open(one.status.as_ref().map(|s| s.result)));
    let restores = restores.filter_map(|one| {
        Some(Asked {
            name: one.name_any(),
            created: created(&one.metadata),
            database: one.spec.database.clone(),
            choice: of_restore(&one.spec).ok()?,
            restore: Some(one.spec.to.clone()),
        })
    });
    drills.chain(restores).collect()
}

fn created(meta: &ObjectMeta) -> Timestamp {
    meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default()
}

fn of_drill(spec: &RestoreDrillSpec) -> Result<Choice, Wait> {
    match spec.point {
        PointChoice::Newest => Ok(Choice::Newest),
        PointChoice::Oldest => Ok(Choice::Oldest),
        PointChoice::Random => Ok(Choice::Random),
        PointChoice::At => at(spec.at.as_deref().unwrap_or_default()),
    }
}

fn of_restore(spec: &RestoreSpec) -> Result<Choice, Wait> {
    if let Some(volume) = name_of(&spec.database) {
        return Err(Wait::OnlyByHand(volume.to_owned()));
    }
    spec.at.as_deref().map_or(Ok(Choice::Newest), at)
}

/// A time that can't be read is never taken for another.
fn at(text: &str) -> Result<Choice, Wait> {
    text.parse().map(Choice::At).map_err(|_| Wait::BadTime(sanitize(text, 40)))
}

/// Whether it is the operator's own, which only shows what came of drills by schedule.
fn is_ours(drill: &RestoreDrill) -> bool {
    drill.labels().get(marks::MANAGED_BY).is_some_and(|by| by == marks::MANAGED_BY_VALUE)
}

/// Shows the last drill of each database on an object of its own: one a database, so that none has to go.
pub(super) async fn show(ctx: &Context, runs: &Runs, tenant: &Tenant) {
    let name = tenant.name_any();
    let known = runs.drills(&name);
    for backup in tenant.status.iter().flat_map(|status| &status.backups) {
        let Some(drill) = &backup.last_drill else { continue };
        let volume = backup.kind == DataKind::PersistentVolumeClaim;
        let subject = if volume { key(&backup.name) } else { backup.name.clone() };
        let object = format!("{name}-{subject}");
        let status = drill_status(drill.clone());
        let found = known.iter().find(|one| one.name_any() == object && is_ours(one));
        let written = match found {
            None => ctx.writer.make_drill(&own(&object, &name, (&backup.name, volume))).await,
            Some(found) if found.status.as_ref() == Some(&status) => Ok(()),
            Some(found) => {
                ctx.writer.run_status("restoredrills", "RestoreDrill", &found.metadata, &json!(status)).await
            }
        };
        written.unwrap_or_else(|error| warn!(%error, drill = object, "the last drill can't be shown"));
    }
}

fn own(object: &str, tenant: &str, (subject, volume): (&str, bool)) -> RestoreDrill {
    let spec = RestoreDrillSpec {
        tenant_ref: PlatformRef { name: tenant.to_owned() },
        database: if volume { String::new() } else { subject.to_owned() },
        volume: volume.then(|| subject.to_owned()),
        point: PointChoice::Newest,
        at: None,
    };
    let mut drill = RestoreDrill::new(object, spec);
    let labels = [(marks::MANAGED_BY, marks::MANAGED_BY_VALUE), (marks::TENANT, tenant)];
    drill.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    drill
}

fn drill_status(drill: DrillResult) -> RestoreDrillStatus {
    RestoreDrillStatus {
        result: drill.result,
        rpo: drill.rpo_seconds.map(tell::span).unwrap_or_default(),
        rto: drill.rto_seconds.map(tell::span).unwrap_or_default(),
        drill,
    }
}

/// Says on each object of a Tenant how its run stands, or why there is none. `problem` is why the last one couldn't begin.
pub(super) async fn tell(
    ctx: &Context,
    runs: &Runs,
    case: &Case,
    store: Option<&known::Store>,
    problem: Option<&str>,
) {
    let why = |database: &str, choice: Result<Choice, Wait>| match choice {
        Err(wait) => Some(wait),
        Ok(choice) => why_not(case, store, problem, database, choice),
    };
    for drill in runs.drills(&case.name).into_iter().filter(|drill| !is_ours(drill)) {
        let wait = why(&drill.spec.subject(), of_drill(&drill.spec));
        tell_drill(ctx, &drill, &case.jobs, wait).await;
    }
    for restore in runs.restores(&case.name) {
        let wait = why(&restore.spec.database, of_restore(&restore.spec));
        tell_restore(ctx, &restore, &case.jobs, wait).await;
    }
}

/// Says of what names no Tenant, or one that isn't backed up, that it waits in vain.
pub(super) async fn tell_strays(ctx: &Context, runs: &Runs, vaults: &HashMap<String, Vault>) {
    let (drills, restores) = runs.everything_asked();
    let drills =
        drills.into_iter().filter(|one| !is_ours(one) && is_open(one.status.as_ref().map(|s| s.result)));
    for drill in drills {
        if let Some(wait) = stray(ctx, vaults, &drill.spec.tenant_ref.name, &drill.spec.subject()) {
            tell_drill(ctx, &drill, &runs.of(&drill.spec.tenant_ref.name), Some(wait)).await;
        }
    }
    for restore in restores.into_iter().filter(|one| is_open(one.status.as_ref().map(|s| s.result))) {
        if let Some(wait) = stray(ctx, vaults, &restore.spec.tenant_ref.name, &restore.spec.database) {
            tell_restore(ctx, &restore, &runs.of(&restore.spec.tenant_ref.name), Some(wait)).await;
        }
    }
}

/// Why no round speaks of a Tenant; `None` where one does.
fn stray(ctx: &Context, vaults: &HashMap<String, Vault>, name: &str, database: &str) -> Option<Wait> {
    let (tenant, platform) = {
        let world = ctx.world();
        let tenant = world.tenant(name);
        let platform = tenant.as_ref().and_then(|tenant| world.platform(&tenant.spec.platform_ref.name));
        (tenant, platform)
    };
    let name = name.to_owned();
    let Some(tenant) = tenant else { return Some(Wait::NoTenant(name)) };
    let wanted = tenant.spec.platform_ref.name.clone();
    let Some(platform) = platform else { return Some(Wait::NoPlatform(name, wanted)) };
    if platform.spec.backups.is_none() {
        return Some(Wait::NoBackups(name, wanted));
    }
    // Its first round is still to come.
    let cases = &vaults.get(&wanted)?.cases;
    if let Some(problem) = cases.wrong(&name) {
        return Some(Wait::Wrong(name, problem.to_owned()));
    }
    (!cases.has(&name)).then(|| Wait::NotListed(name, database.to_owned()))
}

/// Why what was asked for doesn't begin, where it can't.
fn why_not(
    case: &Case,
    store: Option<&known::Store>,
    problem: Option<&str>,
    database: &str,
    choice: Choice,
) -> Option<Wait> {
    if !case.settings.databases.iter().any(|one| one.name == database) {
        return Some(Wait::NotListed(case.name.clone(), database.to_owned()));
    }
    let about = |hold: &&Hold| matches!(hold, Hold::StoreUnknown { .. } | Hold::ClockSkew { .. });
    if let Some(hold) = case.decision.holds.iter().find(about) {
        return Some(Wait::Held(hold.clone()));
    }
    let points = store.map(|store| store.points_of(database)).unwrap_or_default();
    let Some(oldest) = points.iter().map(|point| point.time).min() else {
        return Some(Wait::NoPoint(database.to_owned()));
    };
    if matches!(choice, Choice::At(at) if at < oldest) {
        return Some(Wait::NoneSoOld(database.to_owned(), oldest));
    }
    if start::namespaces(&case.tenant).is_none() {
        let problem = "its namespaces for backups aren't there; see Ready on the Tenant";
        return Some(Wait::Stuck(problem.to_owned()));
    }
    problem.map(|problem| Wait::Stuck(problem.to_owned()))
}

async fn tell_drill(ctx: &Context, drill: &RestoreDrill, jobs: &[JobFacts], wait: Option<Wait>) {
    let (name, before) = (drill.name_any(), drill.status.as_ref());
    let said = said(Kind::AskedDrill, &drill.metadata, jobs, wait);
    let said = said.filter(|_| is_open(before.map(|one| one.result)));
    let Some(status) = said.map(drill_status).filter(|status| before != Some(status)) else { return };
    let written =
        ctx.writer.run_status("restoredrills", "RestoreDrill", &drill.metadata, &json!(status)).await;
    written.unwrap_or_else(|error| warn!(%error, drill = name, "status not written"));
}

async fn tell_restore(ctx: &Context, restore: &Restore, jobs: &[JobFacts], wait: Option<Wait>) {
    let (name, before) = (restore.name_any(), restore.status.as_ref());
    let said = said(Kind::Restore, &restore.metadata, jobs, wait);
    let said = said.filter(|_| is_open(before.map(|one| one.result)));
    let Some(result) = said else { return };
    let made = restore.spec.to.clone().unwrap_or_else(|| restore.spec.database.clone());
    let database = if result.result == RunResult::Succeeded { made } else { String::new() };
    let status = RestoreStatus { result: result.result, database, restore: result };
    if before == Some(&status) {
        return;
    }
    let written = ctx.writer.run_status("restores", "Restore", &restore.metadata, &json!(status)).await;
    written.unwrap_or_else(|error| warn!(%error, restore = name, "status not written"));
}

/// How its Job stands, or why there is none.
fn said(kind: Kind, object: &ObjectMeta, jobs: &[JobFacts], wait: Option<Wait>) -> Option<DrillResult> {
    let job = names::asked(kind, object.name.as_deref().unwrap_or_default(), created(object));
    let found = jobs.iter().find(|one| one.name == job).map(result);
    let waits = |wait: Wait| tell::result(&job, RunResult::Pending, None, (wait.reason(), &wait.to_string()));
    found.or_else(|| wait.map(waits))
}

fn result(job: &JobFacts) -> DrillResult {
    let words = job.words.as_ref();
    let record = words.and_then(|words| words.record.as_ref());
    let result = match (job.state, record) {
        (State::Active, _) => RunResult::Running,
        (_, Some(record)) if record.succeeded => RunResult::Succeeded,
        _ if words.is_none() => RunResult::Running,
        _ => RunResult::Failed,
    };
    let said = words.map(|words| (words.reason.as_str(), words.message.as_str())).unwrap_or_default();
    tell::result(&job.name, result, record, if result == RunResult::Failed { said } else { ("", "") })
}

/// What has ended stays as it is: its Job goes some time, and what it said is said.
fn is_open(result: Option<RunResult>) -> bool {
    matches!(result.unwrap_or_default(), RunResult::Pending | RunResult::Running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_can_bring_back_is_told() {
        let of = |database: &str, at: Option<&str>| {
            of_restore(&RestoreSpec {
                tenant_ref: PlatformRef { name: "acme".into() },
                database: database.into(),
                at: at.map(str::to_owned),
                to: Some("app_then".into()),
                over_live: None,
            })
        };
        assert_eq!(of("app", None), Ok(Choice::Newest));
        assert_eq!(of("app", Some("yesterday")), Err(Wait::BadTime("yesterday".into())));
        assert_eq!(of("volume.files", None), Err(Wait::OnlyByHand("files".into())));
    }
}
