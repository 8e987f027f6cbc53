//! Services with volumes: what they keep outlives them, and can't be changed under them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    Kit, Outcome, at,
    kit::service_with,
    objects::{condition, name, refusal, text, uid},
};

const CLASS: &str = "premade";

/// Two volumes in each zone, and a class that gives them out when a pod is there.
async fn volumes(kit: &Kit) -> Outcome {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
    });
    kit.apply(&at("storageclasses", "", CLASS), "tess", &class).await?;
    for zone in ["zone-a", "zone-b", "zone-c"] {
        for number in 0..2 {
            let volume = format!("premade-{zone}-{number}");
            let here = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]});
            let body = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
                "spec": {
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": CLASS,
                    "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": format!("/premade/{volume}")},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
                },
            });
            kit.apply(&at("persistentvolumes", "", &volume), "tess", &body).await?;
        }
    }
    Ok(())
}

fn storage(class: &str) -> Value {
    json!([{"name": "data", "size": "1Gi", "class": class, "path": "/data"}])
}

fn db(pods: i32, class: &str) -> Value {
    json!({"services": [service_with("db", &json!({"replicas": {"min": pods}, "storage": storage(class)}))]})
}

/// The claims of a namespace, by name, with their uid and volume.
async fn claims(kit: &Kit, namespace: &str) -> Outcome<BTreeMap<String, (String, String)>> {
    let all = kit.list(&at("persistentvolumeclaims", namespace, "")).await?;
    let one = |claim: &Value| {
        assert_eq!(text(claim, "/metadata/deletionTimestamp"), "", "{claim}");
        (name(claim).to_owned(), (uid(claim).to_owned(), text(claim, "/spec/volumeName").to_owned()))
    };
    Ok(all.iter().map(one).collect())
}

#[tokio::test]
async fn claims_stay_whatever_happens_to_their_service() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    volumes(&kit).await?;
    kit.ready_tenant("keeps", db(3, CLASS)).await?;
    let tenant = kit.until("keeps", "ZoneSpread", "True", "").await?;
    let zones = tenant["status"]["services"][0]["zones"].as_array().cloned().unwrap_or_default();
    assert!(zones.len() == 3 && zones.iter().all(|zone| zone["ready"] == 1), "{zones:?}");
    let inventory = tenant["status"]["inventory"].to_string();
    assert!(inventory.contains("StatefulSet") && !inventory.contains("PersistentVolume"), "{inventory}");
    let set = at("statefulsets", "keeps", "db");
    assert!(kit.get(&at("deployments", "keeps", "db")).await?.is_none());
    let governing = kit.the(&at("services", "keeps", "db-pods")).await?;
    assert_eq!(governing["spec"]["clusterIP"], "None");
    let before = claims(&kit, "keeps").await?;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["data-db-0", "data-db-1", "data-db-2"]);
    assert!(before.values().all(|(_, volume)| volume.starts_with("premade-zone-")), "{before:?}");
    let same = async |when: &str| -> Outcome {
        assert_eq!(claims(&kit, "keeps").await?, before, "{when}");
        Ok(())
    };

    // Somebody wants them gone with their pods: that is taken back at once.
    let lose = json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}}});
    kit.merge(&set, "mallory", &lose).await?;
    kit.object(&set, "retained again", |now| {
        let policy = &now["spec"]["persistentVolumeClaimRetentionPolicy"];
        policy["whenDeleted"] == "Retain" && policy["whenScaled"] == "Retain"
    })
    .await?;
    kit.ready_tenant("keeps", db(1, CLASS)).await?;
    kit.object(&set, "one pod", |now| now["status"]["replicas"] == 1).await?;
    same("scaled down").await?;

    let mut asleep = db(3, CLASS);
    asleep["lifecycle"] = json!("Suspended");
    kit.tenant("keeps", asleep).await?;
    kit.until("keeps", "Ready", "True", "Suspended").await?;
    assert_eq!(kit.the(&set).await?["spec"]["replicas"], 0);
    same("suspended").await?;
    kit.ready_tenant("keeps", db(3, CLASS)).await?;
    kit.object(&set, "three pods", |now| now["status"]["readyReplicas"] == 3).await?;
    same("resumed").await?;

    let old = kit.delete(&set).await?;
    kit.object(&set, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    kit.ready("keeps").await?;
    same("deleted by somebody, and healed").await?;

    // Removed as a service, it comes back to its claims.
    kit.ready_tenant("keeps", json!({"services": [service_with("web", &json!({}))]})).await?;
    kit.gone(&set).await?;
    same("removed").await?;
    kit.ready_tenant("keeps", db(3, CLASS)).await?;
    same("back").await?;

    let mut cancelled = db(3, CLASS);
    cancelled["lifecycle"] = json!("Cancelled");
    kit.tenant("keeps", cancelled).await?;
    kit.until("keeps", "Ready", "True", "Cancelled").await?;
    kit.gone(&set).await?;
    same("cancelled").await?;
    kit.clean_up("keeps").await
}

