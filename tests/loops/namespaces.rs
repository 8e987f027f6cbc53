//! Whose a namespace is, and what happens when it goes.

use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::service,
    objects::{refusal, text, uid},
};

const ALLOW: &str = "tenantry.dev/allow-delete";

fn spec() -> Value {
    json!({"services": [service("web")]})
}

#[tokio::test]
async fn two_tenants_never_share_a_namespace() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    // In one second, and the later one's name comes first.
    kit.tenant("shared-z", json!({"namespace": "shared", "services": [service("web")]})).await?;
    kit.tenant("shared-a", json!({"namespace": "shared", "services": [service("web")]})).await?;
    let ready = kit.until("shared-z", "Ready", "True", "").await;
    let (first, second) = if ready.is_ok() { ("shared-z", "shared-a") } else { ("shared-a", "shared-z") };
    kit.ready(first).await?;
    kit.until(second, "Ready", "False", &format!("NamespaceTaken: Tenant {first} has namespace shared"))
        .await?;
    let tenant = kit.the(&at("tenants", "", second)).await?;
    assert!(tenant["status"]["inventory"].is_null(), "it made nothing");
    let web = kit.the(&at("deployments", "shared", "web")).await?;
    assert_eq!(web["metadata"]["labels"]["tenantry.dev/tenant"], first);
    // The one that has it is still looked after.
    kit.delete(&at("services", "shared", "web")).await?;
    kit.object(&at("services", "shared", "web"), "made again", |_| true).await?;

    // The first one leaves; its namespace stays its own.
    let cancelled = json!({"spec": {"lifecycle": "Cancelled"}});
    kit.merge(&at("tenants", "", first), "tess", &cancelled).await?;
    kit.until(first, "Ready", "True", "Cancelled").await?;
    kit.delete(&at("tenants", "", first)).await?;
    kit.until(second, "Ready", "False", "NamespaceNotOurs").await?;
    kit.clean_up(second).await
}

#[tokio::test]
async fn a_namespace_that_is_deleted_by_hand_comes_back_with_everything() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("byhand", spec()).await?;
    let path = at("namespaces", "", "byhand");
    let said = refusal(kit.delete(&path).await);
    assert!(said.contains(ALLOW), "{said}");
    let allow = json!({"metadata": {"annotations": {ALLOW: "test"}}});
    let old = kit.merge(&path, "tess", &allow).await?;
    // Something in it does not want to go.
    let stuck = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stuck", "finalizers": ["example.com/hold"]}});
    kit.create(&at("configmaps", "byhand", ""), &stuck).await?;
    kit.delete(&path).await?;
    kit.until("byhand", "Ready", "False", "NamespaceTerminating").await?;
    kit.gone(&at("deployments", "byhand", "web")).await?;
    kit.until("byhand", "Ready", "False", "NamespaceTerminating").await?;
    kit.merge(&at("configmaps", "byhand", "stuck"), "tess", &json!({"metadata": {"finalizers": null}}))
        .await?;
    kit.object(&path, "another one", |now| uid(now) != uid(&old)).await?;
    let tenant = kit.ready("byhand").await?;
    assert_ne!(text(&tenant, "/status/namespaces/0/uid"), uid(&old));
    // One deletion, and not one of everything in it.
    assert_eq!(text(&tenant, "/status/lastDrift/object"), "Namespace byhand");
    kit.clean_up("byhand").await
}

#[tokio::test]
async fn a_namespace_that_was_replaced_is_not_taken_for_the_old_one() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("replaced", spec()).await?;
    let path = at("namespaces", "", "replaced");
    // While the operator may not write, so that it isn't faster than we are.
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    let pause = json!({"metadata": {"annotations": {"tenantry.dev/paused-until": soon.to_string()}}});
    kit.merge(&at("tenants", "", "replaced"), "tess", &pause).await?;
    kit.until("replaced", "Paused", "True", "").await?;
    let allow = json!({"metadata": {"annotations": {ALLOW: "test"}}});
    let old = kit.merge(&path, "tess", &allow).await?;
    kit.delete(&path).await?;
    kit.gone(&path).await?;
    let new = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "replaced"}});
    let new = kit.create(&at("namespaces", "", ""), &new).await?;
    let resume = json!({"metadata": {"annotations": {"tenantry.dev/paused-until": null}}});
    kit.merge(&at("tenants", "", "replaced"), "tess", &resume).await?;
    let tenant = kit.until("replaced", "Ready", "False", "NamespaceReplaced").await?;
    assert_eq!(text(&tenant, "/status/namespaces/0/uid"), uid(&old), "the record is kept");
    assert!(kit.child_names("replaced").await?.is_empty(), "nothing is written to it");
    let adopt = json!({"spec": {"adopt": {"uid": uid(&new)}}});
    kit.merge(&at("tenants", "", "replaced"), "tess", &adopt).await?;
    let tenant = kit.ready("replaced").await?;
    assert_eq!(text(&tenant, "/status/lastDrift/object"), "Namespace replaced", "one deletion");
    kit.clean_up("replaced").await
}

#[tokio::test]
async fn deletions_that_would_lose_data_are_refused() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("guarded", &json!({})).await?;
    kit.ready_tenant("guarded", spec()).await?;
    kit.until_of(&at("platforms", "", "guarded"), "Ready", "True", "").await?;
    let said = refusal(kit.delete(&at("tenants", "", "guarded")).await);
    assert!(said.contains("spec.lifecycle: Cancelled"), "{said}");
    let said = refusal(kit.delete(&at("platforms", "", "guarded")).await);
    assert!(said.contains("Tenants refer to this Platform"), "{said}");
    let said = refusal(kit.delete(&at("customresourcedefinitions", "", "tenants.tenantry.dev")).await);
    assert!(said.contains(ALLOW), "{said}");

    kit.merge(&at("tenants", "", "guarded"), "tess", &json!({"spec": {"lifecycle": "Cancelled"}})).await?;
    kit.until("guarded", "Ready", "True", "Cancelled").await?;
    kit.delete(&at("tenants", "", "guarded")).await?;
    let platform = kit
        .object(&at("platforms", "", "guarded"), "no Tenants", |now| {
            now["status"]["summary"]["tenants"] == "0/0"
        })
        .await?;
    assert_eq!(platform["status"]["orphans"][0]["namespace"], "guarded", "its namespace is listed");
    kit.delete(&at("platforms", "", "guarded")).await?;

    // Its namespace and what guards it stay.
    let left = kit.child_names("guarded").await?;
    assert_eq!(
        left,
        ["limitranges/tenantry", "networkpolicies/tenantry-deny-all", "resourcequotas/tenantry"]
    );
    kit.merge(
        &at("namespaces", "", "guarded"),
        "tess",
        &json!({"metadata": {"annotations": {ALLOW: "test"}}}),
    )
    .await?;
    kit.delete(&at("namespaces", "", "guarded")).await?;
    Ok(())
}
