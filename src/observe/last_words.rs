//! What the pods of a run that has ended left: its record, or what Kubernetes says of its end.

use kube::{Api, Client, ResourceExt, api::ListParams};
use serde::{Deserialize, Serialize};

use crate::{
    backup::{
        job::CONTAINER,
        record::{Record, reasons},
    },
    runtime::call::{CallError, READ_DEADLINE, deadline},
};

use super::{runs::JobFacts, slim::SlimPod};

/// What a run's pod left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Its record; `None` where it was killed before it could say anything.
    pub record: Option<Record>,
    /// Why, where there is no record.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// Names of its pods, which restic's locks have as hosts.
    pub hosts: Vec<String>,
}

/// Reads what the pods of an ended Job left.
///
/// # Errors
/// They can't be listed.
pub async fn words(client: &Client, job: &JobFacts) -> Result<Words, CallError> {
    let pods = list(client, job).await?;
    match &job.said {
        Some(said) if pods.is_empty() => Ok((**said).clone()),
        _ => Ok(read(job, &pods)),
    }
}

/// Names and uids of a Job's pods.
///
/// # Errors
/// They can't be listed.
pub async fn pods(client: &Client, job: &JobFacts) -> Result<Vec<(String, String)>, CallError> {
    let pods = list(client, job).await?;
    Ok(pods.iter().map(|pod| (pod.name_any(), pod.uid().unwrap_or_default())).collect())
}

async fn list(client: &Client, job: &JobFacts) -> Result<Vec<SlimPod>, CallError> {
    let api: Api<SlimPod> = Api::namespaced(client.clone(), &job.namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", job.name));
    Ok(deadline(READ_DEADLINE, api.list(&of_job)).await?.items)
}

fn read(job: &JobFacts, pods: &[SlimPod]) -> Words {
    let hosts = pods.iter().map(ResourceExt::name_any).collect();
    if let Some((reason, message)) = job.given_up.clone() {
        return Words { record: None, reason, message, hosts };
    }
    let containers = pods
        .iter()
        .flat_map(|pod| pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses));
    let ended: Vec<_> =
        containers.filter_map(|one| Some((one.name.as_str(), one.state.terminated.as_ref()?))).collect();
    let work = ended.iter().find(|(name, _)| *name == CONTAINER);
    let record: Option<Record> = work.and_then(|(_, end)| serde_json::from_str(&end.message).ok());
    let memory = ended.iter().any(|(_, end)| end.reason == "OOMKilled");
    let code = ended.iter().find(|(_, end)| end.exit_code != 0);
    let evicted = pods.iter().find(|pod| pod.status.reason == "Evicted").map(|pod| &pod.status.message);
    let (reason, message) = match (evicted, memory, code) {
        (Some(said), ..) => evicted_for(job, said),
        (None, true, _) => out_of_memory(job),
        (None, false, Some((name, end))) if job.reason != reasons::DEADLINE_EXCEEDED => {
            let (code, said) = (end.exit_code, plain(&end.message));
            let hint = if end.message.contains("no such file or directory") && *name == CONTAINER {
                "; is its image on glibc? Alpine's is not"
            } else {
                ""
            };
            let message =
                format!("container {name} of Job {} ended with code {code}: {said}{hint}", job.name);
            (reasons::INTERRUPTED, message)
        }
        _ if job.reason == reasons::DEADLINE_EXCEEDED => {
            let message = format!(
                "Job {} took longer than Platform.spec.backups.runDeadline; see kubectl -n {} describe job {}",
                job.name, job.namespace, job.name
            );
            (reasons::DEADLINE_EXCEEDED, message)
        }
        _ => (reasons::INTERRUPTED, format!("the pod of Job {} ended without a word", job.name)),
    };
    Words { record, reason: reason.to_owned(), message, hosts }
}

fn out_of_memory(job: &JobFacts) -> (&'static str, String) {
    let limit = if job.memory.is_empty() { "it may have" } else { job.memory.as_str() };
    let message = format!(
        "the pod of Job {} needed more memory than {limit}, its limit; it is tried once with twice what Platform.spec.backups.postgresql.resources.limits.memory says: raise that",
        job.name
    );
    (reasons::OUT_OF_MEMORY, message)
}

