//! A node or a whole zone is lost: its pods run elsewhere, the zone is named, and it counts again when it is
//! back.

use std::time::Duration;

use tenantry_testbed::{Cluster, eventually};

use super::Line;
use crate::{
    site::{SOON, Site, is_ready, nodes},
    story::Story,
    support::{Outcome, at, objects::text},
};

/// Until the replacements run: 12 s until the node is missed, 3 s of tolerance, and the rest.
const WITHIN: Duration = Duration::from_secs(90);

/// What happens to a zone, and how it is undone.
struct Outage {
    what: &'static str,
    zone: &'static str,
    begin: fn(&Cluster, &str) -> tenantry_testbed::Result<()>,
    end: fn(&Cluster, &str) -> tenantry_testbed::Result<()>,
}

/// The kubelet of a node stops; containers run on, and nobody knows.
pub async fn kubelet_stopped(site: &Site, tenant: &str) -> Outcome<Line> {
    let outage = Outage {
        what: "stopped kubelet",
        zone: "zone-b",
        begin: Cluster::stop_kubelets,
        end: Cluster::start_kubelets,
    };
    suffer(site, tenant, &outage).await
}

/// All nodes of a zone lose their power.
pub async fn zone_gone(site: &Site, tenant: &str) -> Outcome<Line> {
    let outage = Outage {
        what: "all nodes of a zone gone",
        zone: "zone-c",
        begin: Cluster::crash_zone,
        end: Cluster::start_zone,
    };
    suffer(site, tenant, &outage).await
}

async fn suffer(site: &Site, tenant: &str, outage: &Outage) -> Outcome<Line> {
    let Outage { what, zone, begin, end } = *outage;
    let cluster = &site.bed.cluster;
    site.lead_outside(zone).await?;
    let story = Story::begin();
    begin(cluster, zone)?;

    // Said, and replaced elsewhere.
    let available = |story: &Story| story.kept_again("WorkloadsAvailable").is_some();
    let story = site.follow(tenant, story, WITHIN, available).await?;
    assert!(story.says("WorkloadsAvailable", "web has 2 of 3 pods available"), "{story}");
    let short = format!("web is ready in 2 of 3 zones: none in {zone}");
    assert!(story.says("ZoneSpread", &short), "{story}");
    assert!(story.kept_again("ZoneSpread").is_none(), "pods in two zones are no spread over three: {story}");
    let pods = site.pods(tenant, "web").await?;
    let ready: Vec<_> = pods.into_iter().filter(is_ready).collect();
    assert!(ready.len() == 3 && !nodes(&ready).iter().any(|node| node.starts_with(zone)), "{ready:?}");
    eventually(SOON, "the Service to answer", || async {
        site.client(tenant, &["get", "http://web:8080/"]).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;

    // The zone is back: pods go there with the next roll-out, and those that were cut off end.
    end(cluster, zone)?;
    site.nodes_ready(zone).await?;
    site.kubectl(&["-n", tenant, "rollout", "restart", "deployment/web"]).await?;
    let path = at("tenants", "", tenant);
    site.until_of(&path, "ZoneSpread", "True", "").await?;
    site.until_of(&path, "WorkloadsAvailable", "True", "").await?;
    eventually(SOON, "no pod to hang", || async {
        let all = site.list(&at("pods", tenant, "")).await.map_err(|error| error.to_string())?;
        let hang = all.iter().filter(|pod| !text(pod, "/metadata/deletionTimestamp").is_empty()).count();
        if hang == 0 { Ok(()) } else { Err(format!("{hang} pods hang")) }
    })
    .await?;
    story.line(what, "WorkloadsAvailable")
}
