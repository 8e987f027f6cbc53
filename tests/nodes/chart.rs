//! The chart is upgraded, taken away and installed again: what tenants run goes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenantry_testbed::eventually;

use crate::{
    operator,
    scenes::pods::restarts,
    site::{SOON, Site, nodes},
    support::{
        Outcome,
        kit::merge,
        objects::{name, uid},
    },
};

async fn running(site: &Site) -> Outcome<Vec<(String, i64)>> {
    let pods = site.list(&crate::support::at("pods", "charted", "")).await?;
    Ok(pods.iter().map(|pod| (uid(pod).to_owned(), restarts(pod))).collect())
}

async fn names(site: &Site) -> Outcome<BTreeSet<String>> {
    Ok(operator::pods(site).await?.iter().map(|pod| name(pod).to_owned()).collect())
}

/// Waits until the operator's Pods are as `right` says.
async fn until(site: &Site, what: &str, right: impl Fn(&BTreeSet<String>) -> bool) -> Outcome {
    let waited = eventually(SOON * 2, what, || async {
        let now = names(site).await.map_err(|error| error.to_string())?;
        if right(&now) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    Ok(waited.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_run_on_while_the_chart_is_upgraded_and_taken_away() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("charted").await?;
    let before = running(&site).await?;

    // Another Pod template: the operator rolls.
    let old = names(&site).await?;
    let mut values = operator::values();
    merge(&mut values, &json!({"resources": {"requests": {"cpu": "60m"}}}));
    site.helm(&["upgrade", "tenantry", "charts/tenantry"], Some(&values)).await?;
    until(&site, "the operator's new Pods", |now| now.len() == 2 && now.is_disjoint(&old)).await?;
    operator::is_whole(&site, 2).await?;
    let pods = operator::pods(&site).await?;
    assert_eq!(
        nodes(&pods).into_iter().collect::<BTreeSet<_>>().len(),
        2,
        "each in a zone of its own: {pods:?}"
    );
    site.heals("charted").await?;
    assert_eq!(running(&site).await?, before, "an upgrade restarts nothing of a tenant's");

    site.helm(&["uninstall", "tenantry"], None).await?;
    until(&site, "the operator to be gone", BTreeSet::is_empty).await?;
    let tenant: Value = site.the(&crate::support::at("tenants", "", "charted")).await?;
    assert!(tenant["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(running(&site).await?, before, "nor does it go with the operator");

    site.helm(&["install", "tenantry", "charts/tenantry"], Some(&operator::values())).await?;
    operator::is_whole(&site, 2).await?;
    site.heals("charted").await?;
    assert_eq!(running(&site).await?, before);
    site.clean_up("charted").await
}
