//! The proxy before the API server: its user, its faults, its counts, its watches.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tenantry_testbed::{Cluster, Fault, Matcher, OPERATOR_USER, Options, Proxy, operator_groups};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

async fn client_through(proxy: &Proxy) -> Outcome<Client> {
    let kubeconfig = Kubeconfig::read_from(proxy.kubeconfig()?)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_behind_the_proxy() -> Outcome {
    let cluster = Cluster::start(Options::api_only()).await?;
    identity(&cluster).await?;
    let proxy = Proxy::apiserver(&cluster, "tess", &["system:masters"])?;
    let client = client_through(&proxy).await?;
    faults_and_counts(&proxy, &client).await?;
    watches(&proxy, &client).await
}

async fn identity(cluster: &Cluster) -> Outcome {
    let proxy = Proxy::apiserver(cluster, OPERATOR_USER, operator_groups())?;
    let reviews: Api<SelfSubjectReview> = Api::all(client_through(&proxy).await?);
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let user = review.status.and_then(|status| status.user_info).unwrap_or_default();
    assert_eq!(user.username.as_deref(), Some(OPERATOR_USER));
    Ok(())
}

async fn faults_and_counts(proxy: &Proxy, client: &Client) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let apply = |name: &'static str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let maps = maps.clone();
        async move { maps.patch(name, &PatchParams::apply("test"), &Patch::Apply(map)).await }
    };
    namespaces.list(&ListParams::default()).await?;
    proxy.forget_requests();
    apply("one").await?;
    assert_eq!((proxy.count(&["apply"]), proxy.count(&["list", "get", "create"])), (1, 0));

    let fault =
        proxy.fail(Matcher::call("apply", "configmaps"), Fault::api_status(409, "Conflict", "injected"));
    let refused = apply("two").await.expect_err("it conflicts");
    assert_eq!(code(&refused), Some(409));
    assert_eq!(proxy.hits(fault), 1);
    assert!(maps.get_opt("two").await?.is_none(), "the server was not asked");
    proxy.heal_all();

    proxy.fail_next(1, Matcher::any().method("PATCH"), Fault::LoseAnswer);
    assert!(apply("three").await.is_err(), "the answer is lost");
    assert!(maps.get_opt("three").await?.is_some(), "the work is done");

    proxy.fail(Matcher::path("/configmaps"), Fault::Hang);
    let hung = tokio::time::timeout(Duration::from_millis(300), maps.get_opt("one")).await;
    assert!(hung.is_err());
    proxy.heal_all();
    Ok(())
}

async fn watches(proxy: &Proxy, client: &Client) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let mut stream = maps.watch(&WatchParams::default(), "0").await?.boxed();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        if let Some(WatchEvent::Added(map)) = stream.try_next().await? {
            seen.push(map.metadata.name.unwrap_or_default());
        }
    }
    let start = Instant::now();
    proxy.cut();
    while let Some(Ok(_)) = stream.next().await {}
    assert!(start.elapsed() < Duration::from_secs(1), "a cut ends the watch at once");
    assert!(maps.list(&ListParams::default()).await.is_ok(), "new connections are welcome");
    Ok(())
}
