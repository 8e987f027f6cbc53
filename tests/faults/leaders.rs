//! One writes at a time: who has the Lease.

use std::time::{Duration, Instant};

use serde_json::json;
use tenantry_testbed::{Fault, Matcher};

use crate::{
    alone,
    support::{Kit, Outcome, at, kit::service, objects::text, world::SYSTEM},
};

async fn holder(kit: &Kit) -> Outcome<String> {
    Ok(text(&kit.the(&at("leases", SYSTEM, "tenantry")).await?, "/spec/holderIdentity").to_owned())
}

/// Deletes a child and waits until somebody makes it again.
async fn is_healed(kit: &Kit) -> Outcome {
    let path = at("services", "led", "web");
    let old = kit.delete(&path).await?;
    kit.object(&path, "made again", |now| now["metadata"]["uid"] != old["metadata"]["uid"]).await?;
    Ok(())
}

#[tokio::test]
async fn another_replica_takes_over_and_a_lost_lease_stops_every_write() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    kit.ready_tenant("led", json!({"services": [service("web")]})).await?;
    let first = holder(&kit).await?;
    let second = kit.world.new_operator("second", &[])?;
    second.ready(Duration::from_secs(60)).await?;
    is_healed(&kit).await?;
    assert_eq!(holder(&kit).await?, first, "the second one waits");
    assert_eq!(second.metric("tenantry_leader").await?, 0.0);

    // The leader dies without a word.
    kit.world.kill_operator();
    let start = Instant::now();
    is_healed(&kit).await?;
    eprintln!("taken over after {:.1} s", start.elapsed().as_secs_f32());
    assert_ne!(holder(&kit).await?, first);

    // The second one loses its Lease: it may still talk to the API server, and writes nothing.
    kit.world.proxy.fail(Matcher::path("/leases"), Fault::Hang);
    lease_ran_out(&kit).await?;
    let path = at("services", "led", "web");
    kit.delete(&path).await?;
    kit.world.proxy.forget_requests();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(kit.get(&path).await?.is_none(), "nobody may write");
    assert_eq!(kit.world.proxy.count(&["create", "update", "patch", "apply", "delete"]), 0);
    kit.world.proxy.heal_all();
    kit.object(&path, "made again", |_| true).await?;

    // Asked to end, it hands over: a third one leads at once.
    kit.world.start_operator(&[]).await?;
    let start = Instant::now();
    assert!(second.stop().is_some(), "it ends when asked to");
    is_healed(&kit).await?;
    assert!(start.elapsed() < Duration::from_secs(10), "handed over in {:?}", start.elapsed());
    kit.clean_up("led").await
}

/// Waits until the Lease has not been renewed for its whole duration.
async fn lease_ran_out(kit: &Kit) -> Outcome {
    let path = at("leases", SYSTEM, "tenantry");
    let mut version = String::new();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(15) {
        let now = text(&kit.the(&path).await?, "/metadata/resourceVersion").to_owned();
        if now != version {
            version = now;
            since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
