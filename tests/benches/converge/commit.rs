//! A commit that changes one tenant of many: from the push to the child's new content.

use std::time::Instant;

use rand::RngExt;
use serde_json::json;
use tenantry::api::kinds::Kind;

use crate::bed::Bed;
use crate::report::{Report, Times};
use crate::watching::{self, Until};
use crate::{Args, Outcome, tenants};

/// Where the version is in the Deployment.
const VERSION: &str = "/spec/template/spec/containers/0/env/0/value";

/// Measures with a push hook, and without one.
pub async fn run(bed: &mut Bed, report: &mut Report, args: &Args) -> Outcome<()> {
    for (hook, count, goal) in [
        (true, if args.quick { 5 } else { 20 }, "p95 < 1000 ms"),
        (false, if args.quick { 2 } else { 10 }, ""),
    ] {
        let mut times = Times::default();
        for index in 0..count {
            times.add(once(bed, hook, index).await?);
        }
        let how = if hook { "push hook" } else { "interval 10 s" };
        let conditions = format!("{} tenants, {how}, n={count}", bed.size);
        report.row("one-tenant commit applied", conditions, times.text(), goal);
        report.put("commit", json!({"tenants": bed.size, "hook": hook, "times": times.json()}));
    }
    Ok(())
}

async fn once(bed: &Bed, hook: bool, index: usize) -> Outcome<std::time::Duration> {
    let name = tenants::name("t", rand::rng().random_range(0..bed.size));
    let version = format!("{}-{index}", if hook { "hook" } else { "poll" });
    let api = watching::api(&bed.client, Kind::Deployment, &name);
    let deployment = api.get("web").await?;
    let watch = watching::watch(&api, &deployment, Until::Is(VERSION.into(), json!(version))).await?;
    // Between two commits: the rest of the last one goes by.
    tokio::time::sleep(std::time::Duration::from_millis(rand::rng().random_range(1000..2000))).await;
    bed.commit(&[(tenants::path(&name), tenants::file(&name, &version))], "One tenant")?;
    let start = Instant::now();
    if hook {
        bed.trigger().await?;
    }
    watching::took(watch, start, &format!("version {version} of {name}")).await
}
