//! What a status says of each service.

use crate::{
    api::{
        tenant::Lifecycle,
        tenant_status::{ServiceStatus, TenantStatus, ZoneStatus},
    },
    observe::workloads::ObservedService,
    validate::service::ValidatedService,
};

use super::{promises, rollout, tenant::Facts, zone_loss};

/// Each declared service, as it was observed, or as it was before where nothing was.
pub(super) fn services(facts: &Facts<'_>, previous: &TenantStatus) -> Vec<ServiceStatus> {
    let Some((tenant, platform, observed)) = facts.seen else { return previous.services.clone() };
    let asked = promises::asks_for_workloads(tenant);
    let one = |(service, seen): (&ValidatedService, &ObservedService)| {
        let zones: Vec<ZoneStatus> = seen
            .ready
            .iter()
            .filter(|(zone, _)| !zone.is_empty())
            .map(|(zone, ready)| ZoneStatus { name: zone.clone(), ready: *ready })
            .collect();
        let counts = || zones.iter().map(|zone| zone.ready);
        let desired =
            if tenant.lifecycle == Lifecycle::Active { promises::desired(service, seen) } else { 0 };
        let before = previous.services.iter().find(|one| one.name == seen.name);
        let before = before.and_then(|before| before.zone_loss.as_ref());
        let trouble = asked.then(|| rollout::trouble(service, seen, &tenant.namespace)).flatten();
        ServiceStatus {
            trouble: trouble.map(|trouble| trouble.said),
            zone_loss: asked.then(|| zone_loss::judge(platform, service, seen, before)).flatten(),
            name: seen.name.clone(),
            desired,
            ready: seen.ready.values().sum(),
            skew: counts().max().unwrap_or_default() - counts().min().unwrap_or_default(),
            zones,
        }
    };
    tenant.services.iter().zip(&observed.services).map(one).collect()
}
