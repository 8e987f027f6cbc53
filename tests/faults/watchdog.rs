//! No operator at all: the watchdog says so in every status, and an operator that is back says everything anew.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tenantry::api::{conditions::reasons, marks};

use crate::{
    alone,
    support::{
        Kit, Outcome, at,
        kit::service,
        objects::{condition, refusal, text},
        world::SYSTEM,
    },
};

const USER: &str = "system:serviceaccount:tenantry-system:tenantry-watchdog";
const GROUPS: [&str; 2] = ["system:serviceaccounts", "system:serviceaccounts:tenantry-system"];

/// Runs it as its own user, with the rights of its chart. Off this thread: the operator's way goes through it.
async fn watchdog(kit: &Kit) -> Outcome<String> {
    let world = kit.world;
    let kubeconfig: PathBuf = world.cluster.kubeconfig_for(USER, &GROUPS)?;
    let run = move || {
        let kubeconfig = kubeconfig.display().to_string();
        world
            .program(&["watchdog", "--kubeconfig", &kubeconfig, "--namespace", SYSTEM, "--silent-for", "20"])
            .map_err(|error| error.to_string())
    };
    let (code, said, errors) = tokio::task::spawn_blocking(run).await??;
    assert_eq!(code, Some(0), "{said}{errors}");
    Ok(said)
}

/// The two objects, as they are.
async fn both(kit: &Kit) -> Outcome<[Value; 2]> {
    let tenant = kit.the(&at("tenants", "", "watched")).await?;
    Ok([tenant, kit.the(&at("platforms", "", &kit.platform)).await?])
}

/// The same, once nothing has been said of them for two seconds.
async fn settled(kit: &Kit) -> Outcome<[Value; 2]> {
    let mut last = both(kit).await?;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = both(kit).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

fn version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

/// Everything of a status but its conditions.
fn rest(object: &Value) -> Value {
    let mut status = object["status"].clone();
    status["conditions"].take();
    status
}

fn conditions(object: &Value) -> Vec<Value> {
    object["status"]["conditions"].as_array().cloned().unwrap_or_default()
}

fn speaks(object: &Value) -> bool {
    conditions(object).iter().all(|one| one["reason"] != reasons::OPERATOR_NOT_RUNNING)
}

#[tokio::test]
async fn a_dead_operator_is_not_a_green_one() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    kit.own_platform("watched", &json!({})).await?;
    kit.ready_tenant("watched", json!({"services": [service("web")]})).await?;
    let platform = at("platforms", "", "watched");
    kit.until_of(&platform, "Ready", "True", "").await?;
    let before = settled(&kit).await?;
    let children = kit.children("watched").await?;

    let said = watchdog(&kit).await?;
    assert!(said.starts_with("an operator renews Lease tenantry-system/tenantry"), "{said}");
    assert_eq!(both(&kit).await?.each_ref().map(version), before.each_ref().map(version), "nothing written");

    kit.world.kill_operator();
    let said = watchdog(&kit).await?;
    assert!(said.starts_with("nobody renews Lease tenantry-system/tenantry"), "{said}");
    let silent = both(&kit).await?;
    for (before, after) in before.iter().zip(&silent) {
        assert_eq!(rest(after), rest(before), "all but the conditions stays");
        assert_eq!(conditions(after).len(), conditions(before).len());
        for one in conditions(after) {
            assert_eq!((&one["status"], &one["reason"]), (&json!("Unknown"), &json!("OperatorNotRunning")));
        }
    }
    let ready = condition(&silent[0], "Ready");
    assert!(text(&ready, "/message").contains("last said: True, Succeeded"), "{ready}");
    let shown = kit.world.kubectl(&["get", "tenant", "watched"]).await?;
    assert!(shown.contains("Unknown") && !shown.contains("True"), "{shown}");
    watchdog(&kit).await?;
    assert_eq!(both(&kit).await?.each_ref().map(version), silent.each_ref().map(version), "said once");

    kit.world.start_operator(&[]).await?;
    kit.ready("watched").await?;
    kit.object(&platform, "spoken of anew", speaks).await?;
    let after = both(&kit).await?;
    assert!(after.iter().all(speaks), "{after:#?}");
    for (before, after) in before.iter().zip(&after) {
        let managers = |object: &Value| -> Vec<String> {
            let all = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
            let mut all: Vec<String> =
                all.iter().map(|one| format!("{} {}", one["manager"], one["operation"])).collect();
            all.sort();
            all
        };
        assert_eq!(managers(after), managers(before), "nobody else owns a field");
    }
    assert_eq!(kit.children("watched").await?, children, "nothing of the tenant's was touched");
    kit.clean_up("watched").await
}

