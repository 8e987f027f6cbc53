//! One service of a Tenant, checked against its Platform.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{
    conditions::reasons,
    kinds::{Kind, ObjectId},
    service::{Probe, Resources, Service},
};

use super::{
    image, mounts,
    platform::ValidatedPlatform,
    problem::{Problem, at},
    resources, storage,
};

/// A service whose every field has been checked, with the Platform's defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedService {
    /// What the user wrote.
    pub spec: Service,
    /// Requests and limits of each pod.
    pub resources: Resources,
    /// Pods that must stay available.
    pub min_available: i32,
    /// Seconds between stop signal and kill.
    pub grace_seconds: i64,
}

impl ValidatedService {
    /// Pods that there may be at once: all of them and the roll-out's surge. A pod with volumes goes before the one
    /// that takes its place.
    pub fn most_pods(&self) -> i32 {
        let max = self.spec.replicas.max();
        if self.is_stateful() { max } else { max + surge(max) }
    }

    /// Whether its pods have volumes that outlive them.
    pub fn is_stateful(&self) -> bool {
        !self.spec.storage.is_empty()
    }

    /// The kind of what makes its pods.
    pub fn workload(&self) -> Kind {
        if self.is_stateful() { Kind::StatefulSet } else { Kind::Deployment }
    }

    /// What makes its pods, in the tenant's namespace.
    pub fn workload_in(&self, namespace: &str) -> ObjectId {
        ObjectId { kind: self.workload(), namespace: namespace.to_owned(), name: self.spec.name.clone() }
    }
}

/// Pods that a roll-out adds before it takes old ones away: a quarter, rounded up.
pub const SURGE_PERCENT: i32 = 25;

fn surge(pods: i32) -> i32 {
    (pods * SURGE_PERCENT + 99) / 100
}

/// Most bytes of all configuration values of a service: etcd takes 1 MiB an object.
const CONFIG_BYTES: usize = 900 * 1024;

/// Checks a service; problems are added to the list.
pub(super) fn validate(
    service: &Service,
    base: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) -> ValidatedService {
    if service.name == "default" {
        problems.push(
            Problem::new(at(base, "name"), "every namespace has a ServiceAccount called default already")
                .hint("choose another name"),
        );
    }
    image::check(&service.image, &at(base, "image"), platform, problems);
    check_ports_and_probes(service, base, problems);
    check_config(service, base, problems);
    mounts::check(service, base, problems);
    mounts::check_secrets(service, base, problems);
    storage::check(service, base, platform, problems);
    check_annotations(service, base, platform, problems);
    if let Some(text) = &service.restarted_at
        && text.parse::<Timestamp>().is_err()
    {
        problems.push(Problem::new(at(base, "restartedAt"), format!("\"{text}\" is not an RFC 3339 time")));
    }
    let resources = resources::effective(service.resources.as_ref(), &platform.default_resources);
    check_resources(service, &resources, base, problems);
    let min_available = check_replicas(service, base, platform, problems);
    let grace =
        service.termination_grace_period.map_or(platform.default_grace_seconds, |d| d.whole_seconds());
    check_commands(service, base, grace, problems);
    ValidatedService { spec: service.clone(), resources, min_available, grace_seconds: grace }
}

fn check_ports_and_probes(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let mut seen = BTreeMap::new();
    for (index, port) in service.ports.iter().enumerate() {
        let pointer = at(&at(base, "ports"), index);
        if let Some(other) = seen.insert((port.container_port, port.protocol), &port.name) {
            let message = format!("port {} is declared as \"{other}\" already", port.container_port);
            problems.push(Problem::new(at(&pointer, "containerPort"), message));
        }
        if port.name.contains("--") {
            problems.push(Problem::new(at(&pointer, "name"), "can't have two - side by side"));
        }
    }
    let Some(probes) = &service.probes else { return };
    let names: BTreeSet<&str> = service.ports.iter().map(|port| port.name.as_str()).collect();
    let all =
        [("readiness", &probes.readiness), ("liveness", &probes.liveness), ("startup", &probes.startup)];
    for (name, probe) in all {
        let Some(probe) = probe else { continue };
        let pointer = at(&at(base, "probes"), name);
        check_probe(probe, &pointer, &names, problems);
        if name != "readiness" && probe.success_threshold.is_some_and(|count| count != 1) {
            problems.push(Problem::new(at(&pointer, "successThreshold"), "must be 1 for this probe"));
        }
    }
}

fn check_probe(probe: &Probe, pointer: &str, ports: &BTreeSet<&str>, problems: &mut Vec<Problem>) {
    let ways = [
        ("httpGet", probe.http_get.as_ref().map(|way| way.port.as_str())),
        ("tcpSocket", probe.tcp_socket.as_ref().map(|way| way.port.as_str())),
        ("grpc", probe.grpc.as_ref().map(|way| way.port.as_str())),
    ];
    let given = ways.iter().filter(|(_, port)| port.is_some()).count() + usize::from(probe.exec.is_some());
    if given != 1 {
        problems.push(Problem::new(pointer, "a probe has exactly one of httpGet, tcpSocket, grpc and exec"));
    }
    if probe.exec.as_ref().is_some_and(|exec| exec.command.first().is_none_or(String::is_empty)) {
        problems.push(Problem::new(format!("{pointer}/exec/command"), "names no program"));
    }
    for (way, port) in ways {
        if let Some(port) = port.filter(|port| !ports.contains(port)) {
            let known: Vec<&str> = ports.iter().copied().collect();
            problems.push(
                Problem::new(
                    format!("{pointer}/{way}/port"),
                    format!("the service has no port called \"{port}\""),
                )
                .hint(if known.is_empty() {
                    "declare it in ports".to_owned()
                } else {
                    format!("its ports are: {}", known.join(", "))
                }),
            );
        }
    }
}

