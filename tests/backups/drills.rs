//! Drills: what they prove, and what they find.

use serde_json::json;
use tenantry::backup::record::reasons;
use tenantry::backup::task::{Backup, Drill, SqlCheck, Work};

use crate::bed::{Bed, DATABASE, Outcome, Tenant, point, programs_but};

fn check(name: &str, sql: &str) -> SqlCheck {
    SqlCheck { name: name.into(), sql: sql.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_and_compares_everything() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 3000)?;
    // What a dump takes for granted, and what rows may look like.
    bed.postgres.sql(DATABASE, "CREATE EXTENSION pg_trgm; CREATE ROLE reporting NOLOGIN")?;
    bed.postgres.sql(
        DATABASE,
        "CREATE TABLE kinds (a float8, b interval, c timestamptz, d jsonb, e text[]); \
         INSERT INTO kinds VALUES (0.1 + 0.2, '1 mon 2 days', now(), '{\"x\": 1}', '{a,\"b c\"}'), (NULL, NULL, NULL, NULL, NULL); \
         ALTER TABLE kinds ENABLE ROW LEVEL SECURITY; ALTER TABLE kinds OWNER TO shop; \
         CREATE POLICY nobody ON kinds FOR SELECT TO reporting USING (false); \
         CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k); ALTER TABLE parts OWNER TO shop; \
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); ALTER TABLE parts_1 OWNER TO shop; \
         INSERT INTO parts VALUES (1, 'x'); SELECT lo_from_bytea(0, 'large')",
    )?;
    bed.postgres.sql(
        DATABASE,
        "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP \
         EXECUTE format('ALTER LARGE OBJECT %s OWNER TO shop', o); END LOOP; END $$",
    )?;
    let good = tenant.good_backup().await?;

    // Another tenant, with a repository of its own, whose key and credentials open nothing here.
    let other = bed.store.user("other")?;
    tenant.secret("other/password", "canary-key-of-other")?;
    tenant.keys("other/", &other)?;
    let drill = Drill {
        try_other: true,
        checks: vec![
            check("orders are there", "SELECT count(*) = 3000 FROM orders"),
            check("trigrams", "SELECT similarity('abc', 'abc') = 1"),
        ],
        ..tenant.drill(&good)
    };
    let ran = tenant.run(Work::Drill(drill)).await?;
    let restored = ran.record.restored.clone().unwrap();
    assert!(ran.record.succeeded, "{ran:#?}");
    // Three tables and their checksums, large objects, the time; one key; the other's key and credentials; two checks.
    assert_eq!((restored.passed, restored.checks), (13, 13), "{restored:#?}");
    assert!(
        restored.rpo_seconds >= 0 && restored.rto_seconds >= 0 && restored.bytes > 200_000,
        "{restored:#?}"
    );
    assert!(ran.record.programs.iter().any(|one| one.starts_with("restic 0.")), "{:?}", ran.record.programs);
    Ok(())
}

/// Another provider of order and case than the C library.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_an_icu_locale_is_restored() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.postgres.sql(
        "postgres",
        "CREATE DATABASE umlaut OWNER shop TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'",
    )?;
    bed.postgres.sql(
        "umlaut",
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
         CREATE TABLE words (w text PRIMARY KEY, l text COLLATE loose UNIQUE); \
         INSERT INTO words VALUES ('Ärger', 'A'), ('Zorn', 'b'), ('ärger', 'C'); \
         ALTER TABLE words OWNER TO shop; ALTER COLLATION loose OWNER TO shop",
    )?;
    for (variable, value) in bed.postgres.connection(DATABASE, "canary-database-password", "umlaut") {
        tenant.secret(&format!("connection/{variable}"), &value)?;
    }
    let good = tenant.good_backup().await?;
    let check = check("sought as before", "SELECT count(*) = 1 FROM words WHERE l = 'B'");
    let ran = tenant.run(Work::Drill(Drill { checks: vec![check], ..tenant.drill(&good) })).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    Ok(())
}

