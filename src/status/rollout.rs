//! Pods that don't come up: what is against them, and when their roll-out has failed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{conditions::reasons, tenant_status::TroubleStatus},
    observe::{
        trouble::{CONFIG_ERROR, CRASH_LOOP, IMAGE_PULL, UNSCHEDULABLE, Unready},
        workloads::{Observed, ObservedService},
        world::Workload,
    },
    validate::{platform::ValidatedPlatform, service::ValidatedService, tenant::ValidatedTenant},
};

use super::promises::desired;

/// What is against a service's pods, and what helps: the first pod that has a word for it, else the words of what
/// makes the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What a status says.
    pub said: TroubleStatus,
    /// The next step, where one is known.
    pub next: Option<String>,
}

impl Trouble {
    /// `pod web-1: ImagePullBackOff: …`.
    fn words(&self) -> String {
        let TroubleStatus { reason, message } = &self.said;
        match message.split_once(": ") {
            Some((pod, why)) if pod.starts_with("pod ") => format!("{pod}: {reason}: {why}"),
            _ => format!("{reason}: {message}"),
        }
    }
}

/// What is against a service's pods.
pub fn trouble(service: &ValidatedService, seen: &ObservedService, namespace: &str) -> Option<Trouble> {
    let told = |(pod, unready): &(String, Unready)| Some((pod.clone(), unready.trouble.clone()?));
    let Some((pod, found)) = seen.unready.iter().find_map(told) else {
        return seen.workload.as_ref().and_then(complaint).or_else(|| unmade(service, seen, namespace));
    };
    let claims = claims(service, &pod).filter(|_| {
        let words = found.message.to_ascii_lowercase();
        found.reason != IMAGE_PULL && (words.contains("volume") || words.contains("storageclass"))
    });
    let next = match &claims {
        Some(_) => Some(format!(
            "see what they wait for: kubectl -n {namespace} describe pvc; and which classes there are: kubectl get storageclass"
        )),
        None => step(namespace, &pod, &found.reason),
    };
    let claims = claims.map(|claims| format!("; its claims: {claims}")).unwrap_or_default();
    let message = format!("pod {pod}: {}{claims}", found.message);
    Some(Trouble { said: TroubleStatus { reason: found.reason, message }, next })
}

