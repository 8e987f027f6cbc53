//! A service with volumes: its StatefulSet, its claims' template, the Service that names its pods.

use k8s_openapi::{
    api::{
        apps::v1::{
            RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy,
            StatefulSetSpec, StatefulSetUpdateStrategy,
        },
        core::v1::{
            PersistentVolumeClaim, PersistentVolumeClaimSpec, Service, ServicePort, ServiceSpec,
            VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use crate::{
    api::storage::Storage,
    validate::{service::ValidatedService, storage::governing_name},
};

use super::{Plan, meta, workload};

/// The StatefulSet. `replicas` is never in it: see [`super::Scale`].
pub fn stateful_set(plan: Plan<'_>, service: &ValidatedService) -> StatefulSet {
    let name = &service.spec.name;
    let keep = || Some("Retain".to_owned());
    let spec = StatefulSetSpec {
        replicas: None,
        service_name: Some(governing_name(name)),
        selector: meta::pod_selector(plan, name),
        template: workload::template(plan, service),
        // One after the other only takes longer where pods don't wait for each other; and a revision that never comes
        // up would stay in the way of the one that mends it.
        pod_management_policy: Some("Parallel".into()),
        update_strategy: Some(StatefulSetUpdateStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateStatefulSetStrategy {
                partition: Some(0),
                ..RollingUpdateStatefulSetStrategy::default()
            }),
        }),
        // Claims are the tenant's data.
        persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
            when_deleted: keep(),
            when_scaled: keep(),
        }),
        volume_claim_templates: Some(service.spec.storage.iter().map(|one| claim(plan, name, one)).collect()),
        revision_history_limit: Some(5),
        ..StatefulSetSpec::default()
    };
    StatefulSet { metadata: meta::of_service(plan, name, name), spec: Some(spec), status: None }
}

/// What each pod's claim is made of. Nothing in it can change ever after: so its labels are the selector's, and not
/// those that mark what the operator may delete.
fn claim(plan: Plan<'_>, service: &str, storage: &Storage) -> PersistentVolumeClaim {
    let size = [("storage".to_owned(), Quantity(storage.size.0.clone()))];
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(storage.name.clone()),
            labels: Some(meta::pod_labels(plan, service)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: storage.class.clone(),
            resources: Some(VolumeResourceRequirements { requests: Some(size.into()), limits: None }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// The Service without an address that gives each pod a name of its own, ready or not: members of a cluster must find
/// each other before they are ready. None for services without volumes.
pub fn governing_service(plan: Plan<'_>, service: &ValidatedService) -> Option<Service> {
    let name = &service.spec.name;
    let ports: Vec<ServicePort> = service
        .spec
        .ports
        .iter()
        .map(|port| ServicePort {
            name: Some(port.name.clone()),
            port: port.container_port,
            target_port: Some(IntOrString::String(port.name.clone())),
            protocol: Some(port.protocol.as_str().into()),
            ..ServicePort::default()
        })
        .collect();
    let spec = ServiceSpec {
        type_: Some("ClusterIP".into()),
        cluster_ip: Some("None".into()),
        publish_not_ready_addresses: Some(true),
        selector: Some(meta::pod_labels(plan, name)),
        ports: (!ports.is_empty()).then_some(ports),
        ..ServiceSpec::default()
    };
    service.is_stateful().then(|| Service {
        metadata: meta::of_service(plan, name, governing_name(name)),
        spec: Some(spec),
        status: None,
    })
}

/// The group that owns the pod's volumes: a new disk is root's, and the container is not root.
pub fn group(service: &ValidatedService) -> Option<i64> {
    let own = service.is_stateful().then_some(service.spec.run_as_user);
    service.spec.fs_group.or(own)
}

/// A large volume is not walked through at each start of a pod.
pub fn group_change(service: &ValidatedService) -> Option<String> {
    service.is_stateful().then(|| "OnRootMismatch".to_owned())
}
