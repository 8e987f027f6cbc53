//! Active, Suspended, Cancelled; Observe and pause; and pods that are never too few.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::{service, service_with},
    objects::text,
};

/// The least number of available pods that a Deployment reports from now on, until told to stop.
struct Watched {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Vec<i64>>,
}

async fn watch(kit: &Kit, namespace: &str, name: &str) -> Outcome<Watched> {
    let kind = kube::core::GroupVersionKind::gvk("apps", "v1", "Deployment");
    let api: Api<DynamicObject> =
        Api::namespaced_with(kit.client.clone(), namespace, &kube::api::ApiResource::from_gvk(&kind));
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let now = api.get(name).await?;
    let mut events =
        api.watch(&params, now.metadata.resource_version.as_deref().unwrap_or("0")).await?.boxed();
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            tokio::select! {
                _ = &mut stopped => return seen,
                event = events.next() => {
                    if let Some(Ok(WatchEvent::Modified(one))) = event {
                        seen.push(one.data["status"]["availableReplicas"].as_i64().unwrap_or(0));
                    }
                }
            }
        }
    });
    Ok(Watched { stop, task })
}

impl Watched {
    async fn least(self) -> Outcome<i64> {
        self.stop.send(()).map_err(|()| "the watch ended by itself")?;
        Ok(self.task.await?.into_iter().min().unwrap_or(i64::MAX))
    }
}

fn web(replicas: Value) -> Value {
    json!({"services": [service_with("web", &json!({
        "replicas": replicas, "resources": {"requests": {"cpu": "10m"}}, "config": {"LEVEL": "info"},
    }))]})
}

#[tokio::test]
async fn pods_never_fall_below_the_least_number_but_while_suspended() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let path = at("deployments", "journey", "web");
    kit.ready_tenant("journey", web(json!({"min": 3}))).await?;
    let watched = watch(&kit, "journey", "web").await?;
    kit.ready_tenant("journey", web(json!({"min": 3, "max": 5}))).await?;
    kit.object(&at("horizontalpodautoscalers", "journey", "web"), "3..5", |one| {
        one["spec"]["minReplicas"] == 3 && one["spec"]["maxReplicas"] == 5
    })
    .await?;
    kit.ready_tenant("journey", web(json!({"min": 4}))).await?;
    kit.object(&path, "4 pods", |one| one["status"]["availableReplicas"] == 4).await?;
    assert!(kit.get(&at("horizontalpodautoscalers", "journey", "web")).await?.is_none());
    // A roll-out: the pods are replaced one by one.
    let mut spec = web(json!({"min": 4}));
    spec["services"][0]["image"] = json!("registry.k8s.io/pause:3.9");
    kit.ready_tenant("journey", spec.clone()).await?;
    let least = watched.least().await?;
    assert!(least >= 3, "never below minAvailable: {least}");

    spec["lifecycle"] = json!("Suspended");
    kit.tenant("journey", spec.clone()).await?;
    kit.until("journey", "Ready", "True", "Suspended").await?;
    let deployment = kit.the(&path).await?;
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["status"]["replicas"]),
        (&json!(0), &json!(null))
    );
    let tenant = kit.the(&at("tenants", "", "journey")).await?;
    assert!(!tenant["status"]["conditions"].to_string().contains("WorkloadsAvailable"), "not asked for");

    spec["lifecycle"] = json!("Active");
    kit.ready_tenant("journey", spec).await?;
    let deployment = kit.the(&path).await?;
    assert_eq!(deployment["status"]["availableReplicas"], 4);
    kit.clean_up("journey").await
}

/// What a cancelled Tenant leaves: namespace, limits, deny-all, and everything that it didn't make.
#[tokio::test]
async fn cancelled_removes_what_runs_and_keeps_what_holds_data() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let mut spec = web(json!({"min": 1, "max": 2}));
    spec["members"] = json!([{"kind": "Group", "name": "crew", "role": "Editor"}]);
    spec["egress"] = json!([{"name": "bank", "cidr": "203.0.113.0/25"}]);
    kit.ready_tenant("cancelled", spec.clone()).await?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    kit.create(&at("persistentvolumeclaims", "cancelled", ""), &claim).await?;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"a": "b"}});
    kit.create(&at("secrets", "cancelled", ""), &secret).await?;
    spec["lifecycle"] = json!("Cancelled");
    kit.tenant("cancelled", spec.clone()).await?;
    kit.until("cancelled", "Ready", "True", "Cancelled").await?;
    let left = kit.child_names("cancelled").await?;
    assert_eq!(
        left,
        ["limitranges/tenantry", "networkpolicies/tenantry-deny-all", "resourcequotas/tenantry"]
    );
    for (plural, name) in [("persistentvolumeclaims", "data"), ("secrets", "keys")] {
        assert!(kit.get(&at(plural, "cancelled", name)).await?.is_some(), "{plural} stay");
    }
    // It can come back.
    spec["lifecycle"] = json!("Active");
    kit.ready_tenant("cancelled", spec).await?;
    kit.clean_up("cancelled").await
}

