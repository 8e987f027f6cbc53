//! B16: many Tenants whose runs are all due at once, and an API server that is asked too much.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tenantry_testbed::{Fault, Matcher, eventually};

use crate::bed::{Bed, IMAGE, ended};
use crate::support::{Outcome, at, kit::SOON, objects::text};

/// Tenants with a database each.
const MANY: usize = 24;
/// Runs that their Platform lets go on at once.
const AT_ONCE: usize = 4;

fn tenant(number: usize) -> String {
    format!("crowd-{number}")
}

fn is_active(job: &&Value) -> bool {
    job["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
}

impl Bed {
    /// The crowd's Jobs, once so many were begun and so many go on.
    async fn crowd(&self, right: impl Fn(usize, usize) -> bool) -> Outcome<Vec<Value>> {
        let found = eventually(SOON, "the crowd's Jobs", || async {
            let jobs = self.kit.list(&at("jobs", "", "")).await.map_err(|error| error.to_string())?;
            let of_crowd = |job: &Value| text(job, "/metadata/namespace").starts_with("crowd-");
            let jobs: Vec<Value> = jobs.into_iter().filter(of_crowd).collect();
            let active = jobs.iter().filter(is_active).count();
            let said = format!("{active} of {} go on", jobs.len());
            if right(jobs.len(), active) { Ok(jobs) } else { Err(said) }
        });
        Ok(found.await?)
    }

    /// How often the operator has tried to begin a run of the crowd's.
    fn tries(&self) -> usize {
        let writes = self.kit.world.proxy.writes();
        let begins = |one: &&String| {
            one.starts_with("POST ") && one.contains("/namespaces/crowd-") && one.ends_with("/jobs")
        };
        writes.iter().filter(begins).count()
    }

    /// Ends what goes on.
    async fn end_all(&self, jobs: &[Value]) -> Outcome {
        let ends = jobs.iter().filter(is_active).map(|job| async move {
            self.end(job, ended("Failed", json!({"exitCode": 1, "reason": "Error"}))).await
        });
        stream::iter(ends).buffer_unordered(4).try_collect::<Vec<_>>().await?;
        Ok(())
    }
}

/// All are there, all are due, and nobody may begin: the store isn't fit.
async fn gather(bed: &mut Bed) -> Outcome {
    let platform = at("platforms", "", "crowd");
    bed.platform("crowd", &json!({"objectLock": {"mode": "Governance", "days": 14}})).await?;
    let line = json!({"spec": {"backups": {"schedule": "* * * * *", "concurrency": AT_ONCE}}});
    bed.kit.merge(&platform, "tess", &line).await?;
    bed.kit.until_of(&platform, "StoreReady", "False", "NotImmutable").await?;
    let here = &*bed;
    let made =
        stream::iter(0..MANY).map(|number| async move { here.databases(&tenant(number), &["app"]).await });
    made.buffer_unordered(8).try_collect::<Vec<()>>().await?;
    for number in 0..MANY {
        bed.kit.ready(&tenant(number)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn b16_a_crowd_that_is_due_at_once_is_no_storm() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    gather(&mut bed).await?;
    let (world, platform) = (bed.kit.world, at("platforms", "", "crowd"));
    assert!(world.stop_operator(), "it ends when asked to");
    bed.kit.merge(&platform, "tess", &json!({"spec": {"backups": {"store": {"objectLock": null}}}})).await?;
    world.proxy.forget_requests();
    world.start_operator(&IMAGE).await?;

    // As many as have a place; when one ends, one more.
    let jobs = bed.crowd(|begun, active| (begun, active) == (AT_ONCE, AT_ONCE)).await?;
    bed.end(&jobs[0], ended("Failed", json!({"exitCode": 1, "reason": "Error"}))).await?;
    let jobs = bed.crowd(|begun, active| (begun, active) == (AT_ONCE + 1, AT_ONCE)).await?;
    // Of all others nothing is asked that belongs to a run.
    let requests = world.proxy.requests();
    let of_runs = requests.iter().filter(|(kind, _)| {
        kind.verb != "watch" && ["jobs", "secrets", "pods"].contains(&kind.resource.as_str())
    });
    let of_runs: u64 = of_runs.map(|(_, count)| count).sum();
    assert!(of_runs <= 6 * jobs.len() as u64, "{requests:?}");

    // The API server has enough of it, three times: each costs one request, nothing is lost and nothing done twice.
    let refused = world.proxy.fail_next(3, Matcher::call("create", "jobs"), Fault::overloaded(1));
    bed.end_all(&jobs).await?;
    bed.crowd(|begun, active| (begun, active) == (2 * AT_ONCE + 1, AT_ONCE)).await?;
    assert_eq!(world.proxy.hits(refused), 3);
    bed.kit.merge(&platform, "tess", &json!({"spec": {"backups": {"concurrency": MANY}}})).await?;
    // Each has its turn: tokens are used up with each minute, and those whose run has failed are due again.
    let whose = |jobs: &[Value]| -> BTreeSet<String> {
        jobs.iter().map(|job| text(job, "/metadata/namespace").to_owned()).collect()
    };
    let jobs = eventually(2 * SOON, "a run of each Tenant", || async {
        let jobs = bed.crowd(|begun, _| begun >= MANY).await.map_err(|error| error.to_string())?;
        let had = whose(&jobs).len();
        if had == MANY { Ok(jobs) } else { Err(format!("{had} had a run")) }
    });
    let jobs = jobs.await?;
    // A round that doesn't see yet what the last one began may ask for it again, in vain.
    let vain = bed.tries() - jobs.len() - 3;
    assert!(vain <= AT_ONCE, "{vain} tries in vain");
    bed.kit.merge(&platform, "tess", &json!({"spec": {"backups": null}})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_begin_keeps_nobody_waiting() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.fit_platform("queue").await?;
    let database = |line: &str, secret: &str| {
        json!({"databases": [{
            "name": "app", "schedule": line, "connectionSecretRef": {"name": secret}, "server": {"cidr": "203.0.113.5/32"},
        }]})
    };
    // Due since midnight, with one place for all: nobody made its Secret.
    bed.kit.ready_tenant("queue-first", database("0 0 * * *", "typo")).await?;
    bed.kit.until("queue-first", "BackupsCurrent", "False", "Secret queue-first/typo can't be read").await?;
    bed.databases("queue-next", &["app"]).await?;
    bed.kit.tenant("queue-next", database("* * * * *", "db")).await?;
    bed.job("queue-next", "app", |_| true).await?;
    bed.kit.until("queue-first", "BackupsCurrent", "False", "Secret queue-first/typo can't be read").await?;
    bed.kit.clean_up("queue-first").await?;
    bed.kit.clean_up("queue-next").await
}
