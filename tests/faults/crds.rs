//! The definitions are deleted, and with them every Platform and Tenant: what runs goes on running.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::{Operator, eventually, programs};

use crate::{
    alone,
    support::{
        Kit, Outcome, at,
        kit::{service, service_with},
        objects::{refusal, text, uid},
        world::SYSTEM,
    },
};

/// What may not change: uids of the children, and the pod templates.
async fn what_runs(kit: &Kit, tenant: &str) -> Outcome<(Vec<String>, Vec<Value>)> {
    let uids =
        kit.children(tenant).await?.into_iter().map(|(key, (uid, _))| format!("{key} {uid}")).collect();
    let deployments = kit.list(&at("deployments", tenant, "")).await?;
    let templates = deployments.iter().map(|one| one["spec"]["template"].clone()).collect();
    Ok((uids, templates))
}

#[tokio::test]
async fn without_its_definitions_everything_goes_on_running() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    let spec = json!({"services": [service_with("web", &json!({"config": {"A": "b"}})), service("shop")]});
    kit.ready_tenant("bereft", spec.clone()).await?;
    let before = what_runs(&kit, "bereft").await?;
    let namespace = kit.the(&at("namespaces", "", "bereft")).await?;
    let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
    for plural in ["tenants", "platforms"] {
        let crd = at("customresourcedefinitions", "", &format!("{plural}.tenantry.dev"));
        for object in kit.list(&at(plural, "", "")).await? {
            kit.merge(&at(plural, "", text(&object, "/metadata/name")), "tess", &allow).await?;
        }
        kit.merge(&crd, "tess", &allow).await?;
        kit.delete(&crd).await?;
        kit.gone(&crd).await?;
    }
    // Pods are still replaced: the guards in the API server need no definitions.
    for pod in kit.list(&at("pods", "bereft", "")).await? {
        kit.delete(&at("pods", "bereft", text(&pod, "/metadata/name"))).await?;
    }
    for name in ["web", "shop"] {
        let path = at("deployments", "bereft", name);
        kit.object(&path, "new pods run", |now| now["status"]["availableReplicas"] == 1).await?;
    }
    let tool = kit.world.call_as("deployer", &["system:masters"]);
    let hijack = json!({"spec": {"externalIPs": ["10.0.0.53"]}});
    let said = refusal(tool.merge(&at("services", "bereft", "web"), "x", &hijack).await);
    assert!(said.contains("'tenantry-services'"), "{said}");
    // Somebody breaks a child meanwhile: nobody asks for it now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(what_runs(&kit, "bereft").await?, before, "nothing vanished");

    kit.world.cluster.apply_path(programs::repository_root().join("crds")).await?;
    let platform = crate::support::world::platform(&kit.platform);
    kit.apply(&at("platforms", "", &kit.platform), "tess", &platform).await?;
    let platform = at("platforms", "", &kit.platform);
    kit.object(&platform, "the orphan is listed", |one| {
        let orphans = one["status"]["orphans"].as_array().cloned().unwrap_or_default();
        orphans.iter().any(|one| one["namespace"] == "bereft" && one["tenant"] == "bereft")
    })
    .await?;

    // The Tenant comes back, smaller: its inventory is read back, and this pass deletes nothing.
    let tenant = kit.ready_tenant("bereft", spec).await?;
    assert_eq!(what_runs(&kit, "bereft").await?.0, before.0, "the same objects");
    assert_eq!(what_runs(&kit, "bereft").await?.1, before.1, "the same pods");
    let now = kit.the(&at("namespaces", "", "bereft")).await?;
    assert_eq!(uid(&now), uid(&namespace));
    let inventory = tenant["status"]["inventory"].to_string();
    assert!(
        before.0.iter().all(|one| inventory.contains(one.split_whitespace().last().unwrap())),
        "{inventory}"
    );

    // From then on it is a Tenant like any other.
    kit.ready_tenant("bereft", json!({"services": [service("shop")]})).await?;
    assert!(kit.get(&at("deployments", "bereft", "web")).await?.is_none());
    kit.clean_up("bereft").await
}

/// Waits until readiness says this of a definition; an empty word stands for ready.
async fn says(operator: &Operator, word: &str) -> Outcome {
    let what = format!("readiness to say {word:?}");
    let waited = eventually(Duration::from_secs(60), &what, || async {
        match operator.get("/readyz").await.map_err(|error| error.to_string()) {
            Ok(_) if word.is_empty() => Ok(()),
            Err(said) if !word.is_empty() && said.contains(word) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    Ok(waited.await?)
}

/// Somebody installs the definitions of another version while this one runs.
#[tokio::test]
async fn a_definition_of_another_version_stops_every_write_at_once() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    kit.ready_tenant("skewed", json!({"services": [service("web")]})).await?;
    assert!(kit.world.stop_operator(), "it ends when asked to");
    let operator = kit.world.new_operator("skewed", &[])?;
    says(&operator, "").await?;
    for plural in ["platforms", "tenants"] {
        let crd = at("customresourcedefinitions", "", &format!("{plural}.tenantry.dev"));
        let other = json!({"metadata": {"annotations": {"tenantry.dev/schema": "another"}}});
        kit.merge(&crd, "tess", &other).await?;
        says(&operator, &format!("CRDVersionSkew: CRD {plural}.tenantry.dev")).await?;
        let lease = at("leases", SYSTEM, "tenantry");
        let free = |lease: &Value| text(lease, "/spec/holderIdentity").is_empty();
        kit.object(&lease, "free for the version that knows the definitions", free).await?;

        let service = at("services", "skewed", "web");
        kit.world.proxy.forget_requests();
        kit.delete(&service).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(kit.get(&service).await?.is_none(), "nothing is written");
        assert_eq!(kit.world.proxy.count(&["create", "update", "patch", "apply", "delete"]), 0);

        kit.world.cluster.apply_path(programs::repository_root().join("crds")).await?;
        says(&operator, "").await?;
        kit.object(&service, "made again", |_| true).await?;
        let asked = kit.world.proxy.requests();
        let asked = asked.keys().filter(|kind| kind.resource == "customresourcedefinitions");
        let asked: Vec<&str> = asked.map(|kind| kind.verb.as_str()).filter(|verb| *verb != "watch").collect();
        assert!(asked.is_empty(), "watched, not asked for: {asked:?}");
    }
    assert!(operator.stop().is_some(), "it ends when asked to");
    kit.clean_up("skewed").await
}
