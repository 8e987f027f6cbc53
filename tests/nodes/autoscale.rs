//! Load comes and goes: the autoscaler changes the number of pods, and nobody else does.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use crate::{
    site::{Site, nodes},
    support::{
        Outcome, at,
        objects::{condition, text},
    },
    writes::writes,
};

/// metrics-server asks every 10 s and knows a rate after two answers; the autoscaler looks every 3 s.
const WITHIN: Duration = Duration::from_secs(120);

async fn replicas(site: &Site) -> Outcome<i64> {
    let deployment = site.the(&at("deployments", "busy", "web")).await?;
    deployment["spec"]["replicas"].as_i64().ok_or_else(|| "no replicas".into())
}

/// Waits until the Deployment has so many replicas; the autoscaler says why not.
async fn scaled(site: &Site, right: impl Fn(i64) -> bool) -> Outcome<i64> {
    let waited = eventually(WITHIN, "the autoscaler to scale", || async {
        let now = replicas(site).await.map_err(|error| error.to_string())?;
        if right(now) {
            return Ok(now);
        }
        let scaler = site.the(&at("horizontalpodautoscalers", "busy", "web")).await;
        Err(format!("{now} replicas: {}", scaler.map_err(|error| error.to_string())?["status"]))
    });
    Ok(waited.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn load_brings_pods_within_the_zone_rule_and_nobody_else_counts_them() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.bed.cluster.start_metrics().await?;
    let mut web = site.service("web", 3);
    web["replicas"] = json!({"min": 3, "max": 6, "targetCPU": 50});
    site.tenant_of("busy", &[web, site.service("client", 1)]).await?;
    let known = site.bed.cluster.audit()?.len();
    eventually(WITHIN, "the autoscaler to see no load", || async {
        let scaler = site.the(&at("horizontalpodautoscalers", "busy", "web")).await;
        let scaler = scaler.map_err(|error| error.to_string())?;
        let active = condition(&scaler, "ScalingActive");
        if active["status"] == "True" { Ok(()) } else { Err(active.to_string()) }
    })
    .await?;
    assert_eq!(replicas(&site).await?, 3);

    // One pod takes a whole CPU, where all three are to take 30 thousandths together.
    let pods = site.pods("busy", "web").await?;
    let burn = format!("http://{}:8080/burn?for=40s", text(&pods[0], "/status/podIP"));
    site.client("busy", &["get", &burn]).await?;
    let most = scaled(&site, |now| now > 3).await?;
    assert!(most <= 6, "{most}");
    scaled(&site, |now| now == 6).await?;
    let path = at("tenants", "", "busy");
    let all = eventually(WITHIN, "six pods in three zones, said", || async {
        let tenant = site.the(&path).await.map_err(|error| error.to_string())?;
        let spread = condition(&tenant, "ZoneSpread");
        let said = &tenant["status"]["services"];
        let web = said.as_array().and_then(|all| all.iter().find(|one| one["name"] == "web")).cloned();
        let web = web.unwrap_or_default();
        if web["ready"] == 6 && spread["status"] == "True" { Ok(web) } else { Err(format!("{web} {spread}")) }
    })
    .await?;
    let zones: Vec<&Value> =
        all["zones"].as_array().into_iter().flatten().map(|zone| &zone["ready"]).collect();
    assert!(zones.len() == 3 && zones.iter().all(|ready| **ready == 2), "two in each zone: {all}");
    assert_eq!(nodes(&site.pods("busy", "web").await?).len(), 6);

    // The load ends, and so do the pods that it brought.
    scaled(&site, |now| now == 3).await?;
    let record = site.bed.cluster.audit()?;
    let record = writes(&record[known..])?;
    let counts: Vec<&str> = record
        .iter()
        .map(|write| write.uri)
        .filter(|uri| uri.contains("/busy/") && uri.contains("/scale"))
        .collect();
    assert!(counts.is_empty(), "the operator leaves the number to the autoscaler: {counts:?}");
    site.clean_up("busy").await
}