/// Only a superuser may make event triggers, and whoever restores is none; and one of them forbids what a restore does.
#[tokio::test(flavor = "multi_thread")]
async fn event_triggers_keep_nobody_from_restoring() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 500)?;
    bed.postgres.sql(
        DATABASE,
        "CREATE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $m$frozen$m$; END'; \
         ALTER FUNCTION frozen() OWNER TO shop; \
         CREATE EVENT TRIGGER frozen ON ddl_command_end EXECUTE FUNCTION frozen()",
    )?;
    let good = tenant.good_backup().await?;
    let ran = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert!(ran.record.succeeded, "{ran:#?}");

    let copy = tenant.run(Work::Restore(tenant.restore(&good, Some("shop_then")))).await?;
    assert!(copy.record.succeeded, "{copy:#?}");
    assert_eq!(bed.postgres.sql("shop_then", "SELECT count(*) FROM orders")?, "500");
    assert_eq!(bed.postgres.sql("shop_then", "SELECT count(*) FROM pg_event_trigger")?, "0");
    assert!(copy.said.contains("event triggers are left out of the copy"), "{}", copy.said);

    // Over the live one it is all or nothing, and the trigger would have to go and come back.
    bed.postgres.sql(DATABASE, "DELETE FROM orders WHERE id > 5")?;
    let live = tenant.run(Work::Restore(tenant.restore(&good, None))).await?;
    assert_eq!(live.record.reason, reasons::RESTORE_FAILED, "{live:#?}");
    assert!(live.record.log_line.contains("event trigger"), "{live:#?}");
    assert_eq!(bed.postgres.sql(DATABASE, "SELECT count(*) FROM orders")?, "5");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_the_manifest_says_is_found() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 100)?;
    bed.fill("items", 100)?;
    let good = tenant.good_backup().await?;
    let forged = tenant.forged(&good, |manifest| {
        manifest["tables"]["\"public\".\"orders\""]["rows"] = json!(101);
        manifest["tables"]["\"public\".\"items\""]["checksum"] = json!("1-2");
    })?;
    let drill = Drill { checks: vec![check("wrong", "SELECT false")], ..tenant.drill(&forged) };
    let ran = tenant.run(Work::Drill(drill)).await?;
    let restored = ran.record.restored.clone().unwrap();
    assert_eq!(ran.record.reason, reasons::CHECK_FAILED, "{ran:#?}");
    assert_eq!(restored.failed, ["manifest", "wrong"]);
    assert_eq!(restored.checks - restored.passed, 3, "{restored:#?}");
    assert!(
        ran.said.contains("orders\\\" has 100 rows, not 101") || ran.said.contains("has 100 rows, not 101")
    );
    assert!(ran.said.contains("has another content"), "{}", ran.said);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_the_users_read_and_do_nothing_else() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    let good = tenant.good_backup().await?;
    let mark = tenant.scratch.join("mark");
    let program = format!("COPY (SELECT 1) TO PROGRAM 'touch {}'", mark.display());
    let drill = Drill {
        checks: vec![
            check("holds", "SELECT true"),
            check("false", "SELECT 1 = 2"),
            check("two rows", "SELECT true FROM generate_series(1, 2)"),
            check("meta", &format!("\\! touch {}", mark.display())),
            check("program", &program),
            check("program, not read only", &format!("SET default_transaction_read_only = off; {program}")),
            check("writes", "DELETE FROM orders RETURNING true"),
            check("syntax", "SELEKT"),
        ],
        ..tenant.drill(&good)
    };
    let ran = tenant.run(Work::Drill(drill)).await?;
    let restored = ran.record.restored.clone().unwrap();
    let expected = ["false", "two rows", "meta", "program", "program, not read only", "writes", "syntax"];
    assert_eq!(restored.failed, expected, "{ran:#?}");
    assert_eq!(ran.record.reason, reasons::CHECK_FAILED);
    assert!(!mark.exists(), "a check started a program");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_comes_from_what_was_restored() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    // The user must be able to make the schema: the tenant asked for the sentinel.
    bed.postgres.sql(DATABASE, "GRANT CREATE ON DATABASE shop TO shop")?;
    bed.fill("orders", 10)?;
    let ran = tenant.run(Work::Backup(Backup { sentinel: true, ..tenant.backup() })).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    let good = point(&ran.record);
    let drilled = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert!(drilled.record.succeeded, "{drilled:#?}");

    // B14: the row is another run's...
    let forged =
        tenant.forged(&good, |manifest| manifest["sentinel"]["run"] = json!("backup-of-yesterday"))?;
    let old = tenant.run(Work::Drill(tenant.drill(&forged))).await?;
    assert_eq!(old.record.reason, reasons::RPO_EXCEEDED, "{old:#?}");
    assert!(old.record.restored.clone().unwrap().rpo_seconds >= 0);
    // ... or isn't there ...
    let without =
        tenant.run(Work::Backup(Backup { sentinel: false, database: "other".into(), ..tenant.backup() }));
    drop(without);
    bed.postgres.sql(DATABASE, "DROP SCHEMA tenantry CASCADE")?;
    let bare = tenant.good_backup().await?;
    let promised = tenant.forged(&bare, |manifest| {
        manifest["sentinel"] = json!({"at": "2026-11-22T03:00:00Z", "run": "backup-1"});
    })?;
    let missing = tenant.run(Work::Drill(tenant.drill(&promised))).await?;
    assert_eq!(missing.record.reason, reasons::RPO_EXCEEDED, "{missing:#?}");
    // ... or everything is older than it may be: the manifest is made to look an hour old.
    let hour = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let mut aged = tenant.forged(&bare, |manifest| manifest["time"] = json!(hour.to_string()))?;
    aged.time = hour.to_string();
    let drill = Drill { rpo_limit_seconds: Some(1800), ..tenant.drill(&aged) };
    let late = tenant.run(Work::Drill(drill)).await?;
    assert_eq!(late.record.reason, reasons::RPO_EXCEEDED, "{late:#?}");
    assert!(late.record.restored.unwrap().rpo_seconds >= 3600);
    // A manifest that says another time than the record is not the point's.
    let differs = tenant.forged(&bare, |manifest| manifest["time"] = json!(hour.to_string()))?;
    let swapped = tenant.run(Work::Drill(tenant.drill(&differs))).await?;
    assert_eq!(swapped.record.reason, reasons::DAMAGED, "{swapped:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_fit_is_refused_before_anything_moves() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let mut tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    let good = tenant.good_backup().await?;
    // B13
    let small = tenant.run(Work::Drill(Drill { room_bytes: 1 << 20, ..tenant.drill(&good) })).await?;
    assert_eq!(small.record.reason, reasons::TARGET_TOO_SMALL, "{small:#?}");
    assert_eq!(small.record.restored.unwrap().bytes, 0);
    let old = "#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n".to_owned();
    tenant.path = Some(programs_but(&bed, "old", &[("postgres", old)])?);
    let other = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert_eq!(other.record.reason, reasons::ENGINE_VERSION_MISMATCH, "{other:#?}");
    assert!(other.record.message.contains("is 9"), "{other:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_opens_a_tenants_repository() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    let good = tenant.good_backup().await?;
    let drill = || Work::Drill(Drill { try_other: true, ..tenant.drill(&good) });
    // B22: the other's credentials read this one's prefix...
    tenant.secret("other/password", "canary-key-of-other")?;
    tenant.keys("other/", &bed.store.root())?;
    let wide = tenant.run(drill()).await?;
    assert_eq!(wide.record.reason, reasons::CREDENTIALS_TOO_WIDE, "{wide:#?}");
    // ... its key opens the repository...
    tenant.secret("other/password", "canary-key-of-acme")?;
    let opened = tenant.run(drill()).await?;
    assert_eq!(opened.record.reason, reasons::KEY_NOT_ALONE, "{opened:#?}");
    // ... or somebody added a key.
    let more = bed.folder.join("more");
    std::fs::write(&more, "another")?;
    tenant.restic_says(&["key", "add", "--new-password-file", &more.to_string_lossy()])?;
    let added = tenant.run(Work::Drill(tenant.drill(&good))).await?;
    assert_eq!(added.record.reason, reasons::KEY_NOT_ALONE, "{added:#?}");
    assert!(added.record.message.contains("2 keys"), "{added:#?}");
    Ok(())
}
