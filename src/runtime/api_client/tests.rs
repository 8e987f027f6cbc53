use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace},
};
use kube::api::{Api, ListParams, WatchParams};
use kube::client::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::*;
use crate::runtime::call::{CallError, deadline, report};
use crate::runtime::health::Health;

const SECOND: Duration = Duration::from_secs(1);

fn counted(metrics: &Metrics, verb: &str, outcome: &str) -> usize {
    let line = format!("tenantry_api_calls_total{{verb=\"{verb}\",outcome=\"{outcome}\"}} ");
    let text = metrics.encode();
    text.lines().find_map(|have| have.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

/// A server in memory: lists take a second, everything else is at once there.
fn slow_lists(most: &Arc<AtomicUsize>, gate: &Gate) -> Client {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::clone(most));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            let list = !request.uri().to_string().contains("watch=true");
            if list {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(SECOND).await;
                now.fetch_sub(1, Ordering::SeqCst);
            }
            let body = Body::from(br#"{"apiVersion":"v1","kind":"List","metadata":{},"items":[]}"#.to_vec());
            Ok::<_, std::convert::Infallible>(Response::new(body))
        }
    });
    ClientBuilder::new(service, "default").with_layer(gate).build()
}

#[tokio::test(start_paused = true)]
async fn calls_are_limited_and_counted_and_watches_pass_by() {
    let (metrics, most) = (Metrics::new(), Arc::new(AtomicUsize::new(0)));
    let client = slow_lists(&most, &Gate::new(metrics.clone(), Health::default(), 4));
    let maps: Api<ConfigMap> = Api::all(client);
    let start = Instant::now();
    let params = ListParams::default();
    let lists = futures::future::join_all((0..20).map(|_| maps.list(&params)));
    let watch = async {
        sleep(SECOND / 2).await; // all slots are taken
        let _stream = maps.watch(&WatchParams::default(), "0").await.unwrap();
        start.elapsed()
    };
    let (lists, watched) = tokio::join!(lists, watch);
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(watched, SECOND / 2, "the watch stood in the queue");
    assert_eq!((counted(&metrics, "list", "ok"), counted(&metrics, "watch", "ok")), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_its_deadline_counts_and_frees_its_slot() {
    let (metrics, most) = (Metrics::new(), Arc::new(AtomicUsize::new(0)));
    let client = slow_lists(&most, &Gate::new(metrics.clone(), Health::default(), 1));
    let maps: Api<ConfigMap> = Api::all(client);
    let params = ListParams::default();
    let late = deadline(SECOND / 4, maps.list(&params)).await;
    assert!(matches!(late, Err(CallError::Timeout(_))));
    assert!(deadline(2 * SECOND, maps.list(&params)).await.is_ok());
    assert_eq!((counted(&metrics, "list", "timeout"), counted(&metrics, "list", "ok")), (1, 1));
}

/// A server in memory that refuses the first request like this, and no other.
fn refusing(content_type: &'static str, gate: &Gate) -> (Client, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&sent);
    let service = tower::service_fn(move |_: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let first = seen.fetch_add(1, Ordering::SeqCst) == 0;
            let list = br#"{"apiVersion":"v1","kind":"List","metadata":{},"items":[]}"#;
            let refused = Response::builder().status(429).header("content-type", content_type);
            let refused = refused.header("retry-after", "3").body(Body::from(b"Too many requests.".to_vec()));
            let good = Response::new(Body::from(list.to_vec()));
            Ok::<_, std::convert::Infallible>(if first { refused.unwrap() } else { good })
        }
    });
    (ClientBuilder::new(service, "default").with_layer(gate).build(), sent)
}

