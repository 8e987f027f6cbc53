//! Containers and pods that end: others take their place, and the status says so meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    site::{Site, is_ready},
    story::Story,
    support::{
        Outcome, at,
        objects::{name, text},
    },
};

const WORKLOADS: &str = "WorkloadsAvailable";
/// Generous: on an idle machine these take a few seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// Follows until `web` is said to lack a pod, and to have them all again.
async fn lacks_a_pod(site: &Site, tenant: &str, what: &str, story: Story) -> Outcome {
    let story = site.follow(tenant, story, WITHIN, |story| story.kept_again(WORKLOADS).is_some()).await?;
    story.print(what, WORKLOADS);
    assert!(story.says(WORKLOADS, "Unavailable: web has 2 of 3 pods available"), "{story}");
    let pods = site.pods(tenant, "web").await?;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), 3, "{pods:?}");
    Ok(())
}

fn restarts(pod: &Value) -> i64 {
    pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_and_pods_that_end_are_replaced() -> Outcome {
    let Some(site) = Site::new().await? else { return Ok(()) };
    site.tenant("recovers").await?;

    // Its next start takes 3 s, so that there is something to see.
    let pods = site.pods("recovers", "web").await?;
    let pod = name(&pods[0]);
    let story = Story::begin();
    let end = format!("http://{}:8080/exit?code=1&slow=3s", text(&pods[0], "/status/podIP"));
    site.client("recovers", &["get", &end]).await?;
    lacks_a_pod(&site, "recovers", "killed container", story).await?;
    let restarted = site.the(&at("pods", "recovers", pod)).await?;
    assert_eq!(restarts(&restarted), 1, "the same pod, with a new container");

    let pods = site.pods("recovers", "web").await?;
    let story = Story::begin();
    site.delete(&format!("{}?gracePeriodSeconds=0", at("pods", "recovers", name(&pods[0])))).await?;
    lacks_a_pod(&site, "recovers", "killed pod", story).await?;

    let pods = site.pods("recovers", "web").await?;
    let evicted = name(&pods[0]);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": evicted, "namespace": "recovers"},
    });
    let story = Story::begin();
    site.post(&(at("pods", "recovers", evicted) + "/eviction"), &eviction).await?;
    lacks_a_pod(&site, "recovers", "evicted pod", story).await?;
    // Another one is ready while the evicted one still takes its leave.
    let leaves = |pod: Value| !pod["metadata"]["deletionTimestamp"].is_null();
    assert!(site.get(&at("pods", "recovers", evicted)).await?.is_none_or(leaves));
    site.clean_up("recovers").await
}

/// What a pod answers on its own address.
async fn ask(pod: &Value) -> Outcome<String> {
    let address = format!("{}:8080", text(pod, "/status/podIP"));
    let answer = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    Ok(tokio::time::timeout(Duration::from_secs(5), answer).await??)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_restarts_when_the_api_server_does() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("serverless").await?;
    let pods = site.pods("serverless", "web").await?;
    site.bed.cluster.stop_apiserver()?;
    for pod in &pods {
        let answer = ask(pod).await?;
        assert!(answer.contains(name(pod)), "{answer}");
    }
    let story = Story::begin();
    site.bed.cluster.start_apiserver().await?;
    // A change shows that the operator is at work again.
    let more = json!([{"op": "replace", "path": "/spec/services/1/replicas/min", "value": 2}]);
    site.patch(&at("tenants", "", "serverless"), "tess", &more).await?;
    site.until_of(&at("tenants", "", "serverless"), "Ready", "True", "").await?;
    eprintln!("| API server restarted | - | {:.1} s | |", story.age().as_secs_f32());
    let same = |pods: &[Value]| -> Vec<(String, i64)> {
        pods.iter().map(|pod| (name(pod).to_owned(), restarts(pod))).collect()
    };
    assert_eq!(same(&site.pods("serverless", "web").await?), same(&pods));
    site.clean_up("serverless").await
}
