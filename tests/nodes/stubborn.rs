//! What neither breaks nor works: a budget that lets no pod go, and a node that comes and goes.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    site::{SOON, Site},
    story::Story,
    support::{
        Outcome, at,
        objects::{name, refusal, uid},
    },
    writes::writes,
};

async fn uids(site: &Site, tenant: &str) -> Outcome<BTreeSet<String>> {
    Ok(site.pods(tenant, "web").await?.iter().map(|pod| uid(pod).to_owned()).collect())
}

/// A drain waits, with words that name the budget; nothing falls, and the Tenant stays what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_no_budget_allows_is_refused_by_name() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    let mut web = site.service("web", 3);
    web["disruptable"] = json!(false);
    web["minAvailable"] = json!(3);
    site.declare("stubborn", &[web]).await?;
    let path = at("tenants", "", "stubborn");
    site.until_of(&path, "WorkloadsAvailable", "True", "").await?;
    // Said before any drain: what no drain may take, no zone may, either.
    site.until_of(&path, "ZoneSpread", "False", "ZoneLossBreaks").await?;
    let before = uids(&site, "stubborn").await?;
    let budget = at("poddisruptionbudgets", "stubborn", "web");
    site.object(&budget, "counted", |found| found["status"]["currentHealthy"] == 3).await?;
    let pods = site.pods("stubborn", "web").await?;
    let said = refusal(site.evict("stubborn", name(&pods[0])).await);
    assert!(said.contains("disruption budget"), "{said}");
    let found: Value = site.the(&budget).await?;
    assert_eq!(found["status"]["disruptionsAllowed"], 0, "what kubectl get pdb shows: {found}");

    // A second budget, somebody else's: Kubernetes then evicts nothing at all, and says so.
    site.tenant_of("stubborn", &[site.service("web", 3)]).await?;
    let selector = found["spec"]["selector"].clone();
    let foreign = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "foreign"},
        "spec": {"maxUnavailable": 0, "selector": selector},
    });
    site.create(&at("poddisruptionbudgets", "stubborn", ""), &foreign).await?;
    site.object(&at("poddisruptionbudgets", "stubborn", "foreign"), "counted", |found| {
        found["status"]["currentHealthy"] == 3
    })
    .await?;
    let said = refusal(site.evict("stubborn", name(&pods[0])).await);
    assert!(said.contains("more than one PodDisruptionBudget"), "{said}");
    assert_eq!(uids(&site, "stubborn").await?, before, "no pod goes");
    site.is_well("stubborn").await?;
    site.clean_up("stubborn").await
}

/// A kubelet that is away for 10 s, again and again: less than the time after which a node is missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_and_goes_moves_nothing() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("flaps").await?;
    site.lead_outside("zone-a").await?;
    let before = uids(&site, "flaps").await?;
    let known = site.bed.cluster.audit()?.len();
    let begin = Story::begin();
    let half = Duration::from_secs(10);
    for _ in 0..2 {
        site.bed.cluster.stop_kubelets("zone-a")?;
        tokio::time::sleep(half).await;
        site.bed.cluster.start_kubelets("zone-a")?;
        tokio::time::sleep(half).await;
    }
    site.nodes_ready("zone-a").await?;
    let story =
        site.follow("flaps", begin, SOON, |story| story.now("WorkloadsAvailable") == Some("True")).await?;
    site.is_well("flaps").await?;
    assert_eq!(uids(&site, "flaps").await?, before, "no pod is replaced: {story}");
    let record = site.bed.cluster.audit()?;
    let record = writes(&record[known..])?;
    let ours: Vec<&str> =
        record.iter().map(|write| write.uri).filter(|uri| uri.contains("/namespaces/flaps/")).collect();
    assert!(ours.is_empty(), "a flapping node is nothing to write about: {ours:?}");
    let status = record.iter().filter(|write| write.uri.contains("/tenants/flaps/status")).count();
    assert!(status <= 12, "{status} status writes for two absences");
    crate::operator::is_whole(&site, 2).await?;
    site.clean_up("flaps").await
}
