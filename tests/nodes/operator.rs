//! The operator where it lives: two Pods from its chart, on the real nodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_testbed::{Cluster, eventually, operator_image, programs};

use crate::{
    site::{SOON, Site, is_ready},
    support::{
        Call, Outcome, at,
        helm::helm_on,
        objects::{name, text},
        world::SYSTEM,
    },
};

/// The operator's image, as the nodes know it.
pub const IMAGE: &str = "testbed.example.com/tenantry:1";

/// What the chart is told. There is no registry, and so no digest that one would have given.
pub fn values() -> Value {
    json!({
        "isolation": {"proofInterval": "20s", "probeNetwork": true},
        "image": {"repository": "testbed.example.com/tenantry", "allowTag": true, "tag": "1"},
        "log": {"filter": "tenantry=debug"},
    })
}

/// Gives the nodes the operator's image, and installs the charts.
pub async fn install(cluster: &Cluster) -> Outcome {
    let archive = cluster.run().folder("images")?.join("tenantry.tar");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"));
    operator_image(IMAGE, program, &archive)?;
    cluster.import_image(&archive)?;
    cluster.apply_path(programs::repository_root().join("manifests/install/namespace.yaml")).await?;
    let home = cluster.run().folder("helm")?;
    helm_on(cluster, &home, &["install", "tenantry-crds", "charts/tenantry-crds"], None).await?;
    helm_on(cluster, &home, &["install", "tenantry", "charts/tenantry"], Some(&values())).await?;
    Ok(())
}

/// The operator's Pods that are not on their way out.
pub async fn pods(call: &Call) -> Outcome<Vec<Value>> {
    let mine = format!("{}?labelSelector=app.kubernetes.io/component=operator", at("pods", SYSTEM, ""));
    let mut pods = call.list(&mine).await?;
    pods.retain(|pod| text(pod, "/metadata/deletionTimestamp").is_empty());
    Ok(pods)
}

/// Waits until so many Pods are ready and no others are there, and one of them leads.
pub async fn is_whole(call: &Call, count: usize) -> Outcome {
    let waited = eventually(SOON * 2, "the operator's Pods", || async {
        let pods = pods(call).await.map_err(|error| error.to_string())?;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if ready != count || pods.len() != count {
            let states: Vec<&Value> = pods.iter().map(|pod| &pod["status"]["containerStatuses"]).collect();
            return Err(format!("{ready} of {} ready: {states:?}", pods.len()));
        }
        let holder = holder(call).await.map_err(|error| error.to_string())?;
        let leads = pods.iter().any(|pod| is_of(&holder, name(pod)));
        if leads { Ok(()) } else { Err(format!("{holder:?} leads, none of them")) }
    });
    Ok(waited.await?)
}

/// Who holds the Lease; empty while nobody does.
pub async fn holder(call: &Call) -> Outcome<String> {
    let lease = call.get(&at("leases", SYSTEM, "tenantry")).await?;
    Ok(lease.map(|lease| text(&lease, "/spec/holderIdentity").to_owned()).unwrap_or_default())
}

/// Whether an identity in the Lease is that of a process in this Pod.
fn is_of(identity: &str, pod: &str) -> bool {
    identity.rsplit_once('_').is_some_and(|(base, _)| base == pod)
}

/// The replica that works.
pub struct Leader {
    /// As the Lease has it: another process in the same Pod has another one.
    pub identity: String,
    pub pod: String,
    pub node: String,
    container: String,
}

impl Site {
    /// The replica that works; both are ready.
    pub async fn leader(&self) -> Outcome<Leader> {
        is_whole(self, 2).await?;
        let identity = holder(self).await?;
        let all = pods(self).await?;
        let pod = all.iter().find(|pod| is_of(&identity, name(pod))).ok_or("the leader has just changed")?;
        Ok(Leader {
            identity,
            pod: name(pod).to_owned(),
            node: text(pod, "/spec/nodeName").to_owned(),
            container: text(pod, "/status/containerStatuses/0/containerID").to_owned(),
        })
    }

    /// Sends a signal to the leader's process.
    pub fn signal(&self, leader: &Leader, signal: &str) -> Outcome {
        Ok(self.bed.cluster.signal_container(&leader.node, &leader.container, signal)?)
    }

    /// Lets a replica lead that is in none of a zone's nodes: what happens there is then not also an outage of
    /// the operator.
    pub async fn lead_outside(&self, zone: &str) -> Outcome {
        let asked = Instant::now();
        while asked.elapsed() < SOON * 2 {
            let leader = self.leader().await?;
            if !leader.node.starts_with(zone) {
                return Ok(());
            }
            // It hands over; the one that comes in its place stands by.
            self.delete(&at("pods", SYSTEM, &leader.pod)).await?;
            self.taken_over(&leader, Instant::now()).await?;
        }
        Err(format!("the leader stays in {zone}").into())
    }

    /// Waits until another process than this one leads; how long that took.
    pub async fn taken_over(&self, from: &Leader, since: Instant) -> Outcome<Duration> {
        let what = format!("somebody to take over from {}", from.identity);
        let waited = eventually(SOON, &what, || async {
            let holder = holder(self).await.map_err(|error| error.to_string())?;
            if holder.is_empty() || holder == from.identity { Err(holder) } else { Ok(since.elapsed()) }
        });
        Ok(waited.await?)
    }

    /// Takes a child of a tenant away and waits until it is there again: somebody works. How long that took.
    pub async fn heals(&self, tenant: &str) -> Outcome<Duration> {
        let (path, begin) = (at("services", tenant, "web"), Instant::now());
        let old = self.delete(&path).await?;
        self.object(&path, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
        Ok(begin.elapsed())
    }

    /// Runs Helm against the cluster.
    pub async fn helm(&self, args: &[&str], values: Option<&Value>) -> Outcome<String> {
        let home = self.bed.cluster.run().folder("helm")?;
        helm_on(&self.bed.cluster, &home, args, values).await
    }
}
