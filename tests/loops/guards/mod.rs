//! The guards in the API server, tried as people who should not get past them: a tenant's editor, who may
//! have got more rights than we gave, and a tool with all rights that applies what a tenant wrote.

mod images;
mod marks;
mod services;

use serde_json::{Value, json};
use tenantry::api::marks::BREAK_GLASS;

use crate::support::{
    Call, Kit, Outcome, World, at,
    kit::merge,
    objects::{name, refusal},
};

/// An editor of every tenant that [`tenant`] makes.
const EDITOR: &str = "eddie@example.com";

/// As the editor.
fn editor(world: &World) -> Call {
    world.call_as(EDITOR, &[])
}

/// As a tool with all rights. It doesn't ask to get past the guards.
fn tool(world: &World) -> Call {
    world.call_as("deployer", &["system:masters"])
}

/// A Tenant with the editor as member, and these additions to its spec.
async fn tenant(kit: &Kit, name: &str, more: &Value) -> Outcome {
    let mut spec = json!({"members": [{"kind": "User", "name": EDITOR, "role": "Editor"}]});
    merge(&mut spec, more);
    kit.ready_tenant(name, spec).await?;
    Ok(())
}

/// Gives the editor rights in a namespace that we never gave: by mistake of somebody else.
async fn give(kit: &Kit, namespace: &str, resources: &[&str]) -> Outcome {
    let groups = ["", "apps", "networking.k8s.io", "policy"];
    let rules = json!([{"apiGroups": groups, "resources": resources, "verbs": ["*"]}]);
    let role = json!({"metadata": {"name": "given"}, "rules": rules});
    kit.create(&at("roles", namespace, ""), &role).await?;
    let binding = json!({
        "metadata": {"name": "given"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "given"},
        "subjects": [{"kind": "User", "name": EDITOR, "apiGroup": "rbac.authorization.k8s.io"}],
    });
    kit.create(&at("rolebindings", namespace, ""), &binding).await?;
    Ok(())
}

/// Asserts that a policy of this name refused.
#[track_caller]
fn refused(answer: kube::Result<Value>, policy: &str, words: &str) {
    let said = refusal(answer);
    assert!(said.contains(&format!("'{policy}'")) && said.contains(words), "{policy}, {words:?}: {said}");
}

/// Who may change the guards gets past them by asking; who merely says so doesn't.
#[tokio::test]
async fn the_glass_breaks_for_those_who_could_remove_the_guards() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    tenant(&kit, "glass", &json!({})).await?;
    let services = at("services", "glass", "");
    let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "externalIPs": ["192.0.2.7"]}});
    let pretender = kit.world.call_as(EDITOR, &[BREAK_GLASS]);
    refused(pretender.create(&services, &service("a")).await, "tenantry-services", "externalIPs");
    refused(tool(kit.world).create(&services, &service("a")).await, "tenantry-services", "externalIPs");
    kit.create(&services, &service("a")).await?;
    kit.clean_up("glass").await
}

/// The API server knows the types of what the guards ask for: a slip would only show when it is too late.
#[tokio::test]
async fn the_api_server_has_no_doubts_about_the_guards() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let policies = at("validatingadmissionpolicies", "", "");
    for policy in kit.list(&policies).await? {
        let path = format!("{policies}/{}", name(&policy));
        let checked = kit.object(&path, "checked", |now| {
            now["status"]["observedGeneration"] == now["metadata"]["generation"]
        });
        let warnings = checked.await?["status"]["typeChecking"]["expressionWarnings"].clone();
        assert!(warnings.is_null(), "{}: {warnings:#}", name(&policy));
    }
    Ok(())
}
