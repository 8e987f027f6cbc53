//! A limit that is lowered under a Tenant that runs: it keeps what it has, which is healed as ever.

use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::service_with,
    objects::{condition, text},
};

async fn limit(kit: &mut Kit, replicas: u32) -> Outcome {
    kit.own_platform("lowered", &json!({"limits": {"replicas": replicas}})).await
}

fn image(deployment: &Value) -> &str {
    text(deployment, "/spec/template/spec/containers/0/image")
}

#[tokio::test]
async fn a_lowered_limit_takes_nothing_away() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    limit(&mut kit, 5).await?;
    let spec = |tag: &str, replicas: u32| {
        let changes = json!({"image": format!("registry.k8s.io/pause:{tag}"), "replicas": {"min": replicas}});
        json!({"services": [service_with("web", &changes)]})
    };
    kit.ready_tenant("lowered", spec("1", 4)).await?;
    let before = kit.children("lowered").await?;
    limit(&mut kit, 2).await?;
    let tenant = kit.until("lowered", "Ready", "False", "LimitExceeded").await?;
    let said = text(&condition(&tenant, "Ready"), "/message").to_owned();
    assert!(
        said.contains("spec.services[0].replicas: 4 is more than the 2") && said.contains("healed"),
        "{said}"
    );
    assert_eq!(condition(&tenant, "Stalled")["reason"], "LimitExceeded");
    assert_eq!(condition(&tenant, "WorkloadsAvailable")["status"], "True", "measured as ever");
    let deployment = at("deployments", "lowered", "web");
    assert_eq!(kit.the(&deployment).await?["spec"]["replicas"], 4);
    let after = kit.children("lowered").await?;
    let uids = |all: &std::collections::BTreeMap<String, (String, String)>| {
        all.iter().map(|(key, (uid, _))| (key.clone(), uid.clone())).collect::<Vec<_>>()
    };
    assert_eq!(uids(&before), uids(&after), "nothing went");
    healed(&kit, "1").await?;
    let scale = json!({"spec": {"replicas": 1}});
    kit.merge(&deployment, "mallory", &scale).await?;
    kit.object(&deployment, "4 pods again", |now| now["spec"]["replicas"] == 4).await?;

    // Another change that the limit refuses too changes nothing, and what there was is healed.
    kit.tenant("lowered", spec("2", 6)).await?;
    kit.until("lowered", "Ready", "False", "6 is more than the 2").await?;
    let now = kit.the(&deployment).await?;
    assert_eq!((image(&now), &now["spec"]["replicas"]), ("registry.k8s.io/pause:1", &json!(4)));
    let service = at("services", "lowered", "web");
    let old = kit.delete(&service).await?;
    kit.object(&service, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    let now = kit.the(&deployment).await?;
    assert_eq!((image(&now), &now["spec"]["replicas"]), ("registry.k8s.io/pause:1", &json!(4)));

    // And one that mends it goes through.
    kit.ready_tenant("lowered", spec("2", 2)).await?;
    let now = kit.the(&deployment).await?;
    assert_eq!((image(&now), &now["spec"]["replicas"]), ("registry.k8s.io/pause:2", &json!(2)));
    kit.clean_up("lowered").await
}

/// What somebody deletes and changes comes back.
async fn healed(kit: &Kit, tag: &str) -> Outcome {
    for path in [at("services", "lowered", "web"), at("networkpolicies", "lowered", "tenantry-deny-all")] {
        let old = kit.delete(&path).await?;
        kit.object(&path, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    }
    let deployment = at("deployments", "lowered", "web");
    let edit = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil.example.com/x"}]);
    kit.patch(&deployment, "mallory", &edit).await?;
    let right = format!("registry.k8s.io/pause:{tag}");
    kit.object(&deployment, &right, |now| image(now) == right).await.map(drop)
}
