//! One service of a Tenant, checked against its Platform.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{
    conditions::reasons,
    quantity::{Milli, Quantity},
    service::{Probe, Resources, Service},
};

use super::{
    platform::{ValidatedPlatform, quantities},
    problem::{Problem, at},
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
    /// Pods that there may be at once: all of them and the roll-out's surge.
    pub fn most_pods(&self) -> i32 {
        let max = self.spec.replicas.max();
        max + surge(max)
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
    check_image(&service.image, &at(base, "image"), platform, problems);
    check_ports_and_probes(service, base, problems);
    check_config(service, base, problems);
    check_paths(service, base, problems);
    check_annotations(service, base, platform, problems);
    if let Some(text) = &service.restarted_at
        && text.parse::<Timestamp>().is_err()
    {
        problems.push(Problem::new(at(base, "restartedAt"), format!("\"{text}\" is not an RFC 3339 time")));
    }
    let resources = service.resources.clone().unwrap_or_else(|| platform.default_resources.clone());
    check_resources(service, &resources, base, problems);
    let min_available = check_replicas(service, base, platform, problems);
    let grace =
        service.termination_grace_period.map_or(platform.default_grace_seconds, |d| d.whole_seconds());
    ValidatedService { spec: service.clone(), resources, min_available, grace_seconds: grace }
}

fn check_image(image: &str, pointer: &str, platform: &ValidatedPlatform, problems: &mut Vec<Problem>) {
    let rules = &platform.images;
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        problems.push(Problem::new(pointer, "is not an image reference"));
        return;
    }
    let digest = image.split_once("@sha256:").is_some_and(|(_, hex)| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if rules.require_digests && !digest {
        problems.push(
            Problem::new(
                pointer,
                format!("image \"{image}\" has no digest, and Platform {} asks for one", platform.name),
            )
            .reason(reasons::LIMIT_EXCEEDED)
            .hint("write it like registry.example.com/app@sha256:<64 hexadecimal digits>"),
        );
    }
    let full = normal_image(image);
    let allowed = |prefix: &String| {
        full.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.starts_with(['/', ':', '@']))
    };
    if !rules.registries.is_empty() && !rules.registries.iter().any(allowed) {
        problems.push(
            Problem::new(
                pointer,
                format!(
                    "image \"{image}\" is from a registry that Platform {} does not allow",
                    platform.name
                ),
            )
            .reason(reasons::LIMIT_EXCEEDED)
            .hint(format!("use one of: {}", rules.registries.join(", "))),
        );
    }
}

/// The image as container runtimes read it: `nginx` is `docker.io/library/nginx`.
fn normal_image(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

fn check_ports_and_probes(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let mut seen = BTreeMap::new();
    for (index, port) in service.ports.iter().enumerate() {
        let pointer = at(&at(base, "ports"), index);
        if let Some(other) = seen.insert((port.container_port, port.protocol), &port.name) {
            let message = format!("port {} is declared as \"{other}\" already", port.container_port);
            problems.push(Problem::new(at(&pointer, "containerPort"), message));
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
        if key.is_empty() || key.len() > 253 || !key.bytes().all(plain) || key.starts_with("..") {
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

/// Every folder that something is mounted at must be there once, and none may hide the whole file system.
fn check_paths(service: &Service, base: &str, problems: &mut Vec<Problem>) {
    let mut paths: Vec<(String, &str)> = Vec::new();
    for (index, path) in service.writable_paths.iter().enumerate() {
        let pointer = at(&at(base, "writablePaths"), index);
        match path.size.milli() {
            Ok(amount) if amount > Milli(0) => {}
            Ok(_) => problems.push(Problem::new(at(&pointer, "size"), "must be more than 0")),
            Err(message) => problems.push(Problem::new(at(&pointer, "size"), message)),
        }
        paths.push((at(&pointer, "path"), &path.path));
    }
    for (index, secret) in service.secret_refs.iter().enumerate() {
        if let Some(path) = &secret.mount_path {
            paths.push((at(&at(&at(base, "secretRefs"), index), "mountPath"), path));
        }
    }
    if let Some(path) = &service.config_path {
        paths.push((at(base, "configPath"), path));
    }
    let mut seen = BTreeSet::new();
    for (pointer, path) in paths {
        let normal = path.trim_end_matches('/');
        if !path.starts_with('/')
            || normal.is_empty()
            || normal.split('/').any(|part| part == ".." || part == ".")
        {
            problems.push(Problem::new(pointer, format!("\"{path}\" is not an absolute folder below /")));
        } else if !seen.insert(normal) {
            problems.push(Problem::new(pointer, format!("something is mounted at {normal} already")));
        }
    }
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

fn check_resources(service: &Service, resources: &Resources, base: &str, problems: &mut Vec<Problem>) {
    let pointer = at(base, "resources");
    quantities(&resources.requests, &at(&pointer, "requests"), problems);
    quantities(&resources.limits, &at(&pointer, "limits"), problems);
    for (key, request) in &resources.requests {
        let limit = resources.limits.get(key).map(Quantity::milli);
        if let (Ok(request_amount), Some(Ok(limit_amount))) = (request.milli(), limit)
            && request_amount > limit_amount
        {
            let message = format!("{request} is more than the limit of {limit_amount}");
            problems.push(Problem::new(at(&at(&pointer, "requests"), key), message));
        }
    }
    if service.replicas.max() > service.replicas.min && !resources.requests.contains_key("cpu") {
        problems.push(
            Problem::new(pointer, "an autoscaled service needs a CPU request, which targetCPU is a share of")
                .hint("set resources.requests.cpu"),
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
    let chosen = service.min_available.unwrap_or(replicas.min - 1);
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
