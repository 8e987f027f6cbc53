//! A zone that can't be lost is said before it is lost: pods, nodes and their requests are counted on a real cluster.

use serde_json::{Value, json};

use crate::{
    alone,
    support::{Kit, Outcome, at, kit::service_with},
};

/// Zones of this test's own, so that no other test's pods go there.
const KEY: &str = "loss.test/zone";

async fn add_node(kit: &Kit, name: &str, zone: &str, cpu: &str) -> Outcome {
    let has = json!({"cpu": cpu, "memory": "64Gi", "pods": "50"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {KEY: zone, "kubernetes.io/hostname": name, "type": "kwok"},
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
        },
        "status": {"capacity": has, "allocatable": has, "phase": "Running"},
    });
    kit.create(&at("nodes", "", ""), &node).await?;
    Ok(())
}

fn spec(cpu: &str, pods: &Value) -> Value {
    let resources = json!({"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "64Mi"}});
    json!({"services": [service_with("web", &json!({"replicas": pods, "resources": resources}))]})
}

#[tokio::test]
async fn a_zone_that_can_not_be_lost_is_said_before() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    kit.world.stop_operator();
    kit.world.start_operator(&["--zone-loss-interval", "3s"]).await?;
    kit.own_platform("loss", &json!({"topology": {"zoneKey": KEY, "minZones": 3}})).await?;
    for zone in ["red", "green", "blue"] {
        add_node(&kit, &format!("loss-{zone}"), zone, "2").await?;
    }

    // A core and a half each: every pod runs, nothing is wrong yet, and there is no room for a third one's.
    kit.tenant("loss", spec("1500m", &json!({"min": 3}))).await?;
    let tenant = kit.until("loss", "ZoneSpread", "False", "ZoneLossNoRoom").await?;
    assert_eq!(tenant["status"]["services"][0]["zoneLoss"]["answer"], "NoRoom", "{tenant}");
    kit.until("loss", "ZoneSpread", "False", "cpu").await?;
    kit.until("loss", "WorkloadsAvailable", "True", "").await?;

    // With more nodes there is, and the status says so without any change of the Tenant.
    for zone in ["red", "green", "blue"] {
        add_node(&kit, &format!("loss-{zone}-2"), zone, "2").await?;
    }
    kit.until("loss", "ZoneSpread", "True", "each would outlive").await?;

    // Pods that must not be fewer than three, one a zone: whatever room there is, the loss breaks it.
    let mut strict = spec("1500m", &json!({"min": 3}));
    strict["services"][0]["minAvailable"] = json!(3);
    strict["services"][0]["disruptable"] = json!(false);
    kit.tenant("loss", strict).await?;
    kit.until("loss", "ZoneSpread", "False", "ZoneLossBreaks: web: without zone").await?;

    kit.clean_up("loss").await?;
    for zone in ["red", "green", "blue"] {
        for node in [format!("loss-{zone}"), format!("loss-{zone}-2")] {
            kit.delete(&at("nodes", "", &node)).await?;
        }
    }
    kit.world.stop_operator();
    Ok(())
}
