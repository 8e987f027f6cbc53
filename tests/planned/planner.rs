//! `tenantry plan --cluster`: what only the cluster knows is told, nothing is written, and nobody learns a secret.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_testbed::OPERATOR_USER;

use crate::{
    GROUPS, PLANNER, Ran, as_planner, plan_there, planner,
    repo::{Repo, put},
    support::{
        Kit, Outcome, at,
        kit::{CHILDREN, merge, service_with},
        objects::{code, name, refusal, text},
        world::{SYSTEM, platform},
    },
};

const CANARY: &str = "canary-planner-4c1d";

/// A repository, in a folder that goes with it.
fn repository(folder: &tempfile::TempDir) -> Repo {
    Repo::new(folder.path(), "config")
}

/// A file of a Tenant, and its spec.
fn file(tenant: &str, platform: &str, spec: &Value) -> crate::repo::Change {
    let mut spec = spec.clone();
    spec["platformRef"] = json!({"name": platform});
    let body = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": tenant}, "spec": spec,
    });
    put(format!("tenants/{tenant}.yaml"), body.to_string())
}

fn web(tag: &str) -> Value {
    json!({"services": [service_with("web", &json!({"image": format!("registry.k8s.io/pause:{tag}")}))]})
}

/// A Platform of the test's own that copies a pull Secret, in the cluster and as a file.
async fn rules(kit: &mut Kit, name: &str) -> Outcome<crate::repo::Change> {
    let config = json!({"auths": {"one.example.com": {"username": "puller", "password": CANARY}}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config.to_string()},
    });
    kit.apply(&at("secrets", SYSTEM, name), "tess", &secret).await?;
    let changes = json!({"images": {"pullSecretRefs": [{"name": name}]}});
    kit.own_platform(name, &changes).await?;
    let mut whole = platform(name);
    merge(&mut whole["spec"], &changes);
    Ok(put("platforms/rules.yaml", whole.to_string()))
}

/// An object as it is stored: whole, but for what controllers write to its status whenever they like.
fn stored(mut object: Value) -> String {
    if object.as_object_mut().and_then(|map| map.remove("status")).is_some() {
        object["metadata"]["resourceVersion"].take();
        if let Some(entries) = object["metadata"]["managedFields"].as_array_mut() {
            entries.retain(|entry| entry["subresource"] != "status");
        }
    }
    object.to_string()
}

/// Everything in a tenant's namespace, and the Tenant.
async fn everything(kit: &Kit, tenant: &str) -> Outcome<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for plural in CHILDREN {
        for object in kit.list(&at(plural, tenant, "")).await? {
            all.insert(format!("{plural}/{}", name(&object)), stored(object));
        }
    }
    all.insert("the Tenant".into(), stored(kit.the(&at("tenants", "", tenant)).await?));
    Ok(all)
}

/// Stops the operator for a Tenant, and sets an image by hand.
async fn tamper(kit: &Kit, tenant: &str) -> Outcome {
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
    let pause = json!({"metadata": {"annotations": {"tenantry.dev/paused-until": until.to_string()}}});
    kit.merge(&at("tenants", "", tenant), "tess", &pause).await?;
    kit.until(tenant, "Paused", "True", "").await?;
    let evil = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "evil.example.com/x:1"}]}}}});
    let path = at("deployments", tenant, "web");
    kit.strategic(&path, "kubectl-edit", &evil).await?;
    kit.object(&path, "rolled out", |now| {
        let status = &now["status"];
        status["observedGeneration"] == now["metadata"]["generation"]
            && ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|key| status[key] == 1)
    })
    .await?;
    Ok(())
}

fn told<'v>(plan: &'v Value, tenant: &str) -> &'v Value {
    let all = plan["cluster"]["tenants"].as_array().unwrap();
    all.iter().find(|one| one["name"] == tenant).unwrap_or(&Value::Null)
}

