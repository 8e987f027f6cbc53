//! The tenant loop: inputs → validate → desired → apply → observe → status.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tracing::{Instrument, debug, info_span, warn};

use crate::{
    api::{
        Platform, Tenant,
        conditions::reasons,
        kinds::ObjectId,
        tenant::Mode,
        tenant_status::{DriftStatus, TenantStatus},
    },
    apply::{
        self, Pass, Request,
        order::{self, Listed},
        plan::{self, Reach},
        status::Recorder,
    },
    desired::{self, Plan, ScaleRule},
    observe::{
        inputs,
        workloads::{self, Observed},
        world::Left,
    },
    plan::waves,
    runtime::call::CallError,
    status::{
        progress::{can_wait, is_first_word},
        rollout,
        tenant::{self as status, Facts, Outcome, ReadOnly, Work},
    },
    trail::record,
    validate::{
        ground::{self, Ground, Held, Inputs},
        platform::{self, ValidatedPlatform},
        problem::Problem,
        tenant::{self as rules, ValidatedTenant},
    },
};

use super::{
    backup,
    context::Context,
    events, health,
    outcome::{self, Next},
    pause,
    turn::{self, Turn},
};

/// Tenants change in crowds: their Platform's sum is made for many at once.
const ROLL_UP: Duration = Duration::from_millis(500);
/// Time between two statuses that say how far a roll-out is, and nothing else.
const PROGRESS: Duration = Duration::from_secs(3);

/// A Tenant that may be worked on: its spec is right, and the ground is its own.
struct Ready {
    tenant: ValidatedTenant,
    source: Arc<Platform>,
    platform: ValidatedPlatform,
    inputs: Inputs,
    ground: Ground,
    /// What the Platform's limits have against a spec whose Tenant ran before.
    exceeds: Vec<Problem>,
}

/// Why a pass ended before it touched anything.
enum Stop {
    Problems(Vec<Problem>),
    NoPlatform(String),
    Held(Held),
    Unreadable(CallError),
    NoPullSecret(String),
}

/// One pass over a Tenant.
pub async fn reconcile(ctx: &Context, name: &str) -> Next {
    let Some(tenant) = ctx.world().tenant(name) else { return Next::Rest };
    let span = info_span!("tenant", tenant = name, commit = commit(&tenant));
    async {
        let next = match judge(ctx, &tenant).await {
            Err(stop) => stopped(ctx, &tenant, stop).await,
            Ok(ready) => match read_only(&tenant, &ready) {
                Some(_) if !ready.exceeds.is_empty() => {
                    stopped(ctx, &tenant, Stop::Problems(ready.exceeds)).await
                }
                Some(why) => look(ctx, &tenant, &ready, why).await,
                None => work(ctx, &tenant, &ready).await,
            },
        };
        debug!(next = next.label(), "pass");
        next
    }
    .instrument(span)
    .await
}

fn commit(tenant: &Tenant) -> &str {
    let annotations = tenant.metadata.annotations.as_ref();
    annotations.and_then(|map| map.get(crate::api::marks::COMMIT)).map_or("", String::as_str)
}

/// Inputs and validate: may the pass go on?
async fn judge(ctx: &Context, tenant: &Tenant) -> Result<Ready, Stop> {
    let wanted = &tenant.spec.platform_ref.name;
    let found = ctx.world().platform(wanted);
    let found = found.ok_or_else(|| {
        Stop::NoPlatform(format!(
            "there is no Platform {wanted}; create it, or write the right name into spec.platformRef.name"
        ))
    })?;
    let platform = platform::validate(&found).map_err(|problems| {
        Stop::NoPlatform(format!("Platform {wanted} is wrong itself: {}; see its status", problems[0]))
    })?;
    let (checked, exceeds) = rules::examine(tenant, &platform);
    // One that ran before a limit was lowered keeps what it has.
    let ran = !ctx.world().recorded(tenant).is_empty();
    let Some(checked) = checked.filter(|_| exceeds.is_empty() || ran) else {
        return Err(Stop::Problems(exceeds));
    };
    let pull_secret = if found.spec.images.pull_secret_refs.is_empty() {
        None
    } else {
        let known = ctx.board().pull_secrets.get(wanted).cloned();
        known
            .unwrap_or_else(|| Err(format!("the pull Secrets of Platform {wanted} are not read yet")))
            .map_err(Stop::NoPullSecret)?
    };
    let mut inputs =
        inputs::gather(&ctx.world, &ctx.client, tenant, pull_secret, (&ctx.install_id, &ctx.operator))
            .await
            .map_err(Stop::Unreadable)?;
    inputs.volumes_in_use = backup::uses_volumes(ctx, tenant);
    let ground = ground::check(&checked, &inputs).map_err(Stop::Held)?;
    Ok(Ready { tenant: checked, source: found, platform, inputs, ground, exceeds })
}

