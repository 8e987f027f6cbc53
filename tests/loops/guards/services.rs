//! Services that reach round the network policies, and Secrets that hold a token without an end.

use serde_json::{Value, json};

use super::{editor, refused, tenant, tool};
use crate::support::{Kit, Outcome, at, kit::service};

const POLICY: &str = "tenantry-services";

fn plain(name: &str, spec: &Value) -> Value {
    let mut whole = json!({"ports": [{"port": 80}]});
    crate::support::kit::merge(&mut whole, spec);
    json!({"metadata": {"name": name}, "spec": whole})
}

#[tokio::test]
async fn a_tenants_services_stay_behind_its_policies() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "inside", &json!({"services": [service("web")]})).await?;
    let (editor, tool) = (editor(kit.world), tool(kit.world));
    let services = at("services", "inside", "");
    editor.create(&services, &plain("good", &json!({"selector": {"app": "x"}}))).await?;
    let hijack = json!({"externalIPs": ["10.0.0.53"]});
    for who in [&editor, &tool] {
        refused(who.create(&services, &plain("bad", &hijack)).await, POLICY, "externalIPs");
        for (kind, key) in [("NodePort", "nodeports"), ("LoadBalancer", "loadbalancers")] {
            let words = format!("type {kind} reaches round the network policies");
            let answer = who.create(&services, &plain("bad", &json!({"type": kind}))).await;
            refused(answer, POLICY, &words);
            // The other way in: one that is there already, also the operator's own.
            for name in ["good", "web"] {
                let answer =
                    who.merge(&at("services", "inside", name), "x", &json!({"spec": {"type": kind}})).await;
                refused(answer, POLICY, &format!("services.{key}"));
            }
        }
        let answer = who.merge(&at("services", "inside", "good"), "x", &json!({"spec": hijack})).await;
        refused(answer, POLICY, "externalIPs");
    }

    // What is being deleted is still guarded.
    let held = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    editor.merge(&at("services", "inside", "good"), "x", &held).await?;
    editor.delete(&at("services", "inside", "good")).await?;
    let answer = editor.merge(&at("services", "inside", "good"), "x", &json!({"spec": hijack})).await;
    refused(answer, POLICY, "externalIPs");
    let release = json!({"metadata": {"finalizers": null}});
    editor.merge(&at("services", "inside", "good"), "x", &release).await?;

    // Nobody else is held.
    tool.create(&at("services", "default", ""), &plain("not-a-tenants", &hijack)).await?;
    tool.delete(&at("services", "default", "not-a-tenants")).await?;
    kit.clean_up("inside").await
}

/// The quota says who may have node ports and load balancers. An allowance that is taken back leaves what is
/// there, for people to see to.
#[tokio::test]
async fn what_the_quota_allows_goes_through() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let quota = |count: &str| json!({"quota": {"hard": {"services.loadbalancers": count, "services.nodeports": count}}});
    tenant(&kit, "outside", &quota("1")).await?;
    let (editor, services) = (editor(kit.world), at("services", "outside", ""));
    editor.create(&services, &plain("lb", &json!({"type": "LoadBalancer"}))).await?;
    tenant(&kit, "outside", &quota("0")).await?;
    let lb = at("services", "outside", "lb");
    editor.merge(&lb, "x", &json!({"metadata": {"labels": {"team": "a"}}})).await?;
    editor.merge(&lb, "x", &json!({"spec": {"type": "ClusterIP"}})).await?;
    let answer = editor.merge(&lb, "x", &json!({"spec": {"type": "LoadBalancer"}})).await;
    refused(answer, POLICY, "type LoadBalancer");
    kit.clean_up("outside").await
}

/// A guard that doesn't know the namespace yet must not let pass.
#[tokio::test]
async fn a_namespace_is_guarded_from_its_first_moment() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    for round in 0..10 {
        let name = format!("newborn-{round}");
        let namespace = json!({"metadata": {"name": name, "labels": {"tenantry.dev/tenant": name}}});
        kit.create(&at("namespaces", "", ""), &namespace).await?;
        let answer = tool(kit.world)
            .create(&at("services", &name, ""), &plain("bad", &json!({"externalIPs": ["10.0.0.53"]})))
            .await;
        refused(answer, POLICY, "externalIPs");
        kit.delete(&at("namespaces", "", &name)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_token_without_an_end() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "tokens", &json!({"services": [service("web")]})).await?;
    let secrets = at("secrets", "tokens", "");
    let of = |account: &str| json!({"kubernetes.io/service-account.name": account});
    let token = json!({"metadata": {"name": "token", "annotations": of("web")}, "type": "kubernetes.io/service-account-token"});
    for who in [editor(kit.world), tool(kit.world)] {
        refused(who.create(&secrets, &token).await, "tenantry-secrets", "never expire");
        let plain = json!({"metadata": {"name": "plain"}, "stringData": {"a": "b"}});
        who.create(&secrets, &plain).await?;
        who.merge(&at("secrets", "tokens", "plain"), "x", &json!({"stringData": {"a": "c"}})).await?;
        who.delete(&at("secrets", "tokens", "plain")).await?;
    }
    // One that was there before can't be pointed at another account.
    kit.create(&secrets, &token).await?;
    let other = json!({"metadata": {"annotations": of("default")}});
    let answer = editor(kit.world).merge(&at("secrets", "tokens", "token"), "x", &other).await;
    refused(answer, "tenantry-secrets", "never expire");
    kit.clean_up("tokens").await
}
