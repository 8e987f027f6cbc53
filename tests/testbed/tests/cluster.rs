//! The testbed itself: a cluster comes up, behaves like one, and leaves nothing behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ListParams};
use tenantry_testbed::{Cluster, OPERATOR_USER, Options, eventually, operator_groups};

const SPREAD: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: spread}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        resources: {requests: {cpu: 100m, memory: 64Mi}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: spread}
"#;

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn wait_available(cluster: &Cluster, replicas: i32) -> Outcome {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "spread");
    eventually(Duration::from_secs(30), "the Deployment to be available", || async {
        let web = deployments.get("web").await.map_err(|error| error.to_string())?;
        let ready = web.status.and_then(|status| status.available_replicas).unwrap_or(0);
        if ready == replicas { Ok(()) } else { Err(format!("{ready} of {replicas} available")) }
    })
    .await?;
    Ok(())
}

async fn zones(cluster: &Cluster) -> Result<BTreeMap<String, usize>, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "spread");
    let mut zones = BTreeMap::new();
    for pod in pods.list(&ListParams::default()).await? {
        let node = pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
        let zone = node.rsplit_once('-').map_or("", |(zone, _)| zone).to_string();
        *zones.entry(zone).or_default() += 1;
    }
    Ok(zones)
}

/// A rollout of an image that never gets ready hangs, and is taken back.
async fn broken_image(cluster: &Cluster) -> Outcome {
    cluster.apply_yaml(&SPREAD.replace("web:1", "never-ready:1")).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "spread");
    eventually(Duration::from_secs(10), "a running pod that is not ready", || async {
        let list = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let status = |pod: &Pod| {
            let status = pod.status.clone().unwrap_or_default();
            let ready = status.conditions.unwrap_or_default().into_iter().find(|one| one.type_ == "Ready");
            (status.phase.unwrap_or_default(), ready.map(|one| one.status).unwrap_or_default())
        };
        let all: Vec<_> = list.iter().map(status).collect();
        let hung = all.iter().any(|(phase, ready)| phase == "Running" && ready == "False");
        if hung { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await?;
    cluster.apply_yaml(SPREAD).await?;
    eventually(Duration::from_secs(20), "three pods again", || async {
        let found = zones(cluster).await.map_err(|error| error.to_string())?;
        if found.values().sum::<usize>() == 3 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await?;
    wait_available(cluster, 3).await
}

fn alive(pid: u32) -> bool {
    std::process::Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_spread_over_zones_and_nothing_is_left() -> Outcome {
    let start = Instant::now();
    let cluster = Cluster::start(Options::default()).await?;
    eprintln!("cluster ready after {:.1} s", start.elapsed().as_secs_f32());
    let start = Instant::now();
    cluster.apply_yaml(SPREAD).await?;
    wait_available(&cluster, 3).await?;
    eprintln!("3 pods available after {:.1} s", start.elapsed().as_secs_f32());
    let found = zones(&cluster).await?;
    assert_eq!(found, BTreeMap::from([("zone-a".into(), 1), ("zone-b".into(), 1), ("zone-c".into(), 1)]));

    broken_image(&cluster).await?;
    cluster.delete_zone("zone-b").await?;
    wait_available(&cluster, 3).await?;
    assert!(!zones(&cluster).await?.contains_key("zone-b"), "the pods moved");

    let start = Instant::now();
    cluster.stop_apiserver()?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    assert!(namespaces.list(&ListParams::default()).await.is_err(), "the API server is gone");
    cluster.start_apiserver().await?;
    assert!(namespaces.list(&ListParams::default()).await.is_ok(), "and back");
    eprintln!("API server back after {:.1} s", start.elapsed().as_secs_f32());
    cluster.apply_yaml(&SPREAD.replace("replicas: 3", "replicas: 4")).await?;
    wait_available(&cluster, 4).await?;
    eprintln!("controllers work again after {:.1} s", start.elapsed().as_secs_f32());

    let (folder, apiserver) = (cluster.run().dir().to_path_buf(), cluster.apiserver_pid()?);
    assert!(folder.exists() && alive(apiserver));
    let start = Instant::now();
    drop(cluster);
    eprintln!("gone after {:.2} s", start.elapsed().as_secs_f32());
    assert!(!folder.exists(), "the folder is removed");
    assert!(!alive(apiserver), "the API server is gone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_for_another_user_has_that_users_rights() -> Outcome {
    let cluster = Cluster::shared_api().await?;
    let path = cluster.kubeconfig_for(OPERATOR_USER, operator_groups())?;
    let output = std::process::Command::new(cluster.kubectl())
        .args(["auth", "whoami", "-o", "json", "--kubeconfig"])
        .arg(&path)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(OPERATOR_USER), "{text} {}", String::from_utf8_lossy(&output.stderr));
    for group in operator_groups() {
        assert!(text.contains(&format!("\"{group}\"")), "{group} in {text}");
    }
    let denied = std::process::Command::new(cluster.kubectl())
        .args(["get", "namespaces", "--kubeconfig"])
        .arg(&path)
        .output()?;
    assert!(String::from_utf8_lossy(&denied.stderr).contains("forbidden"));
    Ok(())
}

/// Two tests, two async runtimes, one cluster.
async fn use_the_shared_cluster(name: &str) -> Outcome {
    let cluster = Cluster::shared_api().await?;
    cluster.apply_yaml(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    assert_eq!(namespaces.get(name).await?.metadata.name.as_deref(), Some(name));
    Ok(())
}

#[tokio::test]
async fn a_cluster_is_shared_by_one_test() -> Outcome {
    use_the_shared_cluster("one").await
}

#[tokio::test]
async fn and_by_another() -> Outcome {
    use_the_shared_cluster("two").await
}

#[tokio::test]
async fn a_broken_manifest_says_what_is_wrong() -> Outcome {
    let cluster = Cluster::shared_api().await?;
    let error = cluster
        .apply_yaml("apiVersion: v1\nkind: Nope\nmetadata: {name: x}")
        .await
        .expect_err("no such kind");
    assert!(error.to_string().contains("Nope"), "{error}");
    let bad = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: -1}";
    let error = cluster.apply_yaml(bad).await.expect_err("not valid");
    assert!(error.to_string().starts_with("can't apply Deployment x: "), "{error}");
    Ok(())
}
