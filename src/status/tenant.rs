//! A Tenant's status.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::{
    api::{
        Tenant,
        conditions::{ConditionStatus, ConditionType, reasons},
        marks,
        tenant::Lifecycle,
        tenant_status::{
            AppliedStatus, DriftStatus, InventoryEntry, NamespaceStatus, TenantStatus, TenantSummary,
        },
    },
    backup::view::View,
    desired::{Applied, Objects, backup::purpose_of},
    observe::workloads::Observed,
    validate::{ground::Held, platform::ValidatedPlatform, problem::Problem, tenant::ValidatedTenant},
};

use super::{
    backups::{self, Said, Told},
    isolation,
    promises::{self, SourceState},
    rollout,
    services::services,
    set::{Conditions, Verdict},
};

/// How a pass went.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The spec is wrong; nothing was touched.
    Rejected(&'a [Problem]),
    /// The Platform isn't there, or is wrong itself.
    NoPlatform(String),
    /// Something in the cluster is in the way; nothing was touched.
    Held(&'a Held),
    /// Something that the pass needs can't be read; nothing was touched.
    Unreadable(String),
    /// A write failed.
    Failed {
        /// Reason constant.
        reason: &'static str,
        /// Which object, and why.
        message: String,
        /// Whether only a human can go on.
        stalled: bool,
    },
    /// Nothing may be written; this would be.
    ReadOnly {
        /// Why nothing may be written.
        why: ReadOnly,
        /// What would be done.
        would: Vec<String>,
    },
    /// Only the Platform's limits are against the spec; what there was before stays, and is healed.
    Exceeds(&'a [Problem]),
    /// What the Platform's rules or the operator want otherwise waits for other Tenants; the rest is healed.
    Waiting(String),
    /// Every object is in the cluster as it should be.
    Applied {
        /// The proof.
        objects: &'a Objects<Applied>,
        /// What waits for its deletion.
        pending: Vec<String>,
    },
}

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// `mode: Observe`.
    Observe,
    /// `tenantry.dev/paused-until`, with the time.
    Paused(String),
}

/// What a pass worked from beside the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Digest of what the cluster gives.
    pub inputs: String,
    /// Whether the pass, or one not long before it, brought a change of the Platform or of the operator to services that
    /// were available.
    pub in_wave: bool,
}

/// Everything that a status is made of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The Tenant, with its previous status.
    pub tenant: &'a Tenant,
    /// How the pass went.
    pub outcome: Outcome<'a>,
    /// The checked Tenant and Platform, and what was observed; absent when the pass didn't get there.
    pub seen: Option<(&'a ValidatedTenant, &'a ValidatedPlatform, &'a Observed)>,
    /// What was made so far; `None` when the pass touched nothing.
    pub inventory: Option<Vec<InventoryEntry>>,
    /// What somebody had changed, when this pass healed something.
    pub drift: Option<DriftStatus>,
    /// What the pass worked from beside the spec; `None` when it touched nothing.
    pub work: Option<Work>,
    /// What the source loop knows; `None` when it knows nothing yet.
    pub source: Option<SourceState>,
    /// What is known of its backups; `None` when nothing is yet.
    pub backups: Option<Arc<View>>,
    /// The time.
    pub now: Timestamp,
}

