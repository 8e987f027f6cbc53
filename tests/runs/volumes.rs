//! Runs of volumes that lose in the middle what they were for: nothing of them is left. No driver takes the snapshots; what
//! counts is who takes them away.

use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE};
use crate::support::{
    Outcome, at,
    kit::merge,
    objects::{name, text},
};

const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1";
const DRIVER: &str = "csi.example.com";

/// A claim with a volume that a driver made, which has a class for snapshots.
async fn claim(bed: &Bed, tenant: &str) -> Outcome {
    let class = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "runs"},
        "driver": DRIVER, "deletionPolicy": "Delete",
    });
    bed.kit.apply(&format!("{SNAPSHOTS}/volumesnapshotclasses/runs"), "tess", &class).await?;
    let volume = format!("of-{tenant}");
    let of = json!({"storageClassName": "none", "accessModes": ["ReadWriteOnce"]});
    let with = |more: Value| {
        let mut spec = of.clone();
        merge(&mut spec, &more);
        spec
    };
    let body = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
        "spec": with(json!({
            "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": DRIVER, "volumeHandle": volume}, "claimRef": {"namespace": tenant, "name": "data"},
        })),
    });
    bed.kit.apply(&at("persistentvolumes", "", &volume), "tess", &body).await?;
    let body = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "annotations": {"volume.kubernetes.io/storage-provisioner": DRIVER}},
        "spec": with(json!({"volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}})),
    });
    let path = at("persistentvolumeclaims", tenant, "data");
    bed.kit.apply(&path, "tess", &body).await?;
    bed.kit.object(&path, "bound", |claim| claim["status"]["phase"] == "Bound").await?;
    Ok(())
}

/// A Tenant whose run of a volume has begun: its Job, and where the snapshot is.
async fn begun(bed: &mut Bed, tenant: &str) -> Outcome<(Value, String)> {
    bed.fit_platform(tenant).await?;
    bed.kit.ready_tenant(tenant, json!({})).await?;
    claim(bed, tenant).await?;
    bed.kit.ready_tenant(tenant, json!({"volumes": [{"name": "files", "claim": "data"}]})).await?;
    let job = bed.job(tenant, "-files", |_| true).await?;
    let snapshot = format!("{SNAPSHOTS}/namespaces/{tenant}/volumesnapshots/tenantry-{}", name(&job));
    bed.kit.object(&snapshot, "taken", |_| true).await?;
    Ok((job, snapshot))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_volume_is_taken_off_leaves_nothing_and_then_no_rights() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.kit.world.cluster.define_snapshots().await?;
    let (job, snapshot) = begun(&mut bed, "taken-off").await?;
    bed.kit.ready_tenant("taken-off", json!({})).await?;
    let rights = [("taken-off", "source"), ("taken-off-backup", "copies")]
        .map(|(namespace, part)| at("rolebindings", namespace, &format!("tenantry-volume-{part}")));
    for right in &rights {
        bed.kit.the(right).await?;
    }
    // The same for an operator that knows nothing of before.
    bed.kit.world.kill_operator();
    bed.kit.world.start_operator(&IMAGE).await?;
    bed.time_out(&job).await?;
    bed.kit.gone(&snapshot).await?;
    for right in &rights {
        bed.kit.gone(right).await?;
    }
    bed.kit.clean_up("taken-off").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_tenant_or_whose_platforms_backups_are_gone_leaves_nothing() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.kit.world.cluster.define_snapshots().await?;
    let (deleted, first) = begun(&mut bed, "deleted").await?;
    let (bare, second) = begun(&mut bed, "bare").await?;
    let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
    let path = at("tenants", "", "deleted");
    bed.kit.merge(&path, "tess", &allow).await?;
    bed.kit.delete(&path).await?;
    bed.kit.merge(&at("platforms", "", "bare"), "tess", &json!({"spec": {"backups": null}})).await?;
    bed.kit.ready("bare").await?;
    bed.time_out(&deleted).await?;
    // This one's Job somebody deletes: nothing in the cluster says any more that it was.
    bed.kit.delete(&at("jobs", text(&bare, "/metadata/namespace"), name(&bare))).await?;
    for snapshot in [&first, &second] {
        bed.kit.gone(snapshot).await?;
    }
    let namespace = at("namespaces", "", "deleted");
    bed.kit.merge(&namespace, "tess", &allow).await?;
    bed.kit.delete(&namespace).await?;
    bed.kit.clean_up("bare").await
}
