//! Lets the probe's pod knock, and reads what it says: from its status, never by exec. The pod that ended is kept until
//! the next one is due, so that evidence outlives the operator.

use std::time::{Duration, Instant};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};

use crate::runtime::{
    call::{CallError, READ_DEADLINE, deadline, write},
    lease::Leadership,
};

use super::{
    doors::{self, Doors},
    prober::{JSON, Prober, request, send},
    reviews::Pace,
    stage::{self, TENANTS},
};

/// Longest wait for an answer to a write.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two looks at the pod.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the pod: it is ended before that.
const LONGEST: Duration = Duration::from_secs(180);

/// Tries the doors, unless a pod has done so less than `period` ago.
///
/// # Errors
/// The API server gives no answer.
pub async fn knock(
    prober: &mut Prober,
    (operator, leadership): (&Client, &Leadership),
    image: &str,
    period: SignedDuration,
    pace: &mut Pace,
) -> Result<Doors, CallError> {
    let facing = match facing(operator).await? {
        Ok(facing) => facing,
        Err(why) => return Ok(Doors::NotTried(why)),
    };
    let pods: Api<Pod> = Api::namespaced(operator.clone(), TENANTS[0]);
    let wanted = stage::pod(image, &facing);
    let mut known = read(&pods).await?;
    if let Some(pod) = &known
        && (is_another(pod, &wanted) || ended(pod).is_some_and(|(at, _)| is_due(at, period)))
    {
        let client = prober.client(operator).await?;
        remove(&client, leadership, pod, pace).await?;
        known = None;
    }
    if known.is_none() {
        let client = prober.client(operator).await?;
        let uri = format!("/api/v1/namespaces/{}/pods", TENANTS[0]);
        pace.wait().await;
        make(&client, leadership, &uri, &wanted).await?;
    }
    let begun = Instant::now();
    let mut looks = tokio::time::interval(LOOK);
    while begun.elapsed() < LONGEST {
        looks.tick().await;
        if let Some(pod) = read(&pods).await?
            && let Some((at, message)) = ended(&pod)
        {
            let still = self::facing(operator).await?.is_ok_and(|now| now == facing);
            return Ok(doors::judge(&message, at, still));
        }
    }
    let next = format!("kubectl -n {} describe pod {} says why", TENANTS[0], stage::POD);
    Ok(Doors::NotTried(format!("the probe's pod has not ended within {} s; {next}", LONGEST.as_secs())))
}

fn is_due(at: Timestamp, period: SignedDuration) -> bool {
    let age = Timestamp::now().duration_since(at);
    age >= period || age < SignedDuration::from_mins(-5)
}

/// Where to knock now; what is missing where that isn't known.
async fn facing(operator: &Client) -> Result<Result<stage::Doors, String>, CallError> {
    let mut ready = Vec::new();
    for tenant in TENANTS {
        let pods: Api<Pod> = Api::namespaced(operator.clone(), tenant);
        let labels = format!("app.kubernetes.io/name={}", stage::SERVICE);
        let params = ListParams::default().labels(&labels);
        let mut found = deadline(READ_DEADLINE, pods.list(&params)).await?.items;
        found.retain(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
        found.sort_by_key(|pod| pod.metadata.name.clone());
        let address = found.into_iter().find_map(|pod| pod.status?.pod_ip);
        let Some(address) = address else {
            let next = format!(
                "tenantry why {tenant} says more; if it is not there, apply what tenantry probe manifests prints"
            );
            return Ok(Err(format!(
                "the network is not probed: no pod of the probe's Tenant {tenant} is ready; {next}"
            )));
        };
        ready.push(address);
    }
    let services: Api<Service> = Api::namespaced(operator.clone(), TENANTS[1]);
    let service = deadline(READ_DEADLINE, services.get(stage::SERVICE)).await?;
    let service = service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default();
    let [own, pod] = <[String; 2]>::try_from(ready).unwrap_or_default();
    Ok(Ok(stage::Doors { own, pod, service }))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

async fn read(pods: &Api<Pod>) -> Result<Option<Pod>, CallError> {
    let found = deadline(READ_DEADLINE, pods.get_opt(stage::POD)).await?;
    // One that is on its way out says nothing about now.
    Ok(found.filter(|pod| pod.metadata.deletion_timestamp.is_none()))
}

/// Whether a pod knocks elsewhere, or is another program.
fn is_another(pod: &Pod, wanted: &Value) -> bool {
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let has = container.map(|one| json!([one.image, one.args]));
    let wanted = &wanted["spec"]["containers"][0];
    has != Some(json!([wanted["image"], wanted["args"]]))
}

/// When a pod's container ended, and its last words.
fn ended(pod: &Pod) -> Option<(Timestamp, String)> {
    let status = pod.status.as_ref()?;
    let state =
        status.container_statuses.as_ref().and_then(|all| all.first()).and_then(|one| one.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        let at = end.finished_at.as_ref().map_or_else(Timestamp::now, |time| time.0);
        return Some((at, end.message.clone().or_else(|| end.reason.clone()).unwrap_or_default()));
    }
    // Ended from outside: its deadline, an eviction.
    let failed = status.phase.as_deref() == Some("Failed");
    failed.then(|| (Timestamp::now(), status.reason.clone().unwrap_or_default()))
}

async fn make(client: &Client, leadership: &Leadership, uri: &str, pod: &Value) -> Result<(), CallError> {
    let request = request(Method::POST, uri, JSON, pod)?;
    match write(leadership, WRITE_DEADLINE, client.request::<Value>(request)).await {
        // The one before is still on its way out: the next look comes again.
        Ok(_) | Err(CallError::AlreadyExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn remove(
    client: &Client,
    leadership: &Leadership,
    pod: &Pod,
    pace: &mut Pace,
) -> Result<(), CallError> {
    pace.wait().await;
    if !leadership.is_leader() {
        return Err(CallError::NotLeader);
    }
    let uri = format!("/api/v1/namespaces/{}/pods/{}", TENANTS[0], stage::POD);
    // It has ended: nothing in it waits for a signal.
    let body = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
        "preconditions": {"uid": pod.metadata.uid},
    });
    match send::<Value>(client, Method::DELETE, &uri, JSON, &body).await {
        Ok(_) | Err(CallError::NotFound(_) | CallError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
