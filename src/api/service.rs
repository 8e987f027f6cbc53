//! One workload of a tenant: what `Tenant.spec.services[]` holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::{Duration, Protocol},
    quantity::Quantity,
    storage::Storage,
};

/// A long-running workload: a Deployment, or a StatefulSet where it has storage, with its Service, ServiceAccount and guards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.storage) && self.storage.size() > 0) == (has(oldSelf.storage) && oldSelf.storage.size() > 0)",
        "message": "a service can't begin or cease to have storage: make a service of another name, move to it, then remove this one"
    },
    {
        "rule": "!has(self.storage) || !has(oldSelf.storage) || self.storage.size() == 0 || oldSelf.storage.size() == 0 || self.storage.size() == oldSelf.storage.size() && self.storage.all(one, oldSelf.storage.exists(old, old.name == one.name))",
        "message": "the volumes of a service can't change: make a service of another name, move the data, then remove this one"
    },
]))]
pub struct Service {
    /// Name of the service, unique in its Tenant; also the name of its Deployment or StatefulSet, and of its Service.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Container image, with a digest where the Platform asks for one.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub command: Vec<String>,
    /// Arguments of the entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Vec<String>,
    /// Ports that the service listens on; empty for workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub ports: Vec<Port>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// Configuration, kept in a ConfigMap that is named by its content, so that a change rolls out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub config: BTreeMap<String, ConfigValue>,
    /// Folder where `config` is mounted as files; without it each key is an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/[^:]*$"))]
    pub config_path: Option<String>,
    /// Secrets of the tenant's namespace. The operator can't read them: a change rolls out by a new name or `restartedAt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secret_refs: Vec<SecretRef>,
    /// Requests and limits of each pod; the Platform's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How many pods.
    #[serde(default)]
    pub replicas: Replicas,
    /// Pods that must stay available during drains and roll-outs; by default `replicas.min − 1`, or `replicas.min` with `disruptable: false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_available: Option<i32>,
    /// Whether drains may evict pods. With `false`, `minAvailable` may equal `replicas.min`, and drains wait for a human.
    #[serde(default = "yes")]
    pub disruptable: bool,
    /// Health checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// Folders that the service may write to; `/tmp` when absent. Everything else is read-only.
    #[serde(default = "default_writable_paths")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub writable_paths: Vec<WritablePath>,
    /// Volumes that outlive pods: they make the service a StatefulSet, each of whose pods has its own. They can't change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub storage: Vec<Storage>,
    /// Numeric user that the container runs as.
    #[serde(default = "default_user")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub run_as_user: i64,
    /// Group that owns the volumes; with `storage` it is `runAsUser` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub fs_group: Option<i64>,
    /// Annotations of the ServiceAccount (cloud identities), within `Platform.spec.limits.serviceAccountAnnotations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub service_account_annotations: BTreeMap<String, AnnotationValue>,
    /// Time between the stop signal and the kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace_period: Option<Duration>,
    /// What runs before the stop signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<PreStop>,
    /// RFC 3339 time; a new value rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub restarted_at: Option<String>,
}

fn yes() -> bool {
    true
}

fn default_user() -> i64 {
    65532
}

/// `/tmp` of 64 MiB: most programs want one.
pub fn default_writable_paths() -> Vec<WritablePath> {
    vec![WritablePath { path: "/tmp".into(), size: Quantity::from("64Mi") }]
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name of the port, unique in its service.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Port that the container listens on; the Service has the same number.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// TCP unless said otherwise.
    #[serde(default)]
    pub protocol: Protocol,
}

/// An environment variable: a value, or a key of a Secret in the tenant's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.value) != has(self.secretKeyRef)",
    "message": "an environment variable has a value or a secretKeyRef, not both and not neither"
}]))]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// Its value. Secrets belong into `secretKeyRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub value: Option<String>,
    /// A key of a Secret in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A Secret that a service uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret in the tenant's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Folder where it is mounted as files; without it each key is an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^/[^:]*$"))]
    pub mount_path: Option<String>,
}

/// A configuration value: at most 256 KiB; all values of a service together at most 900 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ConfigValue(#[schemars(length(max = 262144))] pub String);

/// An annotation's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AnnotationValue(#[schemars(length(max = 1024))] pub String);

/// Requests and limits of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler reserves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, Quantity>,
    /// What a pod may not exceed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, Quantity>,
}

/// How many pods a service has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.max) || self.max >= self.min",
    "message": "replicas.max is less than replicas.min"
}]))]
pub struct Replicas {
    /// Pods at least.
    #[serde(default = "default_min")]
    #[schemars(range(min = 1, max = 1000))]
    pub min: i32,
    /// Pods at most; more than `min` makes a HorizontalPodAutoscaler. `min` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<i32>,
    /// Share of the CPU request, in percent, that the autoscaler aims at.
    #[serde(default = "default_target_cpu", rename = "targetCPU")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu: i32,
}

impl Replicas {
    /// Pods at most.
    pub fn max(&self) -> i32 {
        self.max.unwrap_or(self.min)
    }
}

fn default_min() -> i32 {
    3
}

fn default_target_cpu() -> i32 {
    80
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: default_min(), max: None, target_cpu: default_target_cpu() }
    }
}

/// Health checks, as in a container of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// May the pod get traffic?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// Must the container be restarted?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// Has it started? The other two wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
}

/// One health check; exactly one way of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.httpGet), has(self.tcpSocket), has(self.grpc), has(self.exec)].filter(x, x).size() == 1",
    "message": "a probe has exactly one of httpGet, tcpSocket, grpc and exec"
}]))]
pub struct Probe {
    /// Asks by HTTP; 200 to 399 is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGet>,
    /// Asks whether the port opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<ProbePort>,
    /// Asks the gRPC health service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<ProbePort>,
    /// Asks a program in the container; exit code 0 is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Seconds before the first check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,
    /// Seconds that an answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
    /// Failures in a row that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
    /// Successes in a row that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: Option<i32>,
}

/// Path and port of an HTTP check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGet {
    /// Path, from `/`.
    #[serde(default = "root_path")]
    #[schemars(length(max = 512), regex(pattern = r"^/"))]
    pub path: String,
    /// Name of one of the service's ports.
    #[schemars(length(min = 1, max = 15))]
    pub port: String,
}

fn root_path() -> String {
    "/".into()
}

/// A port by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbePort {
    /// Name of one of the service's ports.
    #[schemars(length(min = 1, max = 15))]
    pub port: String,
}

/// A program in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exec {
    /// The program and its arguments.
    #[schemars(length(min = 1, max = 32), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub command: Vec<String>,
}

/// What runs before the stop signal: a pause, or a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.sleep) != has(self.exec)",
    "message": "preStop has sleep or exec, not both and not neither"
}]))]
pub struct PreStop {
    /// A pause, so that load balancers notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<Duration>,
    /// A program in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
}

/// A folder that the service may write to; empty at every start of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WritablePath {
    /// The folder, from `/`.
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^/[^:]*$"))]
    pub path: String,
    /// Most that fits; a pod that writes more is evicted.
    #[serde(default = "default_path_size")]
    pub size: Quantity,
}

fn default_path_size() -> Quantity {
    Quantity::from("64Mi")
}
