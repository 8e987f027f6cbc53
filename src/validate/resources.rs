//! Requests, limits and quotas: the keys that Kubernetes takes, and what a pod gets in the end. What is
//! wrong here would show as pods that are never made, in the events of a ReplicaSet.

use std::collections::BTreeMap;

use crate::api::{
    conditions::reasons,
    quantity::{Milli, Quantity},
    service::Resources,
};

use super::{
    names::is_qualified,
    platform::quantities,
    problem::{Problem, at},
    service::ValidatedService,
};

/// What each pod gets: what the service says, and the Platform's defaults where it says nothing, which the
/// namespace's LimitRange would fill in anyway. To the API server a limit without a request is both.
pub(super) fn effective(own: Option<&Resources>, defaults: &Resources) -> Resources {
    let mut all = own.cloned().unwrap_or_default();
    for (key, request) in &defaults.requests {
        if !all.limits.contains_key(key) {
            all.requests.entry(key.clone()).or_insert_with(|| request.clone());
        }
    }
    for (key, limit) in &defaults.limits {
        all.limits.entry(key.clone()).or_insert_with(|| limit.clone());
    }
    all
}

/// Checks requests and limits: keys, amounts, and that no request is more than its limit. `own` is what the
/// user wrote of them.
pub(super) fn check(all: &Resources, own: &Resources, pointer: &str, problems: &mut Vec<Problem>) {
    for (name, map) in [("requests", &own.requests), ("limits", &own.limits)] {
        let pointer = at(pointer, name);
        quantities(map, &pointer, problems);
        for key in map.keys().filter(|key| !is_container_key(key)) {
            problems.push(Problem::new(at(&pointer, key), "is not a resource of a container").hint(
                "use cpu, memory, ephemeral-storage, hugepages-<size>, or a device such as example.com/gpu",
            ));
        }
    }
    for (key, request) in &all.requests {
        let (Ok(amount), Some(limit)) = (request.milli(), all.limits.get(key)) else { continue };
        let Ok(most) = limit.milli() else { continue };
        if amount <= most {
            continue;
        }
        let place = if own.requests.contains_key(key) {
            at(&at(pointer, "requests"), key)
        } else {
            pointer.to_owned()
        };
        let problem = if own.limits.contains_key(key) || own == all {
            Problem::new(place, format!("{request} is more than the limit of {limit}"))
        } else {
            Problem::new(
                place,
                format!("{request} is more than the limit of {limit} that the Platform gives by default"),
            )
            .hint(format!("set resources.limits.{key}"))
        };
        problems.push(problem);
    }
    for key in own.requests.keys().chain(own.limits.keys()).filter(|key| is_device(key)) {
        let (request, limit) = (all.requests.get(key), all.limits.get(key));
        let limit = limit.and_then(|limit| limit.milli().ok());
        if limit.is_none() || request.is_some_and(|request| request.milli().ok() != limit) {
            let message = format!(
                "{key} needs a limit, and no other request than the limit: it can't be overcommitted"
            );
            problems.push(Problem::new(pointer, message));
            return;
        }
    }
}

fn is_container_key(key: &str) -> bool {
    matches!(key, "cpu" | "memory" | "ephemeral-storage") || is_device(key)
}

/// What can't be shared: huge pages and devices.
fn is_device(key: &str) -> bool {
    key.strip_prefix("hugepages-").is_some_and(|size| Quantity::from(size).milli().is_ok())
        || (key.contains('/')
            && is_qualified(key)
            && !key.contains("kubernetes.io/")
            && !key.starts_with("requests."))
}

/// Keys of a quota that count objects, besides `count/…`.
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
];

/// Other keys of a quota.
const MEASURED: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

/// Checks a quota: keys that the API server takes, amounts, and whole numbers where it counts.
pub(super) fn check_quota(quota: &BTreeMap<String, Quantity>, base: &str, problems: &mut Vec<Problem>) {
    quantities(quota, base, problems);
    for (key, amount) in quota {
        let counts = COUNTED.contains(&key.as_str()) || key.starts_with("count/");
        let huge = key.strip_prefix("requests.").unwrap_or(key).starts_with("hugepages-");
        if !(counts || huge || MEASURED.contains(&key.as_str()) || (key.contains('/') && is_qualified(key))) {
            problems.push(
                Problem::new(at(base, key), "is not a resource that a quota counts")
                    .hint("use keys such as requests.cpu, limits.memory, pods or count/jobs.batch"),
            );
        } else if counts && amount.milli().is_ok_and(|milli| milli.0 % 1000 != 0) {
            problems.push(Problem::new(at(base, key), format!("{amount} is not a whole number")));
        }
    }
}

/// Under a quota on CPU or memory the API server refuses every pod that doesn't say what it takes.
pub(super) fn check_required(
    services: &[ValidatedService],
    quota: &BTreeMap<String, Quantity>,
    problems: &mut Vec<Problem>,
) {
    for key in quota.keys() {
        let (limit, resource) = match key.as_str() {
            "cpu" | "memory" => (false, key.as_str()),
            "requests.cpu" | "limits.cpu" => (key.starts_with('l'), "cpu"),
            "requests.memory" | "limits.memory" => (key.starts_with('l'), "memory"),
            _ => continue,
        };
        for (index, service) in services.iter().enumerate() {
            let all = &service.resources;
            if all.limits.contains_key(resource) || (!limit && all.requests.contains_key(resource)) {
                continue;
            }
            let word = if limit { "limits" } else { "requests" };
            problems.push(
                Problem::new(
                    at(&at("/spec/services", index), "resources"),
                    format!("the quota counts {key}, and the service sets no {word}.{resource}: its pods would be refused"),
                )
                .reason(reasons::LIMIT_EXCEEDED)
                .hint(format!("set resources.{word}.{resource}, or a default in Platform.spec.defaults.resources")),
            );
        }
    }
}

