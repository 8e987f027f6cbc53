//! What members may do: asked, for each of them, at home and elsewhere.

use serde_json::{Value, json};

use crate::{
    bed::{Turn, member},
    support::{Outcome, at},
};

/// A binding to a ClusterRole; for the whole cluster without a namespace.
fn binding(kind: &str, name: &str, role: &str, who: (&str, &str)) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": who.0, "name": who.1, "apiGroup": "rbac.authorization.k8s.io"}],
    })
}

#[tokio::test]
async fn a_member_who_can_look_into_another_tenant_is_named() -> Outcome {
    let Some(kit) = Turn::new().await? else { return Ok(()) };
    let members =
        json!([member("User", "ann@example.com", "Viewer"), member("Group", "developers", "Editor")]);
    kit.ready_tenant("home", json!({ "members": members })).await?;
    kit.ready_tenant("next", json!({})).await?;
    let proven = kit.proven("home").await?;
    let message = proven["status"]["proof"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("access reviews over its own namespace, next and the cluster"), "{message}");

    // Nothing is written to the member's own namespace: the reviews find it.
    let bindings = at("rolebindings", "next", "");
    kit.create(&bindings, &binding("RoleBinding", "ann", "view", ("User", "ann@example.com"))).await?;
    kit.until("home", "Isolated", "False", "AccessTooWide: User ann@example.com may get pods in next")
        .await?;
    kit.until("next", "Isolated", "False", "ForeignBinding: RoleBinding next/ann").await?;
    kit.until("home", "PromisesKept", "False", "Isolated").await?;
    kit.ready("home").await?;
    kit.delete(&format!("{bindings}/ann")).await?;
    kit.proven("home").await?;
    kit.proven("next").await?;

    // A binding that no watch of ours sees: the next round does.
    let wide = at("clusterrolebindings", "", "");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "become"},
        "rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}],
    });
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    kit.create(roles, &role).await?;
    kit.create(&wide, &binding("ClusterRoleBinding", "become", "become", ("Group", "developers"))).await?;
    let words = "AccessTooWide: Group developers may impersonate users in the whole cluster";
    kit.until("home", "Isolated", "False", words).await?;
    kit.delete(&format!("{wide}/become")).await?;
    kit.delete(&format!("{roles}/become")).await?;
    kit.proven("home").await?;

    // Who is a member of both is at home in both: another namespace is asked about, or none.
    kit.ready_tenant("next", json!({"members": [member("User", "ann@example.com", "Editor")]})).await?;
    kit.proven("home").await?;
    kit.proven("next").await?;
    kit.clean_up("home").await?;
    kit.clean_up("next").await
}

/// Where the role itself gives nothing, that nothing else is given proves nothing.
#[tokio::test]
async fn a_role_without_its_rights_proves_nothing() -> Outcome {
    let Some(kit) = Turn::new().await? else { return Ok(()) };
    kit.ready_tenant("roleless", json!({"members": [member("User", "bob@example.com", "Viewer")]})).await?;
    kit.proven("roleless").await?;
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/tenantry-viewer";
    let role = kit.the(path).await?;
    kit.merge(path, "tess", &json!({"rules": []})).await?;
    let words = "ReviewFailed: User bob@example.com may not get pods in roleless";
    kit.until("roleless", "Isolated", "Unknown", words).await?;
    kit.merge(path, "tess", &json!({"rules": role["rules"]})).await?;
    kit.proven("roleless").await?;
    kit.clean_up("roleless").await
}
