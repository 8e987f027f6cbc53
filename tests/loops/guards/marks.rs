//! What the operator knows its own by: labels, annotations, namespaces, status.

use serde_json::{Value, json};

use super::{editor, give, refused, tenant, tool};
use crate::support::{
    Call, Kit, Outcome, at,
    kit::service_with,
    objects::{name, refusal, text},
};

const POLICY: &str = "tenantry-marks";

fn labels(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

fn annotations(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

#[tokio::test]
async fn nobody_makes_takes_or_changes_our_marks() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let web = service_with("web", &json!({"config": {"A": "b"}}));
    tenant(&kit, "marked", &json!({"services": [web]})).await?;
    let all = [
        "networkpolicies",
        "resourcequotas",
        "serviceaccounts",
        "poddisruptionbudgets",
        "deployments/status",
    ];
    give(&kit, "marked", &all).await?;
    for who in [editor(kit.world), tool(kit.world)] {
        forge(&who).await?;
        let config = kit.list(&at("configmaps", "marked", "")).await?;
        let config =
            config.iter().map(name).find(|name| name.starts_with("web-")).unwrap_or_default().to_owned();
        let children = [
            at("services", "marked", "web"),
            at("configmaps", "marked", &config),
            at("deployments", "marked", "web"),
            at("deployments", "marked", "web/status"),
            at("networkpolicies", "marked", "tenantry-deny-all"),
            at("resourcequotas", "marked", "tenantry"),
            at("poddisruptionbudgets", "marked", "web"),
        ];
        for path in children {
            let changes = [
                labels(&json!({"tenantry.dev/tenant": "other"})),
                labels(&json!({"tenantry.dev/tenant": null, "app.kubernetes.io/managed-by": null})),
                labels(&json!({"app.kubernetes.io/managed-by": "Helm"})),
                labels(&json!({"tenantry.dev/new": "x"})),
                annotations(&json!({"tenantry.dev/install-id": "x"})),
                annotations(&json!({"tenantry.dev/hash": null})),
                annotations(&json!({"tenantry.dev/new": "x"})),
            ];
            for change in changes {
                // The API server itself drops labels on the way to a Deployment's status.
                if path.ends_with("/status") && change["metadata"].get("labels").is_some() {
                    continue;
                }
                refused(who.merge(&path, "x", &change).await, POLICY, "leave them as they are");
            }
        }
        let whole = kit.the(&at("services", "marked", "web")).await?;
        let mut bare = whole.clone();
        bare["metadata"].as_object_mut().ok_or("no metadata")?.remove("labels");
        refused(who.put(&at("services", "marked", "web"), &bare).await, POLICY, "leave them as they are");
        // What is not a mark is theirs to write; the operator judges that.
        let own = json!({"metadata": {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}}});
        who.merge(&at("services", "marked", "web"), "x", &own).await?;
    }
    kit.ready("marked").await?;
    kit.clean_up("marked").await
}