/// The API server's own words: what kubectl users read.
#[tokio::test]
async fn what_a_service_keeps_cannot_change_under_it() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let spec = |changes: &Value| json!({"lifecycle": "Suspended", "services": [service_with("db", changes)]});
    let kept = json!([
        {"name": "data", "size": "1Gi", "class": "one", "path": "/data"}, {"name": "log", "size": "1Gi", "path": "/log"},
    ]);
    kit.tenant("fixed", spec(&json!({"storage": kept}))).await?;
    let changed = |pointer: &str, value: &str| {
        let mut other = kept.clone();
        *other.pointer_mut(pointer).unwrap() = json!(value);
        spec(&json!({"storage": other}))
    };
    let fewer = spec(&json!({"storage": [kept[0]]}));
    for (other, words) in [
        (changed("/0/size", "512Mi"), "size can't change: an admin enlarges the claims"),
        (changed("/0/size", "2Gi"), "size can't change: an admin enlarges the claims"),
        (changed("/0/class", "two"), "class and path can't change: make a service of another name"),
        (changed("/1/path", "/logs"), "class and path can't change: make a service of another name"),
        (changed("/1/name", "logs"), "the volumes of a service can't change: make a service of another name"),
        (fewer, "the volumes of a service can't change: make a service of another name"),
        (spec(&json!({})), "can't begin or cease to have storage: make a service of another name"),
    ] {
        let said = refusal(kit.try_tenant("fixed", other).await);
        assert!(said.contains(words), "{said}");
    }
    // Another order is no change, and everything else may change.
    let swapped = json!([kept[1], kept[0]]);
    let image = "registry.k8s.io/pause:3.9";
    kit.tenant("fixed", spec(&json!({"storage": swapped, "image": image}))).await?;
    // A service without volumes can't get any.
    kit.tenant("fixed", json!({"lifecycle": "Suspended", "services": [service_with("web", &json!({}))]}))
        .await?;
    let web = json!({"services": [service_with("web", &json!({"storage": kept}))]});
    let said = refusal(kit.try_tenant("fixed", web).await);
    assert!(said.contains("can't begin or cease to have storage"), "{said}");
    kit.clean_up("fixed").await
}

