//! A plan in words, for every form that people read. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    api::{brake::EffectKind, kinds::Kind},
    validate::text::sanitize,
};

use super::{
    Change, Effect, FieldChange, ObjectChange, Plan, TenantPlan, Verb,
    brake::Held,
    tenant::makes_pods,
    types::{Stop, StopReason},
};

/// Longest value that is shown, in characters.
const VALUE: usize = 160;
/// Fields shown of one object; the rest is counted.
const FIELDS: usize = 40;
/// Effects listed of a held plan; the rest is counted.
const EFFECTS: usize = 30;

/// What is said where the brake's own settings are not among the files.
pub const ASSUMED: &str =
    "by the defaults of spec.source.brake: this Platform's own source is not among the files";

/// What a line says, so that each form can mark it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Something comes.
    Create,
    /// Something changes.
    Change,
    /// Something goes.
    Delete,
    /// Something is refused.
    Refused,
    /// A part of the line above.
    Below,
    /// Something to know.
    Note,
}

/// `1 Tenant`, `3 Tenants`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The plan in one line.
pub fn summary(plan: &Plan) -> String {
    let mut parts = Vec::new();
    let changed = plan.count(Change::Changed);
    if changed > 0 {
        parts.push(format!("{} change{}", count(changed, "Tenant"), if changed == 1 { "s" } else { "" }));
    }
    for (change, words) in [
        (Change::Added, "added"),
        (Change::Mended, "mended"),
        (Change::Missing, "no longer named"),
        (Change::Refused, "refused"),
    ] {
        match plan.count(change) {
            0 => {}
            some => parts.push(format!("{} {words}", count(some, "Tenant"))),
        }
    }
    let platforms = plan.platforms.iter().filter(|one| !one.fields.is_empty()).count();
    if platforms > 0 {
        parts.push(format!(
            "{} change{}",
            count(platforms, "Platform"),
            if platforms == 1 { "s" } else { "" }
        ));
    }
    let sum = |of: fn(&TenantPlan) -> usize| plan.tenants.iter().map(of).sum::<usize>();
    for (number, words) in [
        (sum(|one| one.restarts.len()), "restart"),
        (sum(|one| one.stops.len()), "stop"),
        (sum(|one| one.starts.len()), "start"),
    ] {
        if number > 0 {
            let s = if number == 1 { "s" } else { "" };
            parts.push(format!("{} {words}{s}", count(number, "service")));
        }
    }
    if !plan.findings.is_empty() {
        parts.push(count(plan.findings.len(), "finding"));
    }
    if parts.is_empty() { "nothing changes".to_owned() } else { parts.join(", ") }
}

/// What happens to a Tenant, in a word or two.
pub fn change(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Changed => "changed",
        Change::Mended => "mended",
        Change::Missing => "no longer named",
        Change::Refused => "refused",
    }
}

