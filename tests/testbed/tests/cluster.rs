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

    cluster.delete_zone("zone-b").await?;
    eventually(Duration::from_secs(40), "two pods outside zone-b, one waiting", || async {
        let found = zones(&cluster).await.map_err(|error| error.to_string())?;
        let lost = found.contains_key("zone-b");
        if lost { Err(format!("{found:?}")) } else { Ok(()) }
    })
    .await?;

    let start = Instant::now();
    cluster.stop_apiserver()?;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    assert!(namespaces.list(&ListParams::default()).await.is_err(), "the API server is gone");
    cluster.start_apiserver().await?;
    assert!(namespaces.list(&ListParams::default()).await.is_ok(), "and back");
    eprintln!("API server back after {:.1} s", start.elapsed().as_secs_f32());

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
    let start = Instant::now();
    let cluster = Cluster::start(Options::api_only()).await?;
    eprintln!("API server ready after {:.1} s", start.elapsed().as_secs_f32());
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