/// Says why nothing was touched.
async fn stopped(ctx: &Context, tenant: &Arc<Tenant>, stop: Stop) -> Next {
    let (outcome, next) = match &stop {
        Stop::Problems(problems) => (Outcome::Rejected(problems), Next::Rest),
        Stop::NoPlatform(message) => (Outcome::NoPlatform(message.clone()), Next::Rest),
        Stop::Held(held) if held.may_pass => (Outcome::Held(held), Next::After(outcome::HELD)),
        Stop::Held(held) => (Outcome::Held(held), Next::After(outcome::HELD_LONG)),
        Stop::Unreadable(error) => (Outcome::Unreadable(error.to_string()), Next::from(error)),
        Stop::NoPullSecret(message) => (Outcome::Unreadable(message.clone()), Next::After(outcome::HELD)),
    };
    let facts = facts(ctx, tenant, outcome);
    let left = Left { settled: false, ..Left::default() };
    finish(ctx, tenant, status::status(facts), left, next).await
}

/// Whether this pass may only look.
fn read_only(tenant: &Tenant, ready: &Ready) -> Option<(ReadOnly, Next)> {
    let now = Timestamp::now();
    let paused = pause::until(&tenant.metadata, now).or_else(|| pause::until(&ready.source.metadata, now));
    if let Some((until, left)) = paused {
        return Some((ReadOnly::Paused(until), Next::After(left)));
    }
    (ready.tenant.mode == Mode::Observe).then_some((ReadOnly::Observe, Next::Rest))
}

/// Says what would be done.
async fn look(ctx: &Context, tenant: &Arc<Tenant>, ready: &Ready, (why, next): (ReadOnly, Next)) -> Next {
    let wanted = build(ready).manifests;
    let live = ctx.world().children(&ready.tenant.name);
    let inventory = ctx.world().recorded(tenant);
    let plan = plan::plan(wanted, &inventory, &live, &ready.platform.isolation.injectors);
    let would = plan.describe();
    let observed = observe(ctx, ready);
    let facts = Facts {
        seen: Some((&ready.tenant, &ready.platform, &observed)),
        ..facts(ctx, tenant, Outcome::ReadOnly { why, would })
    };
    finish(ctx, tenant, status::status(facts), Left::default(), next).await
}