/// What makes a good status a wrong one.
type Spoil = fn(&mut Value);

/// A Tenant's status with every word taken back, as the watchdog sends it.
fn taken_back(tenant: &Value) -> Value {
    let mut status = tenant["status"].clone();
    for one in status["conditions"].as_array_mut().into_iter().flatten() {
        one["status"] = json!("Unknown");
        one["reason"] = json!(reasons::OPERATOR_NOT_RUNNING);
    }
    let meta =
        json!({"name": tenant["metadata"]["name"], "resourceVersion": tenant["metadata"]["resourceVersion"]});
    json!({"apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": meta, "status": status})
}

/// It speaks a moment after the operator came back: the operator has the last word. And that is all it may say.
#[tokio::test]
async fn the_watchdog_may_take_words_back_and_say_none() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    kit.ready_tenant("told", json!({"services": [service("web")]})).await?;
    let dog = kit.world.call_as(USER, &GROUPS);
    let path = at("tenants", "", "told");
    let status = format!("{path}/status");
    let tenant = kit.the(&path).await?;
    let apply = |body: Value| {
        let (dog, status) = (dog.clone(), status.clone());
        async move { dog.apply(&status, marks::MANAGER_STATUS, &body).await }
    };
    let good = taken_back(&tenant);
    let wrong: [(&str, Spoil); 5] = [
        ("a True condition", |body| body["status"]["conditions"][0]["status"] = json!("True")),
        ("another reason", |body| body["status"]["conditions"][0]["reason"] = json!("Succeeded")),
        ("a new condition", |body| {
            let mut one = body["status"]["conditions"][0].clone();
            one["type"] = json!("Paused");
            body["status"]["conditions"].as_array_mut().unwrap().push(one);
        }),
        ("the inventory", |body| body["status"]["inventory"][0]["uid"] = json!("another")),
        ("the summary", |body| body["status"]["summary"]["services"] = json!("9/9")),
    ];
    for (what, change) in wrong {
        let mut body = good.clone();
        change(&mut body);
        let said = refusal(apply(body).await);
        assert!(said.contains("nobody else writes it"), "{what}: {said}");
    }
    let mut fewer = good.clone();
    fewer["status"]["conditions"].as_array_mut().unwrap().remove(0);
    assert!(refusal(apply(fewer).await).contains("nobody else writes it"), "a condition is gone");
    let said = refusal(dog.apply(&path, "x", &json!({"apiVersion": marks::API_VERSION, "kind": "Tenant", "metadata": {"name": "told"}, "spec": {"lifecycle": "Cancelled"}})).await);
    assert!(said.contains("forbidden"), "{said}");
    assert!(
        refusal(dog.the(&path).await.map_err(|error| *error.downcast::<kube::Error>().unwrap()))
            .contains("forbidden"),
        "it lists"
    );

    apply(good.clone()).await?;
    let stale = refusal(apply(good).await);
    assert!(stale.contains("modified"), "a status that was read before is not written: {stale}");
    kit.object(&path, "the operator has the last word", speaks).await?;
    kit.ready("told").await?;
    kit.clean_up("told").await
}
