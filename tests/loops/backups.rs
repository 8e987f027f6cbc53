//! What a real API server has to show of backups before any run begins: what nobody backs up, what is asked for in vain,
//! and what a repository may not say.

use serde_json::{Value, json};

use crate::{
    source::Source,
    support::{Kit, Outcome, at, objects::text},
};

/// Backups into a store that doesn't answer: nothing begins.
fn backups(bucket: &str) -> Value {
    json!({
        "store": {"endpoint": "http://127.0.0.1:9", "region": "eu-1", "bucket": bucket, "credentials": {"name": "no-keys"}},
        "key": {"secret": {"name": "no-key"}},
        "postgresql": {"image": "postgres:17"},
    })
}

fn database(name: &str) -> Value {
    json!({"name": name, "connectionSecretRef": {"name": "db"}, "server": {"podSelector": {"matchLabels": {"app": "db"}}}})
}

#[tokio::test]
async fn a_claim_that_somebody_made_is_uncovered_until_it_is_left_out_with_a_reason() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("covered", &json!({"backups": backups("covered")})).await?;
    kit.ready_tenant("uncovered", json!({})).await?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "uploads"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}},
    });
    let path = at("persistentvolumeclaims", "uncovered", "uploads");
    kit.apply(&path, "mallory", &claim).await?;
    kit.until("uncovered", "BackupsCurrent", "False", "Uncovered: claim uploads: ").await?;
    let reason =
        json!([{"kind": "PersistentVolumeClaim", "name": "uploads", "reason": "a cache that is made anew"}]);
    kit.tenant("uncovered", json!({"backupExclusions": reason})).await?;
    let said = |tenant: &Value| {
        let all = tenant["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.iter().any(|one| one["type"] == "BackupsCurrent")
    };
    kit.object(&at("tenants", "", "uncovered"), "left out, and nothing asked", |one| !said(one)).await?;
    kit.tenant("uncovered", json!({})).await?;
    kit.until("uncovered", "BackupsCurrent", "False", "Uncovered: claim uploads: ").await?;
    // The API server keeps a claim until nobody uses it; nobody does.
    kit.delete(&path).await?;
    kit.object(&at("tenants", "", "uncovered"), "gone", |one| !said(one)).await?;
    kit.clean_up("uncovered").await
}

#[tokio::test]
async fn what_is_asked_for_in_vain_says_why() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("vain-without", &json!({})).await?;
    kit.ready_tenant("vain-plain", json!({})).await?;
    kit.own_platform("vain", &json!({"backups": backups("vain")})).await?;
    kit.tenant("vain-listed", json!({"databases": [database("app")]})).await?;
    kit.ready_tenant("vain-nothing", json!({})).await?;
    let asked = [
        ("nobody", "vain-nobody", "app", "TenantNotFound", "there is no Tenant vain-nobody"),
        (
            "plain",
            "vain-plain",
            "app",
            "NoBackups",
            "Platform vain-without of Tenant vain-plain has no spec.backups",
        ),
        ("nothing", "vain-nothing", "app", "InvalidSpec", "Tenant vain-nothing lists no database app"),
        ("other", "vain-listed", "wiki", "InvalidSpec", "Tenant vain-listed lists no database wiki"),
        ("dark", "vain-listed", "app", "StoreUnknown", "StoreReady on the Platform says why"),
    ];
    for (name, tenant, database, reason, words) in asked {
        for (plural, kind, part) in
            [("restoredrills", "RestoreDrill", "drill"), ("restores", "Restore", "restore")]
        {
            let path = at(plural, "", &format!("vain-{name}"));
            let mut spec = json!({"tenantRef": {"name": tenant}, "database": database});
            if kind == "Restore" {
                spec["to"] = json!("copy");
            }
            let body = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": format!("vain-{name}")}, "spec": spec});
            kit.apply(&path, "tess", &body).await?;
            let said = kit
                .object(&path, reason, |one| text(one, &format!("/status/{part}/reason")) == reason)
                .await?;
            assert_eq!(said["status"]["result"], "Pending", "{said}");
            let message = text(&said, &format!("/status/{part}/message"));
            assert!(message.contains(words), "{kind} {name}: {message}");
            kit.delete(&path).await?;
        }
    }
    // A time that nobody can read is never taken for another.
    let path = at("restores", "", "vain-time");
    let spec =
        json!({"tenantRef": {"name": "vain-listed"}, "database": "app", "to": "copy", "at": "yesterday"});
    let body = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Restore", "metadata": {"name": "vain-time"}, "spec": spec});
    kit.apply(&path, "tess", &body).await?;
    let said =
        kit.object(&path, "refused", |one| text(one, "/status/restore/reason") == "InvalidSpec").await?;
    assert!(text(&said, "/status/restore/message").starts_with("spec.at (yesterday)"), "{said}");
    kit.delete(&path).await?;
    for tenant in ["vain-plain", "vain-listed", "vain-nothing"] {
        kit.clean_up(tenant).await?;
    }
    Ok(())
}

