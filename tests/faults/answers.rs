//! Answers that are wrong, late, lost, or don't come: every Tenant gets there, once.

use std::time::Duration;

use futures::future::try_join_all;
use serde_json::{Value, json};
use tenantry_testbed::{Fault, Matcher, eventually};

use crate::{
    alone,
    support::{
        Kit, Outcome, at,
        kit::{SOON, service, service_with},
        objects::{text, uid},
    },
};

fn spec(names: &[&str]) -> Value {
    let services: Vec<Value> =
        names.iter().map(|name| service_with(name, &json!({"config": {"A": "b"}}))).collect();
    json!({"services": services})
}

/// The inventory is what is there, in the end: a child that is healed is announced without a uid first.
async fn recorded(kit: &Kit, tenant: &str) -> Outcome {
    kit.ready(tenant).await?;
    eventually(SOON, "an inventory of what is there", || async {
        let (recorded, live) = inventory(kit, tenant).await.map_err(|error| error.to_string())?;
        if recorded == live { Ok(()) } else { Err(format!("{tenant}: {recorded:?}, and there are {live:?}")) }
    })
    .await?;
    Ok(())
}

/// uids that are recorded, and uids that are there.
async fn inventory(kit: &Kit, tenant: &str) -> Outcome<(Vec<String>, Vec<String>)> {
    let now = kit.the(&at("tenants", "", tenant)).await?;
    let entries = now["status"]["inventory"].as_array().cloned().unwrap_or_default();
    let mut recorded: Vec<String> = entries.iter().map(|one| text(one, "/uid").to_owned()).collect();
    let mut live: Vec<String> = kit.children(tenant).await?.into_values().map(|(uid, _)| uid).collect();
    live.push(uid(&kit.the(&at("namespaces", "", tenant)).await?).to_owned());
    recorded.sort();
    live.sort();
    Ok((recorded, live))
}

#[tokio::test]
async fn every_kind_of_bad_answer_is_got_over() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    let faults = [
        ("conflict", Fault::api_status(409, "Conflict", "injected")),
        ("throttled", Fault::too_many_requests(1)),
        ("broken", Fault::api_status(500, "InternalError", "injected")),
        ("unready", Fault::api_status(503, "ServiceUnavailable", "injected")),
        ("garbled", Fault::Status { code: 200, headers: vec![], body: "<html>".into() }),
        ("reset", Fault::Reset),
        ("slow", Fault::Delay(Duration::from_millis(300))),
        ("lost", Fault::LoseAnswer),
    ];
    try_join_all(faults.into_iter().map(|(name, fault)| got_over(&kit, name, fault))).await?;
    kit.world.proxy.heal_all();
    Ok(())
}

/// Some writes of one Tenant get this answer, of its children and of itself, and so do its deletions.
async fn got_over(kit: &Kit, name: &str, fault: Fault) -> Outcome {
    let tenant = format!("answers-{name}");
    let fail = |count: u64, method: &str, path: &str| {
        let path = path.replace("TENANT", &tenant);
        kit.world.proxy.fail_next(count, Matcher::path(&path).method(method), fault.clone())
    };
    let mut ids = vec![
        fail(2, "PATCH", "/tenants/TENANT/status"),
        fail(1, "PATCH", "/api/v1/namespaces/TENANT?"),
        fail(1, "PATCH", "/namespaces/TENANT/networkpolicies/"),
        fail(2, "PATCH", "/namespaces/TENANT/deployments/"),
    ];
    kit.tenant(&tenant, spec(&["web", "old"])).await?;
    recorded(kit, &tenant).await.map_err(|error| format!("{name}: {error}"))?;
    ids.push(fail(2, "DELETE", "/namespaces/TENANT/"));
    ids.push(fail(1, "PATCH", "/tenants/TENANT/status"));
    kit.tenant(&tenant, spec(&["web"])).await?;
    recorded(kit, &tenant).await.map_err(|error| format!("{name}, shrinking: {error}"))?;
    assert!(kit.get(&at("deployments", &tenant, "old")).await?.is_none(), "{name}");
    let unhit = ids.iter().filter(|id| kit.world.proxy.hits(**id) == 0).count();
    assert_eq!(unhit, 0, "{name}: every fault was met");
    kit.clean_up(&tenant).await
}

/// What the API server refuses for good is said, and not sent again and again.
#[tokio::test]
async fn a_refusal_is_said_and_waited_on() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    let refusal = Fault::api_status(422, "Invalid", "Service \"web\" is invalid: injected");
    let fault = kit.world.proxy.fail(Matcher::call("apply", "services"), refusal);
    kit.tenant("answers-no", spec(&["web"])).await?;
    kit.until("answers-no", "Ready", "False", "ApplyRefused: Service answers-no/web: refused").await?;
    kit.until("answers-no", "Stalled", "True", "").await?;
    let deployment = at("deployments", "answers-no", "web");
    kit.object(&deployment, "made all the same", |one| one["status"]["availableReplicas"] == 1).await?;
    let hits = kit.world.proxy.hits(fault);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(kit.world.proxy.hits(fault) <= hits + 1, "not again and again");
    kit.world.proxy.heal_all();
    let ask = json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": "1"}}});
    kit.merge(&at("tenants", "", "answers-no"), "tess", &ask).await?;
    recorded(&kit, "answers-no").await?;
    kit.clean_up("answers-no").await
}

/// The API server is gone for a while: what was asked for and broken meanwhile is done afterwards.
#[tokio::test]
async fn the_api_server_goes_and_comes_back() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    kit.ready_tenant("gone", spec(&["web", "old"])).await?;
    kit.world.proxy.refuse(true);
    kit.tenant("gone", spec(&["web", "new"])).await?;
    kit.delete(&at("services", "gone", "web")).await?;
    kit.tenant("gone-new", json!({"services": [service("web")]})).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    kit.world.proxy.refuse(false);
    kit.object(&at("services", "gone", "web"), "made again", |_| true).await?;
    recorded(&kit, "gone").await?;
    recorded(&kit, "gone-new").await?;
    assert!(kit.get(&at("deployments", "gone", "old")).await?.is_none());
    kit.clean_up("gone").await?;
    kit.clean_up("gone-new").await
}
