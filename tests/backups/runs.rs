//! Runs that work, and runs that die.

use std::time::Duration;

use tenantry::backup::record::reasons;
use tenantry::backup::task::Work;
use tenantry_testbed::{Fault, Matcher, Proxy, eventually};

use crate::bed::{Bed, Outcome, Tenant, kill_tree};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_point_a_record_and_its_proof() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 2000)?;
    bed.fill("\"odd \"\" name\"", 10)?;
    let ran = tenant.run(Work::Backup(tenant.backup())).await?;
    assert!(ran.record.succeeded && ran.code == Some(0), "{ran:#?}");
    assert_eq!(ran.record.reason, reasons::SUCCEEDED);
    let point = ran.record.point.clone().unwrap();
    assert_eq!(point.size.rows, 2010);
    assert!(point.size.bytes > 200_000 && point.stored_bytes > 100_000, "{point:?}");
    assert!(point.engine.starts_with("PostgreSQL 1") && point.lsn.contains('/'), "{point:?}");
    let phases: Vec<&str> = ran.record.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["manifest", "dump", "proof"]);

    // The store has both snapshots and the record, byte for byte what was printed.
    let mut expected = vec![point.manifest.clone(), point.snapshot.clone()];
    expected.sort();
    assert_eq!(tenant.names("snapshots").await?, expected);
    let started = ran.record.started.parse()?;
    let key = tenant.place().record(started, "backup", &ran.record.id);
    let kept = std::fs::read_to_string(bed.store.files(crate::bed::BUCKET).join(key))?;
    assert_eq!(kept, std::fs::read_to_string(tenant.scratch.join("last-words"))?);
    assert_eq!(tenant.names("locks").await?, Vec::<String>::new());

    // Whoever has the key and plain restic reads it without us.
    let manifest = tenant.restic_says(&["dump", &point.manifest, "manifest.json"])?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    assert_eq!(manifest["tables"]["\"public\".\"orders\""]["rows"], 2000);
    assert!(manifest["tables"]["\"public\".\"odd \"\" name\""]["checksum"].is_string(), "{manifest}");
    let listed = tenant.restic_says(&["snapshots", "--tag", "kind=dump,database=app"])?;
    assert!(listed.contains("1 snapshots"), "{listed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_the_last_point_and_its_lock_goes_by_its_host() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 1000)?;
    let good = tenant.good_backup().await?;

    // B1: the uploads of the manifest and the dump are under way when the container dies.
    bed.fill("orders", 60_000)?;
    let hang = proxy.fail(Matcher::path("/data/").method("PUT"), Fault::Hang);
    let mut worker = tenant.start(&tenant.task(Work::Backup(tenant.backup())))?;
    eventually(Duration::from_secs(120), "both to be uploaded", || async {
        let locks = tenant.names("locks").await.map_err(|error| error.to_string())?;
        if proxy.hits(hang) > 0 && locks.len() == 2 { Ok(()) } else { Err(format!("{locks:?}")) }
    })
    .await?;
    kill_tree(worker.id());
    worker.wait()?;
    proxy.heal_all();
    assert_eq!(tenant.names("locks").await?.len(), 2, "the dead run's locks");
    assert_eq!(tenant.names("snapshots").await?.len(), 2, "the last point's");

    // The last point is as good as it was.
    let drilled = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert!(drilled.record.succeeded, "{drilled:#?}");

    // Who must be alone says whose lock it is, and doesn't remove it (B4)...
    let expire = |dead: Vec<String>| Work::Expire {
        snapshots: Vec::new(),
        prune: false,
        retire: false,
        dead_hosts: dead,
    };
    let held = tenant.run(expire(vec!["somebody-else".into()])).await?;
    assert_eq!(held.record.reason, reasons::LOCK_HELD, "{held:#?}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    assert!(
        held.record.message.contains(&format!("@{host}")) && held.record.message.contains("s old"),
        "{held:#?}"
    );
    assert_eq!(tenant.names("locks").await?.len(), 2);
    // ... but once the operator says that this host is dead, the next run does, and goes on.
    let next = tenant
        .run(Work::Backup(tenantry::backup::task::Backup { dead_hosts: vec![host], ..tenant.backup() }));
    let next = next.await?;
    assert!(next.record.succeeded, "{next:#?}");
    assert_eq!(tenant.names("locks").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_to_end_says_so() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 10)?;
    let hang = proxy.fail(Matcher::path("/data/").method("PUT"), Fault::Hang);
    let worker = tenant.start(&tenant.task(Work::Backup(tenant.backup())))?;
    eventually(Duration::from_secs(120), "an upload", || async {
        if proxy.hits(hang) > 0 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(worker.id())?).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    let output = tokio::task::spawn_blocking(move || worker.wait_with_output()).await??;
    let ran = tenant.ran(&output)?;
    assert_eq!((ran.record.reason.as_str(), ran.code), (reasons::INTERRUPTED, Some(1)), "{ran:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_its_deadline_with_its_programs() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    // Somebody holds the table, so that counting waits for ever.
    let mut holder = bed.postgres.psql(crate::bed::DATABASE);
    holder.args(["-c", "BEGIN", "-c", "LOCK TABLE orders", "-c", "SELECT pg_sleep(600)"]);
    let mut holder = holder.stdout(std::process::Stdio::null()).spawn()?;
    eventually(Duration::from_secs(60), "the lock", || async {
        let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
        let found = bed.postgres.sql(crate::bed::DATABASE, locked).map_err(|error| error.to_string())?;
        if found == "0" { Err(found) } else { Ok(()) }
    })
    .await?;
    let mut task = tenant.task(Work::Backup(tenant.backup()));
    task.deadline_seconds = 5;
    let ran = tenant.run_task(task).await?;
    holder.kill()?;
    holder.wait()?;
    assert_eq!(ran.record.reason, reasons::DEADLINE_EXCEEDED, "{ran:#?}");
    assert_eq!(tenant.names("snapshots").await?, Vec::<String>::new());
    Ok(())
}
