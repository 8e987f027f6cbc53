//! What somebody changes, adds, strips or deletes comes back, by name; what they may do stays.

use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::{service, service_with},
    objects::{name, text, uid},
};

/// Two members, one service with a port, a configuration and an autoscaler: one child of every kind.
fn every_kind() -> Value {
    json!({
        "members": [
            {"kind": "User", "name": "ann@example.com", "role": "Viewer"},
            {"kind": "User", "name": "bob@example.com", "role": "Viewer"},
        ],
        "services": [service_with("web", &json!({
            "config": {"LEVEL": "info"}, "replicas": {"min": 1, "max": 3},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }))],
    })
}

/// An edit: plural, name, strategic merge patch, and what Ready says then.
fn edits(config: &str) -> Vec<(&'static str, String, Value, &'static str)> {
    let edit = |plural, name: &str, patch, field| (plural, name.to_owned(), patch, field);
    vec![
        edit(
            "namespaces",
            "drift",
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
            "pod-security.kubernetes.io/enforce",
        ),
        edit("resourcequotas", "tenantry", json!({"spec": {"hard": {"pods": "999"}}}), "spec.hard.pods"),
        edit(
            "limitranges",
            "tenantry",
            json!({"spec": {"limits": [{"type": "Container", "default": {"memory": "9Gi"}}]}}),
            "spec.limits",
        ),
        edit(
            "networkpolicies",
            "tenantry-deny-all",
            json!({"spec": {"policyTypes": ["Ingress"]}}),
            "spec.policyTypes",
        ),
        edit(
            "networkpolicies",
            "tenantry-same-namespace",
            json!({"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}}),
            "spec.ingress",
        ),
        edit(
            "rolebindings",
            "tenantry-viewer",
            json!({"subjects": [{"kind": "User", "name": "eve@example.com", "apiGroup": "rbac.authorization.k8s.io"}]}),
            "subjects",
        ),
        edit(
            "serviceaccounts",
            "web",
            json!({"automountServiceAccountToken": true}),
            "automountServiceAccountToken",
        ),
        edit(
            "configmaps",
            config,
            json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}),
            "app.kubernetes.io/name",
        ),
        edit(
            "services",
            "web",
            json!({"spec": {"selector": {"app.kubernetes.io/name": "x"}}}),
            "spec.selector",
        ),
        edit("poddisruptionbudgets", "web", json!({"spec": {"minAvailable": 9}}), "spec.minAvailable"),
        edit(
            "deployments",
            "web",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "evil.example.com/x:1"}]}}}}),
            "spec.template.spec.containers[0].image",
        ),
        edit("horizontalpodautoscalers", "web", json!({"spec": {"maxReplicas": 50}}), "spec.maxReplicas"),
    ]
}

fn path_of(plural: &str, name: &str) -> String {
    if plural == "namespaces" { at(plural, "", name) } else { at(plural, "drift", name) }
}

/// What people wrote into an object: everything but what the API server counts and controllers report.
fn content(object: &Value) -> Value {
    let mut content = object.clone();
    content["status"].take();
    for key in ["managedFields", "resourceVersion", "generation"] {
        content["metadata"][key].take();
    }
    if let Some(annotations) = content["metadata"]["annotations"].as_object_mut() {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    content
}

#[tokio::test]
async fn a_change_of_each_kind_of_child_is_healed_and_named() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("drift", every_kind()).await?;
    let configs = kit.list(&at("configmaps", "drift", "")).await?;
    let config = configs.iter().map(name).find(|name| name.starts_with("web-")).unwrap_or_default();
    for (round, (plural, name, patch, field)) in edits(config).into_iter().enumerate() {
        let path = path_of(plural, &name);
        let before = content(&kit.the(&path).await?);
        let manager = format!("mallory-{round}");
        kit.strategic(&path, &manager, &patch).await.map_err(|error| format!("{path}: {error}"))?;
        kit.object(&path, "as before", |now| content(now) == before).await?;
        let words = format!("{manager} changed ");
        let tenant = kit.until("drift", "Ready", "True", &words).await?;
        let drift = text(&tenant, "/status/lastDrift/change").to_owned();
        assert!(drift.contains(field), "{path}: {drift}");
        let object = text(&tenant, "/status/lastDrift/object");
        assert!(object.ends_with(&name), "{path}: {object}");
        let notes = kit.events("drift").await?;
        assert!(notes.iter().any(|note| note.contains(&words) && note.contains(field)), "{path}: {notes:?}");
    }
    kit.clean_up("drift").await
}

