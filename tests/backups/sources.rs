//! Sources that are not as they should be.

use std::time::Duration;

use tenantry::backup::record::reasons;
use tenantry::backup::task::{Backup, Size, Work};
use tenantry_testbed::{Fault, Matcher, Proxy};

use crate::bed::{Bed, DATABASE, Outcome, Tenant, programs_but};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_shrunken_source_fails_unless_it_is_meant() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    // B5
    bed.fill("orders", 0)?;
    let empty = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(empty.record.reason, reasons::EMPTY_SOURCE, "{empty:#?}");
    assert_eq!(tenant.names("snapshots").await?, Vec::<String>::new(), "nothing was saved");
    let meant = Backup { shrink_acknowledged: true, ..tenant.backup() };
    let meant = tenant.run(Work::Backup(meant)).await?;
    assert!(meant.record.succeeded, "{meant:#?}");

    bed.fill("orders", 100)?;
    let before = |rows, bytes| Backup { before: Some(Size { rows, bytes }), ..tenant.backup() };
    let rows = tenant.run(Work::Backup(before(1000, 1))).await?;
    assert_eq!((rows.record.reason.as_str(), rows.record.point), (reasons::SHRUNKEN, None));
    // The dump's bytes are known when it is done: the point is there, and doesn't count.
    let bytes = tenant.run(Work::Backup(before(100, 1 << 40))).await?;
    assert_eq!(bytes.record.reason, reasons::SHRUNKEN, "{bytes:#?}");
    assert!(bytes.record.point.is_some() && !bytes.record.succeeded);
    let meant = Backup { shrink_acknowledged: true, ..before(1000, 1 << 40) };
    assert!(tenant.run(Work::Backup(meant)).await?.record.succeeded);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_fails_leaves_no_point() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 5000)?;
    let real = bed.postgres.programs().join("pg_dump");
    let breaks = format!(
        "#!/bin/sh\n{} \"$@\" | head -c 100000\necho 'pg_dump: error: Dumping the contents of table failed' >&2\nexit 1\n",
        real.display()
    );
    tenant.path = Some(programs_but(&bed, "breaks", &[("pg_dump", breaks)])?);
    let ran = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(ran.record.reason, reasons::DUMP_FAILED, "{ran:#?}");
    assert!(ran.record.log_line.contains("pg_dump: error: Dumping"), "{}", ran.record.log_line);
    assert_eq!(ran.record.point, None);
    let dumps = tenant.restic_says(&["snapshots", "--json", "--tag", "kind=dump"])?;
    assert_eq!(dumps.trim(), "[]", "a snapshot of half a dump");

    // It fails while the manifest is on its way: what saves that isn't killed, since it would leave its lock.
    let proxy = Proxy::http(&bed.store.url())?;
    tenant.through(&proxy);
    let slow = proxy.fail(Matcher::path("/data/").method("PUT"), Fault::Delay(Duration::from_secs(3)));
    let refuses = "#!/bin/sh\necho 'pg_dump: error: refused' >&2\nexit 1\n".to_owned();
    tenant.path = Some(programs_but(&bed, "refuses", &[("pg_dump", refuses)])?);
    let ran = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!((ran.record.reason.as_str(), &ran.record.point), (reasons::DUMP_FAILED, &None), "{ran:#?}");
    assert!(proxy.hits(slow) > 0, "the manifest");
    assert_eq!(tenant.names("locks").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_refuses_is_named_and_its_password_is_not() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    // Somebody else's table, which the user may not read.
    bed.postgres.sql(DATABASE, "CREATE TABLE hidden (a int)")?;
    let hidden = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(hidden.record.reason, reasons::SOURCE_UNREACHABLE, "{hidden:#?}");
    assert!(hidden.record.log_line.contains("permission denied for table hidden"), "{hidden:#?}");

    tenant.secret("connection/PGPASSWORD", "canary-database-password-of-yesterday")?;
    let refused = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(refused.record.reason, reasons::SOURCE_UNREACHABLE, "{refused:#?}");
    assert!(refused.record.log_line.contains("password authentication failed"), "{refused:#?}");
    bed.postgres.kill();
    let gone = tenant.run(Work::Backup(tenant.backup())).await?;
    assert_eq!(gone.record.reason, reasons::SOURCE_UNREACHABLE, "{gone:#?}");
    assert!(gone.record.log_line.contains("refused"), "{gone:#?}");
    Ok(())
}

/// A database that nobody lists is named; what holds nothing, and templates, are not.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_databases_of_the_server_are_named() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    let seen = async || -> Outcome<(String, Vec<String>, usize)> {
        let ran = tenant.run(Work::Backup(tenant.backup())).await?;
        assert!(ran.record.succeeded, "{ran:#?}");
        let found = ran.record.neighbours.ok_or("it looked around")?;
        Ok((found.own, found.others, found.more))
    };
    assert_eq!(seen().await?, (DATABASE.into(), vec![], 0), "postgres is empty");
    for sql in [
        "CREATE DATABASE \"Wiki \"\"2\"\"\"",
        "CREATE DATABASE moulds IS_TEMPLATE true",
        "CREATE DATABASE closed ALLOW_CONNECTIONS false",
    ] {
        bed.postgres.sql("postgres", sql)?;
    }
    bed.postgres.sql("postgres", "CREATE TABLE forgotten (a int)")?;
    assert_eq!(seen().await?, (DATABASE.into(), vec!["Wiki \"2\"".into(), "postgres".into()], 0));
    // Whoever may not enter doesn't know; the backup is as good as ever.
    bed.postgres.sql("postgres", "REVOKE CONNECT ON DATABASE postgres FROM public")?;
    assert_eq!(seen().await?.1, ["Wiki \"2\""]);
    Ok(())
}
