//! Backups: looks into the stores, decides, starts Jobs, and says what came of them. Runs beside the tenant loop, which
//! makes the namespaces and writes the status.
//!
//! - [`vault`]: what a Platform's backups need beside its spec; [`open`]: Secrets, read now and then
//! - [`pass`]: one round over a Platform's Tenants; [`case`]: what the last one knew of each
//! - [`locks`]: how much is under Object Lock
//! - [`files`]: buckets with files of Tenants
//! - [`volumes`]: what runs of volumes need beside their Jobs
//! - [`begin`]: who has its turn; [`start`]: a Job, its Secret, its task
//! - [`tend`]: the Secrets of Jobs that go on
//! - [`ended`]: what Jobs that have ended leave
//! - [`asked`]: what people asked for, and what they are told

mod asked;
mod begin;
mod case;
mod ended;
mod files;
mod locks;
mod open;
mod pass;
mod start;
mod tend;
mod vault;
mod volumes;

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, future::join_all, stream};
use serde_json::json;
use tracing::warn;

use crate::{
    api::Tenant,
    observe::runs::{self, Runs},
    runtime::{call::report, health::Health},
};

use super::context::Context;
use ended::Ended;
use vault::Vault;

/// Longest time between two rounds.
const ROUND: Duration = Duration::from_secs(10);
/// Shortest: events come in crowds, and one round is for all of them.
const PACE: Duration = Duration::from_secs(1);
/// Reads of last words at once.
const AT_ONCE: usize = 8;

/// Makes and tries backups until it is dropped.
pub async fn run(ctx: Context, health: Health) {
    let runs = Runs::default();
    let _watches = runs.watch(&ctx.client, &health);
    let mut vaults: HashMap<String, Vault> = HashMap::new();
    let mut ended = Ended::default();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let _ = tokio::time::timeout(ROUND, runs.changed()).await;
        pace.tick().await;
        if !runs.is_whole() {
            continue;
        }
        listen(&ctx, &runs).await;
        ended.sweep(&ctx, &runs).await;
        let mut platforms = ctx.world().platforms();
        platforms.retain(|platform| platform.spec.backups.is_some());
        vaults.retain(|name, _| platforms.iter().any(|one| one.metadata.name.as_ref() == Some(name)));
        for platform in &platforms {
            vaults.entry(platform.metadata.name.clone().unwrap_or_default()).or_default();
        }
        // A store that doesn't answer keeps no other Platform waiting but for its deadlines.
        let rounds = vaults.iter_mut().filter_map(|(name, vault)| {
            let platform = platforms.iter().find(|one| one.metadata.name.as_ref() == Some(name))?;
            Some(pass::round(&ctx, (&runs, &ended), platform, vault))
        });
        join_all(rounds).await;
        asked::tell_strays(&ctx, &runs, &vaults).await;
    }
}

/// Whether a run has to do with a Tenant's volumes, or may have; where nobody has looked yet, whether one ever could.
pub(super) fn uses_volumes(ctx: &Context, tenant: &Tenant) -> bool {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let known = ctx.board().volumes.as_ref().map(|all| all.contains(name));
    known.unwrap_or_else(|| ctx.world().recorded(tenant).iter().any(ended::is_right))
}

/// Reads the last words of Jobs that have ended.
async fn listen(ctx: &Context, runs: &Runs) {
    let reads = stream::iter(runs.unread()).map(|job| async move {
        let words = runs::words(&ctx.client, &job).await;
        (job, words)
    });
    let mut reads = reads.buffer_unordered(AT_ONCE);
    while let Some((job, words)) = reads.next().await {
        match words {
            Ok(words) => {
                words.record.iter().for_each(|record| ctx.trail.ran(json!(record)));
                runs.told(&job, words);
            }
            Err(error) => {
                warn!(job = job.name, error = report(&error), "its last words can't be read now");
                // The same goes for all others.
                if error.is_throttled() {
                    return;
                }
            }
        }
    }
}
