//! The conditions of promises, one function each, and their sum.

use crate::{
    api::{
        conditions::{ConditionStatus, reasons},
        promises::TABLE,
        tenant::Lifecycle,
        tenant_status::ServiceStatus,
    },
    observe::workloads::{Observed, ObservedService},
    validate::{platform::ValidatedPlatform, service::ValidatedService, tenant::ValidatedTenant},
};

use super::{
    rollout,
    set::{Conditions, Verdict},
    zone_loss,
};

/// What the source loop knows of a Tenant's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// The Tenant is as its file says.
    Synced {
        /// The file and the commit that last changed it.
        origin: String,
    },
    /// The Tenant and its file differ, and why.
    Behind {
        /// Reason constant.
        reason: &'static str,
        /// What is wrong, and the next step.
        message: String,
    },
}

/// Whether the configuration in Git is what the cluster runs.
pub fn source_synced(state: &SourceState) -> Verdict {
    match state {
        SourceState::Synced { origin } => Verdict::yes(reasons::SUCCEEDED, format!("as in {origin}")),
        SourceState::Behind { reason, message } => Verdict::no(reason, message.clone()),
    }
}

/// Pods that a service should have now.
pub fn desired(service: &ValidatedService, observed: &ObservedService) -> i32 {
    let replicas = &service.spec.replicas;
    let present = observed.workload.as_ref().map_or(replicas.min, |workload| workload.replicas);
    present.clamp(replicas.min, replicas.max())
}

/// Whether every service has the pods that it asked for.
pub fn workloads_available(tenant: &ValidatedTenant, observed: &Observed) -> Verdict {
    let (mut short, mut next) = (Vec::new(), None);
    for (service, seen) in tenant.services.iter().zip(&observed.services) {
        let available = seen.workload.as_ref().map_or(0, |workload| workload.status.available_replicas);
        let wanted = desired(service, seen);
        if available < wanted {
            let (why, step) = rollout::against(service, seen, &tenant.namespace).unzip();
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            short.push(format!("{} has {available} of {wanted} pods available{why}", seen.name));
            next = next.or(step);
        }
    }
    if short.is_empty() {
        return Verdict::yes(reasons::SUCCEEDED, "every service has its pods");
    }
    let next = next.unwrap_or_else(|| format!("kubectl -n {} get pods shows them", tenant.namespace));
    Verdict::no(reasons::UNAVAILABLE, format!("{}; {next}", short.join("; ")))
}

/// A service's zones: ready in, asked for, and those that are short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Zones with ready pods.
    pub ready: usize,
    /// Zones that the rule asks for: `min(minZones, pods)`.
    pub asked: usize,
    /// Zones without a ready pod.
    pub short: Vec<String>,
}

/// Measures one service.
pub fn spread(platform: &ValidatedPlatform, service: &ValidatedService, seen: &ObservedService) -> Spread {
    let pods = usize::try_from(desired(service, seen)).unwrap_or_default();
    let asked = pods.min(usize::try_from(platform.topology.min_zones).unwrap_or(usize::MAX));
    let zones = seen.ready.iter().filter(|(zone, _)| !zone.is_empty());
    let ready = zones.clone().filter(|(_, count)| **count > 0).count();
    let short = zones.filter(|(_, count)| **count == 0).map(|(zone, _)| zone.clone()).collect();
    Spread { ready, asked, short }
}

/// Whether every service is ready in as many zones as the Platform asks for, and would outlive the loss of one.
pub fn zone_spread(
    tenant: &ValidatedTenant,
    platform: &ValidatedPlatform,
    observed: &Observed,
    services: &[ServiceStatus],
) -> Verdict {
    let mut short = Vec::new();
    let mut most = 0;
    for (service, seen) in tenant.services.iter().zip(&observed.services) {
        let spread = spread(platform, service, seen);
        most = most.max(spread.asked);
        if spread.ready < spread.asked {
            let missing = if spread.short.is_empty() {
                String::new()
            } else {
                format!(": none in {}", spread.short.join(", "))
            };
            short.push(format!(
                "{} is ready in {} of {} zones{missing}",
                seen.name, spread.ready, spread.asked
            ));
        }
    }
    if short.is_empty() {
        let message = "every service is ready in as many zones as the Platform asks for";
        return match zone_loss::verdict(tenant, services) {
            Ok(loss) => Verdict::yes(reasons::SUCCEEDED, format!("{message}{loss}")),
            Err(broken) => broken,
        };
    }
    let key = &platform.topology.zone_key;
    let unzoned = match observed.unzoned.as_slice() {
        [] => String::new(),
        nodes => format!("; nodes without label {key}, which get no pods: {}", some(nodes)),
    };
    if !observed.empty.is_empty() {
        let message = format!(
            "{}; Platform {} names zones that no node is in: {}; mend its spec.topology.zones, or add nodes with label {key}{unzoned}",
            short.join("; "),
            platform.name,
            some(&observed.empty)
        );
        return Verdict::no(reasons::TOO_FEW_ZONES, message);
    }
    if observed.zones.len() < most {
        let zones = if observed.zones.is_empty() { "none".to_owned() } else { observed.zones.join(", ") };
        let message = format!(
            "{}; the cluster's zones are: {zones}; add nodes with label {key}{unzoned}",
            short.join("; ")
        );
        return Verdict::no(reasons::TOO_FEW_ZONES, message);
    }
    Verdict::no(reasons::ZONE_SHORT, format!("{}{unzoned}", short.join("; ")))
}

/// Most names in a message.
const MOST: usize = 5;

fn some(names: &[String]) -> String {
    let more = if names.len() > MOST { ", …" } else { "" };
    format!("{}{more}", names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// Whether the tenant's lifecycle and services ask for running pods.
pub fn asks_for_workloads(tenant: &ValidatedTenant) -> bool {
    tenant.lifecycle == Lifecycle::Active && !tenant.services.is_empty()
}

/// Kept and asked for, over the promises that have a condition here.
pub fn sum(conditions: &Conditions<'_>) -> (usize, usize, Verdict) {
    let asked: Vec<_> = TABLE
        .iter()
        .filter_map(|promise| {
            let condition = promise.condition?;
            Some((condition, conditions.status(condition)?))
        })
        .collect();
    let names = |status: ConditionStatus| {
        let some = asked.iter().filter(|(_, one)| *one == status).map(|(condition, _)| condition.as_str());
        some.collect::<Vec<_>>().join(", ")
    };
    let kept = asked.iter().filter(|(_, status)| *status == ConditionStatus::True).count();
    let (broken, open) = (names(ConditionStatus::False), names(ConditionStatus::Unknown));
    let verdict = if !broken.is_empty() {
        Verdict::no(reasons::PROMISE_BROKEN, format!("not kept: {broken}"))
    } else if !open.is_empty() {
        Verdict::unknown(reasons::PROMISE_UNKNOWN, format!("not known: {open}"))
    } else {
        Verdict::yes(reasons::SUCCEEDED, "every promise that the spec asks for is kept")
    };
    (kept, asked.len(), verdict)
}
