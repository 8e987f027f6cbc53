//! The files of a claim on real nodes: a snapshot by a CSI driver, a copy in the namespace of backups, a Job that reads
//! it, a drill; and runs that fail, are killed, or lose their operator.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tenantry_testbed::{CSI_CLASS, Vault, eventually};

use crate::{
    site::Site,
    support::{
        Outcome, at,
        objects::{condition, name, text},
        world::SYSTEM,
    },
};

const TENANT: &str = "files";
const CLAIM: &str = "data-app-0";
/// A run with the time that snapshots, pods and images take.
const LONG: Duration = Duration::from_secs(300);
const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1";

async fn until(site: &Site, path: &str, what: &str, right: impl Fn(&Value) -> bool) -> Outcome<Value> {
    let waited = eventually(LONG, what, || async {
        let object = site.the(path).await.map_err(|error| error.to_string())?;
        if right(&object) { Ok(object) } else { Err(format!("{:#}", object["status"])) }
    });
    Ok(waited.await?)
}

fn tenant(site: &Site, volumes: &Value) -> Value {
    let mut app = site.service("app", 1);
    app["storage"] = json!([{"name": "data", "size": "16Mi", "path": "/data", "class": CSI_CLASS}]);
    json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": TENANT},
        "spec": {"platformRef": {"name": "filed"}, "services": [app], "volumes": volumes},
    })
}

/// The tenant's own volume, as its node has it.
async fn folder(site: &Site) -> Outcome<PathBuf> {
    let bound = |claim: &Value| claim["status"]["phase"] == "Bound";
    let claim = until(site, &at("persistentvolumeclaims", TENANT, CLAIM), "a volume", bound).await?;
    Ok(site.bed.cluster.run().folder("csi-data/volumes")?.join(text(&claim, "/spec/volumeName")))
}

/// Waits until nothing of any run is left: objects, and the driver's own snapshots.
async fn nothing_left(site: &Site) -> Outcome {
    let backup = format!("{TENANT}-backup");
    let driver = site.bed.cluster.run().folder("csi-data/snapshots")?;
    let waited = eventually(LONG, "nothing to be left of the runs", || async {
        let mut left = Vec::new();
        for path in [
            format!("{SNAPSHOTS}/namespaces/{TENANT}/volumesnapshots"),
            format!("{SNAPSHOTS}/namespaces/{backup}/volumesnapshots"),
            format!("{SNAPSHOTS}/volumesnapshotcontents"),
            at("persistentvolumeclaims", &backup, ""),
        ] {
            let found = site.list(&path).await.map_err(|error| error.to_string())?;
            left.extend(found.iter().map(|one| format!("{path}/{}", name(one))));
        }
        let found = std::fs::read_dir(&driver).map_err(|error| error.to_string())?;
        left.extend(found.flatten().map(|entry| entry.path().display().to_string()));
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    });
    Ok(waited.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_claim_are_backed_up_and_tried() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    let cluster = &site.bed.cluster;
    cluster.provide_snapshots().await?;
    let vault = Vault::start(cluster, "filed").await?;
    for (name, values) in vault.secrets() {
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM}, "stringData": values,
        });
        site.apply(&at("secrets", SYSTEM, name), "tess", &body).await?;
    }
    cluster.apply_yaml(&vault.platform().to_string()).await?;
    let path = at("tenants", "", TENANT);
    site.apply(&path, "tess", &tenant(&site, &json!([]))).await?;
    site.until_of(&path, "Ready", "True", "").await?;
    let folder = folder(&site).await?;
    std::fs::create_dir_all(folder.join("letters"))?;
    for number in 0..30 {
        std::fs::write(folder.join(format!("letters/{number}")), format!("Dear {number}, "))?;
    }
    // What only its owner may read is read all the same.
    std::os::unix::fs::chown(folder.join("letters"), Some(4321), Some(4321))?;
    std::fs::set_permissions(folder.join("letters"), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;

    proven(&site, &path).await?;
    by_hand(&site).await?;
    killed(&site, &path).await?;
    unreadable(&site, &path, &folder).await?;
    unsupported(&site, &path).await?;
    away(&site).await
}

/// The first run and its drill begin by themselves, and leave nothing but the restore point.
async fn proven(site: &Site, path: &str) -> Outcome {
    let listed = json!([{"name": "files", "claim": CLAIM}]);
    site.apply(path, "tess", &tenant(site, &listed)).await?;
    let proven = until(site, path, "a backup that was tried", |object| {
        condition(object, "BackupsCurrent")["status"] == "True"
            && condition(object, "RestoreVerified")["status"] == "True"
    });
    let proven = proven.await?;
    let files = &proven["status"]["backups"][0];
    assert_eq!(
        (files["name"].as_str(), files["kind"].as_str()),
        (Some("files"), Some("PersistentVolumeClaim"))
    );
    assert!(files["points"].as_u64() >= Some(1) && files["bytes"].as_i64() > Some(200), "{files}");
    // Counts and sums, files, one key, another's key, the age.
    let checks = files["lastDrill"]["checks"].as_str().unwrap_or_default();
    let halves = checks.split_once('/').ok_or("no checks")?;
    assert!(halves.0 == halves.1 && halves.1.parse::<u32>()? > 25, "{files}");
    nothing_left(site).await
}

