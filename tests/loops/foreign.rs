//! Policies and bindings of others: reported, never deleted.

use serde_json::{Value, json};

use crate::support::{Kit, Outcome, at, kit::service};

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]},
    })
}

fn binding(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "eve@example.com", "apiGroup": "rbac.authorization.k8s.io"}],
    })
}

#[tokio::test]
async fn foreign_policies_and_bindings_are_reported_and_left_alone() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("foreign", json!({})).await?;
    let (policies, bindings) = (at("networkpolicies", "foreign", ""), at("rolebindings", "foreign", ""));
    kit.create(&policies, &policy("open")).await?;
    kit.until("foreign", "Isolated", "False", "ForeignPolicy: NetworkPolicy foreign/open").await?;
    kit.create(&bindings, &binding("eve")).await?;
    kit.until("foreign", "Isolated", "False", "ForeignBinding: RoleBinding foreign/eve").await?;
    kit.ready("foreign").await?;
    kit.delete(&format!("{bindings}/eve")).await?;
    kit.until("foreign", "Isolated", "False", "ForeignPolicy: NetworkPolicy foreign/open").await?;
    kit.delete(&format!("{policies}/open")).await?;
    kit.until("foreign", "Isolated", "Unknown", "NotProbed").await?;

    // A copy of ours, marks and all, is still not ours.
    let mut copy = kit.the(&format!("{policies}/tenantry-deny-all")).await?;
    copy["metadata"] = json!({
        "name": "copy", "labels": copy["metadata"]["labels"], "annotations": copy["metadata"]["annotations"],
    });
    kit.create(&policies, &copy).await?;
    kit.until("foreign", "Isolated", "False", "ForeignPolicy: NetworkPolicy foreign/copy").await?;
    kit.delete(&format!("{policies}/copy")).await?;
    kit.until("foreign", "Isolated", "Unknown", "NotProbed").await?;
    kit.clean_up("foreign").await
}

#[tokio::test]
async fn an_adopted_namespace_keeps_what_is_in_it_and_reports_it() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "adopted", "labels": {"team": "a"}}});
    let namespace = kit.create(&at("namespaces", "", ""), &namespace).await?;
    kit.create(&at("networkpolicies", "adopted", ""), &policy("theirs")).await?;
    kit.create(&at("rolebindings", "adopted", ""), &binding("theirs")).await?;
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "b"}});
    let config = kit.create(&at("configmaps", "adopted", ""), &config).await?;

    let spec = |adopt: Value| json!({"adopt": adopt, "services": [service("web")]});
    kit.tenant("adopted", spec(json!(null))).await?;
    kit.until("adopted", "Ready", "False", "NamespaceNotOurs").await?;
    assert!(kit.child_names("adopted").await?.is_empty(), "nothing is written to it");
    kit.tenant("adopted", spec(json!({"uid": "not-the-one"}))).await?;
    kit.until("adopted", "Ready", "False", "NamespaceNotOurs").await?;

    kit.tenant("adopted", spec(json!({"uid": namespace["metadata"]["uid"]}))).await?;
    kit.ready("adopted").await?;
    kit.until("adopted", "Isolated", "False", "ForeignBinding: RoleBinding adopted/theirs").await?;
    let now = kit.the(&at("namespaces", "", "adopted")).await?;
    assert_eq!(now["metadata"]["labels"]["team"], "a");
    assert_eq!(now["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    for (plural, name) in
        [("configmaps", "theirs"), ("networkpolicies", "theirs"), ("rolebindings", "theirs")]
    {
        assert!(kit.get(&at(plural, "adopted", name)).await?.is_some(), "{plural}");
    }
    let same = kit.the(&at("configmaps", "adopted", "theirs")).await?;
    assert_eq!(same["metadata"]["resourceVersion"], config["metadata"]["resourceVersion"]);
    kit.clean_up("adopted").await
}
