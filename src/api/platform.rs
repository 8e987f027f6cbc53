//! `Platform`: the rules for its Tenants, and where their configuration comes from.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    audit::Audit,
    backup::Backups,
    brake::Brake,
    common::{Duration, Peer, PortRange, Protocol, SecretName},
    forge::Forge,
    hook::Hook,
    platform_status::PlatformStatus,
    quantity::Quantity,
    service::Resources,
    verification::Verification,
};

// clippy takes the keys of kube's columns for attributes of their own.
#[allow(clippy::duplicated_attributes)]
/// The rules for a set of Tenants: source, zones, network, isolation, images, defaults and limits.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Platform",
    plural = "platforms",
    category = "tenantry",
    status = "PlatformStatus",
    derive = "PartialEq",
    doc = "The rules for a set of Tenants, and where their configuration comes from.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Tenants", type_ = "string", json_path = ".status.summary.tenants"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.summary.revision"),
    printcolumn(name = "Orphans", type_ = "integer", json_path = ".status.summary.orphans"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct PlatformSpec {
    /// `test` lifts the floors of periods, so that promises of days can be tested in minutes.
    #[serde(default)]
    pub environment: Environment,
    /// Where Tenants come from; without it they come from kubectl only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Zones that services spread over.
    #[serde(default)]
    pub topology: Topology,
    /// Who may talk to tenants, and whom they may talk to.
    #[serde(default)]
    pub network: Network,
    /// How tenants are kept apart.
    #[serde(default)]
    pub isolation: Isolation,
    /// Which images may run.
    #[serde(default)]
    pub images: Images,
    /// What a Tenant gets where it says nothing.
    #[serde(default)]
    pub defaults: Defaults,
    /// What a Tenant may not exceed.
    #[serde(default)]
    pub limits: Limits,
    /// How a change of these rules, or of the operator, reaches the Tenants that run.
    #[serde(default)]
    pub rollout: Rollout,
    /// How what Tenants keep is backed up, and the backups are tried; nothing is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<Backups>,
    /// Whose audit log must be complete, and kept where nobody of this cluster can change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

/// How a change that no Tenant asked for reaches the Tenants that run: in waves. The next wave begins when the
/// services of the one before are available again, and none begins while a Tenant is down that a wave reached less than
/// ten minutes before. New Tenants, Tenants whose own spec changes and what somebody else changed don't wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// Most Tenants of the Platform in one wave, in percent, rounded down, and at least one; `100` is all at once.
    #[schemars(range(min = 1, max = 100))]
    pub max_percent: u32,
    /// How long new pods of a service may take to be ready before their roll-out is said to have failed; the old ones
    /// stay. At least 1m outside `environment: test`.
    pub progress_deadline: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { max_percent: 10, progress_deadline: Duration::from_secs(600) }
    }
}

/// What the Platform is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum Environment {
    #[default]
    Production,
    Staging,
    Test,
}

/// Where configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// A Git repository.
    pub git: GitSource,
    /// How much one commit may do before a person has to say that it is meant.
    #[serde(default)]
    pub brake: Brake,
}

/// A Git repository, read over HTTP or SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.branch), has(self.tag), has(self.commit)].filter(x, x).size() <= 1",
    "message": "at most one of branch, tag and commit"
}]))]
pub struct GitSource {
    /// `https://…` or `http://…`, without user or password; or `ssh://git@host[:port]/path` or `git@host:path`.
    /// What opens it belongs into `credentials`.
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^(https?://[^@\s]+|(ssh://)?[^@:/\s]+@[^@\s]+)$")
    )]
    pub url: String,
    /// Branch to follow; `main` when neither tag nor commit is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub branch: Option<String>,
    /// Tag to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub tag: Option<String>,
    /// Commit to stay at: a full id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 40, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub commit: Option<String>,
    /// Folder of the Tenants' files; the whole repository when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub path: Option<String>,
    /// File or folder that this Platform's own rules come from; its trust root (`source`) never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub platform_path: Option<String>,
    /// Time between looks at the repository; at least 10s outside `environment: test`.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// Secret with `username` and `password`, or `token`; for a GitHub App `appId`, `installationId` and `privateKey`;
    /// for SSH `ssh-privatekey` (type `kubernetes.io/ssh-auth`, and `passphrase` if it has one) and `known_hosts`: the
    /// keys that the server may have, as ssh-keyscan writes them. A server that is not in it is refused, never trusted
    /// on first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretName>,
    /// Secret with `ca.crt`, in PEM, that the server's certificate is checked against besides the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretName>,
    /// Who must have signed commits; without it, whoever may push decides. A commit that doesn't pass holds the whole
    /// source at the last accepted revision, which is healed as ever (`UnverifiedCommit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Who may ask for a look between two intervals, with `POST /hooks/<platform>`; nobody when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// Where plans of pull requests are posted; nowhere when absent. While the Platform has the annotation
    /// `tenantry.dev/plan-only: "true"`, plans are all that comes of its source: nothing is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<Forge>,
    /// How large the repository may be.
    #[serde(default)]
    pub limits: SourceLimits,
}

fn default_interval() -> Duration {
    Duration::from_secs(60)
}

