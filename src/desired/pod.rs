//! The pod of a service: restricted, spread over zones, read-only but for the declared folders.

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, ConfigMapEnvSource, ConfigMapVolumeSource, Container, ContainerPort,
        EmptyDirVolumeSource, EnvFromSource, EnvVar, EnvVarSource, ExecAction, GRPCAction, HTTPGetAction,
        Lifecycle, LifecycleHandler, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
        PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, SecretEnvSource,
        SecretKeySelector, SecretVolumeSource, SecurityContext, SleepAction, TCPSocketAction,
        TopologySpreadConstraint, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity as ApiQuantity, util::intstr::IntOrString},
};

use crate::{
    api::service as api,
    validate::{service::ValidatedService, storage::CONFIG_VOLUME},
};

use super::{Plan, meta, pull_secret, quota::quantities, storage, workload::config_map_name};

/// Name of the one container.
pub const CONTAINER: &str = "app";

/// The pod's spec.
pub fn spec(plan: Plan<'_>, service: &ValidatedService) -> PodSpec {
    PodSpec {
        containers: vec![container(service)],
        service_account_name: Some(service.spec.name.clone()),
        automount_service_account_token: Some(false),
        // Every Service of the namespace as environment variables: slow to start, and nobody asked.
        enable_service_links: Some(false),
        image_pull_secrets: pull_secret::references(plan),
        security_context: Some(pod_security(service)),
        termination_grace_period_seconds: Some(service.grace_seconds),
        topology_spread_constraints: Some(spread(plan, service)),
        affinity: zones(plan),
        volumes: some(volumes(service)),
        ..PodSpec::default()
    }
}

fn pod_security(service: &ValidatedService) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(service.spec.run_as_user),
        run_as_group: Some(service.spec.run_as_user),
        fs_group: storage::group(service),
        fs_group_change_policy: storage::group_change(service),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// Zones are a promise (`DoNotSchedule`), hosts a wish. Tainted nodes don't count, so that a drained
/// zone doesn't block the others; the hash in the keys lets each revision spread by itself, but for pods with
/// volumes: those go back to the zone of their volume, and a revision alone need not be even on the way; no
/// `minDomains`, which would leave pods pending where a zone is gone.
fn spread(plan: Plan<'_>, service: &ValidatedService) -> Vec<TopologySpreadConstraint> {
    let constraint = |key: &str, skew: i32, when: &str| TopologySpreadConstraint {
        max_skew: skew,
        topology_key: key.to_owned(),
        when_unsatisfiable: when.to_owned(),
        label_selector: Some(meta::pod_selector(plan, &service.spec.name)),
        match_label_keys: (!service.is_stateful()).then(|| vec!["pod-template-hash".into()]),
        node_taints_policy: Some("Honor".into()),
        ..TopologySpreadConstraint::default()
    };
    let topology = &plan.platform.topology;
    let skew = i32::try_from(topology.max_skew).unwrap_or(1);
    vec![
        constraint(&topology.zone_key, skew, "DoNotSchedule"),
        constraint("kubernetes.io/hostname", 1, "ScheduleAnyway"),
    ]
}

/// Where the Platform names its zones, pods stay in them.
fn zones(plan: Plan<'_>) -> Option<Affinity> {
    let topology = &plan.platform.topology;
    let requirement = NodeSelectorRequirement {
        key: topology.zone_key.clone(),
        operator: "In".into(),
        values: some(topology.zones.clone()),
    };
    let term = NodeSelectorTerm { match_expressions: Some(vec![requirement]), match_fields: None };
    (!topology.zones.is_empty()).then(|| Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

fn container(service: &ValidatedService) -> Container {
    let spec = &service.spec;
    let probes = spec.probes.clone().unwrap_or_default();
    let ports = spec.ports.iter().map(|port| ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.container_port,
        protocol: Some(port.protocol.as_str().into()),
        ..ContainerPort::default()
    });
    Container {
        name: CONTAINER.into(),
        image: Some(spec.image.clone()),
        command: some(spec.command.clone()),
        args: some(spec.args.clone()),
        ports: some(ports.collect()),
        env: some(spec.env.iter().map(env_var).collect()),
        env_from: some(env_from(service)),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&service.resources.requests)).filter(|map| !map.is_empty()),
            limits: Some(quantities(&service.resources.limits)).filter(|map| !map.is_empty()),
            claims: None,
        }),
        readiness_probe: probes.readiness.as_ref().map(|one| probe(service, one)),
        liveness_probe: probes.liveness.as_ref().map(|one| probe(service, one)),
        startup_probe: probes.startup.as_ref().map(|one| probe(service, one)),
        lifecycle: spec.pre_stop.as_ref().map(pre_stop),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            ..SecurityContext::default()
        }),
        volume_mounts: some(mounts(service)),
        ..Container::default()
    }
}

