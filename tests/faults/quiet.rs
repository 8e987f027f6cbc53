//! In a quiet cluster the operator asks nothing and writes nothing, whatever others report.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    alone,
    support::{Kit, Outcome, at, kit::service_with, world::SYSTEM},
};

/// What the operator asked, but for its Lease and its watches: `verb resource`, and how often.
fn asked(kit: &Kit) -> Vec<String> {
    let requests = kit.world.proxy.requests();
    let requests = requests.iter().filter(|(kind, _)| kind.verb != "watch" && kind.resource != "leases");
    requests.map(|(kind, count)| format!("{} {} x{count}", kind.verb, kind.resource)).collect()
}

/// Waits until the operator has asked nothing for two seconds.
async fn settle(kit: &Kit) -> Outcome {
    let start = Instant::now();
    let mut quiet = Instant::now();
    kit.world.proxy.forget_requests();
    while quiet.elapsed() < Duration::from_secs(2) {
        assert!(start.elapsed() < Duration::from_secs(60), "never quiet: {:?}", asked(kit));
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !asked(kit).is_empty() {
            kit.world.proxy.forget_requests();
            quiet = Instant::now();
        }
    }
    Ok(())
}

/// What controllers write all day: status, as themselves.
async fn report(kit: &Kit, round: i64) -> Outcome {
    let status = |status: Value| json!({"status": status});
    let writes = [
        ("deployments", "web", status(json!({"observedGeneration": round, "collisionCount": round}))),
        (
            "horizontalpodautoscalers",
            "web",
            status(json!({"currentReplicas": round, "desiredReplicas": round})),
        ),
        ("poddisruptionbudgets", "web", status(json!({"observedGeneration": round}))),
        ("resourcequotas", "tenantry", status(json!({"used": {"pods": round.to_string()}}))),
    ];
    for (plural, name, body) in writes {
        // The Deployment's own generation comes back by its controller, which reports too.
        if plural != "deployments" {
            kit.merge(&format!("{}/status", at(plural, "quiet", name)), "kube-controller-manager", &body)
                .await?;
        }
    }
    Ok(())
}

async fn quiet_tenants(kit: &mut Kit) -> Outcome {
    let repo = kit.world.git.create("quiet")?;
    let file = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "quiet-git"},
        "spec": {"platformRef": {"name": "quiet"}, "services": [service_with("web", &json!({}))]},
    });
    repo.commit(&[("tenants/one.yaml", Some(&file.to_string()))], "One")?;
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s"});
    kit.own_platform("quiet", &json!({"source": {"git": git}})).await?;
    let auto = json!({"replicas": {"min": 1, "max": 3}, "resources": {"requests": {"cpu": "10m"}}, "config": {"A": "b"}});
    kit.ready_tenant("quiet", json!({"services": [service_with("web", &auto)]})).await?;
    kit.ready("quiet-git").await?;
    Ok(())
}

#[tokio::test]
async fn a_quiet_cluster_costs_nothing_and_a_restart_writes_nothing() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    quiet_tenants(&mut kit).await?;
    // Namespaces of earlier tests may still be on their way out.
    let nobody = |one: &Value| one["status"]["summary"]["orphans"] == 0;
    kit.object(&at("platforms", "", crate::support::world::PLATFORM), "no orphans", nobody).await?;
    settle(&kit).await?;

    kit.world.proxy.forget_requests();
    let start = Instant::now();
    let mut round = 1;
    while start.elapsed() < Duration::from_secs(12) {
        round += 1;
        report(&kit, round).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(round > 10, "others wrote: {round}");
    assert_eq!(asked(&kit), [""; 0], "while others reported {round} times");

    let before = kit.children("quiet").await?;
    assert!(kit.world.stop_operator(), "it ends when asked to");
    let lease = kit.the(&at("leases", SYSTEM, "tenantry")).await?;
    assert!(
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().is_empty(),
        "the Lease is free: {lease}"
    );
    kit.world.proxy.forget_requests();
    kit.world.start_operator(&[]).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = asked(&kit);
    let writes: Vec<&String> = asked
        .iter()
        // A review is a question: here it asks who it is.
        .filter(|one| !one.contains("reviews"))
        .filter(|one| {
            ["create", "update", "patch", "apply", "delete"].iter().any(|verb| one.starts_with(verb))
        })
        .collect();
    assert!(writes.is_empty(), "a restart writes nothing: {asked:?}");
    let reads: Vec<&String> = asked.iter().filter(|one| one.starts_with("get ")).collect();
    assert_eq!(reads, ["get namespaces x1"], "and asks for little");
    assert_eq!(kit.children("quiet").await?.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());

    // It leads again.
    kit.delete(&at("services", "quiet", "web")).await?;
    kit.object(&at("services", "quiet", "web"), "made again", |_| true).await?;
    kit.merge(&at("platforms", "", "quiet"), "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("quiet").await?;
    kit.clean_up("quiet-git").await
}