#[tokio::test(start_paused = true)]
async fn b16_a_server_that_asks_to_wait_is_asked_nothing_meanwhile() {
    let metrics = Metrics::new();
    let gate = Gate::new(metrics.clone(), Health::default(), 4);
    let (client, sent) = refusing("text/plain; charset=utf-8", &gate);
    let (maps, params) = (Api::<ConfigMap>::all(client.clone()), ListParams::default());
    let wait = async || match deadline(SECOND, maps.list(&params)).await {
        Err(CallError::TooManyRequests { retry_after, .. }) => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait().await, Some(3 * SECOND), "as its header says");
    sleep(SECOND).await;
    for _ in 0..100 {
        assert_eq!(wait().await, Some(2 * SECOND));
    }
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    let leases: Api<Lease> = Api::namespaced(client, "system");
    let _ = leases.get_opt("tenantry").await;
    assert_eq!(sent.load(Ordering::SeqCst), 2, "the Lease is renewed all the same");
    sleep(2 * SECOND).await;
    maps.list(&params).await.unwrap();
    assert_eq!((counted(&metrics, "list", "throttled"), counted(&metrics, "list", "held")), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_one_object_holds_up_nobody_else() {
    let gate = Gate::new(Metrics::new(), Health::default(), 4);
    let (client, sent) = refusing("application/json", &gate);
    let (maps, params) = (Api::<ConfigMap>::all(client), ListParams::default());
    let error: CallError = maps.list(&params).await.unwrap_err().into();
    assert_eq!(error.label(), "throttled");
    maps.list(&params).await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 2);
}

/// A real socket that answers every request with this status.
async fn answering(status: &'static str) -> (Config, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            if stream.read(&mut head).await.unwrap_or(0) > 0 {
                seen.fetch_add(1, Ordering::SeqCst);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (Config::new(url), requests)
}

#[tokio::test]
async fn nothing_is_retried_behind_our_back() {
    for (status, outcome) in
        [("503 Service Unavailable", "server_error"), ("429 Too Many Requests", "throttled")]
    {
        let metrics = Metrics::new();
        let (config, requests) = answering(status).await;
        let namespaces: Api<Namespace> = Api::all(
            client(config, &metrics, &crate::runtime::health::Health::default(), IN_FLIGHT).unwrap(),
        );
        let error = deadline(10 * SECOND, namespaces.get("acme")).await.unwrap_err();
        assert_eq!(error.label(), outcome, "{error}");
        assert_eq!(requests.load(Ordering::SeqCst), 1);
        assert_eq!(counted(&metrics, "get", outcome), 1);
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_as_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let metrics = Metrics::new();
    let namespaces: Api<Namespace> =
        Api::all(client(Config::new(url), &metrics, &crate::runtime::health::Health::default(), 1).unwrap());
    let error = deadline(10 * SECOND, namespaces.get("acme")).await.unwrap_err();
    let text = report(&error);
    assert!(text.starts_with("cannot talk to the API server: ") && text.contains("refused"), "{text}");
    assert_eq!(counted(&metrics, "get", "transport"), 1);
}

const TWO_CONTEXTS: &str = "
apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: a, cluster: {server: 'http://a.example:1'}}
- {name: b, cluster: {server: 'http://b.example:2'}}
contexts:
- {name: a, context: {cluster: a, user: u}}
- {name: b, context: {cluster: b, user: u, namespace: tools}}
users:
- {name: u, user: {}}
";

#[tokio::test]
async fn a_context_is_chosen_and_a_wrong_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, TWO_CONTEXTS).unwrap();
    let target = |context: Option<&str>| Target {
        kubeconfig: Some(path.clone()),
        context: context.map(str::to_owned),
    };
    let config = target(None).config().await.unwrap();
    assert_eq!(config.cluster_url.host(), Some("a.example"));
    assert_eq!((config.connect_timeout, config.default_retry), (Some(CONNECT), false));
    let config = target(Some("b")).config().await.unwrap();
    assert_eq!((config.cluster_url.host(), config.default_namespace.as_str()), (Some("b.example"), "tools"));
    let text = report(&target(Some("c")).config().await.unwrap_err());
    assert!(text.contains(path.to_str().unwrap()) && text.contains("context: c"), "{text}");
    let missing = Target { kubeconfig: Some("/no/such/file".into()), context: None };
    let text = report(&missing.config().await.unwrap_err());
    assert!(text.starts_with("cannot use the kubeconfig /no/such/file: "), "{text}");
}