/// What people ask for.
async fn by_hand(site: &Site) -> Outcome {
    let drill = at("restoredrills", "", "files-by-hand");
    let body = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "RestoreDrill", "metadata": {"name": "files-by-hand"},
        "spec": {"tenantRef": {"name": TENANT}, "volume": "files"},
    });
    site.apply(&drill, "tess", &body).await?;
    until(site, &drill, "the drill to pass", |object| object["status"]["result"] == "Succeeded").await?;
    site.delete(&drill).await?;
    Ok(())
}

/// From now on a run each minute.
fn often() -> Value {
    json!([{"name": "files", "claim": CLAIM, "schedule": "* * * * *"}])
}

/// The operator dies in the middle of a run, and the pod of another one: neither leaves anything behind.
async fn killed(site: &Site, path: &str) -> Outcome {
    let leader = site.leader().await?;
    site.apply(path, "tess", &tenant(site, &often())).await?;
    let snapshots = format!("{SNAPSHOTS}/namespaces/{TENANT}/volumesnapshots");
    let begun = async |not: &str| {
        eventually(LONG, "a run to begin", || async {
            let found = site.list(&snapshots).await.map_err(|error| error.to_string())?;
            let found = found.first().map(|one| name(one).to_owned()).filter(|name| name != not);
            found.ok_or_else(|| "no snapshot".to_owned())
        })
        .await
    };
    let first = begun("").await?;
    site.signal(&leader, "KILL")?;
    let job = first.trim_start_matches("tenantry-").to_owned();
    let ended = |object: &Value| {
        let done = object["status"]["conditions"].as_array().into_iter().flatten();
        done.into_iter().any(|one| one["status"] == "True" && one["type"] == "Complete")
    };
    let space = format!("{TENANT}-backup");
    until(site, &at("jobs", &space, &job), "the run that lost its operator to end well", ended).await?;

    let second = begun(&first).await?;
    let job = second.trim_start_matches("tenantry-").to_owned();
    let pods = at("pods", &space, "") + &format!("?labelSelector=batch.kubernetes.io/job-name={job}");
    eventually(LONG, "the second run's pod to go", || async {
        let found = site.list(&pods).await.map_err(|error| error.to_string())?;
        let pod = found.first().ok_or("no pod")?;
        site.delete(&at("pods", &space, name(pod))).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    // However it ended: it may have been done already.
    until(site, &at("jobs", &space, &job), "the second run to end", |object| {
        let done = object["status"]["conditions"].as_array().into_iter().flatten();
        done.into_iter().any(|one| one["status"] == "True")
    })
    .await?;
    site.apply(path, "tess", &tenant(site, &json!([{"name": "files", "claim": CLAIM}]))).await?;
    nothing_left(site).await
}

/// A file that the disk doesn't give away any more: no restore point, and everybody is told.
async fn unreadable(site: &Site, path: &str, folder: &std::path::Path) -> Outcome {
    let fault = folder.join("unreadable.fault");
    std::fs::write(&fault, "")?;
    site.apply(path, "tess", &tenant(site, &often())).await?;
    let told = until(site, path, "the run to fail", |object| {
        object["status"]["backups"][0]["lastRun"]["reason"] == "PartialRead"
    });
    let run = told.await?["status"]["backups"][0]["lastRun"].clone();
    assert!(text(&run, "/message").contains("restic ended with 3"), "{run}");
    assert!(text(&run, "/logLine").contains("unreadable.fault"), "{run}");
    std::fs::remove_file(&fault)?;
    let good = |object: &Value| object["status"]["backups"][0]["lastRun"]["result"] == "Succeeded";
    until(site, path, "the next run to be good", good).await?;
    site.apply(path, "tess", &tenant(site, &json!([{"name": "files", "claim": CLAIM}]))).await?;
    nothing_left(site).await
}

/// What can't be backed up is said to be, and keeps nobody else from it.
async fn unsupported(site: &Site, path: &str) -> Outcome {
    let listed = json!([{"name": "files", "claim": CLAIM}, {"name": "gone", "claim": "nowhere"}]);
    site.apply(path, "tess", &tenant(site, &listed)).await?;
    let told = until(site, path, "VolumeNotSupported", |object| {
        condition(object, "BackupsCurrent")["reason"] == "VolumeNotSupported"
    });
    let message = condition(&told.await?, "BackupsCurrent")["message"].to_string();
    assert!(message.contains("volume gone: there is no claim nowhere"), "{message}");
    Ok(())
}

async fn away(site: &Site) -> Outcome {
    let beside = [format!("{TENANT}-backup"), format!("{TENANT}-drill")];
    for namespace in &beside {
        let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
        site.merge(&at("namespaces", "", namespace), "tess", &allow).await?;
    }
    site.clean_up(TENANT).await?;
    for namespace in &beside {
        site.delete(&at("namespaces", "", namespace)).await?;
        site.gone(&at("namespaces", "", namespace)).await?;
    }
    site.delete(&at("restoredrills", "", &format!("{TENANT}-volume.files"))).await?;
    Ok(())
}
