//! How far a pass over a Tenant may go: all the way, or, where a limit or other Tenants are in the way, only as far
//! as putting back what somebody else changed.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kube::ResourceExt;
use tracing::warn;

use crate::{
    api::{Tenant, kinds::ObjectId, tenant_status::AppliedStatus},
    apply::{
        Pass,
        order::Listed,
        plan::{Reach, changed_kinds},
    },
    desired::{Scale, ScaleRule},
    plan::waves,
    runtime::call::CallError,
    status::tenant::Outcome,
    validate::problem::Problem,
};

use super::{
    context::Context,
    outcome::{self, Next},
};

/// How far a pass may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nobody else is concerned.
    Free,
    /// It is its turn in a wave; whether there is anything to lose.
    Wave(bool),
    /// Others go first.
    Wait(String),
    /// A limit is against the spec that was applied.
    Exceeds,
    /// A limit is against the spec, which is another one than was applied.
    Refused,
}

impl Turn {
    /// What apply may write.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Free | Self::Wave(_) => Reach::Everything,
            Self::Wait(_) | Self::Exceeds => Reach::Touched,
            Self::Refused => Reach::Recorded,
        }
    }

    /// What the pass came to.
    pub(super) fn outcome<'a>(&self, pass: &'a Pass, exceeds: &'a [Problem]) -> (Outcome<'a>, Next) {
        match self {
            _ if !pass.failures.is_empty() => outcome::of_pass(pass),
            Self::Free | Self::Wave(_) => outcome::of_pass(pass),
            Self::Wait(message) => (Outcome::Waiting(message.clone()), Next::After(outcome::HELD_LONG)),
            Self::Exceeds | Self::Refused => (Outcome::Exceeds(exceeds), Next::After(outcome::HELD_LONG)),
        }
    }
}

/// Whose turn it is; `available` where the Tenant has something to lose, `exceeds` where a limit is against the spec.
pub(super) fn turn(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &mut Listed,
    inputs: &str,
    available: bool,
    exceeds: bool,
) -> Turn {
    if exceeds && waves::is_applied(tenant) {
        return Turn::Exceeds;
    }
    if exceeds {
        keep_scales(wanted, &ctx.world().scales(&tenant.name_any()));
        return Turn::Refused;
    }
    let inventory = ctx.world().recorded(tenant);
    if !waves::must_ask(tenant, &changed_kinds(&wanted.manifests, &inventory), inputs) {
        return Turn::Free;
    }
    let name = tenant.name_any();
    let platform = &tenant.spec.platform_ref.name;
    let (tenants, percent) = {
        let world = ctx.world();
        let tenants = world.tenants_of(platform);
        let percent = world.platform(platform).map_or(100, |platform| platform.spec.rollout.max_percent);
        (tenants, percent)
    };
    let tenants: BTreeMap<String, bool> =
        tenants.iter().map(|tenant| (tenant.name_any(), waves::is_out(tenant))).collect();
    let mut board = ctx.board();
    let waves = board.waves.entry(platform.clone()).or_default();
    if waves.ask(&name, available, &tenants, percent, Instant::now()) {
        return Turn::Wave(available);
    }
    let size = waves::size(tenants.len(), percent);
    let out: Vec<&str> = waves.out().iter().take(3).map(String::as_str).collect();
    let more = if waves.out().len() > out.len() { ", …" } else { "" };
    Turn::Wait(format!(
        "the Platform's rules or the operator changed, which reaches {size} of {} Tenants at a time; waits until the services of {}{more} are available again",
        tenants.len(),
        out.join(", ")
    ))
}

/// Says in the status that a Tenant is on its way, before anything of it is touched: after a crash the next wave
/// has to wait for it. Returns the Tenant with what it says now.
pub(super) async fn announce(
    ctx: &Context,
    tenant: &Arc<Tenant>,
    turn: &Turn,
    inputs: &str,
) -> Result<Arc<Tenant>, Next> {
    if *turn != Turn::Wave(true) || waves::is_out(tenant) {
        return Ok(Arc::clone(tenant));
    }
    let mut marked = tenant.as_ref().clone();
    let generation = marked.metadata.generation.unwrap_or_default();
    let mut status = marked.status.take().unwrap_or_default();
    let applied = status.applied.get_or_insert_with(|| AppliedStatus {
        generation,
        inputs: inputs.to_owned(),
        rolling_out: true,
    });
    applied.rolling_out = true;
    let sent = ctx.writer.tenant_status(&marked, &status).await;
    marked.status = Some(status);
    match sent {
        Ok(written) => {
            let signals = ctx.world().tenant_written(Arc::new(written));
            signals.into_iter().for_each(|signal| ctx.signal(signal));
            Ok(Arc::new(marked))
        }
        Err(CallError::NotFound(_)) => Err(Next::Rest),
        Err(error) => {
            warn!(%error, "not announced that the Tenant is on its way");
            Err(Next::Retry)
        }
    }
}

/// As many pods as before, where the spec that says otherwise is refused.
fn keep_scales(wanted: &mut Listed, before: &BTreeMap<ObjectId, ScaleRule>) {
    let kept = |scale: Scale| {
        let rule = *before.get(&scale.of)?;
        Some(Scale { rule, ..scale })
    };
    wanted.scales = std::mem::take(&mut wanted.scales).into_iter().filter_map(kept).collect();
}

/// Whether a change of the Platform or of the operator reached the Tenant not long ago.
pub(super) fn has_moved(ctx: &Context, tenant: &Tenant) -> bool {
    let board = ctx.board();
    let waves = board.waves.get(&tenant.spec.platform_ref.name);
    waves.is_some_and(|waves| waves.has_moved(&tenant.name_any(), Instant::now()))
}

/// A pass has ended: who is back lets the next wave begin, and who falls after that stops it.
pub(super) fn settle(ctx: &Context, tenant: &Tenant, is_out: bool) {
    let mut board = ctx.board();
    let Some(waves) = board.waves.get_mut(&tenant.spec.platform_ref.name) else { return };
    if is_out {
        waves.fell(&tenant.name_any(), Instant::now());
        return;
    }
    let woken = waves.back(&tenant.name_any());
    drop(board);
    woken.into_iter().for_each(|name| ctx.tenants.add(name));
}