/// An addition: plural, name, strategic merge patch, and what Ready says then.
fn additions() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let pod = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    vec![
        (
            "deployments",
            "web",
            pod(json!({"containers": [{"name": "app", "env": [{"name": "EVIL", "value": "canary-1"}]}]})),
            "spec.template.spec.containers[name=app].env[name=EVIL]",
        ),
        ("deployments", "web", pod(json!({"hostNetwork": true})), "spec.template.spec.hostNetwork"),
        (
            "deployments",
            "web",
            pod(json!({"containers": [{"name": "side", "image": "evil.example.com/x:1"}]})),
            "spec.template.spec.containers[name=side]",
        ),
        (
            "deployments",
            "web",
            pod(json!({
                "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
                "containers": [{"name": "app", "volumeMounts": [{"name": "host", "mountPath": "/host"}]}],
            })),
            "spec.template.spec.volumes[name=host]",
        ),
        (
            "deployments",
            "web",
            json!({"spec": {"template": {"metadata": {"labels": {"evil": "yes"}, "annotations": {"sidecar.example.com/inject": "true"}}}}}),
            "spec.template.metadata.labels.evil",
        ),
        (
            "resourcequotas",
            "tenantry",
            json!({"spec": {"hard": {"count/secrets": "1"}}}),
            "spec.hard[count/secrets]",
        ),
        (
            "networkpolicies",
            "tenantry-deny-all",
            json!({"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}}),
            "spec.ingress",
        ),
    ]
}

#[tokio::test]
async fn what_others_add_is_taken_out_precisely_and_named() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("added", json!({"services": [service("web")]})).await?;
    for (round, (plural, name, patch, field)) in additions().into_iter().enumerate() {
        let path = at(plural, "added", name);
        let before = content(&kit.the(&path).await?);
        let manager = format!("mallory-{round}");
        let edited =
            kit.strategic(&path, &manager, &patch).await.map_err(|error| format!("{path}: {error}"))?;
        assert_ne!(content(&edited), before, "{path}: the edit took effect");
        kit.object(&path, "as before", |now| content(now) == before).await?;
        let tenant = kit.until("added", "Ready", "True", &format!("{manager} changed ")).await?;
        let drift = text(&tenant, "/status/lastDrift/change").to_owned();
        assert!(drift.contains(field), "{path}: {drift}");
    }
    let everything = format!(
        "{}{:?}{}",
        kit.the(&at("tenants", "", "added")).await?,
        kit.events("added").await?,
        kit.world.logs()
    );
    assert!(!everything.contains("canary-1"), "values are never told");
    let sets = kit.list(&at("replicasets", "added", "")).await?;
    let running = sets.iter().filter(|set| set["spec"]["replicas"] != 0).count();
    assert_eq!(running, 1, "the pods are those of before");
    kit.clean_up("added").await
}

