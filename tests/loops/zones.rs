//! Where pods run is measured: a zone that is lost is named, and zones that come back count again.

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use crate::support::{
    Kit, Outcome, at,
    kit::{SOON, service_with},
    objects::{code, name, text},
};

/// The zones of this test have a key of their own, so that no other test's pods go there.
const KEY: &str = "zones.test/zone";

async fn add_node(kit: &Kit, zone: &str) -> Outcome {
    let has = json!({"cpu": "64", "memory": "256Gi", "pods": "500"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": format!("measured-{zone}"),
            "labels": {KEY: zone, "kubernetes.io/hostname": format!("measured-{zone}"), "type": "kwok"},
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
        },
        "status": {"capacity": has, "allocatable": has, "phase": "Running"},
    });
    kit.create(&at("nodes", "", ""), &node).await?;
    Ok(())
}

/// The node goes, and its pods without waiting for anyone.
async fn lose_node(kit: &Kit, zone: &str) -> Outcome {
    kit.delete(&at("nodes", "", &format!("measured-{zone}"))).await?;
    delete_pods(kit, zone).await
}

async fn delete_pods(kit: &Kit, zone: &str) -> Outcome {
    let on_node = format!("{}?fieldSelector=spec.nodeName=measured-{zone}", at("pods", "measured", ""));
    for pod in kit.list(&on_node).await? {
        let path = format!("{}?gracePeriodSeconds=0", at("pods", "measured", name(&pod)));
        // Its owner or the garbage collector may have been quicker.
        match kit.delete(&path).await {
            Err(error) if code(&error) != Some(404) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn cordon(kit: &Kit, zone: &str, cordoned: bool) -> Outcome {
    let patch = json!({"spec": {"unschedulable": cordoned}});
    kit.merge(&at("nodes", "", &format!("measured-{zone}")), "tess", &patch).await?;
    Ok(())
}

/// As `kubectl rollout restart`, which refuses a second one within the same second.
async fn restart(kit: &Kit) -> Outcome {
    let now = jiff::Timestamp::now().to_string();
    let template = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}});
    let path = at("deployments", "measured", "web");
    kit.merge(&path, "kubectl-rollout", &json!({"spec": {"template": template}})).await?;
    Ok(())
}

fn zones(tenant: &Value) -> Vec<(String, i64)> {
    let zones = tenant["status"]["services"][0]["zones"].as_array().into_iter().flatten();
    zones.map(|zone| (text(zone, "/name").to_owned(), zone["ready"].as_i64().unwrap_or(-1))).collect()
}

fn each(pods: [i64; 3]) -> Vec<(String, i64)> {
    ["blue", "green", "red"].iter().zip(pods).map(|(zone, pods)| ((*zone).to_owned(), pods)).collect()
}

fn sorted(mut zones: Vec<(String, i64)>) -> Vec<(String, i64)> {
    zones.sort();
    zones
}

#[tokio::test]
async fn the_spread_over_zones_is_measured() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("measured", &json!({"topology": {"zoneKey": KEY, "minZones": 3}})).await?;
    let spec = |pods: i32| json!({"services": [service_with("web", &json!({"replicas": {"min": pods}}))]});

    // Two zones are too few for three pods in three zones.
    add_node(&kit, "red").await?;
    add_node(&kit, "green").await?;
    kit.tenant("measured", spec(3)).await?;
    let few = "TooFewZones: web is ready in 2 of 3 zones; the cluster's zones are: green, red";
    kit.until("measured", "ZoneSpread", "False", few).await?;
    // The nodes of the other tests have no such label.
    let bare = format!("nodes without label {KEY}, which get no pods: ");
    kit.until("measured", "ZoneSpread", "False", &bare).await?;
    kit.ready("measured").await?;

    // The third one comes; pods move there with the next roll-out.
    add_node(&kit, "blue").await?;
    kit.until("measured", "ZoneSpread", "False", "ZoneShort: web is ready in 2 of 3 zones: none in blue")
        .await?;
    restart(&kit).await?;
    kit.until("measured", "ZoneSpread", "True", "").await?;
    kit.object(&at("tenants", "", "measured"), "one pod a zone", |now| sorted(zones(now)) == each([1, 1, 1]))
        .await?;

    // A drain: the zone is named, and its pods run elsewhere.
    cordon(&kit, "green", true).await?;
    delete_pods(&kit, "green").await?;
    kit.until("measured", "ZoneSpread", "False", "none in green").await?;
    kit.ready("measured").await?;
    cordon(&kit, "green", false).await?;
    restart(&kit).await?;
    kit.until("measured", "ZoneSpread", "True", "").await?;

    // A zone that is lost altogether is missing from the cluster.
    lose_node(&kit, "red").await?;
    kit.until("measured", "ZoneSpread", "False", "the cluster's zones are: blue, green").await?;
    kit.ready("measured").await?;
    add_node(&kit, "red").await?;
    restart(&kit).await?;
    kit.until("measured", "ZoneSpread", "True", "").await?;

    // Fewer pods than zones are asked for fewer zones.
    kit.tenant("measured", spec(2)).await?;
    let what = "two pods in two zones";
    eventually(SOON, what, || async {
        let tenant = kit.the(&at("tenants", "", "measured")).await.map_err(|error| error.to_string())?;
        let summary = tenant["status"]["summary"]["zones"].clone();
        if summary == "2/2" { Ok(()) } else { Err(summary.to_string()) }
    })
    .await?;
    kit.until("measured", "ZoneSpread", "True", "").await?;
    kit.clean_up("measured").await?;
    for zone in ["red", "green", "blue"] {
        kit.delete(&at("nodes", "", &format!("measured-{zone}"))).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_named() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let topology = json!({"zones": ["zone-a", "zone-b", "mars"], "minZones": 3});
    kit.own_platform("marsian", &json!({"topology": topology})).await?;
    let web = service_with("web", &json!({"replicas": {"min": 3}}));
    kit.tenant("marsian", json!({"services": [web]})).await?;
    let words = "Platform marsian names zones that no node is in: mars; mend its spec.topology.zones";
    kit.until("marsian", "ZoneSpread", "False", words).await?;
    kit.ready("marsian").await?;
    kit.clean_up("marsian").await
}