/// A Tenant's status after a pass.
pub fn status(facts: Facts<'_>) -> TenantStatus {
    let previous = facts.tenant.status.clone().unwrap_or_default();
    let generation = facts.tenant.metadata.generation.unwrap_or_default();
    let mut conditions = Conditions::new(&previous.conditions, generation, facts.now);
    let in_place =
        matches!(facts.outcome, Outcome::Applied { .. } | Outcome::Exceeds(_) | Outcome::Waiting(_));
    match (&facts.source, from_git(facts.tenant)) {
        (Some(state), true) => conditions.set(ConditionType::SourceSynced, promises::source_synced(state)),
        (None, true) => conditions.keep(ConditionType::SourceSynced),
        (_, false) => {}
    }
    let services = services(&facts, &previous);
    let backups = backups(&facts, &previous, &mut conditions);
    match facts.seen {
        Some((tenant, platform, observed)) => {
            let proof = isolation::evidence(observed, previous.proof.as_ref());
            let isolated = isolation::isolated(in_place, observed, proof, facts.now);
            conditions.set(ConditionType::Isolated, isolated);
            if promises::asks_for_workloads(tenant) {
                conditions
                    .set(ConditionType::WorkloadsAvailable, promises::workloads_available(tenant, observed));
                let spread = promises::zone_spread(tenant, platform, observed, &services);
                conditions.set(ConditionType::ZoneSpread, spread);
            }
        }
        // Nothing was measured: what was said before may no longer be true.
        None => stale(&mut conditions, &previous),
    }
    let drift = facts.drift.clone().or_else(|| previous.last_drift.clone());
    overall(&mut conditions, &facts, drift.as_ref());
    let (kept, asked, sum) = promises::sum(&conditions);
    if asked > 0 {
        conditions.set(ConditionType::PromisesKept, sum);
    }
    let inventory = facts.inventory.clone().unwrap_or_else(|| previous.inventory.clone());
    TenantStatus {
        observed_generation: Some(generation),
        conditions: conditions.finish(),
        summary: TenantSummary {
            last_backup: backups.last_backup,
            last_drill: backups.last_drill,
            ..summary(&facts, kept, asked)
        },
        namespaces: namespaces(&facts, &inventory, &previous),
        services,
        proof: facts
            .seen
            .and_then(|(_, _, observed)| observed.proof.clone())
            .or_else(|| previous.proof.clone()),
        backups: backups.backups,
        applied: applied_from(&facts, &previous, generation),
        last_drift: drift,
        inventory,
    }
}

/// What the children were made of last, and whether the next wave has to wait for this Tenant.
fn applied_from(facts: &Facts<'_>, previous: &TenantStatus, generation: i64) -> Option<AppliedStatus> {
    let before = previous.applied.clone();
    let in_wave = facts.work.as_ref().is_some_and(|work| work.in_wave);
    let out = in_wave || before.as_ref().is_some_and(|before| before.rolling_out);
    let rolling_out = out && !facts.seen.is_some_and(|(tenant, _, observed)| is_back(tenant, observed));
    let whole = matches!(&facts.outcome, Outcome::Applied { pending, .. } if pending.is_empty());
    match (&facts.work, before) {
        (Some(work), _) if whole => {
            Some(AppliedStatus { generation, inputs: work.inputs.clone(), rolling_out })
        }
        (_, Some(before)) => Some(AppliedStatus { rolling_out, ..before }),
        (_, None) => None,
    }
}

/// Whether every service that should run is available, and none rolls out.
pub fn is_back(tenant: &ValidatedTenant, observed: &Observed) -> bool {
    tenant.lifecycle != Lifecycle::Active
        || (promises::workloads_available(tenant, observed).status == ConditionStatus::True
            && observed.services.iter().all(|one| one.is_rolled_out()))
}

/// What is told of backups; their conditions are set.
fn backups(facts: &Facts<'_>, previous: &TenantStatus, conditions: &mut Conditions<'_>) -> Told {
    let Some((tenant, platform, observed)) = facts.seen else {
        let TenantSummary { last_backup, last_drill, .. } = previous.summary.clone();
        return Told { backups: previous.backups.clone(), last_backup, last_drill, ..Told::default() };
    };
    let subject = (tenant, &observed.claims);
    let mut told = backups::tell(facts.backups.as_deref(), subject, platform, &previous.backups, facts.now);
    let said = [
        (ConditionType::BackupsCurrent, told.current.take()),
        (ConditionType::RetentionExact, told.retention.take()),
        (ConditionType::RestoreVerified, told.verified.take()),
    ];
    for (type_, said) in said {
        match said {
            Some(Said::Is(verdict)) => conditions.set(type_, verdict),
            Some(Said::AsBefore) => conditions.keep(type_),
            None => {}
        }
    }
    told
}

