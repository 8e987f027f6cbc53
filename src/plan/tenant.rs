//! One Tenant before and after.

use std::collections::BTreeMap;

use crate::{
    api::{
        brake::EffectKind,
        storage::Storage,
        tenant::{Lifecycle, Mode},
    },
    apply::{
        manifest::Manifest,
        order::{self, Listed},
    },
    desired::{self, Scale, ScaleRule},
    validate::{
        offline::{Ruler, Sound, inputs},
        resources,
        service::ValidatedService,
        tenant::ValidatedTenant,
    },
};

use super::{
    effects, objects,
    types::{
        Change, Effect, ObjectChange, QuotaAfter, ScaleChange, ServiceAfter, Step, Stop, StopReason,
        TenantPlan, Verb,
    },
};

/// A Tenant in one revision, with everything that is made of it.
#[derive(Debug)]
pub struct Side<'a> {
    /// The Tenant.
    pub tenant: &'a ValidatedTenant,
    /// Its Platform.
    pub ruler: &'a Ruler,
    manifests: Vec<Manifest>,
    scales: BTreeMap<String, ScaleRule>,
}

impl<'a> Side<'a> {
    /// Builds what the Tenant should have.
    pub fn new(sound: &'a Sound, ruler: &'a Ruler) -> Self {
        Self::of(&sound.tenant, ruler)
    }

    /// The same for a Tenant and its Platform by themselves.
    pub fn of(tenant: &'a ValidatedTenant, ruler: &'a Ruler) -> Self {
        let inputs = inputs(&ruler.platform);
        let plan = desired::Plan { tenant, platform: &ruler.rules, inputs: &inputs };
        let Listed { manifests, scales, .. } = order::list(desired::objects(plan));
        let scales = scales.into_iter().map(|Scale { of, rule }| (of.name, rule)).collect();
        Self { tenant, ruler, manifests, scales }
    }

    /// What the operator has written: nothing of a Tenant that it only observes.
    fn written(&self) -> &[Manifest] {
        if self.tenant.mode == Mode::Observe { &[] } else { &self.manifests }
    }

    /// Whether a service has pods.
    fn runs(&self, deployment: &str) -> bool {
        self.scales.get(deployment).is_some_and(|rule| *rule != ScaleRule::Exactly(0))
    }

    /// The pod template of a service.
    fn template(&self, deployment: &str) -> Option<&serde_json::Value> {
        let of = |one: &&Manifest| one.id.kind.has_pods() && one.id.name == deployment;
        self.manifests.iter().find(of)?.body.pointer("/spec/template")
    }
}

/// A Tenant of which only the name, and perhaps the Platform, is known: nothing happens to it.
pub fn untouched(name: &str, change: Change) -> TenantPlan {
    TenantPlan {
        name: name.to_owned(),
        platform: String::new(),
        namespace: String::new(),
        change,
        reason: None,
        message: None,
        lifecycle: None,
        mode: None,
        objects: Vec::new(),
        scales: Vec::new(),
        restarts: Vec::new(),
        stops: Vec::new(),
        starts: Vec::new(),
        services: Vec::new(),
        quota: Vec::new(),
        effects: Vec::new(),
    }
}

/// A Tenant without a past that is known here. If it has one, all that can be said is that it is touched.
pub fn fresh(after: &Side<'_>, change: Change) -> TenantPlan {
    let observes = after.tenant.mode == Mode::Observe;
    // Nothing is made for one that is to go: not even the namespace that it would leave behind.
    if change == Change::Added && after.tenant.lifecycle == Lifecycle::Cancelled && !observes {
        return TenantPlan { message: Some(STILLBORN.to_owned()), ..settled(after, change) };
    }
    let starts = after.scales.keys().filter(|name| after.runs(name) && !observes).cloned().collect();
    let touched =
        Effect { kind: EffectKind::TenantTouched, tenant: after.tenant.name.clone(), detail: String::new() };
    TenantPlan {
        effects: (change != Change::Added && !observes).then_some(touched).into_iter().collect(),
        objects: objects::changes(&[], after.written()),
        starts,
        message: observes.then(|| OBSERVED.to_owned()),
        ..settled(after, change)
    }
}

/// What is said of a Tenant in `mode: Observe`.
pub(super) const OBSERVED: &str = "mode: Observe: the operator reports, and writes nothing";
/// What is said of a new Tenant that is cancelled already.
const STILLBORN: &str = "is new and cancelled already: where there is no namespace for it, none is made";
/// What is said of a Tenant that leaves `mode: Observe`.
const ENFORCED: &str = "was in mode: Observe; what it has already is changed instead of created";