/// The quota must hold every pod that there may be at once, or a roll-out would hang.
pub(super) fn check_sum(
    services: &[ValidatedService],
    quota: &BTreeMap<String, Quantity>,
    pull_secret: bool,
    problems: &mut Vec<Problem>,
) {
    for (key, hard) in quota {
        let Ok(hard_amount) = hard.milli() else { continue };
        let Some(needed) = needed(key, services, pull_secret) else { continue };
        if needed > hard_amount {
            problems.push(
                Problem::new(
                    at("/spec/quota/hard", key),
                    format!("the services need {needed} with roll-outs, and the quota is {hard}"),
                )
                .reason(reasons::LIMIT_EXCEEDED)
                .hint("raise the quota, or lower replicas or resources"),
            );
        }
    }
}

/// What the services use of one key of a quota; `None` for keys that they don't touch.
pub fn needed(key: &str, services: &[ValidatedService], pull_secret: bool) -> Option<Milli> {
    let count = |amount: usize| Some(Milli(i128::try_from(amount).ok()? * 1000));
    let (limits, resource) = match key {
        "pods" | "count/pods" => {
            let pods: i32 = services.iter().map(ValidatedService::most_pods).sum();
            return count(usize::try_from(pods).ok()?);
        }
        "services" | "count/services" => {
            let named = services.iter().filter(|s| s.is_stateful()).count();
            return count(services.iter().filter(|s| !s.spec.ports.is_empty()).count() + named);
        }
        "count/poddisruptionbudgets.policy" => return count(services.len()),
        "count/deployments.apps" => return count(services.iter().filter(|s| !s.is_stateful()).count()),
        "count/statefulsets.apps" => return count(services.iter().filter(|s| s.is_stateful()).count()),
        "persistentvolumeclaims" | "count/persistentvolumeclaims" => {
            let claims = services.iter().map(|s| claims(s) * s.spec.storage.len()).sum();
            return count(claims);
        }
        "requests.storage" => return Some(storage(services, None)),
        "count/horizontalpodautoscalers.autoscaling" => {
            return count(services.iter().filter(|s| s.spec.replicas.max() > s.spec.replicas.min).count());
        }
        // Every namespace has one called default.
        "count/serviceaccounts" => return count(1 + services.len()),
        "secrets" | "count/secrets" => return count(usize::from(pull_secret)),
        "count/configmaps" | "configmaps" => {
            // kube-root-ca.crt is in every namespace; a roll-out keeps the old ConfigMap for a moment.
            return count(1 + 2 * services.iter().filter(|s| !s.spec.config.is_empty()).count());
        }
        "cpu" | "memory" | "ephemeral-storage" => (false, key),
        _ if key.contains(CLASS_INFIX) => return of_class(key, services),
        _ => match key.split_once('.') {
            Some(("requests", resource)) => (false, resource),
            Some(("limits", resource)) => (true, resource),
            _ => return None,
        },
    };
    let sum = services.iter().fold(Milli::default(), |sum, service| {
        let map = if limits { &service.resources.limits } else { &service.resources.requests };
        // A request that isn't given is the limit, as Kubernetes fills it in.
        let amount =
            map.get(resource).or_else(|| service.resources.limits.get(resource)).and_then(|q| q.milli().ok());
        sum.plus(amount.unwrap_or_default(), i128::from(service.most_pods()))
    });
    Some(sum)
}

/// What stands between a StorageClass and what a quota counts of it.
const CLASS_INFIX: &str = ".storageclass.storage.k8s.io/";

/// Claims that a service has of each of its volumes; more are left where it once had more pods.
fn claims(service: &ValidatedService) -> usize {
    usize::try_from(service.most_pods()).unwrap_or_default()
}

/// Sum of all claims, or of those of a class.
fn storage(services: &[ValidatedService], class: Option<&str>) -> Milli {
    let volumes = services.iter().flat_map(|one| one.spec.storage.iter().map(move |volume| (one, volume)));
    let volumes =
        volumes.filter(|(_, volume)| class.is_none_or(|class| volume.class.as_deref() == Some(class)));
    volumes.fold(Milli::default(), |sum, (service, volume)| {
        sum.plus(volume.size.milli().unwrap_or_default(), i128::from(service.most_pods()))
    })
}

/// `<class>.storageclass.storage.k8s.io/requests.storage`, or `/persistentvolumeclaims`.
fn of_class(key: &str, services: &[ValidatedService]) -> Option<Milli> {
    let (class, what) = key.split_once(CLASS_INFIX)?;
    if what == "requests.storage" {
        return Some(storage(services, Some(class)));
    }
    let volumes = |one: &ValidatedService| {
        one.spec.storage.iter().filter(|volume| volume.class.as_deref() == Some(class)).count()
    };
    let count: usize = services.iter().map(|one| claims(one) * volumes(one)).sum();
    (what == "persistentvolumeclaims")
        .then(|| Milli(i128::try_from(count).unwrap_or(i128::MAX / 1000) * 1000))
}