fn from_git(tenant: &Tenant) -> bool {
    tenant.annotations().contains_key(marks::SOURCE)
}

fn stale(conditions: &mut Conditions<'_>, previous: &TenantStatus) {
    let measured = [
        ConditionType::Isolated,
        ConditionType::WorkloadsAvailable,
        ConditionType::ZoneSpread,
        ConditionType::BackupsCurrent,
        ConditionType::RetentionExact,
        ConditionType::RestoreVerified,
    ];
    for type_ in measured {
        if crate::api::conditions::find(&previous.conditions, type_).is_some() {
            conditions.set(
                type_,
                Verdict::unknown(reasons::NOT_APPLIED, "not measured in the last pass; Ready says why"),
            );
        }
    }
}

/// Ready, Reconciling, Stalled, Paused.
fn overall(conditions: &mut Conditions<'_>, facts: &Facts<'_>, drift: Option<&DriftStatus>) {
    let (ready, reconciling, stalled) = match &facts.outcome {
        Outcome::Rejected(problems) => {
            let reason = problems.first().map_or(reasons::INVALID_SPEC, |problem| problem.reason);
            let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
            (Verdict::no(reason, text.join("; also ")), false, true)
        }
        Outcome::NoPlatform(message) => {
            (Verdict::no(reasons::PLATFORM_NOT_FOUND, message.clone()), false, true)
        }
        Outcome::Held(held) => {
            (Verdict::no(held.reason, held.message.clone()), held.may_pass, !held.may_pass)
        }
        Outcome::Unreadable(message) => {
            (Verdict::no(reasons::INPUT_UNREADABLE, message.clone()), true, false)
        }
        Outcome::Failed { reason, message, stalled } => {
            (Verdict::no(reason, message.clone()), !stalled, *stalled)
        }
        Outcome::ReadOnly { why, would } => (read_only(why, would), false, false),
        Outcome::Exceeds(problems) => (exceeds(problems), false, true),
        Outcome::Waiting(_) => applied(facts, &[], drift),
        Outcome::Applied { pending, .. } => applied(facts, pending, drift),
    };
    if let Outcome::Waiting(message) = &facts.outcome {
        conditions.set(ConditionType::Reconciling, Verdict::yes(reasons::WAITING_FOR_WAVE, message.clone()));
        conditions.set(ConditionType::Ready, ready);
        return;
    }
    if let Outcome::ReadOnly { why: ReadOnly::Paused(until), .. } = &facts.outcome {
        let message = format!("children are not written until {until}; remove the annotation to go on");
        conditions.set(ConditionType::Paused, Verdict::yes(reasons::PAUSED, message));
    }
    let message = ready.message.clone();
    conditions.set_if(reconciling, ConditionType::Reconciling, ready.reason, message.clone());
    conditions.set_if(stalled, ConditionType::Stalled, ready.reason, message);
    conditions.set(ConditionType::Ready, ready);
}

fn exceeds(problems: &[Problem]) -> Verdict {
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let text = text.join("; also ");
    Verdict::no(reasons::LIMIT_EXCEEDED, format!("{text}; what it has stays as it is, and is healed"))
}

fn read_only(why: &ReadOnly, would: &[String]) -> Verdict {
    let reason = match why {
        ReadOnly::Observe => reasons::OBSERVING,
        ReadOnly::Paused(_) => reasons::PAUSED,
    };
    if would.is_empty() {
        return Verdict::yes(reason, "nothing would be changed");
    }
    Verdict::unknown(reason, format!("would {}", would.join(", ")))
}

