//! Stores that are slow, wrong, full of holes, or lie.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tenantry::backup::record::reasons;
use tenantry::backup::task::{VARIABLE, Work};
use tenantry_testbed::{Fault, Matcher, Proxy};

use crate::bed::{Bed, Outcome, Tenant};

pub fn status(code: u16, body: &str) -> Fault {
    Fault::Status {
        code,
        headers: vec![("content-type".into(), "application/xml".into())],
        body: body.into(),
    }
}

pub fn error(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_passes_costs_time_and_trouble_that_stays_the_run() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 100)?;
    // B6: a few answers of each kind, and then all is well.
    let uploads = || Matcher::path("/data/").method("PUT");
    let busy = proxy.fail_next(1, uploads(), status(503, &error("SlowDown")));
    let broken = proxy.fail_next(1, uploads(), status(500, &error("InternalError")));
    let reset = proxy.fail_next(1, uploads(), Fault::Reset);
    // Stored, and nobody heard of it.
    let lost = proxy.fail_next(1, uploads(), Fault::LoseAnswer);
    let good = tenant.good_backup().await?;
    assert!([busy, broken, reset, lost].into_iter().all(|fault| proxy.hits(fault) > 0));
    assert!(!good.snapshot.is_empty());

    // For ever: the deadline ends it, and the line says what the store did.
    proxy.fail(uploads(), status(503, &error("SlowDown")));
    let mut task = tenant.task(Work::Backup(tenant.backup()));
    task.deadline_seconds = 15;
    bed.fill("orders", 1000)?;
    let late = tenant.run_task(task).await?;
    assert_eq!(late.record.reason, reasons::DEADLINE_EXCEEDED, "{late:#?}");
    proxy.heal_all();
    // An upload that hangs: the deadline ends it, and nothing of it is left in parts.
    bed.fill("orders", 1000)?;
    let hangs = proxy.fail(uploads(), Fault::Hang);
    let mut task = tenant.task(Work::Backup(tenant.backup()));
    task.deadline_seconds = 15;
    let stuck = tenant.run_task(task).await?;
    assert_eq!(stuck.record.reason, reasons::DEADLINE_EXCEEDED, "{stuck:#?}");
    assert!(proxy.hits(hangs) > 0);
    proxy.heal_all();
    assert_eq!(tenant.uploads().await?, 0, "half uploads cost room, and no list of objects shows them");

    // Nobody answers at all.
    proxy.refuse(true);
    let gone = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(gone.record.reason, reasons::STORE_UNREACHABLE, "{gone:#?}");
    assert_eq!(gone.code, Some(1));
    Ok(())
}