/// `Change Deployment held/web` of a list.
fn names(list: &Value) -> Vec<String> {
    let name = |one: &Value| format!("{} {} {}", text(one, "/verb"), text(one, "/kind"), text(one, "/name"));
    list.as_array().into_iter().flatten().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_held_against_the_cluster_and_writes_nothing() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let proxy = planner(&kit).await?;
    let folder = tempfile::tempdir()?;
    let repo = repository(&folder);
    let rules = rules(&mut kit, "held").await?;
    let base = repo.commit("main", "what there is", &[rules, file("held", "held", &web("3.10"))]);
    let new = file("held-new", "held", &web("3.10"));
    let head = repo.commit("main", "what is asked for", &[file("held", "held", &web("3.9")), new]);
    kit.ready_tenant("held", web("3.10")).await?;
    tamper(&kit, "held").await?;

    let before = everything(&kit, "held").await?;
    let range = format!("{base}..{head}");
    let ran = |form: &str| plan_there(kit.world, &repo, &range, proxy.kubeconfig()?, &["--output", form]);
    let json = ran("json")?;
    assert_eq!(json.code, Some(0), "{}{}", json.stdout, json.stderr);
    let plan = json.json()?;
    let held = told(&plan, "held");
    assert_eq!(names(&held["objects"]), ["Change Deployment web"], "{held:#}");
    let fields = held["objects"][0]["fields"].to_string();
    assert!(fields.contains("pause:3.10") && fields.contains("pause:3.9"), "{fields}");
    assert!(!fields.contains("evil"), "what somebody else did is not the commit's: {fields}");
    assert_eq!(names(&held["drift"]), ["Change Deployment web"], "{held:#}");
    assert!(held["drift"][0]["by"].to_string().contains("kubectl-edit changed "), "{held:#}");
    assert!(held["notes"].to_string().contains("paused-until"), "{held:#}");
    let fresh = told(&plan, "held-new");
    assert!(fresh["untried"][0]["why"].to_string().contains("namespace is new"), "{fresh:#}");
    assert!(names(&fresh["objects"]).contains(&"Create Namespace held-new".to_owned()), "{fresh:#}");

    let (human, markdown) = (ran("human")?, ran("markdown")?);
    for said in [&human.stdout, &markdown.stdout] {
        assert!(
            said.contains("in the cluster:") && said.contains("beside this change, change Deployment"),
            "{said}"
        );
        assert!(said.contains("nothing was written: nothing is refused"), "{said}");
    }
    for Ran { stdout, stderr, .. } in [&json, &human, &markdown] {
        assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "a secret left: {stdout}{stderr}");
        assert!(!stdout.contains("evil.example.com"), "nobody knows what somebody wrote there: {stdout}");
    }

    assert_eq!(everything(&kit, "held").await?, before, "nothing was written");
    for path in [at("tenants", "", "held-new"), at("namespaces", "", "held-new")] {
        assert!(kit.get(&path).await?.is_none(), "{path} was only tried");
    }
    let writes = proxy.writes();
    assert!(writes.len() > 10, "{writes:?}");
    assert!(
        writes.iter().all(|line| line.starts_with("PATCH ") && line.contains("?dryRun=All&")),
        "{writes:#?}"
    );
    assert!(!writes.iter().any(|line| line.contains("/secrets/")), "{writes:#?}");
    assert_eq!(proxy.requests().keys().filter(|kind| kind.resource == "secrets").count(), 0);
    kit.clean_up("held").await
}