#[tokio::test]
async fn claims_that_find_no_class_and_a_quota_too_small_for_them_are_said() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    kit.own_platform("classless", &json!({"rollout": {"progressDeadline": "3s"}})).await?;
    kit.tenant("classless", db(2, "nobody")).await?;
    let tenant = kit.until("classless", "WorkloadsAvailable", "False", "data-db-0 (class nobody)").await?;
    let said = text(&condition(&tenant, "WorkloadsAvailable"), "/message").to_owned();
    assert!(
        said.contains("db has 0 of 2 pods available: pod db-0: Unschedulable")
            && said.contains("kubectl get storageclass"),
        "{said}"
    );
    // A StatefulSet has no deadline of its own: its pods' times tell.
    let tenant = kit.until("classless", "Stalled", "True", "ProgressDeadlineExceeded").await?;
    assert_eq!(condition(&tenant, "Ready")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(tenant["status"]["services"][0]["trouble"]["reason"], "Unschedulable");

    let mut poor = db(2, "nobody");
    poor["quota"] = json!({"hard": {"requests.storage": "1Gi"}});
    kit.tenant("classless", poor).await?;
    let words = "spec.quota.hard[requests.storage]: the services need 2048Mi";
    let tenant = kit.until("classless", "Ready", "False", "LimitExceeded").await?;
    let said = text(&condition(&tenant, "Ready"), "/message").to_owned();
    assert!(said.contains(words) && said.contains("raise the quota"), "{said}");
    kit.clean_up("classless").await
}

/// A claim that is left over, or somebody's own, takes of the quota: no pod can say why it isn't made.
#[tokio::test]
async fn pods_that_cannot_be_made_for_want_of_quota_are_said() -> Outcome {
    let Some(kit) = Kit::new().await? else { return Ok(()) };
    let quota = json!({"hard": {"persistentvolumeclaims": "1"}});
    kit.ready_tenant("claimed", json!({"quota": quota})).await?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "other"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let counted = at("resourcequotas", "claimed", "tenantry");
    kit.object(&counted, "counted", |now| now["status"]["hard"]["persistentvolumeclaims"] == "1").await?;
    kit.create(&at("persistentvolumeclaims", "claimed", ""), &claim).await?;
    let mut spec = db(1, "nobody");
    spec["quota"] = quota;
    kit.tenant("claimed", spec).await?;
    let words = "0 of 1 pods of StatefulSet db are made";
    let tenant = kit.until("claimed", "WorkloadsAvailable", "False", words).await?;
    let said = text(&condition(&tenant, "WorkloadsAvailable"), "/message").to_owned();
    assert!(said.contains("kubectl -n claimed describe statefulset db"), "{said}");
    kit.clean_up("claimed").await
}

/// The new pod finds no room, the old ones stay, and a mistake that is mended is forgotten.
#[tokio::test]
async fn a_roll_out_that_fails_is_said_with_the_pods_own_reason() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let changes =
        json!({"rollout": {"progressDeadline": "5s"}, "defaults": {"quota": {"requests.memory": "9999Gi"}}});
    kit.own_platform("late", &changes).await?;
    let spec = |memory: &str| {
        let changes = json!({"replicas": {"min": 2}, "resources": {"requests": {"cpu": "10m", "memory": memory}, "limits": {"memory": memory}}});
        json!({"services": [service_with("web", &changes)]})
    };
    kit.ready_tenant("late", spec("32Mi")).await?;
    kit.tenant("late", spec("900Gi")).await?;
    let tenant = kit.until("late", "Stalled", "True", "Insufficient memory").await?;
    assert_eq!(condition(&tenant, "Stalled")["reason"], "ProgressDeadlineExceeded");
    let said = text(&condition(&tenant, "Ready"), "/message").to_owned();
    assert!(
        said.starts_with("web made no progress for 5 s: pod web-") && said.contains(": Unschedulable: 0/"),
        "{said}"
    );
    assert!(
        said.contains("Insufficient memory") && said.contains("2 pods that are available stay"),
        "{said}"
    );
    assert!(condition(&tenant, "Reconciling").is_null(), "it waits for a human");
    assert_eq!(condition(&tenant, "WorkloadsAvailable")["status"], "True", "the old pods are there");
    assert_eq!(tenant["status"]["services"][0]["trouble"]["reason"], "Unschedulable");
    let tenant = kit.ready_tenant("late", spec("32Mi")).await?;
    assert!(condition(&tenant, "Stalled").is_null());
    kit.clean_up("late").await
}
