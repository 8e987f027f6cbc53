//! Memory of the operator at rest, with many objects in the cluster that are none of its business.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::calls;
use crate::report::{Report, say};
use crate::{Args, Outcome};

/// Namespaces that the foreign objects are spread over.
const NAMESPACES: usize = 20;
/// Requests under way at once.
const AT_ONCE: usize = 16;

/// Measures at rest, then with foreign objects, then after a restart with them there.
pub async fn run(bed: &mut Bed, report: &mut Report, args: &Args) -> Outcome<()> {
    let each = if args.quick { 1000 } else { 10_000 };
    row(bed, report, "memory at rest", "no foreign objects").await?;
    say(&format!("making {} foreign objects", each * 5));
    create(bed, each).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let conditions = format!("{} foreign objects, made while it ran", each * 5);
    row(bed, report, "memory with foreign objects", &conditions).await?;
    bed.stop_operator()?;
    let kubeconfig = bed.kubeconfig.clone();
    bed.start_operator(&kubeconfig).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let conditions = format!("{} foreign objects, after a restart", each * 5);
    row(bed, report, "memory after listing them", &conditions).await
}

async fn row(bed: &Bed, report: &mut Report, what: &str, conditions: &str) -> Outcome<()> {
    let (now, most) = calls::memory_mib(bed.operator()?.id());
    let conditions = format!("{} tenants, {conditions}", bed.size);
    report.row(what, &conditions, format!("{now:.0} MiB, most {most:.0}"), "<= 64");
    report.put(
        "memory",
        json!({"tenants": bed.size, "what": what, "conditions": conditions, "rssMib": now, "mostRssMib": most}),
    );
    Ok(())
}

async fn create(bed: &Bed, each: usize) -> Outcome<()> {
    for index in 0..NAMESPACES {
        let body = json!({"metadata": {"name": format!("foreign-{index}")}});
        post(bed, "/api/v1/namespaces".into(), body).await?;
    }
    // Every namespace needs its default ServiceAccount before it takes pods.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = (0..each).flat_map(|index| (0..5).map(move |kind| object(kind, index)));
    stream::iter(all.map(|(uri, body)| post(bed, uri, body)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn post(bed: &Bed, uri: String, body: Value) -> Outcome<()> {
    let mut tries = 5;
    loop {
        let request = Request::post(&uri)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())?;
        match bed.client.request_text(request).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => return Ok(()),
            Err(error) if tries == 0 => return Err(format!("{uri}: {error}").into()),
            Err(_) => tries -= 1,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A foreign object of a watched kind, as big as such objects are. Nothing acts on it: pods wait for a
/// scheduler that isn't there, Deployments are paused at no replicas, Services select nothing.
fn object(kind: usize, index: usize) -> (String, Value) {
    let namespace = format!("foreign-{}", index % NAMESPACES);
    let metadata = json!({
        "name": format!("object-{index}"),
        "labels": {"app": "foreign", "app.kubernetes.io/managed-by": "Helm", "team": format!("team-{}", index % 50)},
        "annotations": {"example.com/owner": "somebody else", "example.com/note": "x".repeat(200)},
    });
    let template = json!({"metadata": {"labels": {"app": "foreign"}}, "spec": pod_spec()});
    let (path, body) = match kind {
        0 => ("/api/v1/namespaces/NS/pods", json!({"spec": pod_spec()})),
        1 => (
            "/api/v1/namespaces/NS/services",
            json!({"spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}}),
        ),
        2 => ("/api/v1/namespaces/NS/serviceaccounts", json!({})),
        3 => (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                   "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("user-{index}")}]}),
        ),
        _ => (
            "/apis/apps/v1/namespaces/NS/deployments",
            json!({"spec": {"replicas": 0, "paused": true, "selector": {"matchLabels": {"app": "foreign"}}, "template": template}}),
        ),
    };
    let mut body = body;
    body["metadata"] = metadata;
    (path.replace("NS", &namespace), body)
}

fn pod_spec() -> Value {
    json!({
        "schedulerName": "nobody", "automountServiceAccountToken": false,
        "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10",
            "env": (0..10).map(|index| json!({"name": format!("VARIABLE_{index}"), "value": "a value"})).collect::<Vec<_>>()}],
    })
}
