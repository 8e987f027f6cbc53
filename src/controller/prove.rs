//! Proves isolation: asks about one Tenant after another, each when it changed and once a period, and lets the probe
//! of the network knock. Its calls have a budget of their own, and none of them is a pass.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, warn};

use crate::{
    api::tenant_status::ProofStatus,
    prove::{
        doors::Doors,
        judge::{self, Found},
        network,
        prober::{Prober, Settings},
        questions::Questions,
        reviews::{self, Pace},
    },
    runtime::{
        call::{CallError, report},
        lease::Leadership,
    },
};

use super::context::Context;

/// Longest time between two looks for who is to be asked about.
const LOOK: Duration = Duration::from_secs(5);
/// Longest time between two tries of the network that came to nothing.
const AGAIN: Duration = Duration::from_secs(60);

/// What is to be proven, and how often.
#[derive(Clone)]
pub struct Proofs {
    /// Time between two proofs of a Tenant; zero for none.
    pub period: Duration,
    /// The image of the network's probe; without one it isn't probed.
    pub image: Option<String>,
    /// Who tries.
    pub prober: Settings,
    /// Whether a pod may be started.
    pub leadership: Leadership,
}

/// Proves until it is dropped.
pub async fn run(ctx: Context, proofs: Proofs) {
    if proofs.period.is_zero() {
        return;
    }
    tokio::join!(tenants(&ctx, &proofs), network(&ctx, &proofs));
}

/// One Tenant after another.
async fn tenants(ctx: &Context, proofs: &Proofs) {
    let (mut prober, mut pace) = (Prober::new(proofs.prober.clone()), Pace::default());
    let period = SignedDuration::try_from(proofs.period).unwrap_or(SignedDuration::MAX);
    let mut looks = tokio::time::interval(LOOK.min(proofs.period));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        loop {
            let next = ctx.world().to_prove(period, Timestamp::now());
            let Some((questions, subject)) = next else { break };
            let Some(proof) = prove(ctx, &mut prober, &mut pace, &questions, subject).await else { break };
            debug!(
                tenant = questions.tenant,
                outcome = proof.outcome.as_str(),
                reason = proof.reason,
                "isolation tried"
            );
            let signals = ctx.world().proved(&questions.tenant, proof);
            signals.into_iter().for_each(|signal| ctx.signal(signal));
        }
        let outlived = ctx.world().outlived(Timestamp::now());
        outlived.into_iter().for_each(|signal| ctx.signal(signal));
    }
}

/// What is proven about one Tenant; `None` where the API server is away: what was known stays until it is too old.
async fn prove(
    ctx: &Context,
    prober: &mut Prober,
    pace: &mut Pace,
    questions: &Questions,
    subject: String,
) -> Option<ProofStatus> {
    let answers = match reviews::ask(&ctx.client, questions, pace, &ctx.metrics).await {
        Ok(answers) => Ok(answers),
        Err(error) => Err(said(questions, error)?),
    };
    let registries = registries(ctx, &questions.tenant);
    let tried = prober.tamper(&ctx.client, &questions.namespace, &registries, pace).await;
    let tried = tried.map_err(|error| said(questions, error)).ok()?;
    let found =
        Found { answers, privileged_pod: tried.privileged_pod, level: tried.level, marks: tried.marks };
    Some(judge::proof(questions, subject, &found, Timestamp::now()))
}

/// The words of an answer; `None` where there was none.
fn said(questions: &Questions, error: CallError) -> Option<String> {
    if error.is_ambiguous() || error.is_throttled() || matches!(error, CallError::NotLeader) {
        let why = report(&error);
        warn!(tenant = questions.tenant, why, "isolation can't be tried now");
        return None;
    }
    Some(error.to_string())
}

/// Where images of a Tenant may come from.
fn registries(ctx: &Context, tenant: &str) -> Vec<String> {
    let world = ctx.world();
    let platform = world.tenant(tenant).and_then(|tenant| world.platform(&tenant.spec.platform_ref.name));
    platform.map(|platform| platform.spec.images.registries.clone()).unwrap_or_default()
}

/// The network, again and again.
async fn network(ctx: &Context, proofs: &Proofs) {
    let Some(image) = &proofs.image else { return };
    let (mut prober, mut pace) = (Prober::new(proofs.prober.clone()), Pace::default());
    let period = SignedDuration::try_from(proofs.period).unwrap_or(SignedDuration::MAX);
    let mut ticks = tokio::time::interval(AGAIN.min(proofs.period));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let with = (&ctx.client, &proofs.leadership);
        let found = network::knock(&mut prober, with, image, period, &mut pace).await;
        let doors = match found {
            Ok(doors) => doors,
            Err(error) if error.is_ambiguous() => {
                warn!(why = report(&error), "the network can't be probed now");
                continue;
            }
            Err(error) => Doors::NotTried(format!("the network can't be probed: {error}")),
        };
        ctx.metrics.isolation_trial("network", doors.label());
        let signals = ctx.world().knocked(doors, Timestamp::now());
        signals.into_iter().for_each(|signal| ctx.signal(signal));
    }
}
