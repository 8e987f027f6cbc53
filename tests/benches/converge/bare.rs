//! A client that does nothing but the writes: the same bodies in the same order by the same requests, all
//! made before the clock starts, and no answer read but for its status.
//!
//! Its objects carry other labels of the same length, so that the operator takes no notice of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tenantry::{
    api::{Platform, Tenant, kinds::Kind, kinds::ObjectId, marks},
    apply::{manifest::Manifest, order, plan},
    desired::{self, Plan, Scale},
    observe::live::Live,
    validate::{ground::Inputs, platform, tenant as rules},
};

use crate::{Outcome, tenants};

const APPLY: &str = "application/apply-patch+yaml";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// A uid's length is what counts.
const UID: &str = "00000000-0000-4000-8000-000000000000";

/// One request, ready to be sent.
struct Ready {
    method: Method,
    uri: String,
    content_type: &'static str,
    accept: &'static str,
    body: Vec<u8>,
}

/// All requests for one tenant, in order.
pub struct Work(Vec<Ready>);

/// How many of what a tenant takes.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Children.
    pub children: usize,
    /// Children, the Tenant itself, its scales, one status.
    pub writes: usize,
}

/// The children of one tenant, as the operator would have them.
fn children(name: &str) -> Outcome<(Vec<Manifest>, Vec<Scale>)> {
    let platform: Platform = serde_json::from_value(tenants::platform("http://127.0.0.1/config.git"))?;
    let mut tenant: Tenant = serde_json::from_value(tenants::tenant(name, "1"))?;
    tenant.metadata.uid = Some(UID.into());
    let platform = platform::validate(&platform).map_err(|problems| format!("{problems:?}"))?;
    let tenant = rules::validate(&tenant, &platform).map_err(|problems| format!("{problems:?}"))?;
    let inputs = Inputs { install_id: UID.into(), ..Inputs::default() };
    let plan = Plan { tenant: &tenant, platform: &platform, inputs: &inputs };
    let listed = order::list(desired::objects(plan));
    Ok((listed.manifests, listed.scales))
}

/// What one tenant takes.
pub fn counts() -> Outcome<Counts> {
    let (manifests, scales) = children("b-00000")?;
    Ok(Counts { children: manifests.len(), writes: manifests.len() + scales.len() + 2 })
}

/// Makes the requests for a tenant.
pub fn work(name: &str) -> Outcome<Work> {
    let (manifests, scales) = children(name)?;
    let mut tenant = tenants::tenant(name, "1");
    tenant["metadata"]["annotations"] = json!({
        marks::ALLOW_DELETE: "true", marks::SOURCE: format!("{}/{}", tenants::PLATFORM, tenants::path(name)),
        marks::COMMIT: "0".repeat(40), marks::COMMITTED_AT: "2026-01-01T00:00:00Z", marks::BLOB: "0".repeat(24),
    });
    let own = format!("/apis/{}/tenants/{name}", marks::API_VERSION);
    let manager = |manager: &str| format!("?fieldManager={manager}&force=true");
    let mut all = vec![Ready {
        method: Method::PATCH,
        uri: format!("{own}{}", manager(marks::MANAGER_SOURCE)),
        content_type: APPLY,
        accept: "application/json",
        body: tenant.to_string().into_bytes(),
    }];
    all.extend(manifests.iter().map(|one| Ready {
        method: Method::PATCH,
        uri: format!("{}{}", path(&one.id), manager(marks::MANAGER_CHILDREN)),
        content_type: APPLY,
        accept: METADATA,
        body: disguised(&one.body),
    }));
    all.extend(scales.iter().map(|scale| Ready {
        method: Method::PATCH,
        uri: format!(
            "/apis/apps/v1/namespaces/{}/deployments/{}/scale?fieldManager={}",
            scale.of.namespace,
            scale.of.name,
            marks::MANAGER_REPLICAS
        ),
        content_type: "application/merge-patch+json",
        accept: "application/json",
        body: json!({"spec": {"replicas": scale.rule.correction(1).unwrap_or(1)}}).to_string().into_bytes(),
    }));
    all.push(Ready {
        method: Method::PATCH,
        uri: format!("{own}/status{}", manager(marks::MANAGER_STATUS)),
        content_type: APPLY,
        accept: "application/json",
        body: status(name, &manifests).to_string().into_bytes(),
    });
    Ok(Work(all))
}

