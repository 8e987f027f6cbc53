//! A volume of the testbed's CSI driver, a snapshot of it, and a second volume from that in another namespace: what
//! backups of volumes are made of.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::{
    CSI_CLASS, CSI_DRIVER, Cluster, Options, RealNodes, WEB_IMAGE, eventually, skip_real_nodes,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(120);
const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1";

async fn until(cluster: &Cluster, path: &str, right: impl Fn(&Value) -> bool) -> Outcome<Value> {
    let found = eventually(LONG, path, || async {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        let object: Value = cluster.client().request(request).await.map_err(|error| error.to_string())?;
        if right(&object) { Ok(object) } else { Err(object["status"].to_string()) }
    });
    Ok(found.await?)
}

fn claim(namespace: &str, snapshot: Option<&str>) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "files", "namespace": namespace},
        "spec": {
            "storageClassName": CSI_CLASS, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    if let Some(name) = snapshot {
        claim["spec"]["dataSource"] =
            json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name});
    }
    claim
}

fn bound(object: &Value) -> bool {
    object["status"]["phase"] == "Bound"
}

fn ready(object: &Value) -> bool {
    object["status"]["readyToUse"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_becomes_a_volume_in_another_namespace() -> Outcome {
    if skip_real_nodes() {
        return Ok(());
    }
    let mut options = Options::real_nodes(RealNodes::default());
    options.zones.truncate(1);
    let cluster = Cluster::start(options).await?;
    cluster.provide_snapshots().await?;
    for namespace in ["source", "copy"] {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.apply_yaml(&body.to_string()).await?;
    }
    cluster.apply_yaml(&claim("source", None).to_string()).await?;
    let path = "/api/v1/namespaces/source/persistentvolumeclaims/files";
    let source = until(&cluster, path, bound).await?;
    let volume = source["spec"]["volumeName"].as_str().unwrap_or_default();
    let volumes = cluster.run().folder("csi-data/volumes")?;
    std::fs::write(volumes.join(volume).join("hello"), "world")?;

    let api = "snapshot.storage.k8s.io/v1";
    let snapshot = json!({
        "apiVersion": api, "kind": "VolumeSnapshot", "metadata": {"name": "files", "namespace": "source"},
        "spec": {"source": {"persistentVolumeClaimName": "files"}},
    });
    cluster.apply_yaml(&snapshot.to_string()).await?;
    let snapshot =
        until(&cluster, &format!("{SNAPSHOTS}/namespaces/source/volumesnapshots/files"), ready).await?;
    let content = snapshot["status"]["boundVolumeSnapshotContentName"].as_str().unwrap_or_default();
    let content = until(&cluster, &format!("{SNAPSHOTS}/volumesnapshotcontents/{content}"), ready).await?;
    let bridge = json!({
        "apiVersion": api, "kind": "VolumeSnapshotContent", "metadata": {"name": "bridge"},
        "spec": {
            "driver": CSI_DRIVER, "deletionPolicy": "Retain",
            "source": {"snapshotHandle": content["status"]["snapshotHandle"]},
            "volumeSnapshotRef": {"name": "files", "namespace": "copy"},
        },
    });
    let copy = json!({
        "apiVersion": api, "kind": "VolumeSnapshot", "metadata": {"name": "files", "namespace": "copy"},
        "spec": {"source": {"volumeSnapshotContentName": "bridge"}},
    });
    cluster.apply_yaml(&format!("{bridge}\n---\n{copy}\n---\n{}", claim("copy", Some("files")))).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader", "namespace": "copy"},
        "spec": {
            "containers": [{
                "name": "web", "image": WEB_IMAGE,
                "volumeMounts": [{"name": "files", "mountPath": "/files", "readOnly": true}],
            }],
            "volumes": [{"name": "files", "persistentVolumeClaim": {"claimName": "files", "readOnly": true}}],
        },
    });
    cluster.apply_yaml(&pod.to_string()).await?;
    let path = "/api/v1/namespaces/copy/persistentvolumeclaims/files";
    let copy = until(&cluster, path, bound).await?;
    let path = "/api/v1/namespaces/copy/pods/reader";
    until(&cluster, path, |pod| pod["status"]["phase"] == "Running").await?;
    let volume = copy["spec"]["volumeName"].as_str().unwrap_or_default();
    assert_eq!(std::fs::read_to_string(volumes.join(volume).join("hello"))?, "world");
    Ok(())
}