/// A node that sends a pod away says what it was short of.
fn evicted_for(job: &JobFacts, said: &str) -> (&'static str, String) {
    let lower = said.to_lowercase();
    let disk = ["emptydir", "ephemeral", "disk", "inodes"].iter().any(|word| lower.contains(word));
    let said = plain(said);
    let (reason, next) = if disk {
        (
            reasons::NO_SPACE,
            "give it more room: Platform.spec.backups.postgresql.scratch, or databases[].scratch",
        )
    } else {
        (reasons::INTERRUPTED, "it is tried again")
    };
    (reason, format!("the node sent the pod of Job {} away: {said}; {next}", job.name))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::{
            job::RUN,
            volumes::{GIVEN_UP, SAID},
        },
        observe::runs::facts,
    };

    #[test]
    fn a_run_that_was_given_up_says_why() {
        let mut job = serde_json::json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "backup--files-1", "namespace": "acme-backup", "labels": {RUN: "backup"},
                "annotations": {GIVEN_UP: "SnapshotFailed\nthe driver says no"},
            },
            "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]},
        });
        let said = |job: &serde_json::Value| {
            let words = read(&facts(&serde_json::from_value(job.clone()).unwrap()), &[]);
            (words.reason, words.message)
        };
        assert_eq!(said(&job), (reasons::SNAPSHOT_FAILED.to_owned(), "the driver says no".to_owned()));
        job["metadata"]["annotations"] = serde_json::json!({});
        assert_eq!(said(&job).0, reasons::DEADLINE_EXCEEDED, "its deadline was only the means");
        let words = Words { reason: "OutOfMemory".into(), hosts: vec!["pod-1".into()], ..Words::default() };
        job["metadata"]["annotations"] = serde_json::json!({SAID: serde_json::to_string(&words).unwrap()});
        let facts = facts(&serde_json::from_value(job).unwrap());
        assert_eq!(facts.said.as_deref(), Some(&words), "locks are known by the hosts of pods that are gone");
    }

    fn said(job: &JobFacts, status: serde_json::Value) -> (String, String) {
        let pod = serde_json::json!({"metadata": {"name": "pod-1"}, "status": status});
        let pods: Vec<SlimPod> = vec![serde_json::from_value(pod).unwrap()];
        let words = read(job, &pods);
        assert_eq!((words.hosts, words.record), (vec!["pod-1".to_owned()], None));
        (words.reason, words.message)
    }

    fn job() -> JobFacts {
        JobFacts { name: "backup-app-1".into(), memory: "512Mi".into(), ..JobFacts::default() }
    }

    #[test]
    fn b3_a_pod_that_ran_out_of_memory_names_its_limit() {
        let end = serde_json::json!({"reason": "OOMKilled", "exitCode": 137});
        let status =
            serde_json::json!({"containerStatuses": [{"name": "work", "state": {"terminated": end}}]});
        let (reason, message) = said(&job(), status);
        assert_eq!(reason, reasons::OUT_OF_MEMORY);
        assert!(message.contains("than 512Mi, its limit") && message.contains("twice"), "{message}");
    }

    #[test]
    fn an_image_in_which_our_program_cannot_start_is_told() {
        let why = "exec /tools/tenantry: no such file or directory";
        let end = serde_json::json!({"reason": "StartError", "exitCode": 128, "message": why});
        let status =
            serde_json::json!({"containerStatuses": [{"name": "work", "state": {"terminated": end}}]});
        let (reason, message) = said(&job(), status);
        assert_eq!(reason, reasons::INTERRUPTED);
        assert!(message.contains("Alpine"), "{message}");
    }

    #[test]
    fn b12_a_pod_that_filled_its_volume_says_so() {
        let full = "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Gi\". ";
        let end = serde_json::json!({"reason": "Error", "exitCode": 137});
        let status = serde_json::json!({
            "reason": "Evicted", "message": full,
            "containerStatuses": [{"name": "work", "state": {"terminated": end}}],
        });
        let (reason, message) = said(&job(), status);
        assert_eq!(reason, reasons::NO_SPACE);
        assert!(message.contains(full.trim()) && message.contains("scratch"), "{message}");
        let low = "The node was low on resource: ephemeral-storage. ";
        let (reason, _) = said(&job(), serde_json::json!({"reason": "Evicted", "message": low}));
        assert_eq!(reason, reasons::NO_SPACE);
        let memory = "The node was low on resource: memory. ";
        let (reason, message) = said(&job(), serde_json::json!({"reason": "Evicted", "message": memory}));
        assert_eq!(reason, reasons::INTERRUPTED);
        assert!(message.contains("low on resource: memory"), "{message}");
    }
}
