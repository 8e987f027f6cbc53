//! Which images run: by every door through which a container gets one, and as the offline check says it.

use serde_json::{Value, json};

use super::{editor, give, refused, tenant, tool};
use crate::support::{Call, Kit, Outcome, at, kit::service, objects::code};

const POLICY: &str = "tenantry-pods";
const GOOD: &str = "registry.k8s.io/pause:3.10";
const EVIL: &str = "evil.example.com/x:1";
const STRANGER: &str = "is from a registry that the Platform does not allow; use one of: registry.k8s.io";

fn container(name: &str, image: &str) -> Value {
    json!({
        "name": name, "image": image,
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    })
}

fn pod_spec(image: &str) -> Value {
    json!({
        "containers": [container("app", image)],
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    })
}

fn pod(name: &str, image: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": pod_spec(image)})
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "own"}}, "spec": pod_spec(image)})
}

fn deployment(name: &str, image: &str) -> Value {
    let selector = json!({"matchLabels": {"app": "own"}});
    json!({"metadata": {"name": name}, "spec": {"selector": selector, "template": template(image)}})
}

async fn platform(kit: &mut Kit, name: &str, images: &Value) -> Outcome {
    let changes = json!({"images": images});
    kit.own_platform(name, &changes).await
}

#[tokio::test]
async fn no_image_from_elsewhere_by_any_door() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    platform(&mut kit, "gallery", &json!({"registries": ["registry.k8s.io"]})).await?;
    tenant(&kit, "gallery", &json!({"services": [service("web")]})).await?;
    give(&kit, "gallery", &["pods/ephemeralcontainers", "replicasets"]).await?;
    for who in [editor(kit.world), tool(kit.world)] {
        make(&who).await?;
        change(&who).await?;
        templates(&kit, &who).await?;
        // Once more as somebody else.
        for path in [at("pods", "gallery", "good?gracePeriodSeconds=0"), at("deployments", "gallery", "own")]
        {
            who.delete(&path).await?;
        }
        kit.gone(&at("pods", "gallery", "good")).await?;
    }
    kit.clean_up("gallery").await
}

/// New pods.
async fn make(who: &Call) -> Outcome {
    let pods = at("pods", "gallery", "");
    who.create(&pods, &pod("good", GOOD)).await?;
    refused(who.create(&pods, &pod("bad", EVIL)).await, POLICY, STRANGER);
    refused(who.create(&pods, &pod("bad", "nginx")).await, POLICY, "docker.io/library/nginx");
    let mut two = pod("bad", GOOD);
    two["spec"]["initContainers"] = json!([container("first", EVIL)]);
    refused(who.create(&pods, &two).await, POLICY, STRANGER);
    let mut volume = pod("bad", GOOD);
    volume["spec"]["volumes"] = json!([{"name": "tools", "image": {"reference": EVIL}}]);
    refused(who.create(&pods, &volume).await, POLICY, STRANGER);
    let mut urgent = pod("bad", GOOD);
    urgent["spec"]["priorityClassName"] = json!("system-cluster-critical");
    refused(who.create(&pods, &urgent).await, POLICY, "priority classes");
    let mut posing = pod("bad", GOOD);
    posing["metadata"]["labels"] = json!({"tenantry.dev/tenant": "somebody"});
    refused(who.create(&pods, &posing).await, POLICY, "another tenant");
    Ok(())
}

/// A pod that is there gets another image, or a container more.
async fn change(who: &Call) -> Outcome {
    let path = at("pods", "gallery", "good");
    let other = json!({"spec": {"containers": [{"name": "app", "image": EVIL}]}});
    refused(who.strategic(&path, "x", &other).await, POLICY, STRANGER);
    let debugger = |image: &str| json!({"spec": {"ephemeralContainers": [container("debug", image)]}});
    let door = format!("{path}/ephemeralcontainers");
    refused(who.strategic(&door, "x", &debugger(EVIL)).await, POLICY, STRANGER);
    who.strategic(&door, "x", &debugger(GOOD)).await?;
    let newer = json!({"spec": {"containers": [{"name": "app", "image": "registry.k8s.io/pause:3.9"}]}});
    who.strategic(&path, "x", &newer).await?;
    Ok(())
}

