//! A change that no Tenant asked for goes from Tenant to Tenant in waves, and stops where services don't come back.

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use crate::support::{
    Kit, Outcome, at,
    kit::{SOON, service},
    objects::{condition, name, text},
};

const TENANTS: [&str; 6] = ["wave-a", "wave-b", "wave-c", "wave-d", "wave-e", "wave-f"];

/// The Platform, which lets two of six Tenants go at a time and gives pods this long to end, on these nodes.
async fn rules(kit: &mut Kit, seconds: u32, memory: &str) -> Outcome {
    let defaults = json!({
        "terminationGracePeriod": format!("{seconds}s"),
        "quota": {"requests.memory": "9999Gi"},
        "resources": {"requests": {"cpu": "10m", "memory": memory}, "limits": {"memory": memory}},
    });
    kit.own_platform("wave", &json!({"rollout": {"maxPercent": 34}, "defaults": defaults})).await
}

/// Tenants whose Deployment has this grace period.
async fn reached(kit: &Kit, seconds: u32) -> Outcome<Vec<&'static str>> {
    let mut reached = Vec::new();
    for tenant in TENANTS {
        let deployment = kit.the(&at("deployments", tenant, "web")).await?;
        if deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == seconds {
            reached.push(tenant);
        }
    }
    Ok(reached)
}

/// Waits until these and no others are reached: who goes no longer waits before its Deployment is written.
async fn reach(kit: &Kit, seconds: u32, tenants: &[&str]) -> Outcome {
    let reached = eventually(SOON, "the Tenants of the wave", || async {
        let now = reached(kit, seconds).await.map_err(|error| error.to_string())?;
        if now == tenants { Ok(()) } else { Err(format!("{now:?}, not {tenants:?}")) }
    });
    Ok(reached.await?)
}

/// Waits until so many Tenants wait for a wave; returns the others.
async fn waiting(kit: &Kit, count: usize) -> Outcome<Vec<&'static str>> {
    let said = eventually(SOON * 2, "Tenants that wait", || async {
        let (mut others, mut said) = (Vec::new(), Vec::new());
        for tenant in TENANTS {
            let now = kit.the(&at("tenants", "", tenant)).await.map_err(|error| error.to_string())?;
            if condition(&now, "Reconciling")["reason"] != "WaitingForWave" {
                others.push(tenant);
            }
            said.push(format!("{tenant}: {} {}", now["status"]["applied"], now["status"]["conditions"]));
        }
        if TENANTS.len() - others.len() == count { Ok(others) } else { Err(said.join("\n")) }
    });
    Ok(said.await?)
}

#[tokio::test]
async fn rules_reach_tenants_in_waves_and_stop_where_services_do_not_come_back() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    rules(&mut kit, 10, "32Mi").await?;
    for tenant in TENANTS {
        kit.tenant(tenant, json!({"services": [service("web")]})).await?;
    }
    for tenant in TENANTS {
        kit.ready(tenant).await?;
    }

    // No node has that much: the new pods never come up, and the old ones stay.
    rules(&mut kit, 20, "900Gi").await?;
    let first = waiting(&kit, 4).await?;
    reach(&kit, 20, &first).await?;
    // The Platform counts soon after its Tenants say so.
    let words = "reaches 2 of 6 Tenants at a time; 4 wait";
    let platform = kit.until_of(&at("platforms", "", "wave"), "Reconciling", "True", words).await?;
    let said = condition(&platform, "Reconciling");
    assert_eq!(said["reason"], "RollingOut");
    assert!(text(&said, "/message").contains(first[0]), "{said}");
    assert_eq!(reached(&kit, 20).await?, first, "a wave of two, and nobody else");

    let waits: Vec<&str> = TENANTS.into_iter().filter(|one| !first.contains(one)).collect();
    held_back(&kit, &waits).await?;

    // The mistake is mended: everybody gets there, each once.
    rules(&mut kit, 30, "32Mi").await?;
    waiting(&kit, 0).await?;
    reach(&kit, 30, &TENANTS).await?;
    for tenant in TENANTS {
        kit.ready(tenant).await?;
    }
    kit.object(&at("platforms", "", "wave"), "rolled out", |now| condition(now, "Reconciling").is_null())
        .await?;
    for tenant in TENANTS {
        let back = |now: &Value| now["status"]["applied"]["rollingOut"].is_null();
        kit.object(&at("tenants", "", tenant), "back", back).await?;
        kit.clean_up(tenant).await?;
    }
    kit.clean_up("wave-new").await
}

