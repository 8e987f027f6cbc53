//! A15: an archive that isn't what it must be is named within one look.

use tenantry::audit::ship::checks::{judge, may_ship};
use tenantry::audit::ship::look::look;
use tenantry::audit::ship::sink::Sink;
use tenantry::store::Lock;
use tenantry::store::verdict::Judgement;
use tenantry_testbed::{AUDIT_WRITES, Proxy, make_bucket};

use super::bed::{Agent, BUCKET, Bed, DAYS, PREFIX, lock};
use super::spool::Spool;
use crate::Outcome;

async fn verdict(sink: &Sink, spool: &Spool) -> (Judgement, bool) {
    let mut version = None;
    let findings = look(sink, &spool.stream().folder(sink.prefix()), &mut version).await;
    (judge(sink.bucket(), sink.asked(), &findings), may_ship(&findings))
}

#[tokio::test]
async fn an_archive_that_only_takes_is_fit() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let spool = Spool::new()?;
    for _ in 0..2 {
        let (said, ships) = verdict(&bed.sink(), &spool).await;
        assert!(said.fit && ships, "{said:?}");
        assert!(
            said.message.contains("locks for 30 days (COMPLIANCE), and its writer can only add"),
            "{said:?}"
        );
    }
    let versions = bed.root()?.list_versions("", 10).await?.versions;
    assert_eq!(versions.len(), 1, "looks write one object, once: {versions:?}");
    Ok(())
}

#[tokio::test]
async fn what_an_archive_lacks_is_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (spool, url, owner) = (Spool::new()?, bed.server.url(), bed.owner());
    for (objects, bucket, reason) in [
        (vec!["s3:GetObject"], vec![], "WriterCanRead"),
        (vec![], vec!["s3:ListBucket"], "WriterCanRead"),
        (vec!["s3:DeleteObject"], vec![], "WriterCanDelete"),
    ] {
        bed.allow(&[&AUDIT_WRITES[..], &objects[..]].concat(), &bucket).await?;
        let (said, ships) = verdict(&bed.sink(), &spool).await;
        assert_eq!((said.fit, said.reason, ships), (false, reason, true), "{said:?}");
    }
    bed.allow(&AUDIT_WRITES, &[]).await?;
    let longer = Lock { days: DAYS + 1, ..lock() };
    let (said, ships) = verdict(&bed.sink_of(&url, PREFIX, &owner, longer), &spool).await;
    assert_eq!((said.reason, ships), ("LockTooShort", true), "{said:?}");
    let proxy = Proxy::http(&url)?;
    let stranger = bed.sink_of(&proxy.url(&url), PREFIX, "333333333333", lock());
    let (said, ships) = verdict(&stranger, &spool).await;
    assert_eq!((said.reason, ships), ("WrongOwner", false), "{said:?}");
    assert_eq!(proxy.writes(), Vec::<String>::new(), "nothing goes to a stranger");
    Ok(())
}

/// The policy is widened, or the bucket made anew without its lock, while the agent runs.
#[tokio::test]
async fn a_change_of_the_archive_is_told_within_one_look_and_nothing_is_forgotten() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut spool = Spool::new()?;
    spool.seal(5)?;
    spool.seal(5)?;
    let agent =
        Agent::start_with(spool.shipper()?, bed.sink(), None, Some(std::time::Duration::from_secs(86_400)));
    let says = |reason: &'static str| {
        move |state: &tenantry::audit::ship::run::State| {
            state.archive.as_ref().is_some_and(|one| one.1 == reason)
        }
    };
    agent.until("a fit archive", says("Succeeded")).await?;
    bed.allow(&[&AUDIT_WRITES[..], &["s3:GetObject"][..]].concat(), &[]).await?;
    agent.until("the reader to be found out", says("WriterCanRead")).await?;
    spool.seal(5)?;
    agent.until("shipping to go on", |state| state.next == 15).await?;
    bed.allow(&AUDIT_WRITES, &[]).await?;
    agent.until("a fit archive", says("Succeeded")).await?;
    drop(agent);

    let client = bed.server.client();
    std::fs::remove_dir_all(bed.server.files(BUCKET))?;
    make_bucket(&client, BUCKET, None).await?;
    bed.allow(&AUDIT_WRITES, &[]).await?;
    let agent = Agent::start_with(spool.shipper()?, bed.sink(), None, Some(std::time::Duration::ZERO));
    agent.until("a bucket without a lock", says("NotImmutable")).await?;
    spool.seal(5)?;
    agent.until("trouble or a copy", |state| state.trouble.is_some() || state.next == 20).await?;
    assert_eq!(spool.kept()?, [0, 5, 10, 15]);
    Ok(())
}