/// desired → apply → observe → status.
async fn work(ctx: &Context, tenant: &Arc<Tenant>, ready: &Ready) -> Next {
    let mut wanted = build(ready);
    let inputs = waves::given(&ready.tenant, &ready.platform, &ready.inputs);
    let exceeds = !ready.exceeds.is_empty();
    let turn = turn::turn(ctx, tenant, &mut wanted, &inputs, is_available(ctx, tenant, ready), exceeds);
    let tenant = &match turn::announce(ctx, tenant, &turn, &inputs).await {
        Ok(tenant) => tenant,
        Err(next) => return next,
    };
    // Only here: a pass that writes nothing has no echoes, and must miss nothing that happens meanwhile.
    ctx.world().begin(&ready.tenant.name);
    let scales = wanted.scales.iter().map(|scale| (scale.of.clone(), scale.rule)).collect();
    let request = Request { reach: turn.reach(), ..request(ctx, tenant, ready, wanted) };
    let recorder = Recorder::new(&ctx.writer, tenant);
    let pass = apply::run(&ctx.writer, &recorder, request).await;
    remember(ctx, &ready.tenant.name, &pass);
    let (outcome, next) = turn.outcome(&pass, &ready.exceeds);
    let drift = report_drift(ctx, tenant, &pass).await;
    let observed = observe(ctx, ready);
    let facts = Facts {
        seen: Some((&ready.tenant, &ready.platform, &observed)),
        inventory: Some(pass.inventory.clone()),
        drift,
        work: Some(Work { inputs, in_wave: turn == Turn::Wave(true) || turn::has_moved(ctx, tenant) }),
        ..facts(ctx, tenant, outcome)
    };
    let status = status::status(facts);
    let look = rollout::next_look(&ready.tenant, &ready.platform, &observed, Timestamp::now());
    measure(ctx, tenant, &pass);
    let left = left(ready, &pass, scales, &turn);
    let next = finish(ctx, tenant, status, left, next).await;
    look.map_or(next, |wait| next.sooner(Next::After(wait)))
}

/// Whether a change that the Tenant didn't ask for could take something away: as its status says, or, where a
/// watchdog has written over that, as the cluster shows.
fn is_available(ctx: &Context, tenant: &Tenant, ready: &Ready) -> bool {
    waves::is_ready(tenant) || waves::silenced(tenant) && status::is_back(&ready.tenant, &observe(ctx, ready))
}

fn build(ready: &Ready) -> Listed {
    let plan = Plan { tenant: &ready.tenant, platform: &ready.platform, inputs: &ready.inputs };
    order::list(desired::objects(plan))
}

fn observe(ctx: &Context, ready: &Ready) -> Observed {
    workloads::observe(&ctx.world(), &ready.tenant, &ready.platform)
}

/// What apply needs to know.
fn request<'a>(ctx: &'a Context, tenant: &Tenant, ready: &'a Ready, wanted: Listed) -> Request<'a> {
    let live = ctx.world().children(&ready.tenant.name);
    let observed = observe(ctx, ready);
    let inventory = ctx.world().recorded(tenant);
    let pairs = ready.tenant.services.iter().zip(&observed.services);
    let replicas = pairs.filter_map(|(service, seen)| {
        Some((service.workload_in(&ready.tenant.namespace), seen.workload.as_ref()?.replicas))
    });
    Request {
        replicas: replicas.collect(),
        in_use: plan::in_use(&inventory, &wanted.manifests, &observed),
        rules: ctx.world().scales(&ready.tenant.name),
        injectors: &ready.platform.isolation.injectors,
        reach: Reach::default(),
        owner: (&ready.tenant.name, &ctx.install_id),
        fresh: ready.ground == Ground::Free,
        wanted,
        inventory,
        live,
    }
}

/// What came back from our own writes is known before the watches show it.
fn remember(ctx: &Context, tenant: &str, pass: &Pass) {
    let mut world = ctx.world();
    world.expect(tenant, &pass.inventory);
    for (id, live) in &pass.written {
        world.child_written(id, live.clone());
    }
    for (id, uid) in &pass.deleted {
        world.child_deleted(tenant, id, uid);
    }
    for scaled in &pass.scaled {
        world.workload_scaled(tenant, scaled);
    }
}

async fn report_drift(ctx: &Context, tenant: &Tenant, pass: &Pass) -> Option<DriftStatus> {
    let (id, changes) = pass.healed.last()?;
    // One pass is one round of a fight, however much was broken.
    ctx.board().healed(tenant.metadata.name.as_deref().unwrap_or_default());
    pass.healed.iter().for_each(|(id, _)| ctx.metrics.drift_healed(id.kind.info().kind));
    events::healed(ctx, tenant, &pass.healed).await;
    let change = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Some(DriftStatus { object: id.to_string(), change: change.chars().take(1000).collect() })
}

