//! RestoreDrills and Restores: what people asked for, and what they are told.

use jiff::Timestamp;
use serde_json::json;
use tracing::warn;

use crate::{
    api::{
        backup_status::{DrillResult, RunResult},
        drill::{PointChoice, RestoreDrillStatus},
        restore::RestoreStatus,
    },
    backup::{
        known::{Asked, Choice, Kind},
        names, tell,
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
    let open = |result: RunResult| matches!(result, RunResult::Pending | RunResult::Running);
    let drills = runs.drills(tenant);
    let drills = drills.iter().filter(|one| open(one.status.as_ref().map(|s| s.result).unwrap_or_default()));
    let drills = drills.map(|one| Asked {
        name: one.metadata.name.clone().unwrap_or_default(),
        created: created(&one.metadata),
        database: one.spec.database.clone(),
        choice: match one.spec.point {
            PointChoice::Newest => Choice::Newest,
            PointChoice::Oldest => Choice::Oldest,
            PointChoice::Random => Choice::Random,
            PointChoice::At => at(&one.spec.at),
        },
        restore: None,
    });
    let restores = runs.restores(tenant);
    let restores =
        restores.iter().filter(|one| open(one.status.as_ref().map(|s| s.result).unwrap_or_default()));
    let restores = restores.map(|one| Asked {
        name: one.metadata.name.clone().unwrap_or_default(),
        created: created(&one.metadata),
        database: one.spec.database.clone(),
        choice: at(&one.spec.at),
        restore: Some(one.spec.to.clone()),
    });
    drills.chain(restores).collect()
}

/// Says on each object how its run stands.
pub(super) async fn tell(ctx: &Context, runs: &Runs, tenant: &str, jobs: &[JobFacts]) {
    let said = |kind: Kind, name: &str| -> Option<DrillResult> {
        let job = names::asked(kind, name, 1);
        jobs.iter().find(|one| one.name == job).map(result)
    };
    for drill in runs.drills(tenant) {
        let name = drill.metadata.name.as_deref().unwrap_or_default();
        let Some(result) = said(Kind::AskedDrill, name) else { continue };
        let status = RestoreDrillStatus {
            result: result.result,
            rpo: result.rpo_seconds.map(tell::span).unwrap_or_default(),
            rto: result.rto_seconds.map(tell::span).unwrap_or_default(),
            drill: result,
        };
        if drill.status.as_ref() != Some(&status) {
            let written =
                ctx.writer.run_status("restoredrills", "RestoreDrill", &drill.metadata, &json!(status)).await;
            written.unwrap_or_else(|error| warn!(%error, drill = name, "status not written"));
        }
    }
    for restore in runs.restores(tenant) {
        let name = restore.metadata.name.as_deref().unwrap_or_default();
        let Some(result) = said(Kind::Restore, name) else { continue };
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
