//! Somebody else writes the same log.

use tenantry::audit::layout;
use tenantry::audit::ship::trouble::Trouble;
use tenantry_testbed::{Fault, Matcher, Proxy};

use super::bed::{Agent, Bed, PREFIX};
use super::spool::{Spool, ship, ship_all, witness_key};
use crate::Outcome;

fn is_fork(shipped: Result<(), Trouble>, path: &str) {
    match shipped {
        Err(trouble @ Trouble::Fork { .. }) => {
            let said = trouble.to_string();
            assert!(said.contains(path) && said.contains("remove fork.json"), "{said}");
        }
        other => panic!("it should be a fork: {other:?}"),
    }
}

/// A6: what is there before the first try isn't ours, whatever it is, and nothing goes on before a person has looked.
#[tokio::test]
async fn an_object_that_nobody_of_ours_put_stops_the_shipping() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let (mut spool, sink) = (Spool::new()?, bed.sink_at(&proxy.url(&bed.server.url()), PREFIX));
    spool.seal(5)?;
    ship_all(&spool, &sink).await?;
    spool.seal(5)?;
    let path = layout::segment(5, 9);
    let key = format!("{}/{path}", spool.stream().folder(PREFIX));
    bed.root()?.put_new(&key, b"of a stranger").await?;
    is_fork(ship_all(&spool, &sink).await, &path);
    proxy.forget_requests();
    // The next process knows it as well.
    is_fork(ship_all(&spool, &sink).await, &path);
    assert_eq!(proxy.writes(), Vec::<String>::new());
    let agent = Agent::start(spool.shipper()?, sink, None);
    agent.until("the fork to be told", |state| matches!(state.trouble, Some(("ForkDetected", _)))).await?;
    Ok(())
}

/// What the archive refused wasn't put: what lies there later is somebody else's.
#[tokio::test]
async fn a_put_that_was_refused_claims_nothing() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let (mut spool, sink) = (Spool::new()?, bed.sink_at(&proxy.url(&bed.server.url()), PREFIX));
    spool.seal(5)?;
    let path = layout::segment(0, 4);
    proxy.fail(Matcher::path("/segments/").method("PUT"), Fault::status(403));
    let (mut shipper, store) = (spool.shipper()?, sink.writer().store().await?);
    let refused = Box::pin(shipper.step(&store, sink.prefix())).await;
    assert!(matches!(refused, Err(Trouble::Sink(_))), "{refused:?}");
    proxy.heal_all();
    bed.root()?.put_new(&format!("{}/{path}", spool.stream().folder(PREFIX)), b"of a stranger").await?;
    is_fork(ship(&mut shipper, &sink).await.map(drop), &path);
    Ok(())
}

/// The journal was lost, and the archive has the very same objects: a person compares them, and then it goes on.
#[tokio::test]
async fn after_a_person_has_compared_it_goes_on() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, sink) = (Spool::new()?, bed.sink());
    spool.seal(5)?;
    ship_all(&spool, &sink).await?;
    for name in ["prover.json", "journal.json"] {
        std::fs::remove_file(spool.path().join(name))?;
    }
    is_fork(ship_all(&spool, &sink).await, &layout::segment(0, 4));
    std::fs::remove_file(spool.path().join("fork.json"))?;
    ship_all(&spool, &sink).await?;
    spool.seal(5)?;
    ship_all(&spool, &sink).await?;
    let report = bed.verified(&spool, None).await?;
    assert!(report.proven == 10 && report.faults.is_empty(), "{report:?}");
    Ok(())
}

/// Two agents with one name, whose segments end elsewhere, so that no put is refused: the one whose history the witness
/// didn't confirm learns it from the checkpoint.
#[tokio::test]
async fn an_agent_learns_of_another_one_from_the_witness() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut one, mut other) = (Spool::new()?, Spool::of("cp-1", "other")?);
    let (sink, state) = (bed.sink(), tempfile::tempdir()?);
    one.seal(10)?;
    ship_all(&one, &sink).await?;
    assert!(!bed.witness(state.path()).await?.is_refused());
    other.seal(4)?;
    ship_all(&other, &sink).await?;
    let agent = Agent::start(other.shipper()?, bed.sink(), Some(witness_key().public().clone()));
    agent.until("the fork to be told", |state| matches!(state.witness, Some(("ForkDetected", _)))).await?;
    drop(agent);
    is_fork(ship(&mut other.shipper()?, &sink).await.map(drop), layout::CHECKPOINT);
    // And the witness isn't misled: what is below its own tree counts for nothing, what goes on otherwise is refused.
    assert!(!bed.witness(state.path()).await?.is_refused());
    Ok(())
}
