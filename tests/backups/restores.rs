//! Restores for people.

use tenantry::backup::record::reasons;
use tenantry::backup::task::Work;

use crate::bed::{Bed, DATABASE, Outcome, Tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_appears_and_the_live_database_stays() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 500)?;
    let good = tenant.good_backup().await?;
    bed.postgres.sql(DATABASE, "DELETE FROM orders WHERE id > 5")?;
    let ran = tenant.run(Work::Restore(tenant.restore(&good, Some("shop_then")))).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    let restored = ran.record.restored.clone().unwrap();
    assert_eq!((restored.database.as_str(), restored.passed), ("shop_then", restored.checks));
    assert_eq!(bed.postgres.sql("shop_then", "SELECT count(*) FROM orders")?, "500");
    assert_eq!(bed.postgres.sql(DATABASE, "SELECT count(*) FROM orders")?, "5");
    // Nothing is ever restored over what is there, be it a copy or the live one by its name.
    for name in ["shop_then", DATABASE] {
        let twice = tenant.run(Work::Restore(tenant.restore(&good, Some(name)))).await?;
        assert_eq!(twice.record.reason, reasons::TARGET_EXISTS, "{twice:#?}");
    }
    assert_eq!(bed.postgres.sql(DATABASE, "SELECT count(*) FROM orders")?, "5");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_live_one_it_is_all_or_nothing() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 5000)?;
    bed.postgres.sql(DATABASE, "CREATE ROLE auditor NOLOGIN; GRANT SELECT ON orders TO auditor")?;
    let good = tenant.good_backup().await?;
    bed.postgres.sql(DATABASE, "DELETE FROM orders WHERE id > 5")?;

    // The largest pack is damaged: half of it comes through, and none of it counts.
    let pack = tenant.pack().await?;
    let whole = std::fs::read(&pack)?;
    let mut tampered = whole.clone();
    tampered[whole.len() * 2 / 3] ^= 1;
    std::fs::write(&pack, &tampered)?;
    for to in [None, Some("half")] {
        let broken = tenant.run(Work::Restore(tenant.restore(&good, to))).await?;
        assert_eq!(broken.record.reason, reasons::DAMAGED, "{broken:#?}");
    }
    assert_eq!(bed.postgres.sql(DATABASE, "SELECT count(*) FROM orders")?, "5", "as it was");
    let half = "SELECT count(*) FROM pg_database WHERE datname = 'half'";
    assert_eq!(bed.postgres.sql("postgres", half)?, "0", "half a database is none");

    std::fs::write(&pack, &whole)?;
    let ran = tenant.run(Work::Restore(tenant.restore(&good, None))).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    assert_eq!(bed.postgres.sql(DATABASE, "SELECT count(*) FROM orders")?, "5000");
    let right = "SELECT has_table_privilege('auditor', 'orders', 'SELECT')";
    assert_eq!(bed.postgres.sql(DATABASE, right)?, "t", "rights come back, too");
    Ok(())
}
