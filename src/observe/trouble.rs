//! What keeps a pod from being ready, in words that a status may have: short, steady, and without what only the log
//! may say. Pure.
//!
//! A kubelet's words change with each try (`ErrImagePull`, `ImagePullBackOff`), and may quote a command line or what a
//! registry answered: so only its reasons are taken, and the messages that name objects.

use jiff::Timestamp;

use crate::validate::text::{mask, sanitize};

use super::slim::{SlimContainer, SlimPod, Terminated};

/// A pod that should be ready and isn't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unready {
    /// Since when.
    pub since: Timestamp,
    /// What is against it; `None` while it only takes its time.
    pub trouble: Option<Trouble>,
}

/// What is against a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The pod's own word: `ImagePullBackOff`, `Unschedulable`.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// Reason of a pod that no node takes.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// Reason of a pod whose image isn't there.
pub const IMAGE_PULL: &str = "ImagePullBackOff";
/// Reason of a pod whose container ends again and again.
pub const CRASH_LOOP: &str = "CrashLoopBackOff";
/// Reason of a pod that names what isn't there.
pub const CONFIG_ERROR: &str = "CreateContainerConfigError";

/// Longest message, in characters.
const LONGEST: usize = 300;

/// What keeps a pod from being ready; nothing when it is, has ended, or is on its way out.
pub fn unready(pod: &SlimPod) -> Option<Unready> {
    if !pod.is_current() || pod.is_ready() {
        return None;
    }
    let changed = pod.condition("Ready").and_then(|ready| ready.last_transition_time.as_ref());
    let since = changed.or(pod.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let status = &pod.status;
    let mut containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    let trouble = containers.find_map(of_container).or_else(|| unscheduled(pod));
    Some(Unready { since: since.unwrap_or_default(), trouble })
}

fn unscheduled(pod: &SlimPod) -> Option<Trouble> {
    let said = pod.condition("PodScheduled").filter(|one| one.status == "False" && !one.reason.is_empty())?;
    // What it would help to evict is the scheduler's business.
    let words = said.message.split(" preemption:").next().unwrap_or_default();
    Some(Trouble { reason: said.reason.clone(), message: cut(words) })
}

fn of_container(container: &SlimContainer) -> Option<Trouble> {
    let name = &container.name;
    let trouble = |reason: &str, message: String| Some(Trouble { reason: reason.to_owned(), message });
    let ended = container.state.terminated.as_ref().or(container.last_state.terminated.as_ref());
    let Some(waiting) = &container.state.waiting else {
        // Also while it runs once more: else the word would come and go with each try.
        let again = container.restart_count > 0 && !container.ready;
        return ended.filter(|_| again).and_then(|ended| trouble(CRASH_LOOP, exit(name, ended)));
    };
    match waiting.reason.as_str() {
        "" | "ContainerCreating" | "PodInitializing" => None,
        "ErrImagePull" | IMAGE_PULL => {
            trouble(IMAGE_PULL, format!("container {name}: image {} can't be pulled", container.image))
        }
        CRASH_LOOP => {
            let words = ended.map_or_else(|| format!("container {name} ends"), |ended| exit(name, ended));
            trouble(CRASH_LOOP, words)
        }
        // Names of Secrets, ConfigMaps and keys.
        CONFIG_ERROR => trouble(CONFIG_ERROR, format!("container {name}: {}", cut(&waiting.message))),
        other => trouble(other, format!("container {name} can't be started")),
    }
}

fn exit(container: &str, ended: &Terminated) -> String {
    let more = match ended.reason.as_str() {
        "" | "Error" | "Completed" => String::new(),
        reason => format!(" ({reason})"),
    };
    format!("container {container} ended with exit code {}{more}", ended.exit_code)
}

fn cut(text: &str) -> String {
    sanitize(&mask(text.trim().trim_end_matches('.')), LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(status: Value) -> Option<(String, String)> {
        let pod: SlimPod = serde_json::from_value(json!({
            "metadata": {"name": "web-1", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status,
        }))
        .expect("a pod");
        let trouble = unready(&pod)?.trouble?;
        Some((trouble.reason, trouble.message))
    }

    fn container(state: Value, last: Value, restarts: i32) -> Option<(String, String)> {
        said(json!({"phase": "Pending", "containerStatuses": [{
            "name": "app", "image": "shop/web:2", "ready": false, "restartCount": restarts,
            "state": state, "lastState": last,
        }]}))
    }

    fn waits(reason: &str, message: &str) -> Value {
        json!({"waiting": {"reason": reason, "message": message}})
    }

    fn some(reason: &str, message: &str) -> Option<(String, String)> {
        Some((reason.to_owned(), message.to_owned()))
    }

    #[test]
    fn an_image_that_is_not_there_is_one_word_whatever_the_kubelet_tries() {
        let words = some("ImagePullBackOff", "container app: image shop/web:2 can't be pulled");
        for reason in ["ErrImagePull", "ImagePullBackOff"] {
            assert_eq!(container(waits(reason, "401 from https://canary@registry"), json!({}), 0), words);
        }
    }

    #[test]
    fn a_container_that_ends_again_and_again_is_said_with_its_exit_code_whatever_it_does_just_now() {
        let ended = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let words = some("CrashLoopBackOff", "container app ended with exit code 3");
        assert_eq!(container(waits("CrashLoopBackOff", "back-off 5m0s"), ended.clone(), 4), words);
        assert_eq!(container(json!({"running": {}}), ended.clone(), 4), words);
        assert_eq!(container(ended.clone(), json!({}), 1), words);
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let words = some("CrashLoopBackOff", "container app ended with exit code 137 (OOMKilled)");
        assert_eq!(container(json!({"running": {}}), killed, 1), words);
    }

    #[test]
    fn what_names_an_object_is_told_and_what_could_quote_a_command_line_is_not() {
        assert_eq!(
            container(waits("CreateContainerConfigError", "secret \"db\" not found"), json!({}), 0),
            some("CreateContainerConfigError", "container app: secret \"db\" not found")
        );
        assert_eq!(
            container(waits("RunContainerError", "exec: \"/bin/app --password=canary\""), json!({}), 0),
            some("RunContainerError", "container app can't be started")
        );
    }

    #[test]
    fn the_schedulers_words_are_told() {
        let unscheduled = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available.",
        }]});
        assert_eq!(said(unscheduled), some("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu"));
    }

    #[test]
    fn a_pod_that_takes_its_time_or_its_leave_has_no_trouble() {
        assert_eq!(container(waits("ContainerCreating", ""), json!({}), 0), None);
        assert_eq!(container(json!({"running": {}}), json!({}), 0), None);
        assert_eq!(said(json!({"phase": "Failed", "reason": "Evicted"})), None);
        let leaving: SlimPod = serde_json::from_value(json!({
            "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Pending"},
        }))
        .expect("a pod");
        assert_eq!(unready(&leaving), None);
    }

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let pod: SlimPod = serde_json::from_value(json!({
            "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-03T00:00:00Z"},
            ]},
        }))
        .expect("a pod");
        let since = unready(&pod).expect("it is not ready").since;
        assert_eq!(since.to_string(), "2026-01-03T00:00:00Z");
    }
}
