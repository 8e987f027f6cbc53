//! The operator that works is killed, stands still, or loses its node: the other one takes over, and nothing is
//! written that the Lease doesn't cover.

use crate::{
    scenes::control,
    site::Site,
    support::Outcome,
    writes::{deletions, judge, writes},
};

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_and_none_writes_without_its_lease() -> Outcome {
    let Some(site) = Site::with_own_nodes().await? else { return Ok(()) };
    site.tenant("led").await?;
    eprintln!("{}", control::leader_killed(&site, "led").await?);
    eprintln!("{}", control::leader_frozen(&site, "led").await?);
    eprintln!("{}", control::leaders_node_gone(&site, "led").await?);
    // A service less, so that something has to be deleted.
    site.tenant_of("led", &[site.service("client", 1)]).await?;
    let record = site.bed.cluster.audit()?;
    let record = writes(&record)?;
    assert!(record.iter().any(|write| write.verb == "patch"), "the API server keeps a record");
    assert!(deletions(&record).count() > 0, "a deletion shows that they are recorded");
    // Of everything since the start, whatever other tests did.
    let wrong = judge(&record);
    assert!(wrong.is_empty(), "{wrong:#?}");
    site.clean_up("led").await
}