/// Seconds from the commit to the last write that it caused.
fn measure(ctx: &Context, tenant: &Tenant, pass: &Pass) {
    let annotations = tenant.metadata.annotations.as_ref();
    let committed = annotations
        .and_then(|map| map.get(crate::api::marks::COMMITTED_AT))
        .and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(committed), true) = (committed, pass.wrote() && pass.healed.is_empty()) else { return };
    if let Ok(took) = Duration::try_from(Timestamp::now().duration_since(committed)) {
        ctx.metrics.commit_applied(took);
    }
}

fn left(
    ready: &Ready,
    pass: &Pass,
    scales: std::collections::BTreeMap<ObjectId, ScaleRule>,
    turn: &Turn,
) -> Left {
    // Of a spec that is refused something may stay as somebody left it: looking again at once wouldn't help.
    let settled = pass.failures.is_empty() && *turn != Turn::Refused;
    Left { scales, injectors: ready.platform.isolation.injectors.clone(), settled }
}

fn facts<'a>(ctx: &Context, tenant: &'a Tenant, outcome: Outcome<'a>) -> Facts<'a> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    // Locked once: a second lock in the same expression would wait for the first for ever.
    let (source, backups) = {
        let board = ctx.board();
        (board.sources.get(name).cloned(), board.backups.get(name).cloned())
    };
    Facts {
        tenant,
        outcome,
        seen: None,
        inventory: ctx.world().unsaid(tenant),
        drift: None,
        work: None,
        source,
        backups,
        now: Timestamp::now(),
    }
}

/// Writes the status where it says something new, and settles when the next pass is due.
async fn finish(ctx: &Context, tenant: &Arc<Tenant>, status: TenantStatus, left: Left, next: Next) -> Next {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    // A pass may have announced its inventory: compare with what is known now.
    let known = ctx.world().tenant(name);
    let before = known.as_ref().and_then(|tenant| tenant.status.clone());
    let object = record::object(&**tenant);
    let conditions = before.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_out = status.applied.as_ref().is_some_and(|applied| applied.rolling_out);
    let mut next = next;
    let wait = before.as_ref().and_then(|before| patience(ctx, name, before, &status, &left));
    if let (Some(wait), Next::Rest) = (wait, next) {
        next = Next::After(wait);
    } else if before.as_ref() != Some(&status) {
        match ctx.writer.tenant_status(tenant, &status).await {
            Ok(written) => {
                health::said(ctx, &object, conditions, &status.conditions);
                ctx.world().spoke(name, Instant::now());
                ctx.platforms.add_after(written.spec.platform_ref.name.clone(), ROLL_UP);
                let signals = ctx.world().tenant_written(Arc::new(written));
                signals.into_iter().for_each(|signal| ctx.signal(signal));
            }
            Err(CallError::NotFound(_)) => health::gone(ctx, &object),
            Err(error) => {
                health::unsure(ctx, &object, conditions);
                warn!(%error, reason = reasons::APPLY_FAILED, "status not written");
                next = if matches!(next, Next::Rest | Next::Again) { Next::from(&error) } else { next };
                // Rejected would mean never: a status must come through.
                next = if next == Next::Rest { Next::Retry } else { next };
            }
        }
    } else {
        health::said(ctx, &object, conditions, conditions);
    }
    turn::settle(ctx, tenant, is_out);
    let moved = ctx.world().finish(name, left);
    if moved && matches!(next, Next::Rest | Next::After(_)) { Next::Again } else { next }
}

/// How long a status can wait that says nothing but how far a roll-out is.
fn patience(
    ctx: &Context,
    name: &str,
    before: &TenantStatus,
    status: &TenantStatus,
    left: &Left,
) -> Option<Duration> {
    let spoke = if left.settled && is_first_word(before, status) {
        ctx.world().holds_back(name, status.inventory.clone(), Instant::now())
    } else if before != status && can_wait(before, status) {
        ctx.world().last_spoke(name)?
    } else {
        return None;
    };
    let wait = PROGRESS.saturating_sub(spoke.elapsed());
    (!wait.is_zero()).then_some(wait)
}
