//! Expiry by ids, and the rotating check.

use tenantry::backup::record::reasons;
use tenantry::backup::task::Work;
use tenantry_testbed::{Fault, Matcher, Proxy};

use crate::bed::{Bed, Outcome, Tenant};

fn expire(snapshots: Vec<String>, prune: bool) -> Work {
    Work::Expire { snapshots, prune, retire: false, dead_hosts: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_named_expires() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 3000)?;
    let first = tenant.good_backup().await?;
    bed.fill("orders", 3000)?;
    let second = tenant.good_backup().await?;
    let before = tenant.stored().await?;

    // No rule, no shortened id, no word of restic's: nothing is removed.
    for wrong in ["latest".to_owned(), first.snapshot[..8].to_owned(), "--keep-last=1".to_owned()] {
        let refused = tenant.run(expire(vec![first.manifest.clone(), wrong], false)).await?;
        assert!(!refused.record.succeeded && refused.record.removed.is_empty(), "{refused:#?}");
    }
    assert_eq!(tenant.names("snapshots").await?.len(), 4);

    let ids = vec![first.manifest.clone(), first.snapshot.clone()];
    let ran = tenant.run(expire(ids.clone(), true)).await?;
    assert!(ran.record.succeeded, "{ran:#?}");
    assert_eq!(ran.record.removed, ids);
    let mut left = vec![second.manifest.clone(), second.snapshot.clone()];
    left.sort();
    assert_eq!(tenant.names("snapshots").await?, left);
    assert!(tenant.stored().await? <= before);
    // The same run once more finds it done; and what is left is whole.
    let again = tenant.run(expire(ids.clone(), false)).await?;
    assert!(again.record.succeeded && again.record.removed == ids, "{again:#?}");
    for part in 1..=3 {
        let checked = tenant.run(Work::Check { part, of: 3 }).await?;
        assert!(checked.record.succeeded, "{checked:#?}");
    }
    let drilled = tenant.run(Work::Drill(tenant.drill(&second))).await?;
    assert!(drilled.record.succeeded, "{drilled:#?}");
    let gone = tenant.run(Work::Drill(tenant.drill(&first))).await?;
    assert_eq!(gone.record.reason, reasons::DAMAGED, "{gone:#?}");
    Ok(())
}

/// B21: the store says that a snapshot is gone, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_only_the_store_believes_in_is_told() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 10)?;
    let good = tenant.good_backup().await?;
    let lie = proxy.fail(Matcher::path("/snapshots/").method("DELETE"), Fault::status(204));
    let ran = tenant.run(expire(vec![good.snapshot.clone()], false)).await?;
    assert!(proxy.hits(lie) > 0);
    assert_eq!(ran.record.reason, reasons::STORE_UNREACHABLE, "{ran:#?}");
    assert!(ran.record.message.contains(&good.snapshot) && ran.record.removed.is_empty(), "{ran:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_removals_fit_into_the_last_words() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let tenant = Tenant::new(&bed, "acme")?;
    bed.fill("orders", 10)?;
    tenant.good_backup().await?;
    let ids: Vec<String> = (0..200).map(|n| format!("{n:064x}")).collect();
    let task = tenant.task(expire(ids.clone(), false));
    let id = task.id.clone();
    let ran = tenant.run_task(task).await?;
    assert!(ran.record.succeeded && ran.record.removed.len() < 200, "{ran:#?}");
    let key = tenant.place().record(ran.record.started.parse()?, "expire", &id);
    let kept = std::fs::read(bed.store.files(crate::bed::BUCKET).join(key))?;
    let kept: tenantry::backup::record::Record = serde_json::from_slice(&kept)?;
    assert_eq!(kept.removed, ids, "the store has all of it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_generation_goes_and_one_that_holds_something_stays() -> Outcome {
    let Some(bed) = Bed::start().await? else { return Ok(()) };
    let proxy = Proxy::http(&bed.store.url())?;
    let mut tenant = Tenant::new(&bed, "acme")?;
    tenant.through(&proxy);
    bed.fill("orders", 10)?;
    let (first, second) = (tenant.good_backup().await?, tenant.good_backup().await?);
    let retire = |snapshots: Vec<String>| Work::Expire {
        snapshots,
        prune: true,
        retire: true,
        dead_hosts: Vec::new(),
    };
    let half = tenant.run(retire(vec![first.manifest.clone(), first.snapshot.clone()])).await?;
    assert!(half.record.succeeded, "{half:#?}");
    assert_eq!(tenant.names("keys").await?.len(), 1, "the second point is there, and its key");
    let drilled = tenant.run(Work::Drill(tenant.drill(&second))).await?;
    assert!(drilled.record.succeeded, "{drilled:#?}");
    // Cut off on the way it is a repository still, and the next try ends what this one began.
    let refused = proxy.fail(Matcher::path("/keys/").method("DELETE"), Fault::status(403));
    let cut = tenant.run(retire(vec![second.manifest.clone(), second.snapshot.clone()])).await?;
    assert!(!cut.record.succeeded && proxy.hits(refused) > 0, "{cut:#?}");
    proxy.heal_all();
    let rest = tenant.run(retire(vec![second.manifest.clone(), second.snapshot.clone()])).await?;
    assert!(rest.record.succeeded, "{rest:#?}");
    for folder in ["keys", "index", "data", "snapshots", "locks"] {
        assert_eq!(tenant.names(folder).await?, Vec::<String>::new(), "{folder}");
    }
    let never = tenant
        .run(Work::Backup(tenantry::backup::task::Backup { initialise: false, ..tenant.backup() }))
        .await?;
    assert_eq!(never.record.reason, reasons::REPOSITORY_MISSING, "{never:#?}");
    Ok(())
}
