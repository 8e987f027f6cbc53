//! What stands behind a condition: the few facts of an object that tell somebody why. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;

use crate::api::finding::Finding;

use super::slim::{SlimCondition, SlimDeployment, SlimStatefulSet};

/// What to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Deployments, pods that aren't ready, warnings.
    pub workloads: bool,
    /// Policies and bindings that aren't ours.
    pub foreign: bool,
    /// What the Platform's source says of the Tenant's file.
    pub source: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// The tenant's Deployments and StatefulSets.
    pub deployments: Vec<DeploymentFacts>,
    /// Pods that aren't ready.
    pub pods: Vec<PodTrouble>,
    /// Warnings, the newest first.
    pub events: Vec<Warning>,
    /// Policies and bindings that aren't ours, as `Kind namespace/name`.
    pub foreign: Vec<String>,
    /// What is wrong in the Tenant's file.
    pub findings: Vec<Finding>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

/// A Deployment or StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// Which of the two.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Pods asked for.
    pub desired: i32,
    /// Pods available.
    pub available: i32,
    /// What its controller says against it.
    pub complaints: Vec<SlimCondition>,
}

/// A pod that isn't ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTrouble {
    /// Its name.
    pub name: String,
    /// A word: `ImagePullBackOff`, `Unschedulable`.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// A warning about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// RFC 3339 time of the last one.
    pub last: String,
    /// `Kind name`.
    pub object: String,
    /// A word.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// What counts of a StatefulSet.
pub(super) fn stateful_set(found: SlimStatefulSet) -> DeploymentFacts {
    let SlimStatefulSet { metadata, spec, status } = found;
    DeploymentFacts { kind: "StatefulSet", ..deployment(&SlimDeployment { metadata, spec, status }) }
}

/// What counts of a Deployment.
pub(super) fn deployment(found: &SlimDeployment) -> DeploymentFacts {
    let against = |one: &&SlimCondition| match one.type_.as_str() {
        "ReplicaFailure" => one.status == "True",
        _ => one.status == "False",
    };
    DeploymentFacts {
        kind: "Deployment",
        name: found.name_any(),
        desired: found.spec.replicas,
        available: found.status.available_replicas,
        complaints: found.status.conditions.iter().filter(against).cloned().collect(),
    }
}

/// What keeps a pod from being ready; nothing when it is, or when it is done.
pub(super) fn trouble(pod: &Pod) -> Option<PodTrouble> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let condition = |type_: &str| conditions.iter().find(|one| one.type_ == type_);
    if condition("Ready").is_some_and(|ready| ready.status == "True")
        || status.phase.as_deref() == Some("Succeeded")
    {
        return None;
    }
    let name = pod.name_any();
    let containers =
        status.init_container_statuses.iter().chain(&status.container_statuses).flatten().find_map(stuck);
    let (reason, message) = containers.unwrap_or_else(|| {
        let unscheduled = condition("PodScheduled").filter(|one| one.status == "False");
        let said = unscheduled.or_else(|| condition("Ready"));
        let words = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let reason = said.and_then(|one| words(&one.reason)).or_else(|| words(&status.reason));
        let message = said.and_then(|one| words(&one.message)).or_else(|| words(&status.message));
        (reason.or_else(|| status.phase.clone()).unwrap_or_default(), message.unwrap_or_default())
    });
    Some(PodTrouble { name, reason, message })
}

fn stuck(container: &ContainerStatus) -> Option<(String, String)> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().unwrap_or_else(|| "Waiting".to_owned());
        let message = waiting.message.clone().unwrap_or_default();
        return Some((reason, format!("container {}: {message}", container.name)));
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.clone().unwrap_or_else(|| "Error".to_owned());
    Some((reason, format!("container {} ended with {}", container.name, ended.exit_code)))
}

/// What counts of an event.
pub(super) fn warning(event: &Event) -> Warning {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let last = series
        .map(|time| time.0)
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.creation_timestamp().map(|time| time.0));
    let object = &event.involved_object;
    Warning {
        last: last.map(|time| time.to_string()).unwrap_or_default(),
        object: format!(
            "{} {}",
            object.kind.as_deref().unwrap_or("object"),
            object.name.as_deref().unwrap_or_default()
        ),
        reason: event.reason.clone().unwrap_or_default(),
        message: event.message.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is a failed test

    use serde_json::{Value, json};

    use super::*;

    fn said(status: Value) -> Option<(String, String)> {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "web-1"}, "status": status})).unwrap();
        trouble(&pod).map(|found| (found.reason, found.message))
    }

    fn some(reason: &str, message: &str) -> Option<(String, String)> {
        Some((reason.to_owned(), message.to_owned()))
    }

    #[test]
    fn a_pod_that_is_ready_or_done_is_no_trouble() {
        assert_eq!(
            said(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
            None
        );
        assert_eq!(said(json!({"phase": "Succeeded"})), None);
    }

    #[test]
    fn the_most_telling_word_about_a_pod_is_taken() {
        let unready =
            json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "web"});
        let container = |state: Value| {
            json!({"phase": "Pending", "conditions": [unready], "containerStatuses": [{
                "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
            }]})
        };
        let waiting = container(json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}));
        assert_eq!(said(waiting), some("ErrImagePull", "container web: no such image"));
        let ended = container(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
        assert_eq!(said(ended), some("OOMKilled", "container web ended with 137"));
        assert_eq!(said(container(json!({"running": {}}))), some("ContainersNotReady", "web"));
        let unscheduled = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}, unready,
        ]});
        assert_eq!(said(unscheduled), some("Unschedulable", "0/3 nodes"));
        assert_eq!(said(json!({"phase": "Failed", "reason": "Evicted"})), some("Evicted", ""));
        assert_eq!(said(json!({"phase": "Pending"})), some("Pending", ""));
    }

    #[test]
    fn only_complaints_of_a_deployment_are_kept() {
        let found: SlimDeployment = serde_json::from_value(json!({
            "metadata": {"name": "web"}, "spec": {"replicas": 3},
            "status": {"availableReplicas": 2, "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "False"},
                {"type": "ReplicaFailure", "status": "True"},
            ]},
        }))
        .unwrap();
        let facts = deployment(&found);
        assert_eq!((facts.desired, facts.available), (3, 2));
        let types: Vec<&str> = facts.complaints.iter().map(|one| one.type_.as_str()).collect();
        assert_eq!(types, ["Progressing", "ReplicaFailure"]);
    }
}