/// `web, worker`; what stops says why.
pub fn stops(stops: &[Stop]) -> String {
    let one = |stop: &Stop| {
        let why = match stop.why {
            StopReason::Removed => "removed",
            StopReason::Suspended => "suspended",
            StopReason::Cancelled => "cancelled",
        };
        format!("{} ({why})", stop.deployment)
    };
    stops.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// How many objects are created, changed and deleted.
pub fn counts(tenant: &TenantPlan) -> [usize; 3] {
    [Verb::Create, Verb::Change, Verb::Delete]
        .map(|verb| tenant.objects.iter().filter(|object| object.verb == verb).count())
}

/// Everything about a Tenant, a line each.
pub fn details(tenant: &TenantPlan) -> Vec<(Mark, String)> {
    let mut lines = Vec::new();
    if let Some(message) = &tenant.message {
        let reason = tenant.reason.map(|reason| format!("{reason}: ")).unwrap_or_default();
        let stays = match tenant.change {
            Change::Refused if tenant.namespace.is_empty() => "; nothing is written",
            Change::Refused => "; what the cluster has stays",
            _ => "",
        };
        lines.push((Mark::Note, format!("{reason}{message}{stays}")));
    }
    lines.extend(
        tenant.lifecycle.map(|step| (Mark::Change, format!("lifecycle: {:?} → {:?}", step.from, step.to))),
    );
    lines.extend(tenant.mode.map(|step| (Mark::Change, format!("mode: {:?} → {:?}", step.from, step.to))));
    for object in &tenant.objects {
        lines.extend(of_object(object, tenant));
    }
    for scale in &tenant.scales {
        lines.push((Mark::Change, format!("pods of {}: {} → {}", scale.deployment, scale.from, scale.to)));
    }
    if !tenant.stops.is_empty() {
        lines.push((Mark::Delete, format!("stops: {}", stops(&tenant.stops))));
    }
    if !tenant.starts.is_empty() {
        lines.push((Mark::Create, format!("starts: {}", tenant.starts.join(", "))));
    }
    for service in &tenant.services {
        let words = format!(
            "afterwards {}: pods {}, drains leave {}, zones {}{}",
            service.name,
            service.pods,
            service.min_available,
            service.zones,
            service.storage.iter().map(|one| format!(", keeps {one}")).collect::<String>()
        );
        lines.push((Mark::Note, words));
    }
    let quota: Vec<String> =
        tenant.quota.iter().map(|line| format!("{} {} of {}", line.resource, line.used, line.hard)).collect();
    if !quota.is_empty() {
        lines.push((Mark::Note, format!("quota afterwards, roll-outs included: {}", quota.join(", "))));
    }
    lines.into_iter().map(|(mark, line)| (mark, sanitize(&line, 1024))).collect()
}

fn of_object(object: &ObjectChange, tenant: &TenantPlan) -> Vec<(Mark, String)> {
    let mark = match object.verb {
        Verb::Create => Mark::Create,
        Verb::Change => Mark::Change,
        Verb::Delete => Mark::Delete,
    };
    let restarts = makes_pods(object) && tenant.restarts.contains(&object.name);
    let keeps = object.verb == Verb::Delete && object.object().is_some_and(|id| id.kind == Kind::StatefulSet);
    let more = match &object.replaces {
        _ if keeps => "; its claims stay".to_owned(),
        Some(old) => format!(" in place of {old}"),
        None if restarts => " restarts".to_owned(),
        None => String::new(),
    };
    let mut lines = vec![(mark, format!("{}{more}", object.id()))];
    lines.extend(fields(&object.fields).into_iter().map(|line| (Mark::Below, line)));
    lines
}

/// The fields, a line each.
pub fn fields(fields: &[FieldChange]) -> Vec<String> {
    let mut lines: Vec<String> = fields.iter().take(FIELDS).map(field).collect();
    if fields.len() > FIELDS {
        lines.push(format!("and {} more", count(fields.len() - FIELDS, "field")));
    }
    lines
}

fn field(field: &FieldChange) -> String {
    let path = sanitize(&field.path, 300);
    if field.hidden {
        return format!("{path}: changes (hidden)");
    }
    format!("{path}: {} → {}", value(field.old.as_ref()), value(field.new.as_ref()))
}

fn value(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| sanitize(&value.to_string(), VALUE))
}

/// What a held plan would do, a line each.
pub fn effects(held: &Held) -> Vec<String> {
    let one = |effect: &Effect| {
        let detail = if effect.detail.is_empty() { String::new() } else { format!(" {}", effect.detail) };
        sanitize(&format!("{}: {}{detail}", effect.kind.counted(false), effect.tenant), 300)
    };
    // Who loses a service is touched, too: that needs no line of its own.
    let others: BTreeSet<&str> =
        held.effects.iter().filter(|one| !touches(one)).map(|one| &*one.tenant).collect();
    let told = held.effects.iter().filter(|one| !touches(one) || !others.contains(&*one.tenant));
    let mut lines: Vec<String> = told.map(one).collect();
    let more = lines.len().saturating_sub(EFFECTS);
    lines.truncate(EFFECTS);
    if more > 0 {
        lines.push(format!("and {} more", count(more, "effect")));
    }
    lines
}

fn touches(effect: &Effect) -> bool {
    effect.kind == EffectKind::TenantTouched
}
