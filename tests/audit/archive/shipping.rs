//! From the spool to the archive, whatever happens on the way.

use std::time::Duration;

use tenantry_testbed::{Fault, Matcher, Proxy, eventually};

use super::bed::{Agent, Bed, PREFIX};
use super::spool::{Spool, ship, ship_all, witness_key};
use crate::Outcome;

#[tokio::test]
async fn segments_lie_there_under_lock_and_verify() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, sink) = (Spool::new()?, bed.sink());
    for count in [3, 300, 1, 256] {
        spool.seal(count)?;
        ship_all(&spool, &sink).await?;
    }
    let report = bed.verified(&spool, None).await?;
    assert_eq!((report.proven, report.unproven, report.segments, report.checkpoints), (560, 0, 4, 4));
    assert!(report.faults.is_empty() && report.strangers.is_empty(), "{report:?}");
    let root = bed.root()?;
    for object in root.list("", "", 1000).await?.objects {
        let held = root.head(&object.key).await?.held;
        assert_eq!(held.map(|held| held.mode).as_deref(), Some("COMPLIANCE"), "{}", object.key);
    }
    let position = std::fs::read_to_string(spool.path().join("prover.json"))?;
    assert!(position.starts_with(r#"{"next":560,"prover":{"#), "{position}");
    Ok(())
}

fn conflict() -> Fault {
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    let body = "<Error><Code>ConditionalRequestConflict</Code><Message>conflict</Message></Error>";
    Fault::Status { code: 409, headers, body: body.to_owned() }
}

/// A5: each refusal has its word, is tried for ever, and costs nothing.
#[tokio::test]
async fn no_refusal_of_the_archive_loses_a_record() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let (mut spool, sink) = (Spool::new()?, bed.sink_at(&proxy.url(&bed.server.url()), PREFIX));
    let agent = Agent::start(spool.shipper()?, sink, None);
    agent.until("a look at the archive", |state| state.archive.as_ref().is_some_and(|one| one.0)).await?;
    for (fault, reason) in [
        (Fault::status(403), "SinkDenied"),
        (Fault::status(404), "SinkMissing"),
        (Fault::status(500), "SinkFailing"),
        (Fault::status(503), "SinkFailing"),
        // While another put of the same key goes on; nothing is there that a 412 would tell of.
        (conflict(), "SinkFailing"),
        (Fault::Reset, "SinkFailing"),
        (Fault::LoseAnswer, "SinkFailing"),
    ] {
        proxy.fail(Matcher::any().method("PUT"), fault);
        spool.seal(7)?;
        let state = agent
            .until(reason, |state| state.trouble.as_ref().is_some_and(|(found, _)| *found == reason))
            .await?;
        assert!(state.next < spool.next() && state.waiting == 1, "{state:?}");
        proxy.heal_all();
        agent
            .until("all to be shipped", |state| state.next == spool.next() && state.trouble.is_none())
            .await?;
    }
    let slow = proxy.fail_next(2, Matcher::any().method("PUT"), Fault::Delay(Duration::from_secs(3)));
    spool.seal(7)?;
    agent.until("a slow archive to have all", |state| state.next == spool.next()).await?;
    assert_eq!(proxy.hits(slow), 2);
    let report = bed.verified(&spool, None).await?;
    assert!(report.proven == spool.next() && report.faults.is_empty(), "{report:?}");
    Ok(())
}

/// A5: a put of which nothing is heard ends by its deadline and is made again; what waits is shipped then.
#[tokio::test]
async fn a_put_that_hangs_ends_by_its_deadline() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let (mut spool, sink) = (Spool::new()?, bed.sink_at(&proxy.url(&bed.server.url()), PREFIX));
    let agent = Agent::start(spool.shipper()?, sink, None);
    agent.until("a look at the archive", |state| state.archive.as_ref().is_some_and(|one| one.0)).await?;
    let hangs = proxy.fail(Matcher::path("/segments/").method("PUT"), Fault::Hang);
    spool.seal(7)?;
    let state = agent.until("the put to end", |state| state.trouble.is_some()).await?;
    let (reason, said) = state.trouble.unwrap_or_default();
    assert!(reason == "SinkFailing" && said.contains("nothing is lost"), "{reason}: {said}");
    assert!(proxy.hits(hangs) > 0);
    proxy.heal_all();
    proxy.cut();
    agent.until("all to be shipped", |state| state.next == spool.next() && state.trouble.is_none()).await?;
    let report = bed.verified(&spool, None).await?;
    assert!(report.proven == spool.next() && report.faults.is_empty(), "{report:?}");
    Ok(())
}

/// A6: the archive did it, and the answer was lost. The second put is refused, and a success.
#[tokio::test]
async fn a_lost_answer_is_no_fork_and_makes_no_second_version() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let (mut spool, sink) = (Spool::new()?, bed.sink_at(&proxy.url(&bed.server.url()), PREFIX));
    spool.seal(300)?;
    let lost = ["/segments/", "/tile/entries/", "/tile/0/", "/checkpoints/"]
        .map(|part| (part, proxy.fail_next(1, Matcher::path(part).method("PUT"), Fault::LoseAnswer)));
    let refused = ship(&mut spool.shipper()?, &sink).await?;
    // Tiles are put at once, so that two of them fail in one try.
    assert!((3..=4).contains(&refused), "each lost answer is seen, and by nobody but the shipper: {refused}");
    for (part, fault) in lost {
        assert_eq!(proxy.hits(fault), 1, "{part}");
    }
    let report = bed.verified(&spool, None).await?;
    assert!(report.proven == 300 && report.faults.is_empty(), "{report:?}");
    let versions = bed.root()?.list_versions("", 1000).await?.versions;
    assert!(versions.iter().all(|one| one.latest), "something was written twice: {versions:?}");
    Ok(())
}

