//! What a Tenant becomes, and what is left of it when it shrinks.

use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::{service, service_with},
    objects::{text, uid},
};

const NAME: &str = "kids";

fn whole() -> Value {
    json!({
        "members": [
            {"kind": "Group", "name": "kids-team", "role": "Editor"},
            {"kind": "User", "name": "auditor@example.com", "role": "Viewer"},
        ],
        "egress": [{"name": "bank", "cidr": "203.0.113.0/25", "ports": [{"port": 443}]}],
        "services": [
            service_with("web", &json!({
                "config": {"LEVEL": "info"}, "replicas": {"min": 3, "max": 5},
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            })),
            service_with("worker", &json!({"ports": []})),
        ],
    })
}

/// Everything that the issue names, as `plural/name`, without the hash of the ConfigMap.
const EVERYTHING: [&str; 19] = [
    "configmaps/web",
    "deployments/web",
    "deployments/worker",
    "horizontalpodautoscalers/web",
    "limitranges/tenantry",
    "networkpolicies/tenantry-deny-all",
    "networkpolicies/tenantry-dns",
    "networkpolicies/tenantry-egress",
    "networkpolicies/tenantry-ingress-web",
    "networkpolicies/tenantry-same-namespace",
    "networkpolicies/tenantry-shared-egress",
    "poddisruptionbudgets/web",
    "poddisruptionbudgets/worker",
    "resourcequotas/tenantry",
    "rolebindings/tenantry-editor",
    "rolebindings/tenantry-viewer",
    "serviceaccounts/web",
    "serviceaccounts/worker",
    "services/web",
];

async fn short_names(kit: &Kit) -> Outcome<Vec<String>> {
    let names = kit.child_names(NAME).await?.into_iter();
    Ok(names
        .map(|name| if name.starts_with("configmaps/web-") { "configmaps/web".into() } else { name })
        .collect())
}

#[tokio::test]
async fn a_tenant_becomes_every_child_and_shrinks_to_exactly_what_is_left() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let tenant = kit.ready_tenant(NAME, whole()).await?;
    assert_eq!(short_names(&kit).await?, EVERYTHING);
    inventory(&kit, &tenant).await?;
    marks(&kit, &tenant).await?;
    columns(&kit).await?;
    shrink(&kit).await?;
    kit.clean_up(NAME).await
}

/// The inventory names every child with its uid, and nothing else.
async fn inventory(kit: &Kit, tenant: &Value) -> Outcome {
    let entries = tenant["status"]["inventory"].as_array().cloned().unwrap_or_default();
    let mut recorded: Vec<String> = entries.iter().map(|one| text(one, "/uid").to_owned()).collect();
    let mut live: Vec<String> = kit.children(NAME).await?.into_values().map(|(uid, _)| uid).collect();
    live.push(uid(&kit.the(&at("namespaces", "", NAME)).await?).to_owned());
    recorded.sort();
    live.sort();
    assert_eq!(recorded, live);
    Ok(())
}

/// No owner, no finalizer, and `replicas` belongs to nobody but the scale subresource.
async fn marks(kit: &Kit, tenant: &Value) -> Outcome {
    assert!(tenant["metadata"]["finalizers"].is_null(), "no finalizer on a Tenant");
    let namespace = kit.the(&at("namespaces", "", NAME)).await?;
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let deployment = kit.the(&at("deployments", NAME, "web")).await?;
    assert!(deployment["metadata"]["ownerReferences"].is_null(), "no owner");
    let own = deployment["metadata"]["managedFields"].as_array().unwrap().iter();
    let own: Vec<&Value> = own.filter(|entry| entry["manager"] == "tenantry").collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert!(own[0]["fieldsV1"]["f:spec"]["f:replicas"].is_null(), "replicas are not applied");
    Ok(())
}

async fn columns(kit: &Kit) -> Outcome {
    let table = kit.world.kubectl(&["get", "tenants", NAME, "-o", "wide"]).await?;
    let row: Vec<&str> = table.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(&row[..5], [NAME, "True", "Active", "2/2", "3/3"], "{table}");
    Ok(())
}

/// A service, a member and a rule go: their objects go, and no other is even written.
async fn shrink(kit: &Kit) -> Outcome {
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-notes"}});
    kit.create(&at("configmaps", NAME, ""), &foreign).await?;
    let before = kit.children(NAME).await?;
    let spec = json!({
        "members": [{"kind": "Group", "name": "kids-team", "role": "Editor"}],
        "services": [service_with("worker", &json!({"ports": []}))],
    });
    kit.ready_tenant(NAME, spec).await?;
    let after = kit.children(NAME).await?;
    let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    let expected = EVERYTHING.iter().filter(|name| {
        name.ends_with("/web")
            || name.ends_with("-web")
            || name.ends_with("-viewer")
            || name.ends_with("-egress") && !name.contains("shared")
    });
    let gone: Vec<String> = gone
        .into_iter()
        .map(|name| if name.starts_with("configmaps/web-") { "configmaps/web".into() } else { name.clone() })
        .collect();
    assert_eq!(gone, expected.map(ToString::to_string).collect::<Vec<_>>());
    for (key, (uid, version)) in &after {
        assert_eq!(&before[key].0, uid, "{key} is the same object");
        // Controllers write the status of these two.
        if !key.starts_with("deployments/")
            && !key.starts_with("poddisruptionbudgets/")
            && !key.starts_with("resourcequotas/")
        {
            assert_eq!(&before[key].1, version, "{key} was not written");
        }
    }
    assert!(kit.get(&at("configmaps", NAME, "web-notes")).await?.is_some(), "what others made stays");
    let tenant = kit.the(&at("tenants", "", NAME)).await?;
    inventory(kit, &tenant).await
}

