//! A4, A13, A14 and A17, with agents as processes.

use std::time::Duration;

use tenantry::audit::frame::{Found, Record, Source, scan};
use tenantry::audit::leaf::{Identity, leaf};
use tenantry::audit::prove::Prover;
use tenantry::audit::spool::names::{Name, SEGMENTS};
use tenantry_testbed::{Run, eventually};

use crate::play::agent::{Desk, SOON, append, get, post};
use crate::play::{Kept, Outcome, Segments, event, list, missing, proved, records, segments};

fn desk(run: &std::sync::Arc<Run>, name: &str) -> Outcome<Desk> {
    let desk = Desk::new(crate::BINARY, run, name)?;
    let file = desk.file().display().to_string();
    Ok(desk.with(&["--file", &file]))
}

/// Waits until records of the spool have these contents.
async fn holds(desk: &Desk, wanted: &[Vec<u8>]) -> Outcome<Vec<Kept>> {
    let found = eventually(SOON, "records in the spool", || async {
        let records = records(&segments(&desk.spool).map_err(|error| error.to_string())?);
        let gone = missing(wanted, &records);
        if gone.is_empty() { Ok(records) } else { Err(format!("{} are missing: {gone:?}", gone.len())) }
    });
    Ok(found.await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_pushes_back_and_goes_on_when_there_is_room() -> Outcome {
    let run = Run::start()?;
    let desk = desk(&run, "full")?.with(&["--most", "600Ki"]);
    let lines: Vec<Vec<u8>> = (0..1500).map(|number| event(&format!("line-{number}"), 900)).collect();
    append(&desk.file(), &[lines.join(&b'\n'), b"\n".to_vec()].concat())?;
    let agent = desk.start()?;
    agent.until("a full spool", |status| status["spool"]["trouble"].as_str().is_some()).await?;
    let (code, why) = get(desk.http, "/readyz").await?;
    assert!(code == 503 && why.contains("the spool is full") && why.contains("nothing is deleted"), "{why}");
    assert_eq!(post(desk.webhook, &list(&[event("early", 0)])).await?, 503);
    assert_eq!(get(desk.http, "/healthz").await?.0, 200);
    let metrics = get(desk.http, "/metrics").await?.1;
    assert!(metrics.contains("tenantry_audit_spool_stuck 1"), "{metrics}");
    // What was taken can be shipped, and each segment that goes makes room for more.
    let mut archive = Segments::new();
    let done = |archive: &Segments| -> Outcome<bool> {
        let mut all = archive.clone();
        all.extend(segments(&desk.spool)?);
        Ok(missing(&lines, &records(&all)).is_empty())
    };
    let start = std::time::Instant::now();
    while !done(&archive)? {
        ship(&desk, &mut archive)?;
        assert!(start.elapsed() < SOON, "lines are missing");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ship(&desk, &mut archive)?;
    eventually(SOON, "the webhook to take events again", || async {
        match post(desk.webhook, &list(&[event("late", 0)])).await {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    assert!(agent.stop().is_some_and(|status| status.success()));
    archive.extend(segments(&desk.spool)?);
    proved(&archive)?;
    Ok(())
}

/// Takes sealed segments away as the shipper does.
fn ship(desk: &Desk, archive: &mut Segments) -> Outcome {
    for entry in std::fs::read_dir(desk.spool.join(SEGMENTS))? {
        let path = entry?.path();
        let name = Name::of(&path.file_name().unwrap_or_default().to_string_lossy());
        let Some(Name::Sealed(first, last)) = name else { continue };
        archive.insert(first, std::fs::read(&path)?);
        std::fs::write(desk.spool.join("prover.json"), format!(r#"{{"next":{}}}"#, last + 1))?;
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_event_is_it_is_kept_verbatim() -> Outcome {
    let run = Run::start()?;
    let desk = desk(&run, "odd")?;
    let agent = desk.start()?;
    agent.answers().await?;
    let odd = [
        event("long", 5_000_000),
        b"{\"auditID\":\"utf\",\"user\":\"\xff\xfe\"}".to_vec(),
        b"{\"auditID\":\"twice\",\"auditID\":\"twice\"}".to_vec(),
        b"{ \"auditID\" : \"spaces\" , \"n\" : 1.0e0 }".to_vec(),
    ];
    assert_eq!(post(desk.webhook, &list(&odd)).await?, 200);
    let only_lines = [b"{\"nul\":\"\0\"}".to_vec(), b"no json at all".to_vec(), b"\xff".to_vec()];
    append(&desk.file(), &[[&odd[..], &only_lines[..]].concat().join(&b'\n'), b"\n".to_vec()].concat())?;
    holds(&desk, &[&odd[..], &only_lines[..]].concat()).await?;
    assert!(agent.stop().is_some_and(|status| status.success()));
    let records = proved(&segments(&desk.spool)?)?;
    let of = |source| records.iter().filter(move |one| one.source == source).map(|one| one.bytes.clone());
    assert_eq!(of(Source::AuditWebhook).collect::<Vec<_>>(), odd);
    assert_eq!(of(Source::AuditFile).collect::<Vec<_>>(), [&odd[..], &only_lines[..]].concat());
    Ok(())
}

#[test]
fn a_clock_that_jumps_changes_no_order() {
    let (mut segment, day) = (Vec::new(), 24 * 3600 * 1000);
    for (seq, received) in (0..).zip([0, day, -day, day, 1]) {
        let bytes = format!("{{\"auditID\":\"{seq}\"}}");
        let record = Record { seq, synced: 0, received, source: Source::AuditFile, bytes: bytes.as_bytes() };
        record.append(&mut segment);
    }
    let mut prover = Prover::default();
    let added = prover.segment(0, &segment);
    assert_eq!((added.records, added.jumps.len(), prover.tree().size()), (5, 0, 5));
    for (seq, found) in (0..).zip(scan(&segment)) {
        let Found::Record { record, offset } = found else { panic!("{found:?}") };
        assert_eq!(Identity::of(record.bytes).audit_id, seq.to_string());
        assert!(leaf(&record, 0, offset).contains(&format!(r#""seq":{seq},"#)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_share_no_spool_and_one_log_counts_once() -> Outcome {
    let run = Run::start()?;
    let one = desk(&run, "one")?;
    let other = Desk::new(crate::BINARY, &run, "other")?.with(&["--file", &one.file().display().to_string()]);
    let lines: Vec<Vec<u8>> = (0..50).map(|number| event(&format!("line-{number}"), 10)).collect();
    append(&one.file(), &[lines.join(&b'\n'), b"\n".to_vec()].concat())?;
    let agent = one.start()?;
    agent.answers().await?;
    let taken = Desk { webhook: run.port()?, http: run.port()?, ..one.clone() }.command().output()?;
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(taken.status.code() == Some(2) && said.contains("another agent writes in"), "{said}");
    let second = other.start()?;
    let (mine, theirs) = (holds(&one, &lines).await?, holds(&other, &lines).await?);
    let ids = |records: &[Kept]| -> std::collections::BTreeSet<(String, String)> {
        let events = records.iter().filter(|record| record.source == Source::AuditFile);
        events.map(Kept::identity).collect()
    };
    assert_eq!(ids(&[mine.clone(), theirs.clone()].concat()).len(), lines.len());
    drop(second);
    // A newer release of the agent goes on with the same log, and no number comes twice.
    let epoch = agent.status().await?["epoch"].clone();
    assert!(agent.stop().is_some_and(|status| status.success()));
    let agent = one.start()?;
    agent.answers().await?;
    assert_eq!(agent.status().await?["epoch"], epoch);
    let late = vec![event("late", 0)];
    append(&one.file(), &[late[0].clone(), b"\n".to_vec()].concat())?;
    holds(&one, &late).await?;
    assert!(agent.stop().is_some_and(|status| status.success()));
    let records = proved(&segments(&one.spool)?)?;
    assert_eq!(records.iter().filter(|record| record.source == Source::AuditFile).count(), lines.len() + 1);
    Ok(())
}