/// The process ends at any put, before or after the archive did it: in the end the same objects lie there.
#[tokio::test]
async fn a_crash_at_any_put_leaves_the_same_objects() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.server.url())?;
    let mut spool = Spool::new()?;
    let puts = || Matcher::any().method("PUT");
    let crashing = bed.sink_at(&proxy.url(&bed.server.url()), "crashed");
    let mut dice = 0x2545_f491_u64;
    for crash in 0..25u64 {
        if crash % 3 == 0 {
            spool.seal(1 + crash * 17 % 400)?;
        }
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The last fault that was set comes first: some puts pass, one may lose its answer, the next never comes back.
        let hangs = proxy.fail(puts(), Fault::Hang);
        if dice >> 40 & 1 == 1 {
            proxy.fail_next(1, puts(), Fault::LoseAnswer);
        }
        if let pass @ 1.. = (dice >> 33) % 9 {
            proxy.fail_next(pass, puts(), Fault::Pass);
        }
        let mut shipper = spool.shipper()?;
        let hung = eventually(Duration::from_secs(60), "a put to hang", || async {
            if proxy.hits(hangs) > 0 { Ok(()) } else { Err("none hangs".to_owned()) }
        });
        tokio::select! {
            shipped = ship(&mut shipper, &crashing) => drop(shipped?),
            hung = hung => hung?,
        }
        drop(shipper);
        proxy.heal_all();
        proxy.cut();
    }
    ship_all(&spool, &crashing).await?;
    // The same spool, shipped by a process that never ended.
    for name in ["prover.json", "journal.json", "roots", "shipping.zst"] {
        std::fs::remove_file(spool.path().join(name))?;
    }
    ship_all(&spool, &bed.sink_at(&bed.server.url(), "calm")).await?;
    let (crashed, calm) =
        (bed.download("crashed", &spool.stream()).await?, bed.download("calm", &spool.stream()).await?);
    assert_eq!(crashed.0.keys().collect::<Vec<_>>(), calm.0.keys().collect::<Vec<_>>());
    assert!(crashed.0 == calm.0, "some object has another content");
    let versions = bed.root()?.list_versions("crashed/", 10_000).await?.versions;
    assert!(versions.iter().all(|one| one.latest && !one.marker), "something was written twice");
    Ok(())
}

/// Nothing is forgotten before the witness confirmed it, and the newest segment never.
#[tokio::test]
async fn the_spool_forgets_what_the_witness_confirmed() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let (mut spool, state) = (Spool::new()?, tempfile::tempdir()?);
    let agent = Agent::start(spool.shipper()?, bed.sink(), Some(witness_key().public().clone()));
    for _ in 0..3 {
        spool.seal(5)?;
    }
    agent.until("all to be shipped", |state| state.next == 15).await?;
    assert_eq!(spool.kept()?.len(), 3, "nobody confirmed anything");
    let round = bed.witness(state.path()).await?;
    assert!(round.streams.len() == 1 && round.streams[0].cosigned, "{round:?}");
    let seen = agent.until("the witness to be heard", |state| state.verified.is_some()).await?;
    assert_eq!(seen.verified.map(|one| (one.size, one.next)), Some((15, 15)));
    eventually(Duration::from_secs(60), "segments to be forgotten", || async {
        let kept = spool.kept().map_err(|error| error.to_string())?;
        if kept == [10] { Ok(()) } else { Err(format!("{kept:?}")) }
    })
    .await?;
    drop(agent);
    // The next process knows it still, and an older checkpoint is none.
    let again = Agent::start(spool.shipper()?, bed.sink(), Some(witness_key().public().clone()));
    spool.seal(5)?;
    spool.seal(5)?;
    let state = again.until("all to be shipped", |state| state.next == 25).await?;
    assert_eq!(state.verified.map(|one| one.size), Some(15));
    drop(again);
    // What is shipped and not confirmed stays, and what was confirmed is known again.
    let third = Agent::start(spool.shipper()?, bed.sink(), Some(witness_key().public().clone()));
    let state = third.until("a pass", |state| state.archive.is_some()).await?;
    assert_eq!((spool.kept()?, state.witness), (vec![15, 20], None));
    Ok(())
}

/// Without a witness only the word of the person who set it counts.
#[tokio::test]
async fn without_a_witness_nothing_is_forgotten_unless_told() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut spool = Spool::new()?;
    for _ in 0..3 {
        spool.seal(5)?;
    }
    let agent = Agent::start(spool.shipper()?, bed.sink(), None);
    agent.until("all to be shipped", |state| state.next == 15 && state.archive.is_some()).await?;
    drop(agent);
    assert_eq!(spool.kept()?, [0, 5, 10]);
    let _told = Agent::start_with(spool.shipper()?, bed.sink(), None, Some(Duration::ZERO));
    eventually(Duration::from_secs(60), "segments to be forgotten", || async {
        let kept = spool.kept().map_err(|error| error.to_string())?;
        if kept == [10] { Ok(()) } else { Err(format!("{kept:?}")) }
    })
    .await?;
    Ok(())
}
