//! The Job of a run, and the Secret beside it. Pure.
//!
//! The tools come from the operator's image, copied by an init container; what talks to a database is the image of the
//! database's own major version. The Secret belongs to the Job: it goes with it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{marks, quantity::Quantity, service::Resources},
    desired::{backup::DATABASE_LABEL, pull_secret},
};

use super::{
    task::{Task, VARIABLE},
    volumes::SOURCE,
};

/// Label on a run's Job: what it is for.
pub const RUN: &str = "tenantry.dev/run";
/// Annotation on a run's Job: the slot that it fills, RFC 3339.
pub const SLOT: &str = "tenantry.dev/slot";
/// The container that does the work.
pub const CONTAINER: &str = "work";

/// Where the Job has its things.
pub const TOOLS: &str = "/tools";
/// See [`TOOLS`].
pub const SECRETS: &str = "/run/secrets/tenantry";
/// See [`TOOLS`].
pub const SCRATCH: &str = "/scratch";

/// The user that PostgreSQL's own images have for the server: `initdb` refuses root and users without a name.
const USER: i64 = 999;
/// Seconds that an ended Job stays, for people who look at its log.
const STAYS: i64 = 24 * 3600;

/// Everything that a Job is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The task; its id is the Job's name.
    pub task: &'a Task,
    /// Where it runs.
    pub namespace: &'a str,
    /// The word of what it is for ([`RUN`]).
    pub kind: &'a str,
    /// The database; empty where it is about none.
    pub database: &'a str,
    /// The slot, RFC 3339.
    pub slot: &'a str,
    /// The operator's image, with restic.
    pub tools: &'a str,
    /// The image with the engine's programs.
    pub engine: &'a str,
    /// The user whom the engine's image knows; as in PostgreSQL's own images when absent.
    pub user: Option<i64>,
    /// Whether images are pulled with the Platform's credentials.
    pub pull_secret: bool,
    /// Requests and limits of the pod.
    pub resources: &'a Resources,
    /// How many times the memory of `resources`.
    pub memory_times: u32,
    /// Room on the node's disk.
    pub scratch: Option<&'a Quantity>,
    /// Digest of the Tenant's uid and the installation.
    pub tenant_uid: &'a str,
    /// The claim whose files are read; it may come later than the Job.
    pub claim: Option<&'a str>,
}

/// The Job.
#[must_use]
pub fn job(plan: Plan<'_>) -> Value {
    let task = plan.task;
    let mut labels = json!({
        marks::MANAGED_BY: marks::MANAGED_BY_VALUE,
        marks::TENANT: task.tenant,
        RUN: plan.kind,
    });
    if !plan.database.is_empty() {
        labels[DATABASE_LABEL] = json!(plan.database);
    }
    let annotations = json!({
        marks::TENANT_UID: plan.tenant_uid,
        marks::INSTALL_ID: task.install_id,
        SLOT: plan.slot,
    });
    // The pod is no child of ours: a Job made it.
    let mut pod_labels = labels.clone();
    if let Some(map) = pod_labels.as_object_mut() {
        map.remove(marks::MANAGED_BY);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": task.id, "namespace": plan.namespace, "labels": labels, "annotations": annotations},
        "spec": {
            "backoffLimit": 0,
            // The run ends itself first, and says why.
            "activeDeadlineSeconds": task.deadline_seconds.saturating_add(SAYS),
            "ttlSecondsAfterFinished": STAYS,
            "template": {"metadata": {"labels": pod_labels}, "spec": pod(plan)},
        },
    })
}

/// Seconds that Kubernetes gives a run to say that its time is over, after [`Task::deadline_seconds`].
const SAYS: u64 = 60;
/// Seconds that a pod has to go, after the Job was ended for it.
const GOES: u64 = 600;

/// Whether a pod should be gone long ago whose Job was over then.
#[must_use]
pub fn stays(over: Timestamp, now: Timestamp) -> bool {
    now.duration_since(over).as_secs() > i64::try_from(GOES).unwrap_or(i64::MAX)
}

/// Whether a run that was begun then should have ended, and its pod be gone, long ago.
#[must_use]
pub fn is_late(task: Option<&Task>, begun: Timestamp, now: Timestamp) -> bool {
    let Some(task) = task else { return false };
    let most = task.deadline_seconds.saturating_add(SAYS + GOES);
    now.duration_since(begun).as_secs() > i64::try_from(most).unwrap_or(i64::MAX)
}