/// What makes pods is told at once, and controllers make what is allowed.
async fn templates(kit: &Kit, who: &Call) -> Outcome {
    let deployments = at("deployments", "gallery", "");
    refused(who.create(&deployments, &deployment("bad", EVIL)).await, POLICY, STRANGER);
    let mut set = deployment("bad", EVIL);
    refused(who.create(&at("replicasets", "gallery", ""), &set).await, POLICY, STRANGER);
    set["spec"]["serviceName"] = json!("x");
    refused(who.create(&at("statefulsets", "gallery", ""), &set).await, POLICY, STRANGER);
    let mut job = template(EVIL);
    job["spec"]["restartPolicy"] = json!("Never");
    let cron = json!({"metadata": {"name": "bad"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": job}}}});
    refused(who.create(&at("cronjobs", "gallery", ""), &cron).await, POLICY, STRANGER);
    who.create(&deployments, &deployment("own", GOOD)).await?;
    let path = at("deployments", "gallery", "own");
    kit.object(&path, "its pod runs", |now| now["status"]["availableReplicas"] == 1).await?;
    let other = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": EVIL}]}}}});
    refused(who.strategic(&path, "x", &other).await, POLICY, STRANGER);
    // The operator's own Deployment is one more door.
    refused(who.strategic(&at("deployments", "gallery", "web"), "x", &other).await, POLICY, STRANGER);
    Ok(())
}

#[tokio::test]
async fn where_the_platform_asks_for_digests_pods_have_one() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    platform(&mut kit, "digests", &json!({"requireDigests": true})).await?;
    tenant(&kit, "digests", &json!({})).await?;
    let (editor, pods) = (editor(kit.world), at("pods", "digests", ""));
    let digest = format!("{GOOD}@sha256:{}", "0123456789abcdef".repeat(4));
    for bad in [GOOD, "a@sha256:12", &format!("{digest}0"), &format!("a@md5:{}", "0".repeat(64))] {
        refused(editor.create(&pods, &pod("bad", bad)).await, POLICY, "asks for digests");
    }
    editor.create(&pods, &pod("good", &digest)).await?;
    kit.clean_up("digests").await
}

/// A Platform that gets stricter makes a Tenant wrong, which keeps its last good state: its pods can still
/// be replaced, and controllers go on writing to them.
#[tokio::test]
async fn a_stricter_platform_stops_nothing_that_runs() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    platform(&mut kit, "stricter", &json!({"registries": ["registry.k8s.io"]})).await?;
    tenant(&kit, "stricter", &json!({"services": [service("web")]})).await?;
    // One that deploys by itself: its Tenant stays right.
    tenant(&kit, "strictly", &json!({})).await?;
    let editor = editor(kit.world);
    editor.create(&at("pods", "strictly", ""), &pod("old", GOOD)).await?;
    platform(&mut kit, "stricter", &json!({"registries": ["ghcr.io"]})).await?;
    kit.until("stricter", "Ready", "False", "LimitExceeded").await?;
    kit.object(&at("namespaces", "", "strictly"), "stricter", |now| {
        now["metadata"]["annotations"]["tenantry.dev/registries"] == "ghcr.io"
    })
    .await?;
    let label = json!({"metadata": {"labels": {"team": "a"}}});
    editor.merge(&at("pods", "strictly", "old"), "x", &label).await?;
    refused(
        editor.create(&at("pods", "strictly", ""), &pod("new", GOOD)).await,
        POLICY,
        "use one of: ghcr.io",
    );
    kit.clean_up("strictly").await?;
    let before = kit.list(&at("pods", "stricter", "")).await?;
    for pod in &before {
        kit.delete(&at("pods", "stricter", crate::support::objects::name(pod))).await?;
    }
    kit.object(&at("deployments", "stricter", "web"), "a new pod runs", |now| {
        now["status"]["availableReplicas"] == 1
    })
    .await?;
    kit.clean_up("stricter").await
}

/// Images that are easily read in two ways.
const READ: [&str; 28] = [
    "nginx",
    "nginx:1",
    "library/nginx",
    "shop/nginx",
    "docker.io/nginx",
    "docker.io/library/nginx",
    "r.example/a",
    "r.example/a/b:1",
    "r.example",
    "r.example:1",
    "r.example:5000/a",
    "r.example:5001/a",
    "r.example.evil/a",
    "ghcr.io/shop",
    "ghcr.io/shop:1",
    "ghcr.io/shop/a",
    "ghcr.io/shop-evil/a",
    "ghcr.io/shopper",
    "ghcr.io/a",
    "quay.io/a/b",
    "quay.io/a/b:2",
    "quay.io/a/bc",
    "quay.io/a",
    "localhost/a",
    "localhost:5000/a",
    "LOCAL/a",
    "evil.example.com/r.example/a",
    "r.example/../a",
];

/// The guard and the offline check read an image the same way.
#[tokio::test]
async fn the_guard_and_the_check_agree() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let registries = json!([
        "r.example",
        "r.example:5000/",
        "ghcr.io/shop",
        "docker.io/library",
        "localhost",
        "quay.io/a/b/"
    ]);
    platform(&mut kit, "agree", &json!({"registries": registries})).await?;
    tenant(&kit, "agree", &json!({})).await?;
    let platform = serde_json::from_value(kit.the(&at("platforms", "", "agree")).await?)?;
    let platform =
        tenantry::validate::platform::validate(&platform).map_err(|problems| format!("{problems:?}"))?;
    let digest = format!("@sha256:{}", "0".repeat(64));
    let mut verdicts = Vec::new();
    for image in READ {
        for image in [image.to_owned(), format!("{image}{digest}")] {
            let spec = json!({"platformRef": {"name": "agree"}, "services": [service("web")]});
            let mut tenant = tenantry::api::Tenant::new("agree", serde_json::from_value(spec)?);
            tenant.spec.services[0].image.clone_from(&image);
            let offline = match tenantry::validate::tenant::validate(&tenant, &platform) {
                Ok(_) => true,
                // The guard leaves the grammar to the runtime.
                Err(problems) if problems[0].message.contains("is not an image reference") => continue,
                Err(_) => false,
            };
            let path = format!("{}?dryRun=All", at("pods", "agree", ""));
            let answer = tool(kit.world).post(&path, &pod("a", &image)).await;
            let online = match &answer {
                Ok(_) => true,
                Err(error) if code(error) == Some(422) => false,
                Err(error) => return Err(format!("{image}: {error}").into()),
            };
            verdicts.push(offline);
            assert_eq!(offline, online, "{image}: {answer:?}");
        }
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
    kit.clean_up("agree").await
}