fn check_config(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let bytes: usize = service.config.iter().map(|(key, value)| key.len() + value.0.len()).sum();
    let pointer = at(base, "config");
    if bytes > CONFIG_BYTES {
        problems
            .push(Problem::new(&pointer, format!("holds {bytes} bytes; a ConfigMap takes {CONFIG_BYTES}")));
    }
    for key in service.config.keys() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if key.is_empty() || key.len() > 253 || !key.bytes().all(plain) || key == "." || key.starts_with("..")
        {
            problems.push(
                Problem::new(at(&pointer, key), "is not a ConfigMap key")
                    .hint("use letters, digits, -, _ and ."),
            );
        } else if service.config_path.is_none() && !is_env_name(key) {
            problems.push(
                Problem::new(at(&pointer, key), "can't be an environment variable")
                    .hint("set configPath to mount the configuration as files"),
            );
        }
    }
    for (index, var) in service.env.iter().enumerate() {
        let pointer = at(&at(base, "env"), index);
        if var.value.is_some() == var.secret_key_ref.is_some() {
            problems.push(Problem::new(pointer, "has a value or a secretKeyRef, not both and not neither"));
        }
    }
}

fn is_env_name(text: &str) -> bool {
    let start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(start)
        && text.bytes().all(|b| start(b) || b.is_ascii_digit() || b == b'.' || b == b'-')
}

fn check_annotations(
    service: &Service,
    base: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) {
    for key in service.service_account_annotations.keys() {
        if !platform.service_account_annotations.contains(key) {
            let pointer = at(&at(base, "serviceAccountAnnotations"), key);
            problems.push(
                Problem::new(pointer, format!("Platform {} does not allow this annotation", platform.name))
                    .reason(reasons::LIMIT_EXCEEDED)
                    .hint("a cluster admin can allow it in Platform.spec.limits.serviceAccountAnnotations"),
            );
        }
    }
}

fn check_resources(service: &Service, all: &Resources, base: &str, problems: &mut Vec<Problem>) {
    let pointer = at(base, "resources");
    let own = service.resources.clone().unwrap_or_default();
    resources::check(all, &own, &pointer, problems);
    let cpu = all.requests.contains_key("cpu") || all.limits.contains_key("cpu");
    if service.replicas.max() > service.replicas.min && !cpu {
        problems.push(
            Problem::new(pointer, "an autoscaled service needs a CPU request, which targetCPU is a share of")
                .hint("set resources.requests.cpu"),
        );
    }
}

/// What runs in the container besides its image's own program, and how long it may take to end.
fn check_commands(service: &Service, base: &str, grace: i64, problems: &mut Vec<Problem>) {
    let none = |command: &[String]| command.first().is_some_and(String::is_empty);
    if none(&service.command) {
        problems.push(Problem::new(at(&at(base, "command"), 0), "names no program"));
    }
    let Some(pre_stop) = &service.pre_stop else { return };
    let pointer = at(base, "preStop");
    if pre_stop.sleep.is_some() == pre_stop.exec.is_some() {
        problems.push(Problem::new(&pointer, "has sleep or exec, not both and not neither"));
    }
    if pre_stop.exec.as_ref().is_some_and(|exec| none(&exec.command)) {
        problems.push(Problem::new(format!("{pointer}/exec/command/0"), "names no program"));
    }
    if let Some(sleep) = pre_stop.sleep.filter(|sleep| sleep.whole_seconds() >= grace) {
        problems.push(
            Problem::new(
                at(&pointer, "sleep"),
                format!("{sleep} leaves nothing of the {grace} s between the stop signal and the kill"),
            )
            .hint("sleep less, or raise terminationGracePeriod"),
        );
    }
}

/// Checks the replicas and returns how many pods must stay available.
fn check_replicas(
    service: &Service,
    base: &str,
    platform: &ValidatedPlatform,
    problems: &mut Vec<Problem>,
) -> i32 {
    let replicas = &service.replicas;
    let pointer = at(base, "replicas");
    if replicas.max() < replicas.min {
        problems.push(Problem::new(at(&pointer, "max"), "is less than min"));
    }
    if let Some(limit) = platform.replica_limit.filter(|limit| replicas.max() > *limit) {
        let message =
            format!("{} is more than the {limit} that Platform {} allows", replicas.max(), platform.name);
        problems.push(Problem::new(pointer, message).reason(reasons::LIMIT_EXCEEDED));
    }
    let chosen = service.min_available.unwrap_or(replicas.min - i32::from(service.disruptable));
    if chosen > replicas.min || (chosen == replicas.min && service.disruptable) {
        problems.push(
            Problem::new(
                at(base, "minAvailable"),
                format!("{chosen} of {} pods leaves none for a drain to take", replicas.min),
            )
            .hint("lower minAvailable, raise replicas.min, or set disruptable: false"),
        );
    }
    chosen
}