fn pod(plan: Plan<'_>) -> Value {
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let secured = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    let resources = resources(plan.resources, plan.memory_times);
    let user = plan.user.unwrap_or(USER);
    let folder = |size: Option<&Quantity>| match size {
        Some(size) => json!({"sizeLimit": size.0}),
        None => json!({}),
    };
    let variable = serde_json::to_string(plan.task).unwrap_or_default();
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [{
            "name": "tools", "image": plan.tools, "args": ["backup", "tools", "--to", TOOLS],
            "resources": resources, "securityContext": secured,
            "volumeMounts": [mount("tools", TOOLS)],
        }],
        "containers": [{
            "name": CONTAINER, "image": plan.engine,
            "command": [format!("{TOOLS}/tenantry"), "backup", "work", "--secrets", SECRETS, "--scratch", SCRATCH],
            "env": [{"name": VARIABLE, "value": variable}],
            "resources": resources, "securityContext": secured,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                mount("tools", TOOLS), mount("secrets", SECRETS), mount("scratch", SCRATCH), mount("tmp", "/tmp"),
            ],
        }],
        "volumes": [
            {"name": "tools", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "scratch", "emptyDir": folder(plan.scratch)},
            {"name": "secrets", "secret": {"secretName": plan.task.id, "defaultMode": 0o440}},
        ],
    });
    if let Some(claim) = plan.claim {
        with_volume(&mut pod, claim);
    }
    if plan.pull_secret {
        pod["imagePullSecrets"] = json!([{"name": pull_secret::NAME}]);
    }
    pod
}

/// Mounts a volume, read only. Its files are whoever's wrote them: the one capability beyond nothing is to read them all
/// the same. No group of ours: the kubelet would give it every file.
fn with_volume(pod: &mut Value, claim: &str) {
    pod["securityContext"] = json!({
        "runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"},
    });
    pod["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["DAC_OVERRIDE"]);
    let volume = json!({"name": "source", "persistentVolumeClaim": {"claimName": claim, "readOnly": true}});
    let mount = json!({"name": "source", "mountPath": SOURCE, "readOnly": true});
    for (list, one) in [("/volumes", volume), ("/containers/0/volumeMounts", mount)] {
        if let Some(list) = pod.pointer_mut(list).and_then(Value::as_array_mut) {
            list.push(one);
        }
    }
}

/// What the Platform names, over what a run needs at the least.
fn resources(wanted: &Resources, memory_times: u32) -> Value {
    let mut requests = with(&wanted.requests, &[("cpu", "50m"), ("memory", "128Mi")]);
    let mut limits = with(&wanted.limits, &[("memory", "1Gi")]);
    for map in [&mut requests, &mut limits] {
        if let Some(memory) = map.get_mut("memory") {
            *memory = times(memory, memory_times);
        }
    }
    json!({"requests": requests, "limits": limits})
}

fn with(wanted: &BTreeMap<String, Quantity>, least: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        least.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    all.extend(wanted.iter().map(|(key, value)| (key.clone(), value.0.clone())));
    all
}

/// A quantity several times; as it is where it isn't a number of bytes.
fn times(quantity: &str, times: u32) -> String {
    let end = quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(end);
    match number.parse::<u64>() {
        Ok(number) if times > 1 => format!("{}{unit}", number.saturating_mul(times.into())),
        _ => quantity.to_owned(),
    }
}

/// The Secret of a run: its files by their paths below [`SECRETS`]. Keys of a Secret can't hold slashes: the volume gives
/// each its path. It belongs to the Job with this namespace and uid.
#[must_use]
pub fn secret(
    task: &Task,
    (namespace, uid): (&str, &str),
    tenant_uid: &str,
    files: &BTreeMap<String, String>,
) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": task.id, "namespace": namespace,
            "labels": {marks::MANAGED_BY: marks::MANAGED_BY_VALUE, marks::TENANT: task.tenant},
            "annotations": {marks::TENANT_UID: tenant_uid, marks::INSTALL_ID: task.install_id},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": task.id, "uid": uid}],
        },
        "stringData": files.iter().map(|(path, text)| (key_of(path), text)).collect::<BTreeMap<_, _>>(),
    })
}

/// The keys of a run's Secret that hold credentials for the store: those that are renewed while it goes on.
#[must_use]
pub fn renewed(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let credentials = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("aws-"));
    let all = files.iter().filter(|(path, _)| credentials(path));
    all.map(|(path, text)| (key_of(path), text.clone())).collect()
}

/// A path as a key of a Secret.
fn key_of(path: &str) -> String {
    path.replace('/', "__")
}

