//! A Platform's rules, checked.

use std::collections::BTreeMap;

use crate::api::{
    Platform,
    backup::Backups,
    common::{Labels, Peer, PortRange},
    marks,
    platform::{Environment, GitSource, Images, Isolation, PlatformSpec, Topology},
    quantity::Quantity,
    service::Resources,
    verification::VerificationMode,
};

use super::{
    backup,
    cidr::Cidr,
    folders::{Unusable, folders},
    names::{is_label_value, is_qualified},
    problem::{Problem, at},
    resources, ssh_url,
    text::{is_hidden, quote},
};

/// A Platform whose every field has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedPlatform {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub environment: Environment,
    /// Zones that services spread over.
    pub topology: Topology,
    /// Peers that may reach every service.
    pub ingress_from: Vec<ValidatedPeer>,
    /// Peers that every tenant may reach.
    pub shared_egress: Vec<ValidatedPeer>,
    /// Name servers, each with the DNS ports.
    pub dns: Vec<ValidatedPeer>,
    /// Ranges that no CIDR opens.
    pub denied: Vec<Cidr>,
    /// How tenants are kept apart.
    pub isolation: Isolation,
    /// Which images may run.
    pub images: Images,
    /// Requests and limits of a pod that says nothing.
    pub default_resources: Resources,
    /// Quota of a Tenant that says nothing.
    pub default_quota: BTreeMap<String, Quantity>,
    /// Seconds between stop signal and kill of a service that says nothing.
    pub default_grace_seconds: i64,
    /// Seconds that new pods may take to be ready.
    pub progress_seconds: i32,
    /// Largest quota.
    pub quota_limits: BTreeMap<String, Quantity>,
    /// Most replicas of a service.
    pub replica_limit: Option<i32>,
    /// Ranges that tenants may open a part of.
    pub egress_limits: Vec<Cidr>,
    /// Annotation keys allowed on ServiceAccounts.
    pub service_account_annotations: Vec<String>,
    /// StorageClasses that services may name; any when empty.
    pub storage_classes: Vec<String>,
    /// How what Tenants keep is backed up.
    pub backups: Option<Backups>,
}

/// The other end of a network rule: selectors or a range, never both and never neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedPeer {
    /// Name of the rule.
    pub name: String,
    /// Who it is.
    pub end: PeerEnd,
    /// Ports; empty opens every port.
    pub ports: Vec<PortRange>,
}

/// Who a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// Pods by the labels of their namespace and their own; at least one is given.
    Pods {
        /// Labels of the namespace; the tenant's own namespace when absent.
        namespace: Option<Labels>,
        /// Labels of the pods; all of the namespace when absent.
        pods: Option<Labels>,
    },
    /// Addresses.
    Range(Cidr),
}

/// Base quota, under the Platform's default and the Tenant's own: nothing that reaches round the
/// network policies (node ports, load balancers), and a bound on pods.
const BASE_QUOTA: [(&str, &str); 3] =
    [("pods", "100"), ("services.nodeports", "0"), ("services.loadbalancers", "0")];