fn env_var(var: &api::EnvVar) -> EnvVar {
    let secret = var.secret_key_ref.as_ref().map(|reference| EnvVarSource {
        secret_key_ref: Some(SecretKeySelector {
            name: reference.name.clone(),
            key: reference.key.clone(),
            optional: None,
        }),
        ..EnvVarSource::default()
    });
    EnvVar { name: var.name.clone(), value: var.value.clone(), value_from: secret }
}

fn env_from(service: &ValidatedService) -> Vec<EnvFromSource> {
    let config =
        config_map_name(service).filter(|_| service.spec.config_path.is_none()).map(|name| EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource { name, optional: None }),
            ..EnvFromSource::default()
        });
    let secrets =
        service.spec.secret_refs.iter().filter(|secret| secret.mount_path.is_none()).map(|secret| {
            EnvFromSource {
                secret_ref: Some(SecretEnvSource { name: secret.name.clone(), optional: None }),
                ..EnvFromSource::default()
            }
        });
    config.into_iter().chain(secrets).collect()
}

fn volumes(service: &ValidatedService) -> Vec<Volume> {
    let spec = &service.spec;
    let config = config_map_name(service).filter(|_| spec.config_path.is_some()).map(|name| Volume {
        name: CONFIG_VOLUME.into(),
        config_map: Some(ConfigMapVolumeSource { name, ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    });
    let secrets = mounted_secrets(service).map(|(volume, secret, _)| Volume {
        name: volume,
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let writable = spec.writable_paths.iter().enumerate().map(|(index, path)| Volume {
        name: format!("writable-{index}"),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(ApiQuantity(path.size.0.clone())),
            medium: None,
        }),
        ..Volume::default()
    });
    config.into_iter().chain(secrets).chain(writable).collect()
}

fn mounts(service: &ValidatedService) -> Vec<VolumeMount> {
    let spec = &service.spec;
    let mount = |name: String, path: &str, read_only: bool| VolumeMount {
        name,
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let config = spec.config_path.as_ref().filter(|_| !spec.config.is_empty());
    let config = config.map(|path| mount(CONFIG_VOLUME.into(), path, true));
    let secrets = mounted_secrets(service).map(|(volume, _, path)| mount(volume, path, true));
    let writable = spec
        .writable_paths
        .iter()
        .enumerate()
        .map(|(index, path)| mount(format!("writable-{index}"), &path.path, false));
    let kept = spec.storage.iter().map(|one| mount(one.name.clone(), &one.path, false));
    config.into_iter().chain(secrets).chain(writable).chain(kept).collect()
}

/// Volume name, Secret name and path of each mounted Secret.
fn mounted_secrets(service: &ValidatedService) -> impl Iterator<Item = (String, &str, &str)> {
    let mounted = service.spec.secret_refs.iter().filter_map(|one| Some((one, one.mount_path.as_deref()?)));
    mounted.enumerate().map(|(index, (one, path))| (format!("secret-{index}"), one.name.as_str(), path))
}

fn probe(service: &ValidatedService, probe: &api::Probe) -> Probe {
    let exec = |exec: &api::Exec| ExecAction { command: Some(exec.command.clone()) };
    let named = |port: &str| IntOrString::String(port.to_owned());
    Probe {
        http_get: probe.http_get.as_ref().map(|way| HTTPGetAction {
            path: Some(way.path.clone()),
            port: named(&way.port),
            ..HTTPGetAction::default()
        }),
        tcp_socket: probe
            .tcp_socket
            .as_ref()
            .map(|way| TCPSocketAction { port: named(&way.port), ..TCPSocketAction::default() }),
        grpc: probe.grpc.as_ref().and_then(|way| {
            // gRPC checks take a number, not a name; validate made sure that the port is declared.
            let port = service.spec.ports.iter().find(|port| port.name == way.port)?;
            Some(GRPCAction { port: port.container_port, service: None })
        }),
        exec: probe.exec.as_ref().map(exec),
        initial_delay_seconds: probe.initial_delay_seconds,
        period_seconds: probe.period_seconds,
        timeout_seconds: probe.timeout_seconds,
        failure_threshold: probe.failure_threshold,
        success_threshold: probe.success_threshold,
        ..Probe::default()
    }
}

fn pre_stop(pre_stop: &api::PreStop) -> Lifecycle {
    let handler = LifecycleHandler {
        sleep: pre_stop.sleep.map(|pause| SleepAction { seconds: pause.whole_seconds() }),
        exec: pre_stop.exec.as_ref().map(|exec| ExecAction { command: Some(exec.command.clone()) }),
        ..LifecycleHandler::default()
    };
    Lifecycle { pre_stop: Some(handler), ..Lifecycle::default() }
}

/// Empty lists are left out: to server-side apply an empty list is a claim.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