/// The paths that a run's files have, for the Job's volume.
pub fn place_files<'a>(job: &mut Value, paths: impl Iterator<Item = &'a str>) {
    let items: Vec<Value> = paths.map(|path| json!({"key": key_of(path), "path": path})).collect();
    let volumes = job.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut);
    let secrets = volumes.into_iter().flatten().find(|volume| volume["name"] == "secrets");
    if let Some(volume) = secrets {
        volume["secret"]["items"] = json!(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::{layout::Place, task::Work};
    use crate::store::StoreAddress;

    fn task() -> Task {
        Task {
            id: "backup-app-1".into(),
            install_id: "i".into(),
            tenant: "acme".into(),
            platform: "shop".into(),
            store: StoreAddress { region: "r".into(), bucket: "b".into(), ..StoreAddress::default() },
            place: Place::of("", "shop", "acme"),
            generation: 1,
            deadline_seconds: 60,
            work: Work::Check { part: 1, of: 30 },
        }
    }

    fn plan<'a>(task: &'a Task, resources: &'a Resources) -> Plan<'a> {
        Plan {
            task,
            namespace: "acme-backup",
            kind: "backup",
            database: "app",
            slot: "2026-11-22T03:00:00Z",
            tools: "t",
            engine: "e",
            user: Some(26),
            pull_secret: true,
            resources,
            memory_times: 2,
            scratch: None,
            tenant_uid: "u",
            claim: None,
        }
    }

    #[test]
    fn a_job_has_its_task_and_more_memory_after_it_ran_out() {
        let (task, resources) = (task(), Resources::default());
        let job = job(plan(&task, &resources));
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        let said: Task = serde_json::from_str(container["env"][0]["value"].as_str().unwrap()).unwrap();
        assert_eq!(said, task);
        assert_eq!(container["resources"]["limits"]["memory"], "2Gi");
        assert_eq!(container["resources"]["requests"]["cpu"], "50m");
        assert_eq!(job["spec"]["template"]["spec"]["securityContext"]["runAsUser"], 26);
        assert_eq!(job["spec"]["template"]["spec"]["imagePullSecrets"][0]["name"], pull_secret::NAME);
    }

    #[test]
    fn b15_a_drill_that_does_not_go_is_noticed() {
        let (task, begun): (Task, Timestamp) = (task(), "2026-11-22T03:00:00Z".parse().unwrap());
        let after = |seconds| begun + jiff::SignedDuration::from_secs(seconds);
        assert!(!is_late(Some(&task), begun, after(60 + 660)));
        assert!(is_late(Some(&task), begun, after(60 + 661)));
        assert!(!is_late(None, begun, after(1 << 30)), "it has ended");
        assert!(!stays(begun, after(600)) && stays(begun, after(601)));
    }

    #[test]
    fn nothing_but_credentials_for_the_store_is_renewed() {
        let paths = [
            "password",
            "connection/PGPASSWORD",
            "other/password",
            "aws-expiration",
            "other/aws-access-key-id",
        ];
        let files: BTreeMap<String, String> =
            paths.iter().map(|path| ((*path).to_owned(), String::new())).collect();
        let keys: Vec<String> = renewed(&files).into_keys().collect();
        assert_eq!(keys, ["aws-expiration", "other__aws-access-key-id"]);
    }

    #[test]
    fn a_volume_is_read_and_never_written() {
        let (task, resources) = (task(), Resources::default());
        let job = job(Plan { claim: Some("c"), ..plan(&task, &resources) });
        let pod = &job["spec"]["template"]["spec"];
        let volume = &pod["volumes"][4];
        assert_eq!(volume["persistentVolumeClaim"], json!({"claimName": "c", "readOnly": true}));
        let container = &pod["containers"][0];
        assert_eq!(container["volumeMounts"][4]["readOnly"], true);
        let capabilities = json!({"drop": ["ALL"], "add": ["DAC_OVERRIDE"]});
        assert_eq!(container["securityContext"]["capabilities"], capabilities);
        assert_eq!(pod["securityContext"]["fsGroup"], Value::Null, "no file is given to another group");
        assert_eq!(pod["initContainers"][0]["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    }

    #[test]
    fn what_is_secret_is_nowhere_but_in_the_secret_and_goes_with_the_job() {
        let (task, resources) = (task(), Resources::default());
        let mut job = job(plan(&task, &resources));
        let files: BTreeMap<String, String> =
            [("password", "canary-1"), ("connection/PGPASSWORD", "canary-2")]
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .into();
        place_files(&mut job, files.keys().map(String::as_str));
        assert!(!job.to_string().contains("canary"), "{job}");
        let secret = secret(&task, ("acme-backup", "uid"), "u", &files);
        assert_eq!(secret["stringData"]["connection__PGPASSWORD"], "canary-2");
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "uid");
        let items = &job["spec"]["template"]["spec"]["volumes"][3]["secret"]["items"];
        assert_eq!(items[0], json!({"key": "connection__PGPASSWORD", "path": "connection/PGPASSWORD"}));
    }
}