/// Observe says what would be done, and does nothing; so does a pause, which ends by itself.
#[tokio::test]
async fn observe_and_pause_write_nothing() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("braked", &json!({})).await?;
    let mut spec = web(json!({"min": 1}));
    spec["mode"] = json!("Observe");
    kit.tenant("observed", spec.clone()).await?;
    kit.until("observed", "Ready", "Unknown", "Observing: would create Namespace observed, create ").await?;
    assert!(kit.get(&at("namespaces", "", "observed")).await?.is_none());
    spec["mode"] = json!("Enforce");
    kit.ready_tenant("observed", spec.clone()).await?;

    spec["mode"] = json!("Observe");
    kit.tenant("observed", spec.clone()).await?;
    kit.until("observed", "Ready", "True", "nothing would be changed").await?;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "evil.example.com/x"}]}}}});
    kit.strategic(&at("deployments", "observed", "web"), "mallory", &image).await?;
    kit.delete(&at("services", "observed", "web")).await?;
    let would = "would create Service observed/web, heal Deployment observed/web";
    kit.until("observed", "Ready", "Unknown", would).await?;
    let deployment = kit.the(&at("deployments", "observed", "web")).await?;
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "evil.example.com/x");
    spec["mode"] = json!("Enforce");
    kit.tenant("observed", spec).await?;
    kit.until("observed", "Ready", "True", "mallory changed spec.template.spec.containers[0].image").await?;
    kit.ready("observed").await?;

    paused(&kit, &at("tenants", "", "observed")).await?;
    paused(&kit, &at("platforms", "", "braked")).await?;
    kit.clean_up("observed").await
}

/// Paused on `path`: a deleted child stays away; then the pause ends by itself.
async fn paused(kit: &Kit, path: &str) -> Outcome {
    let pause = |seconds: i64| {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        json!({"metadata": {"annotations": {"tenantry.dev/paused-until": until.to_string()}}})
    };
    // More than a day ahead is no pause.
    kit.merge(path, "tess", &pause(90_000)).await?;
    let service = at("services", "observed", "web");
    let old = kit.delete(&service).await?;
    kit.object(&service, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;

    kit.merge(path, "tess", &pause(600)).await?;
    kit.until("observed", "Paused", "True", "").await?;
    kit.delete(&service).await?;
    kit.until("observed", "Ready", "Unknown", "Paused: would create Service observed/web").await?;
    assert!(kit.get(&service).await?.is_none());
    kit.merge(path, "tess", &pause(3)).await?;
    kit.object(&service, "made again", |_| true).await?;
    let tenant = kit.ready("observed").await?;
    assert!(!tenant["status"]["conditions"].to_string().contains("Paused"), "the condition is gone");
    Ok(())
}

/// A Tenant without a Platform, and with a spec that the Platform refuses, says so and touches nothing.
#[tokio::test]
async fn a_refused_spec_keeps_what_runs() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("refused", json!({"services": [service("web")]})).await?;
    let before = kit.children("refused").await?;
    kit.tenant("refused", json!({"services": [service_with("web", &json!({"replicas": {"min": 50}}))]}))
        .await?;
    let tenant = kit.until("refused", "Ready", "False", "LimitExceeded").await?;
    let said = text(&crate::support::objects::condition(&tenant, "Ready"), "/message").to_owned();
    assert!(said.contains("spec.services[0].replicas") && said.contains("more than the 20"), "{said}");
    assert_eq!(
        tenant["status"]["inventory"].as_array().map(Vec::len),
        Some(before.len() + 1),
        "nothing is forgotten"
    );
    // A wrong spec does not stop what is right from being found again.
    tokio::time::timeout(
        Duration::from_secs(60),
        kit.ready_tenant("refused", json!({"services": [service("web")]})),
    )
    .await??;
    let after = kit.children("refused").await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    kit.clean_up("refused").await
}