/// New objects that say they are ours, or somebody else's who says so.
async fn forge(who: &Call) -> Outcome {
    let maps = at("configmaps", "marked", "");
    for marks in [
        labels(&json!({"app.kubernetes.io/managed-by": "tenantry"})),
        labels(&json!({"tenantry.dev/tenant": "marked"})),
        annotations(&json!({"tenantry.dev/install-id": "x"})),
    ] {
        let mut map = marks.clone();
        map["metadata"]["name"] = json!("forged");
        refused(who.create(&maps, &map).await, POLICY, "leave them as they are");
        let mut whole = json!({"apiVersion": "v1", "kind": "ConfigMap"});
        crate::support::kit::merge(&mut whole, &map);
        refused(who.apply(&format!("{maps}/forged"), "x", &whole).await, POLICY, "leave them as they are");
    }
    let honest = json!({"metadata": {"name": "honest", "labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    who.create(&maps, &honest).await?;
    who.delete(&format!("{maps}/honest")).await?;
    Ok(())
}

/// A namespace with our marks is a namespace that the operator writes to: no one else may make one, or
/// point one at another tenant, through any of the doors.
#[tokio::test]
async fn a_tenants_namespace_is_changed_by_the_operator_only() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "fenced", &json!({})).await?;
    give(&kit, "fenced", &["namespaces", "namespaces/status", "namespaces/finalize"]).await?;
    let path = at("namespaces", "", "fenced");
    let doors = [path.clone(), format!("{path}/status"), format!("{path}/finalize")];
    for who in [editor(kit.world), tool(kit.world)] {
        for door in &doors {
            for (labels, policy) in [
                (json!({"tenantry.dev/tenant": "somebody"}), POLICY),
                (json!({"tenantry.dev/platform": "lax"}), POLICY),
                (json!({"tenantry.dev/tenant": null}), POLICY),
                (json!({"pod-security.kubernetes.io/enforce": "privileged"}), "tenantry-namespaces"),
                (json!({"pod-security.kubernetes.io/enforce": null}), "tenantry-namespaces"),
                (json!({"pod-security.kubernetes.io/enforce-version": "v1.20"}), "tenantry-namespaces"),
            ] {
                let mut whole = kit.the(&path).await?;
                crate::support::kit::merge(&mut whole["metadata"]["labels"], &labels);
                refused(who.put(door, &whole).await, policy, "");
            }
            let mut whole = kit.the(&path).await?;
            whole["metadata"]["annotations"]["tenantry.dev/registries"] = json!("evil.example.com");
            refused(who.put(door, &whole).await, POLICY, "leave them as they are");
        }
        let mut whole = kit.the(&path).await?;
        whole["spec"]["finalizers"] = json!([]);
        refused(who.put(&doors[2], &whole).await, "tenantry-namespaces", "only the namespace controller");
        // What people may do.
        who.merge(&path, "x", &labels(&json!({"team": "a"}))).await?;
        who.merge(&path, "x", &annotations(&json!({"tenantry.dev/allow-delete": "yes"}))).await?;
        who.merge(&path, "x", &annotations(&json!({"tenantry.dev/allow-delete": null}))).await?;
        let said = refusal(who.delete(&path).await);
        assert!(said.contains("tenantry.dev/allow-delete"), "{said}");
    }
    let marks = json!({"tenantry.dev/tenant": "planted", "app.kubernetes.io/managed-by": "tenantry"});
    let planted = json!({"metadata": {"name": "planted", "labels": marks}});
    let tool = tool(kit.world);
    refused(tool.create(&at("namespaces", "", ""), &planted).await, POLICY, "leave them as they are");
    // Anybody's other namespace is free, but for the operator's own.
    let free =
        json!({"metadata": {"name": "free", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    tool.create(&at("namespaces", "", ""), &free).await?;
    tool.delete(&at("namespaces", "", "free")).await?;
    let said = refusal(tool.delete(&at("namespaces", "", "tenantry-system")).await);
    assert!(said.contains("tenantry.dev/allow-delete"), "{said}");
    kit.clean_up("fenced").await
}

/// Whoever wrote an inventory could have the operator delete by it.
#[tokio::test]
async fn status_is_the_operators() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "judged", &json!({})).await?;
    let victim = kit.the(&at("configmaps", "kube-system", "kube-root-ca.crt")).await?;
    let entry = json!({
        "group": "", "kind": "ConfigMap", "namespace": "kube-system", "name": "kube-root-ca.crt",
        "uid": text(&victim, "/metadata/uid"), "hash": "x", "digest": "x",
    });
    let tool = tool(kit.world);
    let planted = json!({"status": {"inventory": [entry]}});
    refused(tool.merge(&at("tenants", "", "judged/status"), "x", &planted).await, "tenantry-status", "");
    let lie = json!({"status": {"summary": {"tenants": "0/0"}}});
    let platform = at("platforms", "", &format!("{}/status", kit.platform));
    refused(tool.merge(&platform, "x", &lie).await, "tenantry-status", "");
    kit.clean_up("judged").await
}

/// Many at once is no way round.
#[tokio::test]
async fn a_deletion_of_all_tenants_is_refused() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "crowd", &json!({})).await?;
    let all = format!("{}?fieldSelector=metadata.name=crowd", at("tenants", "", ""));
    refused(tool(kit.world).delete(&all).await, "tenantry-keep-tenants", "spec.lifecycle: Cancelled");
    assert!(kit.get(&at("tenants", "", "crowd")).await?.is_some());
    kit.clean_up("crowd").await
}
