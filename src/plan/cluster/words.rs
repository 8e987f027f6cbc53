//! What a cluster says of a plan, in words. Pure.

use std::collections::BTreeSet;

use crate::validate::text::sanitize;

use super::{
    super::{
        types::{ObjectChange, TenantPlan, Verb},
        words::{self, Mark, count},
    },
    ClusterPlan, TenantThere,
};

/// Objects named in one line; the rest is counted.
const NAMED: usize = 5;

/// Where and as whom it was tried, and what it came to.
pub fn head(cluster: &ClusterPlan) -> String {
    let who = cluster.tried_as.as_ref().map_or_else(
        || "with the kubeconfig's own rights".to_owned(),
        |user| format!("as {}", sanitize(user, 300)),
    );
    let refused = match cluster.refused() {
        0 => "nothing is refused".to_owned(),
        some => format!("{} refused", count(some, "object")),
    };
    format!("tried on the cluster {who}, and nothing was written: {refused}")
}

/// What the cluster says of one Tenant beyond what is planned for it, a line each.
pub fn lines(there: &TenantThere, planned: Option<&TenantPlan>) -> Vec<(Mark, String)> {
    let mut lines: Vec<(Mark, String)> = there.notes.iter().map(|note| (Mark::Note, note.clone())).collect();
    for refusal in &there.refused {
        lines.push((Mark::Refused, format!("{}: {}", refusal.object, refusal.message)));
    }
    lines.extend(objects(there, planned));
    let scales = planned.map(|planned| planned.scales.as_slice()).unwrap_or_default();
    for scale in there.scales.iter().filter(|scale| !scales.contains(scale)) {
        let words = format!("pods of {}: {} now → {}", scale.deployment, scale.from, scale.to);
        lines.push((Mark::Change, words));
    }
    for drift in &there.drift {
        let (mark, verb) = verb(drift.object.verb);
        let by = drift.by.join("; ");
        lines.push((mark, format!("beside this change, {verb} {}: {by}", drift.object.id())));
        lines.extend(words::fields(&drift.object.fields).into_iter().map(|line| (Mark::Below, line)));
    }
    for one in &there.untried {
        let named = one.objects.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = match one.objects.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push((Mark::Note, format!("not tried: {named}{more}: {}", one.why)));
    }
    lines.into_iter().map(|(mark, line)| (mark, sanitize(&line, 1024))).collect()
}

/// Where the cluster's list is another one than the plan's: what only one of them has.
fn objects(there: &TenantThere, planned: Option<&TenantPlan>) -> Vec<(Mark, String)> {
    let key = |object: &ObjectChange| (object.verb, object.id());
    let planned = planned.map(|planned| planned.objects.as_slice()).unwrap_or_default();
    let known: BTreeSet<_> = planned.iter().map(key).collect();
    let found: BTreeSet<_> = there.objects.iter().map(key).collect();
    if known == found {
        let same = format!("{}, as planned", count(found.len(), "object"));
        return if found.is_empty() { Vec::new() } else { vec![(Mark::Note, same)] };
    }
    let mut lines = Vec::new();
    for object in there.objects.iter().filter(|object| !known.contains(&key(object))) {
        let (mark, verb) = verb(object.verb);
        lines.push((mark, format!("not in the plan, {verb} {}", object.id())));
        lines.extend(words::fields(&object.fields).into_iter().map(|line| (Mark::Below, line)));
    }
    for object in planned.iter().filter(|object| !found.contains(&key(object))) {
        lines.push((Mark::Note, format!("not to do there: {} {}", verb(object.verb).1, object.id())));
    }
    lines
}

fn verb(verb: Verb) -> (Mark, &'static str) {
    match verb {
        Verb::Create => (Mark::Create, "create"),
        Verb::Change => (Mark::Change, "change"),
        Verb::Delete => (Mark::Delete, "delete"),
    }
}
