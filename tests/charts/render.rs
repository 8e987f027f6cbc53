//! What the charts give: the same objects as without Helm, Pods that the strictest level takes, and all of it known
//! to the API server.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenantry_testbed::{Cluster, programs};
use tokio::process::Command;

use crate::{
    all_options, cluster, digest, least, read, render,
    support::{
        Outcome,
        kit::merge,
        objects::{name, text},
        world::SYSTEM,
    },
    template, top,
};

/// `Kind name` of an object.
pub(crate) fn id(object: &Value) -> String {
    format!("{} {}", text(object, "/kind"), name(object))
}

pub(crate) fn find<'v>(objects: &'v [Value], wanted: &str) -> &'v Value {
    objects.iter().find(|one| id(one) == wanted).unwrap_or_else(|| panic!("there is no {wanted}"))
}

/// Every document of a folder's YAML files.
pub(crate) fn documents(folder: &str) -> Vec<Value> {
    let entries = std::fs::read_dir(top(folder)).expect("the folder is there");
    let files = entries.map(|entry| entry.expect("the folder can be read").path());
    let text = files.map(|file| std::fs::read_to_string(file).expect("the file can be read"));
    text.flat_map(|text| serde_saphyr::from_multiple::<Value>(&text).expect("it is YAML")).collect()
}

#[test]
fn charts_and_program_have_one_version() {
    for chart in ["tenantry", "tenantry-crds"] {
        let about: Value =
            serde_saphyr::from_str(&read(&format!("charts/{chart}/Chart.yaml"))).expect("YAML");
        for field in ["version", "appVersion"] {
            assert_eq!(about[field], env!("CARGO_PKG_VERSION"), "{chart} {field}");
        }
    }
}

/// Rights and guards are written once: what the chart installs is what manifests/install has, but for the namespace,
/// which Helm needs before it.
#[test]
fn the_chart_installs_what_an_installation_without_it_has() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let rendered = render(&least())?;
    let plain = documents("manifests/install");
    for object in plain.iter().filter(|one| one["kind"] != "Namespace") {
        assert_eq!(find(&rendered, &id(object)), object, "{}", id(object));
    }
    let own: BTreeSet<String> =
        rendered.iter().map(id).filter(|one| !plain.iter().any(|p| id(p) == *one)).collect();
    let expected = [
        "CronJob tenantry-watchdog",
        "Deployment tenantry",
        "NetworkPolicy tenantry",
        "NetworkPolicy tenantry-watchdog",
        "PodDisruptionBudget tenantry",
        "Service tenantry",
    ];
    assert_eq!(own, expected.map(str::to_owned).into());
    let crds: Vec<Value> = serde_saphyr::from_multiple(&template("tenantry-crds", &json!({}))??)?;
    let mut crds: Vec<Value> = crds.into_iter().filter(|one| !one.is_null()).collect();
    crds.sort_by_key(id);
    let mut plain = documents("crds");
    plain.sort_by_key(id);
    assert_eq!(crds, plain);
    Ok(())
}

/// What tenants lean on stays when Helm takes the operator away, and nothing else.
#[test]
fn helm_keeps_what_tenants_lean_on() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    for object in render(&all_options())? {
        let kind = text(&object, "/kind");
        let leaned_on = kind.starts_with("ValidatingAdmissionPolicy")
            || ["ClusterRole tenantry-viewer", "ClusterRole tenantry-editor"].contains(&id(&object).as_str());
        let policy = object["metadata"]["annotations"]["helm.sh/resource-policy"].as_str();
        assert_eq!(policy == Some("keep"), leaned_on, "{}", id(&object));
    }
    Ok(())
}

/// The Pod of the Deployment and that of the CronJob.
fn pods(objects: &[Value]) -> [&Value; 2] {
    [
        &find(objects, "Deployment tenantry")["spec"]["template"],
        &find(objects, "CronJob tenantry-watchdog")["spec"]["jobTemplate"]["spec"]["template"],
    ]
}

#[test]
fn pods_are_confined() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    for values in [least(), all_options()] {
        for pod in pods(&render(&values)?) {
            let spec = &pod["spec"];
            assert_eq!(spec["automountServiceAccountToken"], false);
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
            assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            for container in spec["containers"].as_array().into_iter().flatten() {
                let expected = json!({
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                });
                assert_eq!(container["securityContext"], expected);
                assert!(container["resources"]["limits"]["memory"].is_string());
            }
            for volume in spec["volumes"].as_array().into_iter().flatten() {
                let bounded = volume.get("emptyDir").is_none_or(|one| one["sizeLimit"].is_string());
                assert!(bounded && volume.get("hostPath").is_none(), "{volume}");
                let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
                assert!(volume["name"] != "token" || token["expirationSeconds"] == 3600, "{volume}");
            }
        }
    }
    Ok(())
}

