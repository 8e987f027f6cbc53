//! A container or a pod ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::Line;
use crate::{
    site::{Site, is_ready},
    story::Story,
    support::{
        Call, Outcome, at,
        objects::{name, text},
    },
};

const WORKLOADS: &str = "WorkloadsAvailable";
/// Generous: on an idle machine these take a few seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// Follows until `web` is said to lack a pod, and to have them all again.
async fn lacks_a_pod(site: &Site, tenant: &str, what: &'static str, story: Story) -> Outcome<Line> {
    let story = site.follow(tenant, story, WITHIN, |story| story.kept_again(WORKLOADS).is_some()).await?;
    assert!(story.says(WORKLOADS, "Unavailable: web has 2 of 3 pods available"), "{story}");
    let pods = site.pods(tenant, "web").await?;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), 3, "{pods:?}");
    story.line(what, WORKLOADS)
}

/// How often a pod's container was started again.
pub fn restarts(pod: &Value) -> i64 {
    pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or_default()
}

/// A container ends by itself; its next start takes 3 s, so that there is something to see.
pub async fn container_killed(site: &Site, tenant: &str) -> Outcome<Line> {
    let pods = site.pods(tenant, "web").await?;
    let (pod, before) = (name(&pods[0]), restarts(&pods[0]));
    let story = Story::begin();
    let end = format!("http://{}:8080/exit?code=1&slow=3s", text(&pods[0], "/status/podIP"));
    site.client(tenant, &["get", &end]).await?;
    let line = lacks_a_pod(site, tenant, "killed container (restart slowed by 3 s)", story).await?;
    let restarted = site.the(&at("pods", tenant, pod)).await?;
    assert_eq!(restarts(&restarted), before + 1, "the same pod, with a new container");
    Ok(line)
}

/// A pod is deleted by force.
pub async fn pod_killed(site: &Site, tenant: &str) -> Outcome<Line> {
    let pods = site.pods(tenant, "web").await?;
    let story = Story::begin();
    site.delete(&format!("{}?gracePeriodSeconds=0", at("pods", tenant, name(&pods[0])))).await?;
    lacks_a_pod(site, tenant, "killed pod", story).await
}

/// A pod is evicted, as a drain does it.
pub async fn pod_evicted(site: &Site, tenant: &str) -> Outcome<Line> {
    let pods = site.pods(tenant, "web").await?;
    let evicted = name(&pods[0]);
    let story = Story::begin();
    site.evict(tenant, evicted).await?;
    let line = lacks_a_pod(site, tenant, "evicted pod", story).await?;
    // Another one is ready while the evicted one still takes its leave.
    let leaves = |pod: Value| !pod["metadata"]["deletionTimestamp"].is_null();
    assert!(site.get(&at("pods", tenant, evicted)).await?.is_none_or(leaves));
    Ok(line)
}

impl Site {
    /// Asks for a pod to go, as a drain does.
    pub async fn evict(&self, tenant: &str, pod: &str) -> kube::Result<Value> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": tenant},
        });
        // A refusal is 429, which kube would try again for minutes.
        let mut config = self.bed.cluster.config().clone();
        config.default_retry = false;
        let call = Call { client: kube::Client::try_from(config)? };
        call.post(&(at("pods", tenant, pod) + "/eviction"), &eviction).await
    }
}