/// Checks a Platform.
///
/// # Errors
/// Every problem that was found, not only the first.
pub fn validate(platform: &Platform) -> Result<ValidatedPlatform, Vec<Problem>> {
    let spec = &platform.spec;
    let mut problems = Vec::new();
    check_source(spec, &mut problems);
    let network = "/spec/network";
    let ingress_from = peers(&spec.network.ingress_from, &at(network, "ingressFrom"), &mut problems);
    let shared_egress = peers(&spec.network.shared_egress, &at(network, "sharedEgress"), &mut problems);
    let mut dns = peers(&spec.network.dns.peers, "/spec/network/dns/peers", &mut problems);
    dns.iter_mut().for_each(|peer| peer.ports.clone_from(&spec.network.dns.ports));
    check_ports(&spec.network.dns.ports, "/spec/network/dns/ports", &mut problems);
    let denied = ranges(&spec.network.denied, &at(network, "denied"), &mut problems);
    let egress_limits = ranges(&spec.limits.egress, "/spec/limits/egress", &mut problems);
    resources::check_quota(&spec.defaults.quota, "/spec/defaults/quota", &mut problems);
    resources::check_quota(&spec.limits.quota, "/spec/limits/quota", &mut problems);
    check_keys(spec, &mut problems);
    backup::check_platform(spec, &mut problems);
    let progress_seconds = check_deadline(spec, &mut problems);
    let default_resources = default_resources(spec, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut default_quota: BTreeMap<String, Quantity> =
        BASE_QUOTA.iter().map(|(key, value)| ((*key).to_owned(), Quantity::from(*value))).collect();
    default_quota.extend(spec.defaults.quota.clone());
    let mut topology = spec.topology.clone();
    topology.zones.sort();
    Ok(ValidatedPlatform {
        name: platform.metadata.name.clone().unwrap_or_default(),
        environment: spec.environment,
        topology,
        ingress_from,
        shared_egress,
        dns,
        denied,
        isolation: spec.isolation.clone(),
        images: spec.images.clone(),
        default_resources,
        default_quota,
        default_grace_seconds: spec.defaults.termination_grace_period.map_or(30, |d| d.whole_seconds()),
        progress_seconds,
        quota_limits: spec.limits.quota.clone(),
        replica_limit: spec.limits.replicas,
        egress_limits,
        service_account_annotations: spec.limits.service_account_annotations.clone(),
        storage_classes: spec.limits.storage_classes.clone(),
        backups: spec.backups.clone(),
    })
}

/// Floor of `rollout.progressDeadline` outside `environment: test`, in seconds.
const DEADLINE_FLOOR: i64 = 60;

/// Checks how long new pods may take; returns the seconds.
fn check_deadline(spec: &PlatformSpec, problems: &mut Vec<Problem>) -> i32 {
    let deadline = spec.rollout.progress_deadline;
    let seconds = deadline.whole_seconds();
    let floor = if spec.environment == Environment::Test { 1 } else { DEADLINE_FLOOR };
    if seconds < floor {
        let message = format!("{deadline} is less than {floor}s");
        problems
            .push(Problem::new("/spec/rollout/progressDeadline", message).hint("give pods time to start"));
    }
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Floor of `source.git.interval` outside `environment: test`, in seconds.
const INTERVAL_FLOOR: u64 = 10;

fn check_source(spec: &PlatformSpec, problems: &mut Vec<Problem>) {
    let Some(source) = &spec.source else { return };
    let git = &source.git;
    if spec.environment != Environment::Test && git.interval.0.as_secs() < INTERVAL_FLOOR {
        let message = format!("{} is less than {INTERVAL_FLOOR}s", git.interval);
        problems.push(
            Problem::new("/spec/source/git/interval", message)
                .hint("use a longer interval, or environment: test"),
        );
    }
    check_ssh(git, problems);
    check_verification(git, spec.environment, problems);
    git.hook.iter().for_each(|hook| super::hook::check(hook, problems));
    let path = git.path.as_deref().unwrap_or_default();
    if let Err(Unusable { field, problem }) = folders(path, git.platform_path.as_deref()) {
        let written = if field == "path" { path } else { git.platform_path.as_deref().unwrap_or_default() };
        problems.push(
            Problem::new(
                at("/spec/source/git", field),
                format!("{} can't be used: {problem}", quote(written)),
            )
            .hint("name a folder of its own, like tenants/production"),
        );
    }
    for (name, quantity) in
        [("repositoryBytes", &git.limits.repository_bytes), ("fileBytes", &git.limits.file_bytes)]
    {
        if let Err(message) = quantity.milli() {
            problems.push(Problem::new(at("/spec/source/git/limits", name), message));
        }
    }
}

/// An address of SSH is one that can be used, and comes with a key.
fn check_ssh(git: &GitSource, problems: &mut Vec<Problem>) {
    if git.url.starts_with("http://") || git.url.starts_with("https://") {
        return;
    }
    let problem = match ssh_url::parse(&git.url) {
        Err(ssh_url::Unusable::Password) => Some("it holds a password"),
        Err(ssh_url::Unusable::Rule(problem)) => Some(problem),
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        let message = format!("{} can't be used: {problem}", quote(&git.url));
        problems.push(
            Problem::new("/spec/source/git/url", message)
                .hint("write https://host/path, ssh://git@host/path or git@host:path"),
        );
    }
    if git.credentials.is_none() {
        problems.push(
            Problem::new("/spec/source/git/credentials", "is missing, and the url is one of SSH")
                .hint("name a Secret with ssh-privatekey and known_hosts"),
        );
    }
}

/// What the API server's rules say too, for files that never saw it.
fn check_verification(git: &GitSource, environment: Environment, problems: &mut Vec<Problem>) {
    let Some(verification) = &git.verification else { return };
    super::approvals::check(verification, environment, problems);
    let asks = verification.mode != VerificationMode::None || verification.approvals.is_some();
    if asks && verification.signers.is_none() {
        problems.push(Problem::new("/spec/source/git/verification/signers", "is missing").hint(
            "name the ConfigMap or Secret with allowed_signers, or write mode: None without approvals",
        ));
    }
}

pub(super) fn peers(peers: &[Peer], base: &str, problems: &mut Vec<Problem>) -> Vec<ValidatedPeer> {
    let mut valid = Vec::new();
    for (index, peer) in peers.iter().enumerate() {
        let base = at(base, index);
        check_ports(&peer.ports, &at(&base, "ports"), problems);
        check_labels(peer.namespace_selector.as_ref(), &at(&base, "namespaceSelector"), problems);
        check_labels(peer.pod_selector.as_ref(), &at(&base, "podSelector"), problems);
        let selectors = peer.namespace_selector.is_some() || peer.pod_selector.is_some();
        let end = match &peer.cidr {
            Some(_) if selectors => {
                problems.push(
                    Problem::new(base, "has a cidr and selectors")
                        .hint("make two rules: one with the cidr, one with the selectors"),
                );
                continue;
            }
            None if !selectors => {
                problems.push(
                    Problem::new(base, "has neither a cidr nor selectors")
                        .hint("an empty peer would mean everyone; name the peer"),
                );
                continue;
            }
            Some(text) => match Cidr::parse(text) {
                Ok(range) => PeerEnd::Range(range),
                Err(message) => {
                    problems.push(Problem::new(at(&base, "cidr"), message));
                    continue;
                }
            },
            None => {
                PeerEnd::Pods { namespace: peer.namespace_selector.clone(), pods: peer.pod_selector.clone() }
            }
        };
        valid.push(ValidatedPeer { name: peer.name.clone(), end, ports: peer.ports.clone() });
    }
    // Lists with keys have no order: another one must not change what is applied.
    valid.sort_by(|a, b| a.name.cmp(&b.name));
    valid
}

/// An API server refuses a whole policy for one label that can't be.
pub(super) fn check_labels(labels: Option<&Labels>, base: &str, problems: &mut Vec<Problem>) {
    for (key, value) in labels.iter().flat_map(|labels| &labels.match_labels) {
        if !is_qualified(key) || !is_label_value(&value.0) {
            let pointer = at(&at(base, "matchLabels"), key);
            problems.push(Problem::new(pointer, "is not a label: key or value has what labels can't hold"));
        }
    }
}

/// Keys and values that end up as labels and annotations of children.
fn check_keys(spec: &PlatformSpec, problems: &mut Vec<Problem>) {
    for (name, key) in [("zoneKey", &spec.topology.zone_key), ("regionKey", &spec.topology.region_key)] {
        if !is_qualified(key) {
            problems
                .push(Problem::new(at("/spec/topology", name), format!("\"{key}\" is not a label's key")));
        }
    }
    for (index, zone) in spec.topology.zones.iter().enumerate().filter(|(_, zone)| !is_label_value(zone)) {
        let pointer = at("/spec/topology/zones", index);
        problems.push(Problem::new(pointer, format!("\"{zone}\" is not a label's value")));
    }
    for (index, prefix) in spec.images.registries.iter().enumerate() {
        // No image could match. The guards would read a blank as two prefixes, and nothing as none at all.
        if prefix.trim_end_matches('/').is_empty()
            || prefix.chars().any(|c| c.is_whitespace() || is_hidden(c))
        {
            let pointer = at("/spec/images/registries", index);
            problems.push(Problem::new(pointer, format!("{} is not a registry or prefix", quote(prefix))));
        }
    }
    for (index, key) in spec.limits.service_account_annotations.iter().enumerate() {
        let pointer = at("/spec/limits/serviceAccountAnnotations", index);
        if !is_qualified(key) {
            problems.push(Problem::new(pointer, format!("\"{key}\" is not an annotation's key")));
        } else if key.starts_with(marks::OWN_KEYS) {
            problems.push(Problem::new(pointer, format!("\"{key}\" is one of the operator's own marks")));
        }
    }
}

/// Checks that ranges of ports run upwards.
pub(super) fn check_ports(ports: &[PortRange], base: &str, problems: &mut Vec<Problem>) {
    for (index, range) in ports.iter().enumerate() {
        if range.end_port.is_some_and(|end| end < range.port) {
            problems.push(Problem::new(at(&at(base, index), "endPort"), "is less than port"));
        }
    }
}

fn ranges(texts: &[String], base: &str, problems: &mut Vec<Problem>) -> Vec<Cidr> {
    let mut valid = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match Cidr::parse(text) {
            Ok(range) => valid.push(range),
            Err(message) => problems.push(Problem::new(at(base, index), message)),
        }
    }
    valid
}

/// Checks that every value is a quantity that isn't negative.
pub(super) fn quantities(map: &BTreeMap<String, Quantity>, base: &str, problems: &mut Vec<Problem>) {
    for (key, quantity) in map {
        match quantity.milli() {
            Ok(amount) if amount.0 >= 0 => {}
            Ok(_) => problems.push(Problem::new(at(base, key), format!("{quantity} is negative"))),
            Err(message) => problems.push(Problem::new(at(base, key), message)),
        }
    }
}

/// What a pod gets when neither service nor Platform says anything: enough to start, bounded in memory.
fn default_resources(spec: &PlatformSpec, problems: &mut Vec<Problem>) -> Resources {
    let given = &spec.defaults.resources;
    resources::check(given, given, "/spec/defaults/resources", problems);
    if given.requests.is_empty() && given.limits.is_empty() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Quantity::from(*value))).collect()
        };
        return Resources {
            requests: map(&[("cpu", "100m"), ("memory", "128Mi")]),
            limits: map(&[("memory", "256Mi")]),
        };
    }
    given.clone()
}
