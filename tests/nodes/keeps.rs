//! Services with volumes, on disks: what a pod wrote is there for the one that takes its place, and stays when the
//! service sleeps or its tenant leaves.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use crate::{
    site::{PLATFORM, SOON, Site, is_ready, nodes},
    support::{
        Outcome, at,
        objects::{name, text, uid},
    },
};

const TENANT: &str = "keeps";

fn spec(site: &Site, pods: i32, lifecycle: &str) -> Value {
    let probe =
        json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1});
    let service = |name: &str, pods: i32| {
        json!({
            "name": name, "image": site.image(), "replicas": {"min": pods},
            "ports": [{"name": "http", "containerPort": 8080}], "probes": {"readiness": probe},
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "terminationGracePeriod": "2s",
        })
    };
    let mut db = service("db", pods);
    db["env"] = json!([{"name": "KEEP", "value": "/data"}]);
    db["storage"] = json!([{"name": "data", "size": "16Mi", "path": "/data"}]);
    json!({"platformRef": {"name": PLATFORM}, "lifecycle": lifecycle, "services": [db, service("client", 1)]})
}

async fn tenant(site: &Site, pods: i32, lifecycle: &str) -> Outcome {
    let body = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": TENANT},
        "spec": spec(site, pods, lifecycle),
    });
    let path = at("tenants", "", TENANT);
    site.apply(&path, "tess", &body).await?;
    let words = if lifecycle == "Active" { "" } else { lifecycle };
    site.until_of(&path, "Ready", "True", words).await.map(drop)
}

/// What a pod of `db` answers, by the name that its governing Service gives it.
async fn ask(site: &Site, number: u32, path: &str) -> Outcome<String> {
    let url = format!("http://db-{number}.db-pods:8080/{path}");
    let answer = eventually(SOON, &url, || async {
        site.client(TENANT, &["get", &url]).await.map_err(|error| error.to_string())
    });
    Ok(answer.await?)
}

/// Claims and their volumes, by name.
async fn claims(site: &Site) -> Outcome<BTreeMap<String, (String, String)>> {
    let all = site.list(&at("persistentvolumeclaims", TENANT, "")).await?;
    let one = |claim: &Value| {
        (name(claim).to_owned(), (uid(claim).to_owned(), text(claim, "/spec/volumeName").to_owned()))
    };
    Ok(all.iter().map(one).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pod_kept_is_there_for_the_next_one() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    site.bed.cluster.provide_volumes().await?;
    // A cluster that isn't ours brings its own.
    let classes = site.list(&at("storageclasses", "", "")).await?;
    let mark = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
    assert!(
        classes.iter().any(|class| text(class, mark) == "true"),
        "this test needs a default StorageClass"
    );
    tenant(&site, 3, "Active").await?;
    for promise in ["WorkloadsAvailable", "ZoneSpread"] {
        site.until_of(&at("tenants", "", TENANT), promise, "True", "").await?;
    }
    let pods = site.pods(TENANT, "db").await?;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), 3, "{pods:?}");
    let placed = nodes(&pods).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let before = claims(&site).await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["data-db-0", "data-db-1", "data-db-2"]);
    for number in 0..3 {
        ask(&site, number, &format!("keep?text=pages-of-{number}")).await?;
    }
    let all_kept = async || -> Outcome {
        for number in 0..3 {
            assert_eq!(ask(&site, number, "kept").await?, format!("pages-of-{number}"));
        }
        assert_eq!(claims(&site).await?, before);
        Ok(())
    };

    // A pod that is killed comes back to its volume, on its node.
    let killed = site.the(&at("pods", TENANT, "db-1")).await?;
    site.delete(&format!("{}?gracePeriodSeconds=0", at("pods", TENANT, "db-1"))).await?;
    let back = |now: &Value| uid(now) != uid(&killed) && is_ready(now);
    site.object(&at("pods", TENANT, "db-1"), "another one, ready", back).await?;
    all_kept().await?;
    let now = site.pods(TENANT, "db").await?;
    assert_eq!(nodes(&now), placed);

    tenant(&site, 1, "Active").await?;
    site.gone(&at("pods", TENANT, "db-2")).await?;
    assert_eq!(claims(&site).await?, before, "scaled down");
    tenant(&site, 3, "Suspended").await?;
    assert_eq!(claims(&site).await?, before, "suspended");
    tenant(&site, 3, "Active").await?;
    all_kept().await?;

    tenant(&site, 3, "Cancelled").await?;
    site.gone(&at("statefulsets", TENANT, "db")).await?;
    assert_eq!(claims(&site).await?, before, "cancelled");
    tenant(&site, 3, "Active").await?;
    all_kept().await?;
    site.clean_up(TENANT).await
}