/// Who waits is healed and looked after as ever; whose own spec changes, and who is new, doesn't wait.
async fn held_back(kit: &Kit, waits: &[&'static str]) -> Outcome {
    let [heals, edits] = [waits[0], waits[1]];
    let tenant = kit.the(&at("tenants", "", heals)).await?;
    assert_eq!(condition(&tenant, "Ready")["status"], "True", "it lacks nothing");
    let said = text(&condition(&tenant, "Reconciling"), "/message").to_owned();
    assert!(said.contains("waits until the services of"), "{said}");
    for path in [at("services", heals, "web"), at("networkpolicies", heals, "tenantry-deny-all")] {
        let old = kit.delete(&path).await?;
        kit.object(&path, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    }
    let grace = |now: &Value| now["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].clone();
    assert_eq!(grace(&kit.the(&at("deployments", heals, "web")).await?), 10);
    let mut own = service("web");
    own["image"] = json!("registry.k8s.io/pause:3.9");
    kit.tenant(edits, json!({"services": [own]})).await?;
    kit.object(&at("deployments", edits, "web"), "its own change", |now| grace(now) == 20).await?;
    kit.tenant("wave-new", json!({"services": [service("web")]})).await?;
    kit.object(&at("deployments", "wave-new", "web"), "the new one", |now| grace(now) == 20).await.map(drop)
}

/// A change that lets services come up and fall over afterwards goes no further until they stand again.
#[tokio::test]
async fn a_tenant_that_falls_after_it_was_back_stops_the_waves() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let rules = |seconds: u32| json!({"rollout": {"maxPercent": 50}, "defaults": {"terminationGracePeriod": format!("{seconds}s")}});
    let (first, second) = ("fall-a", "fall-b");
    kit.own_platform("fall", &rules(10)).await?;
    for tenant in [first, second] {
        kit.tenant(tenant, json!({"services": [service("web")]})).await?;
    }
    for tenant in [first, second] {
        kit.ready(tenant).await?;
    }
    let pause = |until: Value| json!({"metadata": {"annotations": {"tenantry.dev/paused-until": until}}});
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    kit.merge(&at("tenants", "", second), "tess", &pause(json!(soon.to_string()))).await?;
    kit.until(second, "Paused", "True", "").await?;
    kit.own_platform("fall", &rules(20)).await?;
    let grace = |now: &Value| now["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].clone();
    kit.object(&at("deployments", first, "web"), "reached", |now| grace(now) == 20).await?;
    let back = |now: &Value| {
        now["status"]["applied"]["rollingOut"].is_null() && condition(now, "Ready")["status"] == "True"
    };
    kit.object(&at("tenants", "", first), "back", back).await?;

    // It falls: its pods go, and no new ones may be made.
    let none = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
    });
    let quota = at("resourcequotas", first, "none");
    kit.apply(&quota, "mallory", &none).await?;
    kit.object(&quota, "counted", |now| now["status"]["hard"]["pods"] == "0").await?;
    for pod in kit.list(&at("pods", first, "")).await? {
        kit.delete(&at("pods", first, name(&pod))).await?;
    }
    let fallen = |now: &Value| now["status"]["applied"]["rollingOut"] == true;
    kit.object(&at("tenants", "", first), "fallen", fallen).await?;
    kit.merge(&at("tenants", "", second), "tess", &pause(Value::Null)).await?;
    let waits = kit.until(second, "Reconciling", "True", "WaitingForWave").await?;
    let said = text(&condition(&waits, "Reconciling"), "/message").to_owned();
    assert!(said.contains(&format!("until the services of {first} are available again")), "{said}");
    assert_eq!(grace(&kit.the(&at("deployments", second, "web")).await?), 10);

    kit.delete(&quota).await?;
    kit.ready(first).await?;
    kit.object(&at("deployments", second, "web"), "its turn", |now| grace(now) == 20).await?;
    kit.ready(second).await?;
    for tenant in [first, second] {
        kit.clean_up(tenant).await?;
    }
    Ok(())
}