/// How large a repository may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceLimits {
    /// Bytes that a fetch may bring, and the repository may hold on disk.
    pub repository_bytes: Quantity,
    /// Bytes of one file.
    pub file_bytes: Quantity,
    /// Files below `path`.
    #[schemars(range(min = 1, max = 100000))]
    pub files: u32,
    /// Depth of folders below `path`.
    #[schemars(range(min = 1, max = 64))]
    pub depth: u32,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { repository_bytes: "256Mi".into(), file_bytes: "1Mi".into(), files: 10_000, depth: 16 }
    }
}

/// Zones that services spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Topology {
    /// Node label that names the zone.
    #[schemars(length(min = 1, max = 253))]
    pub zone_key: String,
    /// Node label that names the region.
    #[schemars(length(min = 1, max = 253))]
    pub region_key: String,
    /// Zones that count; every zone that has nodes when empty.
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub zones: Vec<String>,
    /// Zones that a service must be ready in; the rule asked of a service is `min(minZones, replicas)`.
    #[schemars(range(min = 1, max = 16))]
    pub min_zones: u32,
    /// Difference allowed between the fullest and the emptiest zone, in pods.
    #[schemars(range(min = 1, max = 100))]
    pub max_skew: u32,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            zone_key: "topology.kubernetes.io/zone".into(),
            region_key: "topology.kubernetes.io/region".into(),
            zones: Vec::new(),
            min_zones: 3,
            max_skew: 1,
        }
    }
}

/// Who may talk to tenants, and whom they may talk to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Peers that may reach the declared ports of every service, such as the ingress controller.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub ingress_from: Vec<Peer>,
    /// Peers that every tenant may reach, such as a shared cache.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub shared_egress: Vec<Peer>,
    /// Name servers.
    pub dns: Dns,
    /// Addresses that no `egress` CIDR opens, besides the metadata range and the observed node and API server addresses.
    #[schemars(length(max = 64), inner(length(max = 49)), extend("x-kubernetes-list-type" = "set"))]
    pub denied: Vec<String>,
}

/// Name servers of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Dns {
    /// Name servers as pods.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub peers: Vec<Peer>,
    /// Ports that they answer on.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<PortRange>,
}

impl Default for Dns {
    /// kube-dns, and NodeLocal DNSCache's address.
    fn default() -> Self {
        let labels = |key: &str, value: &str| {
            let value = super::common::LabelValue(value.into());
            Some(super::common::Labels { match_labels: [(key.to_owned(), value)].into() })
        };
        let port = |protocol| PortRange { port: 53, end_port: None, protocol };
        Self {
            peers: vec![
                Peer {
                    name: "kube-dns".into(),
                    namespace_selector: labels("kubernetes.io/metadata.name", "kube-system"),
                    pod_selector: labels("k8s-app", "kube-dns"),
                    ..Peer::default()
                },
                Peer { name: "node-local".into(), cidr: Some("169.254.20.10/32".into()), ..Peer::default() },
            ],
            ports: vec![port(Protocol::UDP), port(Protocol::TCP)],
        }
    }
}

/// How tenants are kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Isolation {
    /// Pod Security level enforced in tenant namespaces.
    pub pod_security: PodSecurity,
    /// Field managers (sidecar injectors and the like) whose additions to pod templates are left alone.
    #[schemars(length(max = 16), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub injectors: Vec<String>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { pod_security: PodSecurity::Restricted, injectors: Vec::new() }
    }
}

/// A Pod Security level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it, and variant docs would turn the schema's enum into oneOf
pub enum PodSecurity {
    #[default]
    Restricted,
    Baseline,
}

impl PodSecurity {
    /// The value of the `pod-security.kubernetes.io/…` labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
        }
    }
}

/// Which images may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Images {
    /// Registries, or prefixes of repositories (`registry.example.com/shop`), that images may come from; any when empty.
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub registries: Vec<String>,
    /// Images must name a digest (`@sha256:…`).
    pub require_digests: bool,
    /// Docker configuration Secrets in the operator's namespace, copied (as one) to every tenant namespace.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pull_secret_refs: Vec<SecretName>,
}

/// What a Tenant gets where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Defaults {
    /// Requests and limits of a pod.
    pub resources: Resources,
    /// Quota of a namespace; an entry of the Tenant's own wins.
    #[schemars(extend("maxProperties" = 32))]
    pub quota: BTreeMap<String, Quantity>,
    /// Time between the stop signal and the kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period: Option<Duration>,
}

/// What a Tenant may not exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Largest quota, by the same keys.
    #[schemars(extend("maxProperties" = 32))]
    pub quota: BTreeMap<String, Quantity>,
    /// Most `replicas.max` of a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: Option<i32>,
    /// CIDRs that `Tenant.spec.egress` may open a part of; none when empty.
    #[schemars(length(max = 64), inner(length(max = 49)), extend("x-kubernetes-list-type" = "set"))]
    pub egress: Vec<String>,
    /// Annotation keys that services may put on their ServiceAccount; none when empty.
    #[schemars(length(max = 16), inner(length(min = 1, max = 317)), extend("x-kubernetes-list-type" = "set"))]
    pub service_account_annotations: Vec<String>,
    /// StorageClasses that services may name in `storage[].class`, which then names one; any, and none, when empty.
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub storage_classes: Vec<String>,
}