/// Managers that the Platform names, kubectl's restart and an autoscaler's number are left alone; the
/// number of pods of a service without one is not.
#[tokio::test]
async fn what_people_may_do_stays() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let spec = json!({"services": [
        service_with("auto", &json!({"replicas": {"min": 1, "max": 4}, "resources": {"requests": {"cpu": "10m"}}})),
        service_with("fix", &json!({"replicas": {"min": 2}})),
    ]});
    kit.ready_tenant("allowed", spec).await?;
    let (auto, fix) = (at("deployments", "allowed", "auto"), at("deployments", "allowed", "fix"));
    kit.world.kubectl(&["-n", "allowed", "rollout", "restart", "deployment/fix"]).await?;
    let side = json!({"spec": {"template": {"spec": {"containers": [{
        "name": "mesh", "image": "mesh:1",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    }]}}}});
    kit.strategic(&auto, "mesh-injector", &side).await?;
    kit.world.kubectl(&["-n", "allowed", "scale", "deployment/auto", "--replicas=2"]).await?;
    kit.ready("allowed").await?;
    // The operator has seen all of that once it has answered to something later.
    kit.world.kubectl(&["-n", "allowed", "scale", "deployment/fix", "--replicas=3"]).await?;
    kit.until("allowed", "Ready", "True", "kubectl changed spec.replicas").await?;
    assert_eq!(kit.the(&fix).await?["spec"]["replicas"], 2);
    let auto = kit.the(&auto).await?;
    assert_eq!(auto["spec"]["replicas"], 2);
    assert_eq!(auto["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(2));
    let annotations = &kit.the(&fix).await?["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string(), "{annotations}");
    kit.clean_up("allowed").await
}

#[tokio::test]
async fn a_deleted_child_is_made_again_and_named() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let mut spec = every_kind();
    spec["services"] = json!([service_with(
        "web",
        &json!({
            "config": {"LEVEL": "info"}, "replicas": {"min": 1, "max": 3},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        })
    )]);
    kit.ready_tenant("deleted", spec).await?;
    let before = kit.children("deleted").await?;
    for (key, (uid, _)) in &before {
        let (plural, name) = key.split_once('/').unwrap_or_default();
        let path = at(plural, "deleted", name);
        kit.delete(&path).await?;
        kit.object(&path, "made again", |now| self::uid(now) != uid).await?;
        kit.object(&at("tenants", "", "deleted"), "says so", |tenant| {
            let object = text(tenant, "/status/lastDrift/object");
            let change = text(tenant, "/status/lastDrift/change");
            object.ends_with(&format!(" deleted/{name}")) && change == "somebody deleted it"
        })
        .await?;
    }
    let notes = kit.events("deleted").await?;
    let note = "DriftHealed: Service deleted/web: somebody deleted it";
    assert!(notes.iter().any(|one| one == note), "{notes:?}");
    let after = kit.children("deleted").await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let what = "the inventory has the new uids";
    kit.object(&at("tenants", "", "deleted"), what, |tenant| {
        let recorded = tenant["status"]["inventory"].to_string();
        after.values().all(|(uid, _)| recorded.contains(uid))
    })
    .await?;
    kit.ready("deleted").await?;
    kit.clean_up("deleted").await
}

/// Who deletes everything at once is told how much it was, and not object by object.
#[tokio::test]
async fn many_deletions_are_summed_up() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("purged", every_kind()).await?;
    let children = kit.child_names("purged").await?;
    // What is deleted during a pause is healed in one pass after it.
    let tenant = at("tenants", "", "purged");
    let until = |until: Value| json!({"metadata": {"annotations": {"tenantry.dev/paused-until": until}}});
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    kit.merge(&tenant, "tess", &until(json!(soon.to_string()))).await?;
    kit.until("purged", "Paused", "True", "").await?;
    for key in &children {
        let (plural, name) = key.split_once('/').unwrap_or_default();
        kit.delete(&at(plural, "purged", name)).await?;
    }
    let all = children.len();
    // A plan names ten, and counts the others.
    kit.until("purged", "Ready", "Unknown", &format!("and {} more", all - 10)).await?;
    kit.merge(&tenant, "tess", &until(json!(null))).await?;
    kit.until("purged", "Ready", "True", "somebody deleted it").await?;
    let notes = kit.events("purged").await?;
    let sum = format!("DriftHealed: and {} more objects", all - 5);
    assert!(notes.contains(&sum), "{notes:?}");
    assert_eq!(notes.iter().filter(|note| note.ends_with("somebody deleted it")).count(), 5, "{notes:?}");
    kit.clean_up("purged").await
}

/// Our marks are what the watches select by: losing one must not make a child invisible.
#[tokio::test]
async fn a_child_that_loses_its_marks_gets_them_back() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    kit.ready_tenant("marks", json!({"services": [service("web")]})).await?;
    let children = [
        at("namespaces", "", "marks"),
        at("deployments", "marks", "web"),
        at("networkpolicies", "marks", "tenantry-deny-all"),
        at("services", "marks", "web"),
    ];
    let labels = [
        json!({"app.kubernetes.io/managed-by": null}),
        json!({"tenantry.dev/tenant": null}),
        json!({"tenantry.dev/tenant": "somebody-else"}),
        json!({"app.kubernetes.io/managed-by": "Helm"}),
        json!({"app.kubernetes.io/managed-by": null, "tenantry.dev/tenant": null}),
    ];
    for path in &children {
        for labels in &labels {
            let before = content(&kit.the(path).await?);
            kit.merge(path, "mallory", &json!({"metadata": {"labels": labels}})).await?;
            let what = format!("as before {labels}");
            kit.object(path, &what, |now| content(now) == before).await?;
            // A namespace that nobody's marks name is looked at before it is anybody's.
            if *path != children[0] {
                kit.until("marks", "Ready", "True", " changed metadata.labels").await?;
            }
        }
        kit.merge(path, "mallory", &json!({"metadata": {"annotations": {"tenantry.dev/hash": "0"}}})).await?;
        kit.object(path, "its hash", |now| text(now, "/metadata/annotations/tenantry.dev~1hash").len() > 5)
            .await?;
    }
    kit.until("marks", "Isolated", "Unknown", "").await?;
    kit.clean_up("marks").await
}
