//! What the brake counts: effects on what runs, not files.

use crate::api::{
    brake::EffectKind,
    quantity::Quantity,
    tenant::{Lifecycle, Member},
};

use super::{
    tenant::{Side, makes_pods},
    types::{Effect, TenantPlan, Verb},
};

/// Every effect on a Tenant that was there before. Suspending or cancelling it is one effect, whatever
/// that stops: what follows from it is not counted again.
pub fn of(plan: &TenantPlan, before: &Side<'_>, after: &Side<'_>) -> Vec<Effect> {
    let mut found = vec![(EffectKind::TenantTouched, String::new())];
    match plan.lifecycle.map(|step| step.to) {
        Some(Lifecycle::Cancelled) => found.push((EffectKind::TenantCancelled, String::new())),
        Some(Lifecycle::Suspended) => found.push((EffectKind::TenantSuspended, String::new())),
        _ => {}
    }
    if after.tenant.lifecycle != Lifecycle::Cancelled {
        let gone = plan.objects.iter().filter(|one| one.verb == Verb::Delete && makes_pods(one));
        found.extend(gone.map(|one| (EffectKind::ServiceRemoved, one.name.clone())));
        found.extend(plan.restarts.iter().map(|name| (EffectKind::ServiceRestarted, name.clone())));
        found.extend(bindings(before, after));
        found.extend(quotas(before, after));
        found.extend(defaults(before, after));
        found.extend(replicas(before, after));
    }
    let effect = |(kind, detail): (EffectKind, String)| Effect { kind, tenant: plan.name.clone(), detail };
    found.into_iter().map(effect).collect()
}

/// Members that lose a role.
fn bindings(before: &Side<'_>, after: &Side<'_>) -> Vec<(EffectKind, String)> {
    let keeps = |member: &&Member| !after.tenant.members.contains(member);
    let words = |member: &Member| format!("{:?} {} as {:?}", member.kind, member.name, member.role);
    let lost = before.tenant.members.iter().filter(keeps);
    lost.map(|member| (EffectKind::BindingRemoved, words(member))).collect()
}

/// Quotas that get smaller, or are new: without one there was no limit.
fn quotas(before: &Side<'_>, after: &Side<'_>) -> Vec<(EffectKind, String)> {
    let old = &before.tenant.quota;
    let lower = after.tenant.quota.iter().filter_map(|(key, new)| lowered("quota", key, old.get(key), new));
    lower.collect()
}

/// What a container gets that says nothing.
fn defaults(before: &Side<'_>, after: &Side<'_>) -> Vec<(EffectKind, String)> {
    let old = &before.ruler.rules.default_resources.limits;
    let new = after.ruler.rules.default_resources.limits.iter();
    new.filter_map(|(key, new)| lowered("default limit", key, old.get(key), new)).collect()
}

fn lowered(what: &str, key: &str, old: Option<&Quantity>, new: &Quantity) -> Option<(EffectKind, String)> {
    let lower = match old {
        Some(old) => new.milli().ok()? < old.milli().ok()?,
        None => true,
    };
    let from = old.map_or_else(|| "none".to_owned(), ToString::to_string);
    lower.then(|| (EffectKind::LimitLowered, format!("{what} {key} {from} to {new}")))
}

/// Services that keep running with fewer pods.
fn replicas(before: &Side<'_>, after: &Side<'_>) -> Vec<(EffectKind, String)> {
    let mut found = Vec::new();
    for new in &after.tenant.services {
        let Some(old) = before.tenant.services.iter().find(|old| old.spec.name == new.spec.name) else {
            continue;
        };
        let (name, old, new) = (&new.spec.name, &old.spec.replicas, &new.spec.replicas);
        if new.min < old.min || new.max() < old.max() {
            let words = |min: i32, max: i32| {
                if min == max { min.to_string() } else { format!("{min}-{max}") }
            };
            let detail =
                format!("replicas of {name} {} to {}", words(old.min, old.max()), words(new.min, new.max()));
            found.push((EffectKind::LimitLowered, detail));
        }
    }
    found
}
