//! What stands around a service's pods: its Service, its budget, its autoscaler.

use k8s_openapi::{
    api::{
        autoscaling::v2::{
            CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
            MetricTarget, ResourceMetricSource,
        },
        core::v1::{Service, ServicePort, ServiceSpec},
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::validate::service::ValidatedService;

use super::{Plan, meta};

/// A cluster-internal Service for the declared ports; none for workers.
pub fn service(plan: Plan<'_>, service: &ValidatedService) -> Option<Service> {
    let name = &service.spec.name;
    let ports = service.spec.ports.iter().map(|port| ServicePort {
        name: Some(port.name.clone()),
        port: port.container_port,
        target_port: Some(IntOrString::String(port.name.clone())),
        protocol: Some(port.protocol.as_str().into()),
        ..ServicePort::default()
    });
    let spec = ServiceSpec {
        type_: Some("ClusterIP".into()),
        selector: Some(meta::pod_labels(plan, name)),
        ports: Some(ports.collect()),
        ..ServiceSpec::default()
    };
    (!service.spec.ports.is_empty()).then(|| Service {
        metadata: meta::of_service(plan, name, name),
        spec: Some(spec),
        status: None,
    })
}

/// What a drain must leave. Pods that aren't ready anyway never block one.
pub fn disruption_budget(plan: Plan<'_>, service: &ValidatedService) -> PodDisruptionBudget {
    let name = &service.spec.name;
    let spec = PodDisruptionBudgetSpec {
        min_available: Some(IntOrString::Int(service.min_available)),
        selector: Some(meta::pod_selector(plan, name)),
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
        max_unavailable: None,
    };
    PodDisruptionBudget { metadata: meta::of_service(plan, name, name), spec: Some(spec), status: None }
}

/// An autoscaler where `replicas.max` leaves room.
pub fn autoscaler(plan: Plan<'_>, service: &ValidatedService) -> Option<HorizontalPodAutoscaler> {
    let name = &service.spec.name;
    let replicas = &service.spec.replicas;
    let cpu = MetricSpec {
        type_: "Resource".into(),
        resource: Some(ResourceMetricSource {
            name: "cpu".into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(replicas.target_cpu),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    let spec = HorizontalPodAutoscalerSpec {
        scale_target_ref: CrossVersionObjectReference {
            api_version: Some("apps/v1".into()),
            kind: service.workload().info().kind.into(),
            name: name.clone(),
        },
        min_replicas: Some(replicas.min),
        max_replicas: replicas.max(),
        metrics: Some(vec![cpu]),
        behavior: None,
    };
    (replicas.max() > replicas.min).then(|| HorizontalPodAutoscaler {
        metadata: meta::of_service(plan, name, name),
        spec: Some(spec),
        status: None,
    })
}
