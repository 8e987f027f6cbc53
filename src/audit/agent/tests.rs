use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use super::feed::State;
use super::*;
use crate::audit::spool::Settings;
use crate::runtime::shutdown::Trigger;

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Fleeting;

impl Feed for Fleeting {
    fn name(&self) -> &str {
        "fleeting"
    }

    fn state(&self) -> Arc<Mutex<State>> {
        Arc::new(Mutex::new(State { records: 7, behind: 3, trouble: Some("a reason".into()) }))
    }

    fn run(self: Box<Self>, _spool: Spool, _shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

async fn agent(feeds: Vec<Box<dyn Feed>>) -> (tempfile::TempDir, Agent, Server, Trigger, Shutdown) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { reserve: 0, ..Settings::new(folder.path().into(), "eu", "cp-1") };
    let (spool, _) = Spool::open(settings).unwrap();
    let rows: Vec<Row> = vec![("webhook_answers", "taken", Arc::new(|| 5))];
    let agent = Agent {
        cluster: "eu".into(),
        agent: "cp-1".into(),
        spool,
        feeds,
        rows,
        shipper: None,
        others: Vec::new(),
    };
    let server = Server::bind(LOCAL, "a test").await.unwrap();
    let (trigger, shutdown) = Shutdown::new();
    (folder, agent, server, trigger, shutdown)
}

#[tokio::test]
async fn a_source_that_ends_by_itself_ends_the_agent() {
    let (_folder, agent, server, _trigger, shutdown) = agent(vec![Box::new(Fleeting)]).await;
    let ended = agent.run(server, shutdown).await.unwrap_err();
    assert!(ended.to_string().starts_with("source fleeting ended by itself"), "{ended}");
}

#[tokio::test]
async fn the_stop_leaves_everything_on_disk_and_the_folder_free() {
    let (folder, agent, server, trigger, shutdown) = agent(Vec::new()).await;
    let running = tokio::spawn(agent.run(server, shutdown));
    trigger.stop();
    assert_eq!(running.await.unwrap(), Ok(()));
    let (_spool, found) = Spool::open(Settings::new(folder.path().into(), "eu", "cp-1")).unwrap();
    assert_eq!(found.next, 1);
}

/// Whoever ends because of the stop didn't end by itself, also when the agent hears of that end first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_never_taken_for_a_failure() {
    for _ in 0..100 {
        let (_folder, agent, server, trigger, shutdown) = agent(Vec::new()).await;
        let running = tokio::spawn(agent.run(server, shutdown));
        tokio::task::yield_now().await;
        trigger.stop();
        assert_eq!(running.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_agent_says_that_it_lives() {
    let (_folder, agent, server, trigger, shutdown) = agent(Vec::new()).await;
    let spool = agent.spool.clone();
    let running = tokio::spawn(agent.run(server, shutdown));
    // The spool's own thread has no paused clock: asked until it was so.
    while spool.figures().records < 4 {
        tokio::time::sleep(IDLE).await;
    }
    trigger.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_pages_say_how_it_does() {
    let (_folder, agent, ..) = agent(Vec::new()).await;
    let states = vec![("fleeting".to_owned(), Fleeting.state())];
    agent.spool.append(Batch::own(b"{}".to_vec())).await.unwrap();
    let pages: Pages = Shown {
        cluster: "eu".into(),
        agent: "cp-1".into(),
        spool: agent.spool.clone(),
        states,
        rows: agent.rows.clone(),
        shipper: None,
    }
    .into();
    let status = pages.status();
    assert_eq!((&status["spool"]["records"], &status["sources"][0]["behindBytes"]), (&2.into(), &3.into()));
    let mut registry = prometheus_client::registry::Registry::with_prefix("tenantry_audit");
    registry.register_collector(Box::new(pages));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "tenantry_audit_records_total 2",
        "tenantry_audit_source_behind_bytes{source=\"fleeting\"} 3",
        "tenantry_audit_source_stuck{source=\"fleeting\"} 1",
        "tenantry_audit_webhook_answers_total{outcome=\"taken\"} 5",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