/// A policy of somebody else's, which refuses an image.
fn stranger() -> String {
    let api = "admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-such-image"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
            }]},
            "validations": [{
                "expression": "object.spec.template.spec.containers.all(one, !one.image.endsWith(':refused'))",
                "message": "this image has been called back",
            }],
        },
    });
    let binding = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-such-image"},
        "spec": {"policyName": "no-such-image", "validationActions": ["Deny"]},
    });
    format!("{policy}\n---\n{binding}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admission_refuses_is_a_finding() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let proxy = planner(&kit).await?;
    let folder = tempfile::tempdir()?;
    let repo = repository(&folder);
    let rules = rules(&mut kit, "called").await?;
    let base = repo.commit("main", "what there is", &[rules, file("called", "called", &web("3.10"))]);
    let head = repo.commit("main", "what is asked for", &[file("called", "called", &web("refused"))]);
    kit.ready_tenant("called", web("3.10")).await?;
    kit.world.cluster.apply_yaml(&stranger()).await?;
    let range = format!("{base}..{head}");
    let run = || plan_there(kit.world, &repo, &range, proxy.kubeconfig()?, &["--output", "json"]);
    // Policies are known to the API server a moment after they are written.
    let plan = tenantry_testbed::eventually(crate::support::kit::SOON, "the policy", || async {
        let ran = run().map_err(|error| error.to_string())?;
        let plan = ran.json().map_err(|error| error.to_string())?;
        if ran.code == Some(1) { Ok(plan) } else { Err(format!("{:?} {plan:#}", ran.code)) }
    })
    .await?;
    let refused = &told(&plan, "called")["refused"];
    assert_eq!(refused[0]["object"], "Deployment called/web", "{refused:#}");
    let message = text(&refused[0], "/message");
    assert!(message.contains("'no-such-image'") && message.contains("called back"), "{message}");
    assert_eq!(names(&told(&plan, "called")["objects"]), [""; 0], "{plan:#}");
    let human = plan_there(kit.world, &repo, &range, proxy.kubeconfig()?, &[])?;
    assert!(human.stdout.contains("refused: Deployment called/web: "), "{}", human.stdout);
    assert!(human.stdout.contains("1 object refused"), "{}", human.stdout);
    kit.clean_up("called").await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_and_its_planner_can_plan() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    drop(planner(&kit).await?);
    let folder = tempfile::tempdir()?;
    let repo = repository(&folder);
    let rules = rules(&mut kit, "asker").await?;
    let base = repo.commit("main", "what there is", &[rules, file("asker", "asker", &web("3.10"))]);
    let head = repo.commit("main", "what is asked for", &[file("asker", "asker", &web("3.9"))]);
    kit.ready_tenant("asker", web("3.10")).await?;
    let range = format!("{base}..{head}");
    let admin = kit.world.cluster.kubeconfig();
    let run = |more: &[&str]| plan_there(kit.world, &repo, &range, admin, more);
    let ran = run(&[])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("manifests/ci/planner.yaml") && ran.stderr.contains("--as"),
        "{}",
        ran.stderr
    );
    for user in [PLANNER, OPERATOR_USER] {
        let ran = run(&["--as", user])?;
        assert_eq!(ran.code, Some(0), "{user}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(&format!("tried on the cluster as {user}")), "{}", ran.stdout);
        assert!(ran.stdout.contains("1 object, as planned"), "{}", ran.stdout);
    }
    // Without its file the Platform is the cluster's.
    let (folder, kubeconfig) = (repo.path.display().to_string(), admin.display().to_string());
    let args = ["plan", &range, "--repo", &folder, "--path", "tenants", "--cluster", "--as", PLANNER];
    let (code, stdout, stderr) = kit.world.program(&[&args[..], &["--kubeconfig", &kubeconfig]].concat())?;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("1 object, as planned"), "{stdout}");

    let stranger = kit.world.cluster.kubeconfig_for("nobody-in-particular", &[])?;
    let ran = plan_there(kit.world, &repo, &range, &stranger, &[])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("can't be read") && ran.stderr.contains("nobody-in-particular"),
        "{}",
        ran.stderr
    );
    kit.clean_up("asker").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planner_may_only_try() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    drop(planner(&kit).await?);
    kit.ready_tenant("tried", web("3.10")).await?;
    let planner = as_planner(kit.world);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}});
    let maps = at("configmaps", "tried", "");
    let mine = at("configmaps", "tried", "mine");
    for (what, answer) in [
        ("create", planner.post(&maps, &map).await),
        ("apply", planner.apply(&mine, "tenantry", &map).await),
        (
            "a Tenant",
            planner
                .merge(&at("tenants", "", "tried"), "x", &json!({"spec": {"lifecycle": "Cancelled"}}))
                .await,
        ),
        (
            "a namespace",
            planner
                .merge(
                    &at("namespaces", "", "tried"),
                    "x",
                    &json!({"metadata": {"annotations": {"note": "x"}}}),
                )
                .await,
        ),
    ] {
        let said = refusal(answer);
        assert!(said.contains("'tenantry-planner'") && said.contains("make none"), "{what}: {said}");
    }
    planner.post(&format!("{maps}?dryRun=All"), &map).await?;
    assert!(kit.get(&mine).await?.is_none(), "it was only tried");
    for path in [at("secrets", "tried", "tenantry-pull"), at("secrets", SYSTEM, "any")] {
        let said = planner.get(&path).await.expect_err("no Secret is for it").to_string();
        assert!(said.contains("cannot get resource"), "{path}: {said}");
    }
    let deleted = planner.delete(&format!("{}?dryRun=All", at("deployments", "tried", "web"))).await;
    assert_eq!(deleted.as_ref().err().and_then(code), Some(403), "{deleted:?}");
    // Whoever has another name has no use of its leave.
    let editor = kit.world.call_as("eddie@example.com", &GROUPS);
    assert!(editor.post(&format!("{maps}?dryRun=All"), &map).await.is_err());
    kit.clean_up("tried").await
}