/// B6: 1 KiB a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_trickles_ends_a_drill_at_its_deadline_and_leaves_nothing() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 5000)?;
    let good = tenant.good_backup().await?;
    tenant.through(&proxy);
    let slow = proxy.fail(Matcher::path("/data/").method("GET"), Fault::BytesPerSecond(1024));
    let mut task = tenant.task(Work::Drill(tenant.drill(&good)));
    task.deadline_seconds = 20;
    // The bed looks for what a run leaves behind.
    let late = tenant.run_task(task).await?;
    assert!(proxy.hits(slow) > 0);
    assert_eq!(late.record.reason, reasons::DEADLINE_EXCEEDED, "{late:#?}");
    proxy.heal_all();
    let drilled = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert!(drilled.record.succeeded, "{drilled:#?}");
    assert_eq!(tenant.names("locks").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lies_is_caught() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 100)?;
    // B21: "200 OK" for what nobody keeps: packs, snapshots, the record.
    for part in ["/data/", "/snapshots/", "/records/"] {
        bed.fill("orders", 1000)?;
        let etag = vec![("etag".to_owned(), "\"d41d8cd98f00b204e9800998ecf8427e\"".to_owned())];
        let lie = Fault::Status { code: 200, headers: etag, body: String::new() };
        let fault = proxy.fail(Matcher::path(part).method("PUT"), lie);
        let ran = tenant.run(Work::Backup(tenant.backup())).await?;
        assert!(proxy.hits(fault) > 0, "{part}");
        assert_eq!(ran.record.reason, reasons::NOT_DURABLE, "{part} {ran:#?}");
        assert!(ran.record.message.contains(part), "{part} {ran:#?}");
        proxy.heal_all();
        if part == "/data/" {
            // What was lost can't be used by the next runs; the repository is made anew by people.
            tenant.remove_all().await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_are_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 10)?;
    // B7: a store that takes the request, by a clock of 20 minutes ago, and one that doesn't.
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(20);
    let date = then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let empty = "<?xml version=\"1.0\"?><ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
    for (code, body) in [(200, empty.to_owned()), (403, error("RequestTimeTooSkewed"))] {
        let headers = vec![("date".to_owned(), date.clone())];
        proxy.fail(Matcher::any(), Fault::Status { code, headers, body });
        let ran = tenant.run(Work::Backup(tenant.backup())).await?;
        assert_eq!(ran.record.reason, reasons::CLOCK_SKEW, "{ran:#?}");
        let ahead = ran.record.store_clock_ahead_seconds;
        assert!((-1300..=-1190).contains(&ahead), "{ahead}");
        proxy.heal_all();
    }
    assert!(tenant.run(Work::Backup(tenant.backup())).await?.record.succeeded);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_opens_nothing_and_makes_nothing() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    let good = tenant.good_backup().await?;
    let keys = tenant.names("keys").await?;
    // B10: also where a repository may be made.
    tenant.secret("password", "canary-key-of-somebody")?;
    for work in
        [Work::Backup(tenant.backup()), Work::Drill(tenant.drill(&good)), Work::Check { part: 1, of: 1 }]
    {
        let ran = tenant.run(work).await?;
        assert_eq!(ran.record.reason, reasons::KEY_MISMATCH, "{ran:#?}");
    }
    assert_eq!(tenant.names("keys").await?, keys);

    // No repository where one must be, and one that lost its settings: neither is made anew.
    tenant.secret("password", "canary-key-of-acme")?;
    tenant.remove("config").await?;
    let lost = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(lost.record.reason, reasons::DAMAGED, "{lost:#?}");
    tenant.remove_all().await?;
    let never = tenantry::backup::task::Backup { initialise: false, ..tenant.backup() };
    let missing = tenant.run(Work::Backup(never)).await?;
    assert_eq!(missing.record.reason, reasons::REPOSITORY_MISSING, "{missing:#?}");
    assert_eq!(tenant.names("keys").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 5000)?;
    let good = tenant.good_backup().await?;
    assert!(tenant.run(Work::Check { part: 1, of: 1 }).await?.record.succeeded);

    // B11: a pack with one byte changed...
    let pack = tenant.pack().await?;
    let name = pack.file_name().unwrap().to_string_lossy().into_owned();
    let whole = std::fs::read(&pack)?;
    let mut tampered = whole.clone();
    tampered[whole.len() / 3] ^= 1;
    std::fs::write(&pack, &tampered)?;
    for work in [Work::Check { part: 1, of: 1 }, Work::Drill(tenant.drill(&good))] {
        let ran = tenant.run(work).await?;
        assert_eq!(ran.record.reason, reasons::DAMAGED, "{ran:#?}");
        let told = format!("{}{}", ran.record.message, ran.record.log_line);
        assert!(told.contains(&name[..8]) || told.contains("blob"), "{name} {ran:#?}");
    }
    // ... is gone ...
    let two = &name[..2];
    tenant.remove(&format!("data/{two}/{name}")).await?;
    let gone = tenant.run(Work::Check { part: 1, of: 1 }).await?;
    assert_eq!(gone.record.reason, reasons::DAMAGED, "{gone:#?}");
    assert!(gone.record.log_line.contains(&name[..8]), "{name} {gone:#?}");
    tenant.put(&format!("data/{two}/{name}"), whole).await?;
    // ... or the snapshot itself is.
    tenant.remove(&format!("snapshots/{}", good.snapshot)).await?;
    let without = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert_eq!(without.record.reason, reasons::DAMAGED, "{without:#?}");
    assert!(without.record.message.contains(&good.snapshot), "{without:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "a full disk needs root: it is a small tmpfs");
        eprintln!("skipped: a full disk needs root: it is a small tmpfs");
        return Ok(());
    }
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 200_000)?;
    // B12: a tmpfs that only the worker sees, and that goes with it; its last words are kept outside.
    let words = bed.folder.join("words");
    std::fs::create_dir_all(&words)?;
    std::fs::set_permissions(&words, std::fs::Permissions::from_mode(0o777))?;
    let work = tenant.task(Work::Backup(tenant.backup()));
    let inner = tenant.command(&work)?;
    let script = format!(
        "mount -t tmpfs -o size=4m,mode=1777 none {scratch} && exec setpriv --reuid postgres --regid postgres --clear-groups \
         {program} backup work --secrets {secrets} --scratch {scratch} --report {words}/words",
        scratch = tenant.scratch.display(),
        program = inner.get_program().to_string_lossy(),
        secrets = tenant.secrets.display(),
        words = words.display(),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).env(VARIABLE, serde_json::to_string(&work)?);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let record = std::fs::read_to_string(words.join("words")).map_err(|error| format!("{error}: {said}"))?;
    let record: tenantry::backup::record::Record = serde_json::from_str(&record)?;
    assert_eq!(record.reason, reasons::NO_SPACE, "{record:#?} {said}");
    assert!(record.log_line.contains("no space left"), "{record:#?}");
    Ok(())
}