/// The claims of a pod of a StatefulSet, and their classes.
fn claims(service: &ValidatedService, pod: &str) -> Option<String> {
    let one = |volume: &crate::api::storage::Storage| {
        let class = volume.class.as_ref();
        let class = class.map_or_else(|| "the default class".to_owned(), |class| format!("class {class}"));
        format!("{}-{pod} ({class})", volume.name)
    };
    let all: Vec<String> = service.spec.storage.iter().map(one).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// What a Deployment's controller says against it.
fn complaint(workload: &Workload) -> Option<Trouble> {
    let conditions = &workload.status.conditions;
    let refused = conditions.iter().find(|one| one.type_ == "ReplicaFailure" && one.status == "True");
    let stuck = conditions.iter().find(|one| one.type_ == "Progressing" && one.status == "False");
    let one = refused.or(stuck)?;
    let quota = one.message.contains("exceeded quota");
    let next = "raise spec.quota.hard, or lower replicas or resources of the services";
    Some(Trouble {
        said: TroubleStatus { reason: one.reason.clone(), message: one.message.clone() },
        next: quota.then(|| next.to_owned()),
    })
}

/// A StatefulSet whose pods are not even made: what its controller is refused is only in its events.
fn unmade(service: &ValidatedService, seen: &ObservedService, namespace: &str) -> Option<Trouble> {
    let workload = seen.workload.as_ref().filter(|_| seen.current && service.is_stateful())?;
    let (made, wanted) = (workload.status.replicas, desired(service, seen));
    let message = format!("{made} of {wanted} pods of StatefulSet {} are made", seen.name);
    let said = TroubleStatus { reason: "FailedCreate".to_owned(), message };
    let next = format!(
        "kubectl -n {namespace} describe statefulset {} shows why, such as a quota that other claims have used up",
        seen.name
    );
    let is_read = workload.status.observed_generation >= workload.generation;
    (made < wanted && is_read).then_some(Trouble { said, next: Some(next) })
}

/// What helps a pod with this reason.
pub fn step(namespace: &str, pod: &str, reason: &str) -> Option<String> {
    Some(match reason {
        IMAGE_PULL | "ErrImagePull" | "InvalidImageName" => {
            "mend the service's image, or the registry credentials that the Platform names in images.pullSecretRefs"
                .to_owned()
        }
        CRASH_LOOP | "Error" | "OOMKilled" | "RunContainerError" => {
            format!("see why it ends: kubectl -n {namespace} logs {pod} --previous")
        }
        CONFIG_ERROR => "create the Secret or key that the message names, in the tenant's namespace".to_owned(),
        UNSCHEDULABLE => "add nodes in the zones that are short, or lower the service's requests".to_owned(),
        _ => return None,
    })
}

/// What there is against pods that are too few, for a message: `: why; next step`.
pub fn against(
    service: &ValidatedService,
    seen: &ObservedService,
    namespace: &str,
) -> Option<(String, String)> {
    let found = trouble(service, seen, namespace)?;
    let next = found.next.clone().unwrap_or_else(|| format!("kubectl -n {namespace} get pods shows them"));
    Some((found.words(), next))
}

/// Whether a service's new pods had all the time that the Platform gives them. A Deployment's controller says so; of a
/// StatefulSet nobody does, and its pods' own times tell.
fn is_late(
    platform: &ValidatedPlatform,
    service: &ValidatedService,
    seen: &ObservedService,
    now: Timestamp,
) -> bool {
    let Some(workload) = seen.workload.as_ref().filter(|_| seen.current) else { return false };
    if !service.is_stateful() {
        let said = |one: &crate::observe::slim::SlimCondition| {
            (one.type_.as_str(), one.status.as_str()) == ("Progressing", "False")
                && one.reason == reasons::PROGRESS_DEADLINE_EXCEEDED
        };
        return workload.status.observed_generation >= workload.generation
            && workload.status.conditions.iter().any(said);
    }
    lacks(service, seen) && seen.unready.iter().any(|(_, one)| left(platform, one, now).is_zero())
}

/// Whether pods are missing, or are not the newest.
fn lacks(service: &ValidatedService, seen: &ObservedService) -> bool {
    let available = seen.workload.as_ref().map_or(0, |workload| workload.status.available_replicas);
    available < desired(service, seen) || !seen.is_rolled_out()
}

/// Time that a pod still has to be ready.
fn left(platform: &ValidatedPlatform, unready: &Unready, now: Timestamp) -> Duration {
    let until = unready.since.saturating_add(SignedDuration::from_secs(platform.progress_seconds.into()));
    until.map_or(Duration::ZERO, |until| Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// Roll-outs that have failed, in words; `None` where none has.
pub fn failed(
    tenant: &ValidatedTenant,
    platform: &ValidatedPlatform,
    observed: &Observed,
    now: Timestamp,
) -> Option<String> {
    let pairs = tenant.services.iter().zip(&observed.services);
    let late = pairs.filter(|(service, seen)| is_late(platform, service, seen, now));
    let words = late.map(|(service, seen)| {
        let available = seen.workload.as_ref().map_or(0, |workload| workload.status.available_replicas);
        let stay = match available {
            0 => String::new(),
            1 => "; 1 pod that is available stays".to_owned(),
            some => format!("; {some} pods that are available stay"),
        };
        let (why, next) = against(service, seen, &tenant.namespace).unwrap_or_else(|| {
            let next = format!("kubectl -n {} describe pods shows why", tenant.namespace);
            ("its new pods run and are not ready".to_owned(), next)
        });
        let seconds = platform.progress_seconds;
        format!("{} made no progress for {seconds} s: {why}{stay}; {next}", seen.name)
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join("; also "))
}

/// Services that roll out, and what is against it.
pub fn under_way(tenant: &ValidatedTenant, observed: &Observed) -> Vec<String> {
    let pairs = tenant.services.iter().zip(&observed.services);
    let rolling = pairs.filter(|(_, seen)| !seen.is_rolled_out());
    let words = rolling.map(|(service, seen)| match against(service, seen, &tenant.namespace) {
        Some((why, next)) => format!("{} ({why}; the old pods stay; {next})", seen.name),
        None => seen.name.clone(),
    });
    words.collect()
}

/// When time alone changes what is said: a StatefulSet's pod will have had its time.
pub fn next_look(
    tenant: &ValidatedTenant,
    platform: &ValidatedPlatform,
    observed: &Observed,
    now: Timestamp,
) -> Option<Duration> {
    let pairs = tenant.services.iter().zip(&observed.services);
    let short = pairs.filter(|(service, seen)| service.is_stateful() && lacks(service, seen));
    let waits = short.flat_map(|(_, seen)| &seen.unready).map(|(_, one)| left(platform, one, now));
    // A little later, so that it is over then.
    waits.filter(|wait| !wait.is_zero()).min().map(|wait| wait + Duration::from_millis(100))
}

#[cfg(test)]
mod tests;