/// What becomes of a Tenant; `None` when nothing does.
pub fn compare(before: &Side<'_>, after: &Side<'_>) -> Option<TenantPlan> {
    let (old, new) = (before.tenant, after.tenant);
    let mode = (old.mode != new.mode).then_some(Step { from: old.mode, to: new.mode });
    let lifecycle =
        (old.lifecycle != new.lifecycle).then_some(Step { from: old.lifecycle, to: new.lifecycle });
    if new.mode == Mode::Observe {
        let same = before.manifests == after.manifests && before.scales == after.scales && mode.is_none();
        let message = Some(OBSERVED.to_owned());
        return (!same).then(|| TenantPlan { mode, lifecycle, message, ..settled(after, Change::Changed) });
    }
    if old.mode == Mode::Observe {
        let message = Some(ENFORCED.to_owned());
        return Some(TenantPlan { mode, lifecycle, message, ..fresh(after, Change::Changed) });
    }
    let objects = objects::changes(before.written(), after.written());
    let scales = scales(before, after);
    if objects.is_empty() && scales.is_empty() && lifecycle.is_none() {
        return None;
    }
    let mut plan = TenantPlan {
        restarts: restarts(before, after, &objects),
        stops: stops(before, after),
        starts: after.scales.keys().filter(|name| after.runs(name) && !before.runs(name)).cloned().collect(),
        lifecycle,
        objects,
        scales,
        ..settled(after, Change::Changed)
    };
    plan.effects = effects::of(&plan, before, after);
    Some(plan)
}

/// How a Tenant is afterwards.
fn settled(after: &Side<'_>, change: Change) -> TenantPlan {
    let tenant = after.tenant;
    let services: &[ValidatedService] =
        if tenant.lifecycle == Lifecycle::Cancelled { &[] } else { &tenant.services };
    let credentials = !after.ruler.rules.images.pull_secret_refs.is_empty();
    let line = |(resource, hard): (&String, &crate::api::quantity::Quantity)| {
        let used = resources::needed(resource, services, credentials)?;
        Some(QuotaAfter { resource: resource.clone(), used: used.to_string(), hard: hard.to_string() })
    };
    TenantPlan {
        platform: after.ruler.rules.name.clone(),
        namespace: tenant.namespace.clone(),
        services: services.iter().map(|one| service(after, one)).collect(),
        quota: tenant.quota.iter().filter_map(line).collect(),
        ..untouched(&tenant.name, change)
    }
}

fn service(after: &Side<'_>, service: &ValidatedService) -> ServiceAfter {
    let rule = after.scales.get(&service.spec.name).copied().unwrap_or(ScaleRule::Exactly(0));
    let fewest = match rule {
        ScaleRule::Exactly(pods) | ScaleRule::Between(pods, _) => u32::try_from(pods).unwrap_or(0),
    };
    ServiceAfter {
        name: service.spec.name.clone(),
        pods: pods(rule),
        min_available: if fewest == 0 { 0 } else { service.min_available },
        zones: after.ruler.rules.topology.min_zones.min(fewest),
        storage: service.spec.storage.iter().map(storage).collect(),
    }
}

fn storage(one: &Storage) -> String {
    let class = one.class.as_ref().map(|class| format!(" (class {class})")).unwrap_or_default();
    format!("{} {}{class} at {}", one.name, one.size, one.path)
}

fn pods(rule: ScaleRule) -> String {
    match rule {
        ScaleRule::Exactly(count) => count.to_string(),
        ScaleRule::Between(min, max) => format!("{min} to {max}"),
    }
}

/// Services that are there before and after, and get another number of pods.
fn scales(before: &Side<'_>, after: &Side<'_>) -> Vec<ScaleChange> {
    let change = |(deployment, to): (&String, &ScaleRule)| {
        let from = before.scales.get(deployment).filter(|from| *from != to)?;
        Some(ScaleChange { deployment: deployment.clone(), from: pods(*from), to: pods(*to) })
    };
    after.scales.iter().filter_map(change).collect()
}

/// Services whose pods are replaced: only those that have pods before and after.
fn restarts(before: &Side<'_>, after: &Side<'_>, objects: &[ObjectChange]) -> Vec<String> {
    let changed = objects.iter().filter(|one| {
        one.verb == Verb::Change
            && makes_pods(one)
            && before.runs(&one.name)
            && after.runs(&one.name)
            && before.template(&one.name) != after.template(&one.name)
    });
    changed.map(|one| one.name.clone()).collect()
}

/// Whether it is what makes a service's pods.
pub(super) fn makes_pods(one: &ObjectChange) -> bool {
    one.object().is_some_and(|id| id.kind.has_pods())
}

fn stops(before: &Side<'_>, after: &Side<'_>) -> Vec<Stop> {
    let why = match after.tenant.lifecycle {
        Lifecycle::Active => StopReason::Removed,
        Lifecycle::Suspended => StopReason::Suspended,
        Lifecycle::Cancelled => StopReason::Cancelled,
    };
    let stopped = before.scales.keys().filter(|name| before.runs(name) && !after.runs(name));
    let stop = |name: &String| {
        let removed = why == StopReason::Suspended && !after.scales.contains_key(name);
        Stop { deployment: name.clone(), why: if removed { StopReason::Removed } else { why } }
    };
    stopped.map(stop).collect()
}