#[test]
fn options_come_where_they_belong() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let plain = render(&least())?;
    let [pod, dog] = pods(&plain);
    let image = format!("registry.example.com/tenantry@{}", digest());
    assert_eq!(pod["spec"]["containers"][0]["image"], image);
    assert_eq!(dog["spec"]["containers"][0]["image"], image);
    let full = render(&all_options())?;
    let [pod, dog] = pods(&full);
    assert_eq!(pod["spec"]["containers"][0]["image"], "registry.example.com:5000/a/tenantry:v1");
    for spec in [&pod["spec"], &dog["spec"]] {
        assert_eq!(spec["priorityClassName"], "system-cluster-critical");
        assert_eq!(spec["imagePullSecrets"][0]["name"], "registry");
        assert_eq!(spec["tolerations"][0]["key"], "dedicated");
    }
    let spreads: Vec<&str> = pod["spec"]["topologySpreadConstraints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| text(one, "/whenUnsatisfiable"))
        .collect();
    assert_eq!(spreads, ["DoNotSchedule", "DoNotSchedule"]);
    let args = &pod["spec"]["containers"][0]["args"];
    let expected = [
        "run",
        "--log=info,tenantry::apply=debug",
        "--log-format=text",
        "--proof-interval=1h30m",
        "--probe-image=registry.example.com:5000/a/tenantry:v1",
        "--backup-image=registry.example.com:5000/a/tenantry:v1",
        "--hooks=0.0.0.0:8081",
    ];
    assert_eq!(*args, json!(expected));
    assert_eq!(dog["spec"]["containers"][0]["args"][2], "--silent-for=90");
    let role = find(&full, "Role tenantry");
    let secrets =
        role["rules"].as_array().into_iter().flatten().find(|rule| rule["resources"] == json!(["secrets"]));
    assert_eq!(secrets.ok_or("a rule for Secrets")?["resourceNames"], json!(["git", "registry"]));
    let network = find(&full, "NetworkPolicy tenantry");
    assert_eq!(network["spec"]["egress"][1]["to"][1]["ipBlock"]["cidr"], "2001:db8::/64");
    assert_eq!(network["spec"]["egress"][2]["ports"], json!([{"port": 8443, "protocol": "TCP"}]));
    assert_eq!(network["spec"]["ingress"][1]["from"][0]["ipBlock"]["cidr"], "203.0.113.0/24");
    let one = {
        let mut values = least();
        merge(&mut values, &json!({"replicas": 1}));
        render(&values)?
    };
    assert!(
        one.iter().all(|object| object["kind"] != "PodDisruptionBudget"),
        "one replica must be drainable"
    );
    Ok(())
}

/// kubectl's answer to a dry run by the API server, unknown fields refused.
async fn dry_run(cluster: &Cluster, file: &std::path::Path) -> Outcome<Result<String, String>> {
    let mut command = Command::new(cluster.kubectl());
    command.arg("--kubeconfig").arg(cluster.kubeconfig());
    command.args([
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
    ]);
    let output = command.arg(file).output().await?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(if output.status.success() { Ok(text) } else { Err(text) })
}

/// A kind of the Prometheus operator, without a schema: its own definitions come with its own chart.
fn foreign_kind(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }}}],
        },
    })
}

#[tokio::test]
async fn the_api_server_takes_every_object() -> Outcome {
    let Some(cluster) = cluster().await? else { return Ok(()) };
    for (kind, plural) in [("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules")] {
        cluster.apply_yaml(&foreign_kind(kind, plural).to_string()).await?;
    }
    cluster.apply_path(top("manifests/audit/namespace.yaml")).await?;
    let home = tempfile::tempdir()?;
    let mut available = all_options();
    merge(
        &mut available,
        &json!({"image": {"allowTag": false, "tag": null, "digest": digest()}, "replicas": 5}),
    );
    for (case, values) in [("least", least()), ("all", all_options()), ("available", available)] {
        let rendered = render(&values)?;
        let file = home.path().join("all.yaml");
        let texts: Vec<String> = rendered.iter().map(Value::to_string).collect();
        std::fs::write(&file, texts.join("\n---\n"))?;
        let said = dry_run(cluster, &file).await?;
        let said = said.map_err(|said| format!("{case}: {said}"))?;
        let taken = said.lines().filter(|line| line.ends_with("serverside-applied (server dry run)")).count();
        assert_eq!(taken, rendered.len(), "{case}: {said}");
        assert!(!said.contains("Warning"), "{case}: {said}");
    }
    let mut wrong = render(&least())?;
    wrong.retain(|object| object["kind"] == "Deployment");
    wrong[0]["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
    let file = home.path().join("wrong.yaml");
    std::fs::write(&file, wrong[0].to_string())?;
    let said = dry_run(cluster, &file).await?;
    assert!(said.as_ref().is_err_and(|said| said.contains("readynessProbe")), "a slip is noticed: {said:?}");
    assert_eq!(text(&wrong[0], "/metadata/namespace"), SYSTEM);
    Ok(())
}
