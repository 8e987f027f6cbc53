use serde_json::{Value, json};

use super::*;
use crate::{
    api::{Platform, Tenant, conditions::ConditionStatus},
    observe::{
        slim::{DeploymentStatus, SlimCondition},
        trouble::Trouble as Found,
    },
    status::promises::workloads_available,
    validate::{platform, tenant},
};

const NOW: &str = "2026-01-01T00:10:00Z";

fn given(service: &Value) -> (ValidatedPlatform, ValidatedTenant) {
    let platform: Platform = serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "shop"},
        "spec": {"rollout": {"progressDeadline": "5m"}},
    }))
    .expect("a Platform");
    let mut db = json!({"name": "db", "image": "registry.example.com/db:1", "replicas": {"min": 3}});
    for (key, value) in service.as_object().expect("an object") {
        db[key] = value.clone();
    }
    let tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"},
        "spec": {"platformRef": {"name": "shop"}, "services": [db]},
    }))
    .expect("a Tenant");
    let platform = platform::validate(&platform).expect("a right Platform");
    let tenant = tenant::validate(&tenant, &platform).expect("a right Tenant");
    (platform, tenant)
}

fn stateful() -> (ValidatedPlatform, ValidatedTenant) {
    given(&json!({"storage": [{"name": "data", "size": "1Gi", "class": "nope", "path": "/data"}]}))
}

fn found(reason: &str, message: &str) -> Option<Found> {
    Some(Found { reason: reason.into(), message: message.into() })
}

/// Three pods are asked for, and these are available, of which so many are the newest.
fn seen(available: i32, updated: i32, unready: Vec<(&str, Option<Found>)>) -> Observed {
    let status = DeploymentStatus {
        observed_generation: 1,
        replicas: 3,
        updated_replicas: updated,
        ready_replicas: available,
        available_replicas: available,
        conditions: Vec::new(),
    };
    let since = "2026-01-01T00:04:00Z".parse().expect("a time");
    let unready =
        unready.into_iter().map(|(pod, trouble)| (pod.to_owned(), Unready { since, trouble })).collect();
    let service = ObservedService {
        name: "db".into(),
        workload: Some(Workload { replicas: 3, generation: 1, version: 5, status }),
        current: true,
        unready,
        ..ObservedService::default()
    };
    Observed { services: vec![service], ..Observed::default() }
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

#[test]
fn a_stateful_set_whose_new_pod_had_its_time_has_failed_and_the_old_ones_stay() {
    let (platform, tenant) = stateful();
    let observed = seen(2, 1, vec![("db-2", found(IMAGE_PULL, "container app: image x can't be pulled"))]);
    let said = failed(&tenant, &platform, &observed, at(NOW)).expect("it failed");
    assert_eq!(
        said,
        "db made no progress for 300 s: pod db-2: ImagePullBackOff: container app: image x can't be pulled; \
         2 pods that are available stay; mend the service's image, or the registry credentials that the Platform \
         names in images.pullSecretRefs"
    );
    assert_eq!(
        failed(&tenant, &platform, &observed, at("2026-01-01T00:08:59Z")),
        None,
        "it has a second left"
    );
    let wait = next_look(&tenant, &platform, &observed, at("2026-01-01T00:08:59Z"));
    assert_eq!(wait, Some(Duration::from_millis(1100)), "and is looked at then");
    assert_eq!(next_look(&tenant, &platform, &observed, at(NOW)), None, "nothing more comes by itself");
}

#[test]
fn a_pod_that_only_is_not_ready_is_late_too_and_one_that_is_old_news_is_not() {
    let (platform, tenant) = stateful();
    let said = failed(&tenant, &platform, &seen(0, 3, vec![("db-0", None)]), at(NOW)).expect("it failed");
    assert!(said.contains("its new pods run and are not ready; kubectl -n acme describe pods"), "{said}");
    let whole = seen(3, 3, vec![("db-7", None)]);
    assert_eq!(failed(&tenant, &platform, &whole, at(NOW)), None, "it lacks nothing");
    let mut old = seen(0, 3, vec![("db-0", None)]);
    old.services[0].current = false;
    assert_eq!(failed(&tenant, &platform, &old, at(NOW)), None, "what is seen speaks of the old spec");
}

#[test]
fn a_deployment_is_late_when_its_controller_says_so() {
    let (platform, tenant) = given(&json!({}));
    let mut observed = seen(3, 1, vec![("db-x", found(CRASH_LOOP, "container app ended with exit code 3"))]);
    assert_eq!(failed(&tenant, &platform, &observed, at(NOW)), None, "not yet");
    assert_eq!(
        under_way(&tenant, &observed),
        ["db (pod db-x: CrashLoopBackOff: container app ended with exit code 3; the old pods stay; \
          see why it ends: kubectl -n acme logs db-x --previous)"]
    );
    let workload = observed.services[0].workload.as_mut().expect("there is one");
    workload.status.conditions.push(SlimCondition {
        type_: "Progressing".into(),
        status: "False".into(),
        reason: reasons::PROGRESS_DEADLINE_EXCEEDED.into(),
        message: "ReplicaSet \"db-abc\" has timed out progressing.".into(),
    });
    let said = failed(&tenant, &platform, &observed, at(NOW)).expect("it failed");
    assert!(said.contains("exit code 3; 3 pods that are available stay; see why it ends"), "{said}");
    let workload = observed.services[0].workload.as_mut().expect("there is one");
    workload.generation = 2;
    assert_eq!(failed(&tenant, &platform, &observed, at(NOW)), None, "that was said of the spec before");
}

#[test]
fn a_pod_that_waits_for_its_volume_is_told_with_claim_and_class() {
    let (_, tenant) = stateful();
    let words = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims";
    let observed = seen(0, 3, vec![("db-0", found(UNSCHEDULABLE, words))]);
    let verdict = workloads_available(&tenant, &observed);
    assert_eq!((verdict.status, verdict.reason), (ConditionStatus::False, reasons::UNAVAILABLE));
    assert!(verdict.message.contains("its claims: data-db-0 (class nope)"), "{}", verdict.message);
    assert!(verdict.message.ends_with("kubectl get storageclass"), "{}", verdict.message);
    let full =
        seen(0, 3, vec![("db-0", found(UNSCHEDULABLE, "0/3 nodes are available: 3 Insufficient cpu"))]);
    let verdict = workloads_available(&tenant, &full);
    assert!(!verdict.message.contains("claims"), "{}", verdict.message);
}

#[test]
fn what_the_controller_is_refused_is_told_where_no_pod_can_say_anything() {
    let (_, tenant) = given(&json!({}));
    let mut observed = seen(0, 0, Vec::new());
    let workload = observed.services[0].workload.as_mut().expect("there is one");
    workload.status.conditions.push(SlimCondition {
        type_: "ReplicaFailure".into(),
        status: "True".into(),
        reason: "FailedCreate".into(),
        message: "pods \"db-1\" is forbidden: exceeded quota: tenantry".into(),
    });
    let verdict = workloads_available(&tenant, &observed);
    assert!(
        verdict.message.contains("FailedCreate: pods \"db-1\" is forbidden: exceeded quota"),
        "{verdict:?}"
    );
    assert!(
        verdict.message.ends_with("raise spec.quota.hard, or lower replicas or resources of the services")
    );
}