fn applied(facts: &Facts<'_>, pending: &[String], drift: Option<&DriftStatus>) -> (Verdict, bool, bool) {
    if !pending.is_empty() {
        return (
            Verdict::no(reasons::PRUNING, format!("waiting to be deleted: {}", pending.join(", "))),
            true,
            false,
        );
    }
    let Some((tenant, platform, observed)) = facts.seen else {
        return (Verdict::unknown(reasons::PROGRESSING, "nothing was observed yet"), true, false);
    };
    let healed = drift
        .map_or_else(String::new, |drift| format!("; last drift healed: {}: {}", drift.object, drift.change));
    match tenant.lifecycle {
        Lifecycle::Cancelled => {
            let message =
                "workloads, Services, ingress and bindings are removed; namespace and data are kept";
            return (Verdict::yes(reasons::CANCELLED, message), false, false);
        }
        Lifecycle::Suspended => {
            let left: i32 = observed
                .services
                .iter()
                .filter_map(|one| one.workload.as_ref())
                .map(|one| one.status.replicas)
                .sum();
            if left > 0 {
                return (
                    Verdict::no(reasons::PROGRESSING, format!("{left} pods are being stopped")),
                    true,
                    false,
                );
            }
            return (
                Verdict::yes(reasons::SUSPENDED, format!("every service is scaled to zero{healed}")),
                false,
                false,
            );
        }
        Lifecycle::Active => {}
    }
    if let Some(message) = rollout::failed(tenant, platform, observed, facts.now) {
        return (Verdict::no(reasons::PROGRESS_DEADLINE_EXCEEDED, message), false, true);
    }
    let rolling = rollout::under_way(tenant, observed);
    let available = promises::workloads_available(tenant, observed);
    if available.status != ConditionStatus::True {
        return (Verdict::no(reasons::PROGRESSING, available.message), true, false);
    }
    if !rolling.is_empty() {
        return (
            Verdict::no(reasons::PROGRESSING, format!("rolling out: {}", rolling.join(", "))),
            true,
            false,
        );
    }
    let pods =
        if tenant.services.is_empty() { "no services are declared" } else { "every service has its pods" };
    (Verdict::yes(reasons::SUCCEEDED, format!("applied, and {pods}{healed}")), false, false)
}

fn summary(facts: &Facts<'_>, kept: usize, asked: usize) -> TenantSummary {
    let annotation = |key: &str| facts.tenant.annotations().get(key);
    let commit = annotation(marks::COMMIT).map(|commit| commit.chars().take(8).collect()).unwrap_or_default();
    let mut summary =
        TenantSummary { commit, promises: format!("{kept}/{asked}"), ..TenantSummary::default() };
    let Some((tenant, platform, observed)) = facts.seen else {
        let previous = facts.tenant.status.clone().unwrap_or_default().summary;
        return TenantSummary { services: previous.services, zones: previous.zones, ..summary };
    };
    let pairs = || tenant.services.iter().zip(&observed.services);
    let full = pairs().filter(|(service, seen)| {
        let available = seen.workload.as_ref().map_or(0, |workload| workload.status.available_replicas);
        available >= promises::desired(service, seen)
    });
    summary.services = format!("{}/{}", full.count(), tenant.services.len());
    let spreads = pairs().map(|(service, seen)| promises::spread(platform, service, seen));
    let worst = spreads
        .min_by_key(|spread| (spread.ready.min(spread.asked) * 100).checked_div(spread.asked).unwrap_or(100));
    if let Some(worst) = worst {
        summary.zones = format!("{}/{}", worst.ready.min(worst.asked), worst.asked);
    }
    summary
}

fn namespaces(
    facts: &Facts<'_>,
    inventory: &[InventoryEntry],
    previous: &TenantStatus,
) -> Vec<NamespaceStatus> {
    let workload = facts.tenant.namespace();
    let made = inventory.iter().filter(|entry| entry.kind == "Namespace" && !entry.uid.is_empty());
    let made: Vec<NamespaceStatus> = made
        .filter_map(|entry| {
            let purpose = purpose_of(workload, &entry.name)?;
            Some(NamespaceStatus { purpose, name: entry.name.clone(), uid: entry.uid.clone() })
        })
        .collect();
    match facts.inventory {
        Some(_) if !made.is_empty() => made,
        _ => previous.namespaces.clone(),
    }
}