/// Who merges into the repository must not thereby say where everybody's data goes, nor that it goes early.
#[tokio::test]
async fn schedules_come_from_the_platform_path_and_where_backups_go_does_not() -> Outcome {
    let Some(source) = Source::start("vault-rules", &json!({"platformPath": "platform"})).await? else {
        return Ok(());
    };
    let kit = &source.kit;
    let file = |backups: &Value| {
        let spec = json!({"environment": "test", "backups": backups});
        json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "vault-rules"}, "spec": spec})
            .to_string()
    };
    let has = |platform: &Value, pointer: &str, value: &Value| platform.pointer(pointer) == Some(value);
    let refused = async |backups: &Value, words: &str| -> Outcome {
        let head = source.commit(&[("platform/rules.yaml", Some(&file(backups)))]).await?;
        source.synced("False", "platform/rules.yaml:").await?;
        let path = source.platform();
        let seen = kit.object(&path, "seen", |one| one["status"]["source"]["head"] == head.as_str()).await?;
        let said = seen["status"]["source"]["findings"].to_string();
        assert!(said.contains(words), "{said}");
        Ok(())
    };
    let good = backups("vaulted");
    source.commit(&[("tenants/README.md", Some("No tenants yet.\n"))]).await?;
    refused(&good, "can't be said first by the repository").await?;
    assert!(kit.the(&source.platform()).await?["spec"]["backups"].is_null());
    kit.merge(&source.platform(), "tess", &json!({"spec": {"backups": good}})).await?;

    let mut later = good.clone();
    (later["schedule"], later["retentionDays"]) = (json!("0 4 * * *"), json!(60));
    source.commit(&[("platform/rules.yaml", Some(&file(&later)))]).await?;
    let right = |one: &Value| has(one, "/spec/backups/schedule", &json!("0 4 * * *"));
    kit.object(&source.platform(), "the schedule of Git", right).await?;
    source.synced("True", "").await?;

    let changed = |pointer: &str, value: Value| {
        let mut backups = later.clone();
        backups["schedule"] = json!("0 5 * * *");
        *backups.pointer_mut(pointer).expect("it is there") = value;
        backups
    };
    refused(&changed("/store/bucket", json!("evil")), "the store of backups").await?;
    refused(&changed("/store/credentials/name", json!("others")), "the store of backups").await?;
    refused(&changed("/key/secret/name", json!("known")), "what the keys of backups are wrapped with")
        .await?;
    refused(&changed("/retentionDays", json!(30)), "30 instead of 60").await?;
    let now = kit.the(&source.platform()).await?;
    assert!(right(&now) && has(&now, "/spec/backups/store/bucket", &json!("vaulted")), "{now}");

    // A file that no longer speaks of backups ends none.
    let silent = json!({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "vault-rules"},
        "spec": {"environment": "test", "limits": {"replicas": 7}}});
    source.commit(&[("platform/rules.yaml", Some(&silent.to_string()))]).await?;
    let now = kit.object(&source.platform(), "7", |one| one["spec"]["limits"]["replicas"] == 7).await?;
    assert!(right(&now) && has(&now, "/spec/backups/retentionDays", &json!(60)), "{now}");
    source.synced("True", "").await?;
    source.clean_up(&[]).await
}
