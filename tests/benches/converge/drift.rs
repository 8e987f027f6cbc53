//! Somebody edits or deletes children; how long until they are as they should be?

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rand::RngExt;
use serde_json::{Value, json};
use tenantry::api::kinds::Kind;

use crate::bed::Bed;
use crate::report::{Report, Times};
use crate::watching::{self, Until};
use crate::{Args, Outcome};

/// What somebody does to a child.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// Sets a value.
    Set(&'static str, &'static str),
    /// Deletes the object.
    Delete,
}

/// Children and deeds; each is as likely as the others.
const DEEDS: [(Kind, Deed); 10] = [
    (Kind::Deployment, Deed::Set("/spec/template/spec/containers/0/image", "\"registry.k8s.io/evil:1\"")),
    (Kind::Deployment, Deed::Set("/spec/progressDeadlineSeconds", "60")),
    (Kind::ResourceQuota, Deed::Set("/spec/hard/pods", "\"999\"")),
    (Kind::Service, Deed::Set("/spec/ports/0/targetPort", "12345")),
    (Kind::NetworkPolicy, Deed::Delete),
    (Kind::RoleBinding, Deed::Delete),
    (Kind::ConfigMap, Deed::Delete),
    (Kind::Service, Deed::Delete),
    (Kind::PodDisruptionBudget, Deed::Delete),
    (Kind::ServiceAccount, Deed::Delete),
];

/// Measures the repair of random children, one after the other.
pub async fn run(bed: &mut Bed, report: &mut Report, args: &Args) -> Outcome<()> {
    let count = if args.quick { 20 } else { 100 };
    let mut times = Times::default();
    let mut slowest = (Duration::ZERO, String::new());
    for index in 0..count {
        let (kind, deed) = DEEDS[index % DEEDS.len()];
        let tenant = crate::tenants::name("t", rand::rng().random_range(0..bed.size));
        let api = watching::api(&bed.client, kind, &tenant);
        let objects = ours(&api, &tenant).await?;
        let object = objects.get(rand::rng().random_range(0..objects.len().max(1)));
        let object = object.ok_or_else(|| format!("{tenant} has no {kind:?}"))?;
        let what = format!("{deed:?} of {kind:?} {tenant}/{}", object.name_any());
        let time = once(&api, object, deed, &what).await?;
        if time > slowest.0 {
            slowest = (time, what);
        }
        times.add(time);
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..150))).await;
    }
    let conditions = format!("{} tenants, n={count}; slowest: {}", bed.size, slowest.1);
    report.row("drift repaired", conditions, times.text(), "p95 <= 500 ms");
    report.put("drift", json!({"tenants": bed.size, "times": times.json(), "slowest": slowest.1}));
    Ok(())
}

async fn ours(api: &Api<DynamicObject>, tenant: &str) -> Outcome<Vec<DynamicObject>> {
    let selector = ListParams::default().labels(&format!("{}={tenant}", tenantry::api::marks::TENANT));
    Ok(api.list(&selector).await?.items)
}

async fn once(api: &Api<DynamicObject>, object: &DynamicObject, deed: Deed, what: &str) -> Outcome<Duration> {
    let name = object.name_any();
    let (watch, start) = match deed {
        Deed::Delete => {
            let until = Until::Replaced(object.uid().unwrap_or_default());
            let watch = watching::watch(api, object, until).await?;
            api.delete(&name, &DeleteParams::default()).await?;
            (watch, Instant::now())
        }
        Deed::Set(pointer, value) => {
            let before = object.data.pointer(pointer).ok_or_else(|| format!("{name} has no {pointer}"))?;
            let watch = watching::watch(api, object, Until::Is(pointer.into(), before.clone())).await?;
            let value: Value = serde_json::from_str(value)?;
            let patch = json!([{"op": "replace", "path": pointer, "value": value}]);
            let patch = Patch::<Value>::Json(serde_json::from_value(patch)?);
            let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
            api.patch(&name, &params, &patch).await?;
            (watch, Instant::now())
        }
    };
    watching::took(watch, start, what).await
}
