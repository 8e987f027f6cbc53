//! The operator itself, or the API server, goes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_testbed::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Line, pods::restarts};
use crate::{
    operator::{self, Leader},
    site::{SOON, Site},
    story::Story,
    support::{
        Outcome, at,
        objects::{name, text},
        world::SYSTEM,
    },
};

/// Longest time without anybody who works.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// What is said while nobody works.
const STILL: &str = "what it said before: nobody writes; the Lease's renewTime stands still";

/// SIGKILL for the leader; `web` of the Tenant is to be healed by the other one.
pub async fn leader_killed(site: &Site, tenant: &str) -> Outcome<Line> {
    let leader = site.leader().await?;
    let begin = Instant::now();
    site.signal(&leader, "KILL")?;
    let line = replaced(site, tenant, "operator's leader killed", &leader, begin).await?;
    operator::is_whole(site, 2).await?;
    Ok(line)
}

/// The node of the leader loses its power.
pub async fn leaders_node_gone(site: &Site, tenant: &str) -> Outcome<Line> {
    let leader = site.leader().await?;
    let zone = leader.node.rsplit_once('-').map(|(zone, _)| zone).ok_or("a node of ours")?;
    let begin = Instant::now();
    site.bed.cluster.crash_zone(zone)?;
    let line = replaced(site, tenant, "node of the operator's leader gone", &leader, begin).await?;
    // Its replica comes up elsewhere, before the node is back.
    operator::is_whole(site, 2).await?;
    site.bed.cluster.start_zone(zone)?;
    site.nodes_ready(zone).await?;
    Ok(line)
}

async fn replaced(
    site: &Site,
    tenant: &str,
    what: &'static str,
    leader: &Leader,
    begin: Instant,
) -> Outcome<Line> {
    let path = at("services", tenant, "web");
    let old = site.delete(&path).await?;
    let taken = site.taken_over(leader, begin).await?;
    site.object(&path, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    let recovered = begin.elapsed();
    assert!(taken <= TAKEN_OVER, "{what}: taken over after {taken:?}");
    Ok(Line { what, noticed: Some(taken), recovered, said: STILL.into() })
}

/// The leader stands still for longer than its Lease, and wakes up: it must not write.
pub async fn leader_frozen(site: &Site, tenant: &str) -> Outcome<Line> {
    let leader = site.leader().await?;
    let before = resignations(site, &leader).await?;
    let begin = Instant::now();
    site.signal(&leader, "STOP")?;
    let line = replaced(site, tenant, "operator's leader frozen", &leader, begin).await;
    site.signal(&leader, "CONT")?;
    let line = line?;
    eventually(SOON, "the one that woke up to stand by", || async {
        let now = resignations(site, &leader).await.map_err(|error| error.to_string())?;
        if now > before { Ok(()) } else { Err("it doesn't say so".to_owned()) }
    })
    .await?;
    operator::is_whole(site, 2).await?;
    Ok(line)
}

/// How often a replica has said that it leads no more.
async fn resignations(site: &Site, leader: &Leader) -> Outcome<usize> {
    let logs = site.kubectl(&["-n", SYSTEM, "logs", &leader.pod]).await?;
    Ok(logs.matches("not leading any more").count())
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

/// The API server is killed and started again: nothing else restarts. The clock runs from when it answers.
pub async fn apiserver_restarted(site: &Site, tenant: &str) -> Outcome<Line> {
    let pods = site.pods(tenant, "web").await?;
    site.bed.cluster.stop_apiserver()?;
    for pod in &pods {
        let answer = ask(pod).await?;
        assert!(answer.contains(name(pod)), "{answer}");
    }
    site.bed.cluster.start_apiserver().await?;
    let story = Story::begin();
    // A change shows that the operator is at work again.
    let spec = site.the(&at("tenants", "", tenant)).await?["spec"]["services"].clone();
    let count = spec.as_array().and_then(|all| all.iter().find(|one| one["name"] == "client").cloned());
    let count = count.and_then(|one| one["replicas"]["min"].as_i64()).unwrap_or(1);
    let more = json!([{"op": "replace", "path": "/spec/services/1/replicas/min", "value": 3 - count}]);
    site.patch(&at("tenants", "", tenant), "tess", &more).await?;
    site.until_of(&at("tenants", "", tenant), "Ready", "True", "").await?;
    let recovered = story.age();
    let same = |pods: &[Value]| -> Vec<(String, i64)> {
        pods.iter().map(|pod| (name(pod).to_owned(), restarts(pod))).collect()
    };
    assert_eq!(same(&site.pods(tenant, "web").await?), same(&pods));
    Ok(Line { what: "API server restarted", noticed: None, recovered, said: "nothing restarts".into() })
}
