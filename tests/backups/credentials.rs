//! Credentials that end while a run goes on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::record::reasons;
use tenantry::backup::task::Work;
use tenantry_testbed::{Matcher, Proxy, eventually};

use crate::bed::{BUCKET, Bed, Outcome, Tenant, programs_but};
use crate::stores::{error, status};

/// From now on these users, and nobody else but root, may do everything.
async fn allow(bed: &Bed, users: &[&str]) -> Outcome {
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": users}, "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
    }]});
    bed.store.client().put_bucket_policy().bucket(BUCKET).policy(policy.to_string()).send().await?;
    Ok(())
}

/// A dump that begins when `go` is there, and says before that it waits.
fn waiting(bed: &Bed, tenant: &mut Tenant<'_>) -> Outcome<[std::path::PathBuf; 2]> {
    let [waits, go] = ["waits", "go"].map(|name| tenant.scratch.join(name));
    let script = format!(
        "#!/bin/sh\ntouch {}\nwhile [ ! -e {} ]; do sleep 0.1; done\nexec {} \"$@\"\n",
        waits.display(),
        go.display(),
        bed.postgres.programs().join("pg_dump").display()
    );
    tenant.path = Some(programs_but(bed, "waiting", &[("pg_dump", script)])?);
    Ok([waits, go])
}

async fn until(what: &str, holds: impl Fn() -> bool) -> Outcome {
    let look = || async { if holds() { Ok(()) } else { Err("not yet".to_owned()) } };
    Ok(eventually(Duration::from_secs(60), what, look).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn b8_renewed_credentials_carry_a_run_to_its_end() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 20_000)?;
    let (first, second) = (bed.store.user("first")?, bed.store.user("second")?);
    allow(&bed, &["first", "second"]).await?;
    let end = Timestamp::now() + SignedDuration::from_secs(3);
    tenant.keys("", &first)?;
    tenant.secret("aws-expiration", &end.to_string())?;
    let [waits, go] = waiting(&bed, &mut tenant)?;
    let child = tenant.start(&tenant.task(Work::Backup(tenant.backup())))?;
    until("the dump to wait", || waits.exists()).await?;
    // What the kubelet does after the operator has renewed the Secret; and the first ones are worth nothing now.
    tenant.keys("", &second)?;
    tenant.secret("aws-expiration", &(Timestamp::now() + SignedDuration::from_hours(1)).to_string())?;
    allow(&bed, &["second"]).await?;
    until("the first ones to end", || Timestamp::now() > end).await?;
    std::fs::write(go, "")?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    let ran = tenant.ran(&output)?;
    assert!(ran.record.succeeded, "{ran:#?}");
    let told = std::fs::read_to_string(tenant.scratch.join("store-credentials"))?;
    assert!(!told.contains(&second.secret) && !told.contains(&first.secret), "secrets stay where they are");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn b8_credentials_that_nobody_renews_are_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 100)?;
    tenant.secret("aws-expiration", &(Timestamp::now() + SignedDuration::from_secs(3)).to_string())?;
    let [waits, go] = waiting(&bed, &mut tenant)?;
    let mut task = tenant.task(Work::Backup(tenant.backup()));
    task.deadline_seconds = 30;
    let child = tenant.start(&task)?;
    until("the dump to wait", || waits.exists()).await?;
    // As S3 answers it; restic tries again until the deadline.
    let refused = proxy.fail(Matcher::path("/data/").method("PUT"), status(400, &error("ExpiredToken")));
    std::fs::write(go, "")?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    let ran = tenant.ran(&output)?;
    assert!(proxy.hits(refused) > 0);
    assert_eq!(ran.record.reason, reasons::CREDENTIALS_EXPIRED, "{ran:#?}");
    assert!(ran.record.message.contains("renewed none in time"), "{ran:#?}");
    Ok(())
}
