//! How pods end, and what the operator makes of it.

use serde_json::{Value, json};

use crate::bed::{Bed, ended};
use crate::support::{
    Outcome, at,
    objects::{name, text},
};

/// The Job failed a while ago: its retry is due.
async fn long_ago(bed: &Bed, job: &Value) -> Outcome {
    bed.age(job, "Failed", 10).await
}

fn memory(job: &Value) -> &str {
    text(job, "/spec/template/spec/containers/0/resources/limits/memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_killed_run_is_told_and_the_next_one_knows_whose_locks_are_dead() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.tenant("killed", &["app"]).await?;
    let first = bed.job("killed", "app", |_| true).await?;
    let pod = bed.end(&first, ended("Failed", json!({"exitCode": 137, "reason": "Error"}))).await?;
    bed.kit.until("killed", "BackupsCurrent", "False", "Interrupted").await?;
    long_ago(&bed, &first).await?;
    let second = bed.job("killed", "app", |job| job != name(&first)).await?;
    let task: Value = serde_json::from_str(text(&second, "/spec/template/spec/containers/0/env/0/value"))?;
    assert_eq!(task["work"]["deadHosts"], json!([pod]), "{task:#}");
    assert_eq!(memory(&second), memory(&first), "memory was not what it lacked");
    bed.kit.clean_up("killed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_nothing_begins_before_the_store_is_fit() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    let lock = json!({"objectLock": {"mode": "Governance", "days": 14}});
    bed.platform("loose", &lock).await?;
    bed.kit.until_of(&at("platforms", "", "loose"), "StoreReady", "False", "NotImmutable").await?;
    bed.databases("loose", &["app"]).await?;
    bed.kit.until("loose", "BackupsCurrent", "Unknown", "StoreUnknown").await?;
    let jobs = bed.kit.list(&at("jobs", "loose-backup", "")).await?;
    assert_eq!(jobs.iter().map(name).collect::<Vec<_>>(), Vec::<&str>::new());
    bed.platform("loose", &json!({})).await?;
    bed.job("loose", "app", |_| true).await?;
    bed.kit.clean_up("loose").await
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_run_without_memory_gets_twice_as_much_once() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.tenant("hungry", &["app"]).await?;
    let first = bed.job("hungry", "app", |_| true).await?;
    assert_eq!(memory(&first), "300Mi");
    let killed = || ended("Failed", json!({"exitCode": 137, "reason": "OOMKilled"}));
    bed.end(&first, killed()).await?;
    bed.kit.until("hungry", "BackupsCurrent", "False", "OutOfMemory").await?;
    bed.kit.until("hungry", "BackupsCurrent", "False", "more memory than 300Mi, its limit").await?;
    long_ago(&bed, &first).await?;
    let second = bed.job("hungry", "app", |job| job != name(&first)).await?;
    assert_eq!(memory(&second), "600Mi");
    assert_eq!(name(&second), format!("{}-2", name(&first)));
    bed.end(&second, killed()).await?;
    bed.kit.until("hungry", "BackupsCurrent", "False", "more memory than 600Mi, its limit").await?;
    long_ago(&bed, &second).await?;
    bed.kit.until("hungry", "BackupsCurrent", "False", "it is tried again in the next slot").await?;
    let jobs = bed.kit.list(&at("jobs", "hungry-backup", "")).await?;
    assert_eq!(jobs.len(), 2, "tried once more, and no more");
    bed.kit.clean_up("hungry").await
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_a_run_that_filled_its_volume_is_named() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.tenant("full", &["app"]).await?;
    let job = bed.job("full", "app", |_| true).await?;
    let said = "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Gi\". ";
    bed.end(&job, json!({"phase": "Failed", "reason": "Evicted", "message": said})).await?;
    bed.kit.until("full", "BackupsCurrent", "False", "NoSpace").await?;
    bed.kit.until("full", "BackupsCurrent", "False", "exceeds the limit \"1Gi\"").await?;
    bed.kit.clean_up("full").await
}
