//! Why isn't a Tenant as it should be: the first thing that isn't, what stands behind it, the next step.
//! Pure; the words of `tenantry why`.

use jiff::Timestamp;

use crate::{
    api::{
        conditions::{Condition, ConditionStatus, ConditionType, find, reasons},
        promises::{Promise, TABLE},
    },
    observe::behind::{Behind, Need},
    validate::text::sanitize,
};

use super::{
    reader::{Operator, View, since},
    rollout,
};

/// Most objects of a kind that an answer lists.
const MOST: usize = 5;
/// Longest line.
const LINE: usize = 1024;

/// The first thing that isn't as it should be.
#[derive(Clone, Debug)]
pub enum Unmet {
    /// Nobody keeps the status true: nothing in it can be relied on.
    Operator(String),
    /// The operator has not looked yet.
    Unseen,
    /// A condition, and the promise that it speaks for.
    Condition(Condition, Option<&'static Promise>),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The condition in one line.
    pub headline: String,
    /// What it says.
    pub message: String,
    /// The promise, as the security page has it.
    pub promise: Option<&'static str>,
    /// The objects behind it.
    pub behind: Vec<String>,
    /// The next step.
    pub next: String,
}

/// Finds it: an operator that is silent, then Stalled and Ready, then the promises in the order of their
/// table. `NotProbed` is no fault of anybody: see [`open`].
pub fn first_unmet(view: &View, operator: &Operator) -> Option<Unmet> {
    if let Operator::Silent(why) = operator {
        return Some(Unmet::Operator(why.clone()));
    }
    let conditions = &view.conditions;
    let stalled = find(conditions, ConditionType::Stalled).filter(|one| one.status == ConditionStatus::True);
    let Some(ready) = find(conditions, ConditionType::Ready) else { return Some(Unmet::Unseen) };
    let ready = Some(ready).filter(|one| one.status != ConditionStatus::True);
    if let Some(condition) = stalled.or(ready) {
        return Some(Unmet::Condition(condition.clone(), None));
    }
    TABLE.iter().find_map(|promise| {
        let condition = find(conditions, promise.condition?)?;
        let unmet = condition.status != ConditionStatus::True && condition.reason != reasons::NOT_PROBED;
        unmet.then(|| Unmet::Condition(condition.clone(), Some(promise)))
    })
}

/// What is neither kept nor broken, because nobody has tried it.
pub fn open(view: &View) -> Vec<String> {
    let untried = view.conditions.iter().filter(|one| one.reason == reasons::NOT_PROBED);
    untried.map(|one| format!("{} is {}: {}", one.type_, one.status.as_str(), one.message)).collect()
}

/// What has to be read to explain it.
pub fn need(unmet: &Unmet) -> Need {
    let Unmet::Condition(condition, _) = unmet else { return Need::default() };
    let pods = [
        reasons::PROGRESSING,
        reasons::PROGRESS_DEADLINE_EXCEEDED,
        reasons::UNAVAILABLE,
        reasons::ZONE_SHORT,
        reasons::TOO_FEW_ZONES,
    ];
    let foreign = [reasons::FOREIGN_POLICY, reasons::FOREIGN_BINDING];
    let source = [reasons::INVALID_SPEC, reasons::LIMIT_EXCEEDED, reasons::NAMESPACE_TAKEN];
    let reason = condition.reason.as_str();
    Need {
        workloads: pods.contains(&reason),
        foreign: foreign.contains(&reason),
        source: source.contains(&reason) || condition.type_ == ConditionType::SourceSynced.as_str(),
    }
}

/// Puts it into words.
pub fn explain(view: &View, unmet: &Unmet, behind: &Behind, now: Timestamp) -> Answer {
    match unmet {
        Unmet::Operator(why) => Answer {
            headline: format!("Tenant {}: nothing is known", view.name),
            message: why.clone(),
            next: "look at the operator: kubectl -n tenantry-system get pods,lease; then at its log"
                .to_owned(),
            ..Answer::default()
        },
        Unmet::Unseen => Answer {
            headline: format!("Tenant {}: the operator has said nothing about it yet", view.name),
            next: "wait a moment; if it stays so, look at the operator's log".to_owned(),
            ..Answer::default()
        },
        Unmet::Condition(condition, promise) => Answer {
            headline: headline(view, condition, now),
            message: condition.message.clone(),
            promise: promise.map(|promise| promise.sentence),
            behind: backups::behind(view, condition).into_iter().chain(objects(view, behind, now)).collect(),
            next: next(view, condition, behind),
        },
    }
}

fn headline(view: &View, condition: &Condition, now: Timestamp) -> String {
    let age = since(&condition.last_transition_time, now);
    let age = if age.is_empty() { age } else { format!(", for {age}") };
    let (name, type_) = (&view.name, &condition.type_);
    format!("Tenant {name}: {type_} is {} ({}{age})", condition.status.as_str(), condition.reason)
}

fn objects(view: &View, behind: &Behind, now: Timestamp) -> Vec<String> {
    let space = &view.namespace;
    let mut lines = Vec::new();
    let short = |one: &&crate::observe::behind::DeploymentFacts| {
        one.available < one.desired || !one.complaints.is_empty()
    };
    let deployments = behind.deployments.iter().filter(short).map(|one| {
        let said = one.complaints.iter().map(|complaint| {
            format!(
                "; {} is {} ({}: {})",
                complaint.type_, complaint.status, complaint.reason, complaint.message
            )
        });
        format!(
            "{} {space}/{}: {} of {} pods available{}",
            one.kind,
            one.name,
            one.available,
            one.desired,
            said.collect::<String>()
        )
    });
    some(&mut lines, deployments, "Deployments and StatefulSets");
    let pods = behind.pods.iter().map(|pod| {
        let message = if pod.message.is_empty() { String::new() } else { format!(": {}", pod.message) };
        format!("Pod {space}/{}: {}{message}", pod.name, pod.reason)
    });
    some(&mut lines, pods, "pods");
    let events = behind.events.iter().map(|event| {
        let age = since(&event.last, now);
        format!("Event {age} ago, {}: {}: {}", event.object, event.reason, event.message)
    });
    some(&mut lines, events, "events");
    some(&mut lines, behind.foreign.iter().map(|one| format!("{one}: not made by Tenantry")), "objects");
    let findings = behind.findings.iter().map(|finding| match &finding.hint {
        Some(hint) => format!("{finding}; {hint}"),
        None => finding.to_string(),
    });
    some(&mut lines, findings, "findings");
    some(&mut lines, behind.unreadable.iter().map(|one| format!("can't be read: {one}")), "kinds");
    lines
}

/// Adds at most [`MOST`] of the lines, and says how many more there are.
fn some(lines: &mut Vec<String>, all: impl Iterator<Item = String>, what: &str) {
    let mut all = all.map(|line| sanitize(&line, LINE));
    lines.extend(all.by_ref().take(MOST));
    let more = all.count();
    if more > 0 {
        lines.push(format!("and {more} more {what}"));
    }
}

/// The next step: from what stands behind it where that says more than the reason does.
fn next(view: &View, condition: &Condition, behind: &Behind) -> String {
    if let Some(step) =
        behind.pods.iter().find_map(|pod| rollout::step(&view.namespace, &pod.name, &pod.reason))
    {
        return step;
    }
    let refused = behind.deployments.iter().flat_map(|one| &one.complaints);
    if refused.clone().any(|one| one.message.contains("exceeded quota")) {
        return "raise spec.quota.hard, or lower replicas or resources of the services".to_owned();
    }
    if let Some(hint) = behind.findings.iter().find_map(|finding| finding.hint.as_ref()) {
        let place = behind.findings.first().map(|finding| finding.file.as_str()).unwrap_or_default();
        return format!("mend {place}: {hint}; check it with: tenantry validate {place}");
    }
    if let Some(first) = behind.foreign.first() {
        let (kind, name) = first.split_once(' ').unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!(
            "if nobody needs it: kubectl -n {} delete {} {name}",
            view.namespace,
            kind.to_ascii_lowercase()
        );
    }
    of_reason(view, &condition.reason)
}

fn of_reason(view: &View, reason: &str) -> String {
    let (name, space) = (&view.name, &view.namespace);
    match reason {
        reasons::INVALID_SPEC | reasons::LIMIT_EXCEEDED => {
            format!("mend the spec where the message says: kubectl edit tenant {name}, or its file in Git")
        }
        reasons::PLATFORM_NOT_FOUND => "see which there are: kubectl get platforms".to_owned(),
        reasons::NAMESPACE_NOT_OURS | reasons::NAMESPACE_REPLACED | reasons::NAMESPACE_TAKEN => {
            format!("see whose it is: kubectl get namespace {space} --show-labels")
        }
        reasons::NAMESPACE_TERMINATING => {
            format!("see what holds it: kubectl get namespace {space} -o jsonpath='{{.status.conditions}}'")
        }
        reasons::APPLY_REFUSED => {
            "change what the message names; it is tried again when something changes".to_owned()
        }
        reasons::APPLY_FAILED | reasons::INPUT_UNREADABLE => {
            "it is tried again by itself; if it stays so, look at the API server and the operator's log"
                .to_owned()
        }
        reasons::OBSERVING => format!(
            "to let it happen: kubectl patch tenant {name} --type merge -p '{{\"spec\":{{\"mode\":\"Enforce\"}}}}'"
        ),
        reasons::PAUSED => {
            format!("to go on now: kubectl annotate tenant {name} {}-", crate::api::marks::PAUSED_UNTIL)
        }
        reasons::CANCELLED => format!("to remove it: kubectl delete tenant {name}"),
        reasons::ZONE_SHORT | reasons::TOO_FEW_ZONES => {
            "see the zones of the nodes: kubectl get nodes -L topology.kubernetes.io/zone".to_owned()
        }
        reasons::ZONE_LOSS_BREAKS => {
            "raise replicas or lower minAvailable, in the file that the Tenant comes from".to_owned()
        }
        reasons::ZONE_LOSS_NO_ROOM => {
            "see what each node has left: kubectl describe nodes | grep -A8 'Allocated resources'".to_owned()
        }
        reasons::PROGRESSING | reasons::PROGRESS_DEADLINE_EXCEEDED | reasons::UNAVAILABLE => {
            format!("watch the pods: kubectl -n {space} get pods -w")
        }
        reasons::MISSING_FROM_SOURCE
        | reasons::OWNED_ELSEWHERE
        | reasons::DUPLICATE
        | reasons::INVALID_FILE => {
            format!("see the Platform's findings: kubectl get platform {} -o yaml", view.platform)
        }
        reasons::OPERATOR_NOT_RUNNING => "an operator is back, and says it anew: wait a moment".to_owned(),
        _ => of_isolation(space, reason)
            .or_else(|| backups::step(name, space, reason))
            .or_else(|| audit::step(reason))
            .unwrap_or_else(|| format!("see everything that is said of it: tenantry status {name}")),
    }
}

fn of_isolation(space: &str, reason: &str) -> Option<String> {
    Some(match reason {
        reasons::ACCESS_TOO_WIDE => {
            "see who gives it: kubectl get rolebindings,clusterrolebindings -A -o wide | grep the name".to_owned()
        }
        reasons::POD_SECURITY_NOT_ENFORCED => {
            format!("see what the namespace asks for: kubectl get namespace {space} --show-labels")
        }
        reasons::GUARDS_MISSING => {
            "see which are left: kubectl get validatingadmissionpolicybindings -l app.kubernetes.io/name=tenantry"
                .to_owned()
        }
        reasons::NETWORK_POLICY_NOT_ENFORCED => {
            "see what the probe saw: kubectl -n probe-tenantry-a get pod tenantry-knock -o yaml".to_owned()
        }
        reasons::REVIEW_FAILED | reasons::TRIAL_FAILED => {
            "it is tried again within minutes; the message says what it lacks".to_owned()
        }
        _ => return None,
    })
}

mod audit;
mod backups;
#[cfg(test)]
mod tests;
