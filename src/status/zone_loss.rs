//! What the loss of a zone would do to a service: said before it happens, not while it does.

use crate::{
    api::{
        conditions::reasons,
        tenant_status::{ServiceStatus, ZoneLoss, ZoneLossStatus},
    },
    observe::{loss::Fit, workloads::ObservedService},
    validate::{platform::ValidatedPlatform, service::ValidatedService, tenant::ValidatedTenant},
};

use super::{
    promises::{desired, spread},
    set::Verdict,
};

/// Pods that a service must keep when a zone goes. Where its author names no `minAvailable`, that is what an even
/// spread leaves: the default, one less than there are, is for drains, which take one pod at a time.
fn floor(service: &ValidatedService, pods: i32, zones: usize) -> i32 {
    let zones = i32::try_from(zones).unwrap_or(i32::MAX).max(1);
    service.spec.min_available.unwrap_or_else(|| pods - (pods + zones - 1) / zones)
}

/// Judges one service. `None` where the rule asks for one zone only (a service of one pod goes with its zone), and
/// where nothing is known yet; `before` is what was said last, for the time until the room is counted again.
pub fn judge(
    platform: &ValidatedPlatform,
    service: &ValidatedService,
    seen: &ObservedService,
    before: Option<&ZoneLossStatus>,
) -> Option<ZoneLossStatus> {
    let zones = spread(platform, service, seen).asked;
    if zones < 2 {
        return None;
    }
    let floor = floor(service, desired(service, seen), zones);
    let fullest = seen.ready.iter().filter(|(zone, _)| !zone.is_empty()).max_by_key(|(_, ready)| **ready);
    let all: i32 = seen.ready.values().sum();
    if let Some((zone, ready)) = fullest.filter(|(_, ready)| all - **ready < floor) {
        let message = format!(
            "without zone {zone} {} of {all} ready pods would be left, and at least {floor} must be",
            all - ready
        );
        return Some(ZoneLossStatus { answer: ZoneLoss::Breaks, message });
    }
    let (answer, message) = match &seen.fit {
        Some(Fit::Yes) => (ZoneLoss::Survives, String::new()),
        Some(Fit::Unknown(why)) => (ZoneLoss::Unknown, why.clone()),
        Some(Fit::No(why)) => (ZoneLoss::NoRoom, why.clone()),
        None => return before.filter(|before| before.answer != ZoneLoss::Breaks).cloned(),
    };
    Some(ZoneLossStatus { answer, message })
}

/// What it means for `ZoneSpread` where every service is in its zones: a broken promise, or words for the message.
pub fn verdict(tenant: &ValidatedTenant, services: &[ServiceStatus]) -> Result<String, Verdict> {
    let named = |answer: ZoneLoss| {
        let those = services.iter().filter_map(|one| Some((&one.name, one.zone_loss.as_ref()?)));
        let those = those.filter(move |(_, loss)| loss.answer == answer);
        those.map(|(name, loss)| format!("{name}: {}", loss.message)).collect::<Vec<_>>().join("; ")
    };
    let breaks = named(ZoneLoss::Breaks);
    if !breaks.is_empty() {
        let next = "raise replicas, or lower minAvailable, of";
        let message = format!("{breaks}; {next} Tenant {}", tenant.name);
        return Err(Verdict::no(reasons::ZONE_LOSS_BREAKS, message));
    }
    let roomless = named(ZoneLoss::NoRoom);
    if !roomless.is_empty() {
        let message = format!("{roomless}; add nodes in the other zones, or lower requests");
        return Err(Verdict::no(reasons::ZONE_LOSS_NO_ROOM, message));
    }
    let open = named(ZoneLoss::Unknown);
    if !open.is_empty() {
        return Ok(format!("; the loss of a zone: {open}"));
    }
    let judged = services.iter().any(|one| one.zone_loss.is_some());
    Ok(if judged { "; each would outlive the loss of any one zone".to_owned() } else { String::new() })
}

#[cfg(test)]
mod tests;
