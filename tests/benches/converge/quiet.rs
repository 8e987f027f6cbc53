//! Nothing to do: a restart without drift, and minutes in which only others write status.
//!
//! The operator goes through the counting proxy here: it tells which resource a call was for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use rand::RngExt;
use serde_json::{Value, json};
use tenantry::api::kinds::Kind;
use tenantry_testbed::{OPERATOR_USER, Proxy, operator_groups};

use crate::bed::Bed;
use crate::calls;
use crate::report::{Report, say};
use crate::{Args, Outcome, tenants, watching};

/// Measures a restart, then quiet.
pub async fn run(bed: &mut Bed, report: &mut Report, args: &Args) -> Outcome<()> {
    // Pods that still come and go after the other phases are not quiet.
    tokio::time::sleep(Duration::from_secs(if args.quick { 10 } else { 30 })).await;
    bed.stop_operator()?;
    let proxy = Proxy::apiserver(&bed.cluster, OPERATOR_USER, operator_groups())?;
    let kubeconfig = proxy.kubeconfig()?.to_owned();
    let start = Instant::now();
    bed.start_operator(&kubeconfig).await?;
    let ready = start.elapsed();
    let looked = settled(bed, start).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let calls = counted(&proxy);
    let figure = format!(
        "{} applies, {} gets; ready after {:.1} s, every tenant looked at after {:.1} s",
        sum(&calls, &["apply"]),
        sum(&calls, &["get"]),
        ready.as_secs_f64(),
        looked.as_secs_f64()
    );
    report.row("restart without drift", format!("{} tenants", bed.size), figure, "0 applies");
    report.put(
        "restart",
        json!({"tenants": bed.size, "calls": calls, "readySeconds": ready.as_secs_f64(), "settledSeconds": looked.as_secs_f64()}),
    );
    idle(bed, report, args, &proxy).await?;
    // The other phases go without the proxy.
    bed.stop_operator()?;
    let kubeconfig = bed.kubeconfig.clone();
    bed.start_operator(&kubeconfig).await
}

/// Waits until the queue of Tenants has been empty for a while; returns when it became so. A Platform always waits in
/// its own: for the next look at the Secrets that it names.
async fn settled(bed: &Bed, start: Instant) -> Outcome<Duration> {
    let mut since = start.elapsed();
    loop {
        let page = bed.operator()?.metrics().await?;
        let busy = page.lines().any(|line| {
            line.starts_with("tenantry_queue_depth{queue=\"tenant\"")
                && !line.ends_with(" 0.0")
                && !line.ends_with(" 0")
        });
        if busy {
            since = start.elapsed();
        } else if start.elapsed() > since + Duration::from_secs(3) {
            return Ok(since);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn idle(bed: &Bed, report: &mut Report, args: &Args, proxy: &Proxy) -> Outcome<()> {
    let time = Duration::from_secs(if args.quick { 30 } else { 300 });
    say(&format!("idle for {} s, while others write status", time.as_secs()));
    proxy.forget_requests();
    let cpu = calls::cpu_seconds(bed.operator()?.id());
    let end = Instant::now() + time;
    let mut writes = 0;
    while Instant::now() < end {
        let tenant = tenants::name("t", rand::rng().random_range(0..bed.size));
        foreign_status(bed, &tenant, writes).await?;
        writes += 4;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let cpu = calls::cpu_seconds(bed.operator()?.id()) - cpu;
    let calls = counted(proxy);
    let changes = sum(&calls, &["apply", "patch", "create", "update", "delete", "deletecollection"]);
    let conditions = format!(
        "{} tenants, {} s, {writes} status writes by others, Lease not counted",
        bed.size,
        time.as_secs()
    );
    let figure = format!(
        "{changes} writes, {} gets, {} lists, {} watches; {:.1} ms CPU/s",
        sum(&calls, &["get"]),
        sum(&calls, &["list"]),
        sum(&calls, &["watch"]),
        cpu * 1000.0 / time.as_secs_f64()
    );
    report.row("idle", conditions, figure, "0 writes, 0 gets");
    report.put(
        "idle",
        json!({"tenants": bed.size, "seconds": time.as_secs(), "foreignWrites": writes, "calls": calls, "cpuSeconds": cpu}),
    );
    Ok(())
}

/// Calls by verb and resource, Leases left out.
fn counted(proxy: &Proxy) -> BTreeMap<String, u64> {
    let calls = proxy.requests().into_iter().filter(|(kind, _)| kind.resource != "leases");
    calls.map(|(kind, count)| (format!("{} {}", kind.verb, kind.resource), count)).collect()
}

fn sum(calls: &BTreeMap<String, u64>, verbs: &[&str]) -> u64 {
    let of = |key: &str| key.split(' ').next().is_some_and(|verb| verbs.contains(&verb));
    calls.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum()
}

/// What controllers write all day: status that says nothing about how many pods are ready.
async fn foreign_status(bed: &Bed, tenant: &str, count: u64) -> Outcome<()> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let allowed = count % 3;
    let writes: [(Kind, &str, Value); 4] = [
        (
            Kind::HorizontalPodAutoscaler,
            "kube-controller-manager",
            json!({"lastScaleTime": now, "currentReplicas": 3, "desiredReplicas": 3}),
        ),
        (
            Kind::Deployment,
            "kube-controller-manager",
            json!({"conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                 "message": "Deployment has minimum availability.", "lastUpdateTime": now, "lastTransitionTime": now},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                 "message": "ReplicaSet has successfully progressed.", "lastUpdateTime": now, "lastTransitionTime": now},
            ]}),
        ),
        (
            Kind::ResourceQuota,
            "kube-controller-manager",
            json!({"used": {"pods": format!("{}", 6 + allowed)}}),
        ),
        (Kind::PodDisruptionBudget, "kube-controller-manager", json!({"disruptionsAllowed": allowed})),
    ];
    for (kind, manager, status) in writes {
        let api = watching::api(&bed.client, kind, tenant);
        let all = api.list_metadata(&kube::api::ListParams::default()).await?;
        let Some(name) = all.items.first().and_then(|one| one.metadata.name.clone()) else { continue };
        let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        api.patch_status(&name, &params, &Patch::Merge(json!({"status": status}))).await?;
    }
    Ok(())
}