/// A new configuration is a new ConfigMap; the old one stays as long as pods may need it.
#[tokio::test]
async fn an_old_config_stays_until_the_new_one_is_rolled_out() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let spec = |image: &str, level: &str| {
        let web = json!({"image": image, "config": {"LEVEL": level}});
        json!({"services": [service_with("web", &web)]})
    };
    let config = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| name.starts_with("configmaps/")).collect()
    };
    let good = "registry.k8s.io/pause:3.10";
    kit.ready_tenant("rollout", spec(good, "info")).await?;
    let old = config(kit.child_names("rollout").await?);
    assert_eq!(old.len(), 1, "{old:?}");

    kit.tenant("rollout", spec("registry.k8s.io/never-ready:1", "debug")).await?;
    kit.until("rollout", "Ready", "False", &format!("ConfigMap rollout/{}", &old[0]["configmaps/".len()..]))
        .await?;
    let both = config(kit.child_names("rollout").await?);
    assert_eq!(both.len(), 2, "{both:?}");

    kit.tenant("rollout", spec(good, "debug")).await?;
    kit.ready("rollout").await?;
    let new = config(kit.child_names("rollout").await?);
    assert_eq!(new.len(), 1, "{new:?}");
    assert_ne!(new, old);
    kit.clean_up("rollout").await
}

/// An object of a wanted child's name that somebody else made is left alone, and the others go on.
#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone_and_the_others_go_on() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("notours", json!({"services": [service("web")]})).await?;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"},
        "spec": {"ports": [{"port": 1}], "selector": {"app": "theirs"}},
    });
    let theirs = kit.create(&at("services", "notours", ""), &foreign).await?;
    kit.tenant("notours", json!({"services": [service("web"), service("shop"), service_with("zeta", &json!({"replicas": {"min": 2}}))]})).await?;
    kit.until("notours", "Ready", "False", "Service notours/shop: is there already and not ours").await?;
    kit.object(&at("deployments", "notours", "zeta"), "made all the same", |one| {
        one["spec"]["replicas"] == 2
    })
    .await?;
    let now = kit.the(&at("services", "notours", "shop")).await?;
    assert_eq!(now["metadata"]["resourceVersion"], theirs["metadata"]["resourceVersion"], "not touched");

    kit.delete(&at("services", "notours", "shop")).await?;
    let ask = json!({"metadata": {"annotations": {"tenantry.dev/reconcile-requested-at": "now"}}});
    kit.merge(&at("tenants", "", "notours"), "tess", &ask).await?;
    kit.ready("notours").await?;
    let ours = kit.the(&at("services", "notours", "shop")).await?;
    assert_eq!(ours["spec"]["selector"]["app.kubernetes.io/name"], "shop");
    kit.clean_up("notours").await
}

/// Somebody else's finalizer holds a child: Ready says so, and the operator doesn't run in circles.
#[tokio::test]
async fn a_child_that_cannot_go_is_waited_for() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let both = json!({"services": [service("web"), service("old")]});
    kit.ready_tenant("sticky", both.clone()).await?;
    let path = at("services", "sticky", "old");
    let finalizer = |list: Value| json!({"metadata": {"finalizers": list}});
    kit.merge(&path, "tess", &finalizer(json!(["example.com/hold"]))).await?;
    kit.tenant("sticky", json!({"services": [service("web")]})).await?;
    kit.until("sticky", "Ready", "False", "waiting to be deleted: Service sticky/old").await?;
    let quiet = kit.the(&path).await?;
    let tenant = kit.the(&at("tenants", "", "sticky")).await?;
    let passes = kit.passes("sticky");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(kit.passes("sticky") - passes <= 2, "no circles");
    assert_eq!(kit.the(&path).await?["metadata"], quiet["metadata"]);
    assert_eq!(kit.the(&at("tenants", "", "sticky")).await?["status"], tenant["status"]);
    kit.merge(&path, "tess", &finalizer(json!(null))).await?;
    kit.ready("sticky").await?;
    assert!(kit.get(&path).await?.is_none());

    // Wanted again while we wait for the end that we asked for: that it went is nobody else's doing.
    kit.tenant("sticky", both.clone()).await?;
    kit.ready("sticky").await?;
    kit.merge(&path, "tess", &finalizer(json!(["example.com/hold"]))).await?;
    kit.tenant("sticky", json!({"services": [service("web")]})).await?;
    kit.until("sticky", "Ready", "False", "waiting to be deleted: Service sticky/old").await?;
    kit.tenant("sticky", both).await?;
    kit.until("sticky", "Ready", "False", "Service sticky/old").await?;
    kit.merge(&path, "tess", &finalizer(json!(null))).await?;
    let tenant = kit.ready("sticky").await?;
    assert!(kit.get(&path).await?.is_some());
    assert_eq!(tenant["status"]["lastDrift"], Value::Null);

    // The same with a child that is still wanted: it is made anew once it is gone.
    let path = at("services", "sticky", "web");
    kit.merge(&path, "tess", &finalizer(json!(["example.com/hold"]))).await?;
    let old = kit.delete(&path).await?;
    kit.until("sticky", "Ready", "False", "Service sticky/web").await?;
    let passes = kit.passes("sticky");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(kit.passes("sticky") - passes <= 2, "no circles");
    kit.merge(&path, "tess", &finalizer(json!(null))).await?;
    kit.object(&path, "made anew", |one| one["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    kit.ready("sticky").await?;
    kit.clean_up("sticky").await
}
