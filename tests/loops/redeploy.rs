//! Everything of a Platform goes but Git and what runs: it comes back from Git alone, and nothing is restarted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    source::{Source, file},
    support::{
        Outcome, at,
        kit::CHILDREN,
        objects::{name, text, uid},
    },
};

/// Every child of a tenant by plural and name: uid, and everything but its metadata and status.
async fn children(source: &Source, namespace: &str) -> Outcome<BTreeMap<String, (String, String)>> {
    let mut found = BTreeMap::new();
    for plural in CHILDREN {
        let path =
            format!("{}?labelSelector=app.kubernetes.io/managed-by=tenantry", at(plural, namespace, ""));
        for mut object in source.kit.list(&path).await? {
            let key = format!("{plural}/{}", name(&object));
            let uid = uid(&object).to_owned();
            if let Some(map) = object.as_object_mut() {
                map.retain(|key, _| !matches!(key.as_str(), "metadata" | "status"));
            }
            found.insert(key, (uid, object.to_string()));
        }
    }
    Ok(found)
}

/// Deletes a Tenant or Platform, whose guard is lifted first.
async fn wipe(source: &Source, path: &str) -> Outcome {
    let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
    source.kit.merge(path, "tess", &allow).await?;
    source.kit.delete(path).await?;
    source.kit.gone(path).await
}

#[tokio::test]
async fn a_wiped_platform_comes_back_from_git_alone() -> Outcome {
    let Some(source) = Source::start("phoenix", &json!({})).await? else { return Ok(()) };
    let kit = &source.kit;
    let tenants = ["phoenix-one", "phoenix-two"];
    let files = tenants.map(|tenant| (format!("tenants/{tenant}.yaml"), file(tenant, "phoenix", "3.10")));
    let files: Vec<(&str, Option<&str>)> =
        files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    let commit = source.commit(&files).await?;
    let mut before = BTreeMap::new();
    for tenant in tenants {
        kit.ready(tenant).await?;
        before.insert(tenant, children(&source, tenant).await?);
    }
    let platform = kit.the(&source.platform()).await?;
    let uids: Vec<String> = pods(&source).await?;

    // The Platform first: or its source brings the Tenants back at once.
    wipe(&source, &source.platform()).await?;
    for tenant in tenants {
        wipe(&source, &at("tenants", "", tenant)).await?;
    }
    for tenant in tenants {
        assert_eq!(children(&source, tenant).await?, before[tenant], "what runs goes on");
    }

    let anew = json!({
        "apiVersion": platform["apiVersion"], "kind": platform["kind"], "metadata": {"name": "phoenix"},
        "spec": platform["spec"],
    });
    kit.apply(&source.platform(), "tess", &anew).await?;
    source.applied(&commit).await?;
    for tenant in tenants {
        let back = kit.ready(tenant).await?;
        assert_eq!(text(&back, "/metadata/annotations/tenantry.dev~1commit"), commit);
        assert_eq!(children(&source, tenant).await?, before[tenant], "{tenant} is as it was");
    }
    kit.object(&source.platform(), "no orphans", |one| {
        one["status"]["orphans"].as_array().is_none_or(Vec::is_empty)
            && one["status"]["source"]["tenants"] == 2
    })
    .await?;
    assert_eq!(pods(&source).await?, uids, "no pod was restarted");
    source.clean_up(&tenants).await
}

/// The uids of the pods of both tenants.
async fn pods(source: &Source) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for tenant in ["phoenix-one", "phoenix-two"] {
        let all: Vec<Value> = source.kit.list(&at("pods", tenant, "")).await?;
        found.extend(all.iter().map(|pod| uid(pod).to_owned()));
    }
    found.sort();
    Ok(found)
}
