//! One PostgreSQL on real nodes: backed up, its restore point tried, and brought back beside the live data; by the
//! operator's own Jobs, into a real store with Object Lock.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::{Vault, eventually};

use crate::{
    site::Site,
    support::{
        Outcome, at,
        objects::{condition, text},
        world::SYSTEM,
    },
};

const TENANT: &str = "archive";
/// A run with the time that pods and images take.
const LONG: Duration = Duration::from_secs(240);
/// What must be nowhere but in Secrets.
const PASSWORD: &str = "canary-database-password";

async fn secret(site: &Site, namespace: &str, name: &str, values: &Value) -> Outcome {
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": values,
    });
    site.apply(&at("secrets", namespace, name), "tess", &body).await?;
    Ok(())
}

/// Runs SQL in the database's own pod.
async fn sql(site: &Site, database: &str, sql: &str) -> Outcome<String> {
    let url = format!("postgresql://app:{PASSWORD}@127.0.0.1/{database}");
    let words = ["-n", TENANT, "exec", "deployment/db", "--", "psql", "-XAtq", &url, "-c", sql];
    Ok(site.kubectl(&words).await?.trim().to_owned())
}

async fn until(site: &Site, path: &str, what: &str, right: impl Fn(&Value) -> bool) -> Outcome<Value> {
    let waited = eventually(LONG, what, || async {
        let object = site.the(path).await.map_err(|error| error.to_string())?;
        if right(&object) { Ok(object) } else { Err(format!("{:#}", object["status"])) }
    });
    Ok(waited.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_backed_up_tried_and_brought_back() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    let cluster = &site.bed.cluster;
    let vault = Vault::start(cluster, "vaulted").await?;
    for (name, values) in vault.secrets() {
        secret(&site, SYSTEM, name, &values).await?;
    }
    cluster.apply_yaml(&vault.platform().to_string()).await?;
    let platform = at("platforms", "", "vaulted");
    until(&site, &platform, "the store to be fit", |object| {
        condition(object, "StoreReady")["status"] == "True"
    })
    .await?;

    let path = at("tenants", "", TENANT);
    site.apply(&path, "tess", &vault.tenant(TENANT, false)).await?;
    site.object(&at("namespaces", "", TENANT), "made", |_| true).await?;
    secret(&site, TENANT, "db", &Vault::connection(PASSWORD)).await?;
    site.until_of(&path, "Ready", "True", "").await?;
    sql(&site, "postgres", Vault::FILL).await?;
    site.apply(&path, "tess", &vault.tenant(TENANT, true)).await?;

    proven(&site, &path).await?;
    by_hand(&site).await?;

    let jobs = site.list(&at("jobs", &format!("{TENANT}-backup"), "")).await?;
    assert!(!format!("{jobs:?}").contains(PASSWORD), "a Job holds a secret");
    for namespace in [format!("{TENANT}-backup"), format!("{TENANT}-drill")] {
        let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
        site.merge(&at("namespaces", "", &namespace), "tess", &allow).await?;
    }
    site.clean_up(TENANT).await?;
    for namespace in [format!("{TENANT}-backup"), format!("{TENANT}-drill")] {
        site.delete(&at("namespaces", "", &namespace)).await?;
        site.gone(&at("namespaces", "", &namespace)).await?;
    }
    // The operator's own, which shows the last drill; only now nobody makes it again.
    site.delete(&at("restoredrills", "", &format!("{TENANT}-app"))).await?;
    Ok(())
}

/// The first run and its drill begin by themselves.
async fn proven(site: &Site, path: &str) -> Outcome {
    let tenant = until(site, path, "a backup that was tried", |object| {
        condition(object, "BackupsCurrent")["status"] == "True"
            && condition(object, "RetentionExact")["status"] == "True"
            && condition(object, "RestoreVerified")["status"] == "True"
    });
    let tenant = tenant.await?;
    let app = &tenant["status"]["backups"][0];
    assert_eq!((app["name"].as_str(), app["points"].as_u64()), (Some("app"), Some(1)), "{app}");
    assert_eq!(app["lockedPercent"], 100, "{app}");
    assert_eq!(app["lastDrill"]["result"], "Succeeded", "{app}");
    assert!(app["lastDrill"]["rtoSeconds"].as_i64() > Some(0), "{app}");
    let shown = at("restoredrills", "", &format!("{TENANT}-app"));
    until(site, &shown, "the drill to be shown", |drill| drill["status"]["result"] == "Succeeded").await?;
    assert!(text(&tenant, "/status/summary/lastBackup") <= text(&tenant, "/status/summary/lastDrill"));
    Ok(())
}

/// What people ask for.
async fn by_hand(site: &Site) -> Outcome {
    let api = "tenantry.dev/v1alpha1";
    let spec = json!({"tenantRef": {"name": TENANT}, "database": "app"});
    let drill = at("restoredrills", "", "by-hand");
    let body =
        json!({"apiVersion": api, "kind": "RestoreDrill", "metadata": {"name": "by-hand"}, "spec": spec});
    site.apply(&drill, "tess", &body).await?;
    let passed =
        until(site, &drill, "the drill to pass", |object| object["status"]["result"] == "Succeeded").await?;
    assert!(!text(&passed, "/status/rto").is_empty() && !text(&passed, "/status/rpo").is_empty(), "{passed}");

    sql(site, "postgres", "delete from orders where id > 10").await?;
    let restore = at("restores", "", "by-hand");
    let mut body =
        json!({"apiVersion": api, "kind": "Restore", "metadata": {"name": "by-hand"}, "spec": spec});
    body["spec"]["to"] = json!("app_then");
    site.apply(&restore, "tess", &body).await?;
    let done =
        until(site, &restore, "the data to be back", |object| object["status"]["result"] == "Succeeded")
            .await?;
    assert_eq!(text(&done, "/status/database"), "app_then");
    assert_eq!(sql(site, "app_then", "select count(*) from orders").await?, "1000");
    assert_eq!(sql(site, "postgres", "select count(*) from orders").await?, "10");
    for path in [drill, restore] {
        site.delete(&path).await?;
    }
    Ok(())
}
