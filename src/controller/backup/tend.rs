//! The Secrets of runs that go on: made where another process died before it could, and renewed before their credentials
//! end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::{
    api::Tenant,
    apply::runs::OfJob,
    backup::{
        job,
        task::{Task, Work},
    },
    controller::context::Context,
    observe::runs::{JobFacts, State},
};

use super::{start, vault::Vault};

/// Shortest time between two renewals: by a clock that is ahead everything has ended long ago.
const SHORTEST: SignedDuration = SignedDuration::from_mins(5);

/// The Secret of a Job, which is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tended {
    /// When its credentials are renewed; `None` where they don't end.
    renew: Option<Timestamp>,
}

impl Tended {
    /// One with these files, just made: renewed at half the time, so that an operator that is away for a while, and a
    /// kubelet that brings it a minute later, break no run.
    pub(super) fn of(files: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let end = files.get("aws-expiration").and_then(|end| end.parse::<Timestamp>().ok());
        let half = |end: Timestamp| {
            let wait = (end.duration_since(now) / 2).max(SHORTEST);
            now.saturating_add(wait).unwrap_or(end)
        };
        Self { renew: end.map(half) }
    }

    fn is_due(self, now: Timestamp) -> bool {
        self.renew.is_some_and(|at| at <= now)
    }
}

fn of(job: &JobFacts) -> OfJob<'_> {
    OfJob { namespace: &job.namespace, name: &job.name, uid: &job.uid }
}

/// Sees to the Secrets of a Tenant's Jobs that go on. What can't be done now is tried in the next round.
pub(super) async fn supply(ctx: &Context, vault: &mut Vault, tenant: &Tenant, jobs: &[JobFacts]) {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    for job in jobs.iter().filter(|job| job.state == State::Active) {
        let Some(task) = job.task.as_deref().filter(|task| is_due(vault, job, task)) else { continue };
        match one(ctx, vault, tenant, (job, task), BTreeMap::new()).await {
            Ok(()) => {
                vault.problems.remove(&name);
            }
            Err(problem) => {
                warn!(job = job.name, problem, "its Secret can't be made, or renewed, now");
                vault.problems.insert(name.clone(), problem);
            }
        }
    }
}

fn is_due(vault: &Vault, job: &JobFacts, task: &Task) -> bool {
    match vault.tended.get(&job.uid) {
        Some(tended) => tended.is_due(Timestamp::now()),
        // That of a volume says when the snapshot was taken: [`super::volumes`] has it made when there is one.
        None => !matches!(task.work, Work::Volume(_)),
    }
}

/// Renews a Job's Secret, or makes it, with `more` files than every run of its kind has.
///
/// # Errors
/// What is missing, for people.
pub(super) async fn one(
    ctx: &Context,
    vault: &mut Vault,
    tenant: &Tenant,
    (job, task): (&JobFacts, &Task),
    more: BTreeMap<String, String>,
) -> Result<(), String> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let mut files = vault.files(&ctx.install_id, name, &task.work).await?;
    let tended = Tended::of(&files, Timestamp::now());
    let ends = tended.renew.is_some();
    let keys = if ends { job::renewed(&files) } else { BTreeMap::new() };
    if ctx.writer.renew_run_secret(of(job), &keys).await.map_err(|error| error.to_string())? {
        if ends {
            info!(job = job.name, "its credentials are renewed");
        }
    } else if matches!(task.work, Work::Volume(_)) && more.is_empty() {
        // It was lost: the steps of its volume come to it again.
        vault.tended.remove(&job.uid);
        vault.volumes.again(&job.uid);
        return Ok(());
    } else {
        let database = tenant.spec.databases.iter().find(|one| one.name == job.database);
        let connection = start::connection(ctx, tenant, database, &task.work).await;
        files.extend(connection.map_err(|refusal| refusal.text)?);
        files.extend(more);
        let tenant_uid = tenant.metadata.uid.as_deref().unwrap_or_default();
        let secret = job::secret(task, (&job.namespace, &job.uid), tenant_uid, &files);
        ctx.writer.make_run_secret(&secret).await.map_err(|error| error.to_string())?;
    }
    vault.tended.insert(job.uid.clone(), tended);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_renewed_at_half_their_time() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let after = |minutes| now + SignedDuration::from_mins(minutes);
        let files = BTreeMap::from([("aws-expiration".to_owned(), after(60).to_string())]);
        let tended = Tended::of(&files, now);
        assert!(!tended.is_due(after(29)) && tended.is_due(after(30)));
        let tended = Tended::of(&files, after(90));
        assert!(!tended.is_due(after(94)) && tended.is_due(after(95)), "a clock that is ahead");
        assert!(!Tended::of(&BTreeMap::new(), now).is_due(after(1 << 20)), "they don't end");
    }
}