/// Other labels of the same length.
fn disguised(body: &Value) -> Vec<u8> {
    let text = body.to_string();
    let text = text.replace("\"tenantry.dev/tenant\"", "\"tenantrx.dev/tenant\"");
    let text = text.replace(
        "\"app.kubernetes.io/managed-by\":\"tenantry\"",
        "\"app.kubernetes.io/managed-by\":\"tenantrx\"",
    );
    text.into_bytes()
}

/// A status of the operator's size: inventory, conditions, services.
fn status(name: &str, manifests: &[Manifest]) -> Value {
    let live = Live { uid: UID.into(), digest: "0".repeat(24).into(), ..Live::default() };
    let inventory: Vec<_> = manifests.iter().map(|one| plan::written(one, &live)).collect();
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "observedGeneration": 1, "reason": "Succeeded",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "applied, and every service has its pods"})
    };
    let conditions =
        ["Ready", "PromisesKept", "SourceSynced", "Isolated", "WorkloadsAvailable", "ZoneSpread"];
    let conditions = conditions.map(condition);
    let zones = json!([{"name": "zone-a", "ready": 1}, {"name": "zone-b", "ready": 1}, {"name": "zone-c", "ready": 1}]);
    let service = |name: &str| json!({"name": name, "desired": 3, "ready": 3, "skew": 0, "zones": zones});
    json!({
        "apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": {"name": name},
        "status": {
            "observedGeneration": 1,
            "conditions": conditions,
            "summary": {"services": "2/2", "zones": "3/3", "promises": "4/4", "commit": "00000000"},
            "namespaces": [{"purpose": "Workload", "name": name, "uid": UID}],
            "services": [service("web"), service("worker")],
            "inventory": inventory,
        },
    })
}

/// Where the API server has an object.
fn path(id: &ObjectId) -> String {
    let (info, version) = (id.kind.info(), id.kind.api_version());
    let root = if info.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{version}") };
    match id.kind {
        Kind::Namespace => format!("{root}/{}/{}", info.plural, id.name),
        _ => format!("{root}/namespaces/{}/{}/{}", id.namespace, info.plural, id.name),
    }
}

/// Sends everything, `at_once` tenants at a time, each tenant's requests in order. Returns how long it
/// took and how many requests had to be sent again.
pub async fn send(client: &Client, work: Arc<Vec<Work>>, at_once: usize) -> Outcome<(Duration, u64)> {
    let (next, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let workers = (0..at_once).map(|_| {
        let (client, work) = (client.clone(), Arc::clone(&work));
        let (next, again) = (Arc::clone(&next), Arc::clone(&again));
        tokio::spawn(async move {
            while let Some(Work(requests)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                for ready in requests {
                    one(&client, ready, &again).await?;
                }
            }
            Outcome::Ok(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    Ok((start.elapsed(), again.load(Ordering::Relaxed)))
}

async fn one(client: &Client, ready: &Ready, again: &AtomicU64) -> Outcome<()> {
    let mut tries = 5;
    loop {
        let request = Request::builder()
            .method(ready.method.clone())
            .uri(&ready.uri)
            .header(http::header::CONTENT_TYPE, ready.content_type)
            .header(http::header::ACCEPT, ready.accept)
            .body(ready.body.clone())?;
        match client.request_text(request).await {
            Ok(_) => return Ok(()),
            Err(error) if tries == 0 => return Err(format!("{}: {error}", ready.uri).into()),
            Err(_) => {
                tries -= 1;
                again.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
