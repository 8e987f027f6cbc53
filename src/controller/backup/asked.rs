//! RestoreDrills and Restores: what people asked for, and what they are told.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;
use tracing::warn;

use crate::{
    api::{
        RestoreDrill, Tenant,
        backup_status::{DrillResult, RunResult},
        conditions::reasons,
        data::DataKind,
        drill::{PointChoice, RestoreDrillSpec, RestoreDrillStatus},
        marks,
        restore::RestoreStatus,
        tenant::PlatformRef,
    },
    backup::{
        known::{Asked, Choice, Kind},
        names, tell,
        volumes::{key, name_of},
    },
    controller::context::Context,
    observe::runs::{JobFacts, Runs, State},
};

/// What people asked for of a Tenant and what hasn't ended.
pub(super) fn of(runs: &Runs, tenant: &str) -> Vec<Asked> {
    let created = |meta: &kube::api::ObjectMeta| {
        meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default()
    };
    let at = |text: &Option<String>| {
        text.as_ref().and_then(|text| text.parse::<Timestamp>().ok()).map_or(Choice::Newest, Choice::At)
    };
    let drills = runs.drills(tenant);
    let drills = drills.iter().filter(|one| !is_ours(one) && is_open(one.status.as_ref().map(|s| s.result)));
    let drills = drills.map(|one| Asked {
        name: one.metadata.name.clone().unwrap_or_default(),
        created: created(&one.metadata),
        database: one.spec.subject(),
        choice: match one.spec.point {
            PointChoice::Newest => Choice::Newest,
            PointChoice::Oldest => Choice::Oldest,
            PointChoice::Random => Choice::Random,
            PointChoice::At => at(&one.spec.at),
        },
        restore: None,
    });
    let restores = runs.restores(tenant);
    let restores = restores.iter().filter(|one| is_open(one.status.as_ref().map(|s| s.result)));
    let restores = restores.map(|one| Asked {
        name: one.metadata.name.clone().unwrap_or_default(),
        created: created(&one.metadata),
        database: one.spec.database.clone(),
        choice: at(&one.spec.at),
        restore: Some(one.spec.to.clone()),
    });
    drills.chain(restores).collect()
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

/// Says on each object how its run stands. `points` says of a database how many restore points it has; `None` where the
/// Tenant doesn't list it.
pub(super) async fn tell(
    ctx: &Context,
    runs: &Runs,
    tenant: &str,
    jobs: &[JobFacts],
    points: impl Fn(&str) -> Option<usize>,
) {
    let said = |kind: Kind, name: &str, database: &str| -> Option<DrillResult> {
        let job = names::asked(kind, name, 1);
        let found = jobs.iter().find(|one| one.name == job).map(result);
        found.or_else(|| waits(&job, database, points(database)))
    };
    for drill in runs.drills(tenant).into_iter().filter(|drill| !is_ours(drill)) {
        let name = drill.metadata.name.as_deref().unwrap_or_default();
        if !is_open(drill.status.as_ref().map(|status| status.result)) {
            continue;
        }
        let Some(result) = said(Kind::AskedDrill, name, &drill.spec.subject()) else { continue };
        let status = drill_status(result);
        if drill.status.as_ref() != Some(&status) {
            let written =
                ctx.writer.run_status("restoredrills", "RestoreDrill", &drill.metadata, &json!(status)).await;
            written.unwrap_or_else(|error| warn!(%error, drill = name, "status not written"));
        }
    }
    for restore in runs.restores(tenant) {
        let name = restore.metadata.name.as_deref().unwrap_or_default();
        if !is_open(restore.status.as_ref().map(|status| status.result)) {
            continue;
        }
        let Some(result) = said(Kind::Restore, name, &restore.spec.database) else { continue };
        let status = RestoreStatus {
            result: result.result,
            database: if result.result == RunResult::Succeeded {
                restore.spec.to.clone().unwrap_or_else(|| restore.spec.database.clone())
            } else {
                String::new()
            },
            restore: result,
        };
        if restore.status.as_ref() != Some(&status) {
            let written =
                ctx.writer.run_status("restores", "Restore", &restore.metadata, &json!(status)).await;
            written.unwrap_or_else(|error| warn!(%error, restore = name, "status not written"));
        }
    }
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

/// Why what was asked for doesn't begin, where it can't.
fn waits(job: &str, database: &str, points: Option<usize>) -> Option<DrillResult> {
    let (reason, message) = match points {
        None => match name_of(database) {
            Some(volume) => {
                (reasons::INVALID_SPEC, format!("the Tenant lists no volume {volume} in spec.volumes"))
            }
            None => {
                (reasons::INVALID_SPEC, format!("the Tenant lists no database {database} in spec.databases"))
            }
        },
        Some(0) => (
            reasons::NO_BACKUP_YET,
            format!("{database} has no restore point yet; it begins when there is one"),
        ),
        Some(_) => return None,
    };
    let told = tell::result(job, RunResult::Pending, None, (reason, &message));
    Some(told)
}
