//! Whether a store is fit for backups, as its conditions say it.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use tenantry::backup::store::checks::{Asked, judge};
use tenantry::backup::store::probe_key;
use tenantry::store::verdict::{Judgement, Owner};
use tenantry::store::{Class, Lock, Store, StoreAddress};
use tenantry_testbed::{Fault, Matcher, Proxy, StoreKeys, make_bucket};

use crate::Outcome;
use crate::bed::{self, Server, credentials, open};

fn asked(days: Option<u32>) -> Asked {
    let lock = days.map(|days| Lock { mode: "COMPLIANCE".into(), days });
    Asked { lock, retention_days: 30, scoped: true }
}

async fn verdict(address: &StoreAddress, keys: &StoreKeys, asked: &Asked) -> Outcome<Judgement> {
    let store = Store::open(address, &credentials(keys))?;
    let findings = store.look(&probe_key("b", "shop")).await;
    Ok(judge(&address.bucket, asked, &findings))
}

#[tokio::test]
async fn a_store_that_does_what_is_asked_is_fit() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, root) = (server.name(), server.root());
        // Twice: the second look finds what the first one tried with.
        for _ in 0..2 {
            let said = verdict(&server.address("locked"), &root, &asked(Some(14))).await?;
            assert_eq!((said.fit, said.reason), (true, "Succeeded"), "{name}: {said:?}");
            assert!(said.message.contains("locks for 14 days (COMPLIANCE)"), "{name}: {}", said.message);
        }
        let versions = open(server, "locked")?.list_versions("b/", 10).await?.versions;
        assert_eq!(versions.len(), 1, "{name}: a look writes once: {versions:?}");
        let said = verdict(&server.address("plain"), &root, &asked(None)).await?;
        assert!(said.fit && said.message.contains("has no lock"), "{name}: {said:?}");
        let shared = Asked { scoped: false, ..asked(None) };
        let said = verdict(&server.address("plain"), &root, &shared).await?;
        assert_eq!((said.fit, said.reason), (true, "SharedCredentials"), "{name}: {said:?}");
    }
    Ok(())
}

/// B9, before the first byte.
#[tokio::test]
async fn a_store_that_lacks_what_is_asked_is_refused() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, root, client) = (server.name(), server.root(), server.client());
        client.create_bucket().bucket("bare").send().await?;
        make_bucket(&client, "long", Some(29)).await?;
        make_bucket(&client, "paused", None).await?;
        let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
        let pause = client.put_bucket_versioning().bucket("paused").versioning_configuration(suspended);
        pause.send().await?;
        for (bucket, days, reason) in [
            ("plain", Some(14), "NotImmutable"),
            ("locked", Some(15), "LockTooShort"),
            ("long", None, "LockTooLong"),
            ("bare", None, "NotVersioned"),
            ("paused", None, "NotVersioned"),
            ("nobucket", None, "BucketMissing"),
        ] {
            let said = verdict(&server.address(bucket), &root, &asked(days)).await?;
            assert_eq!((said.fit, said.reason), (false, reason), "{name}: {said:?}");
            assert!(said.message.contains(bucket), "{name}: {}", said.message);
        }
        let bare = open(server, "bare")?.list("", "", 10).await?;
        assert!(bare.objects.iter().all(|one| one.key == "b/shop/store.probe"), "{name}: {bare:?}");
    }
    Ok(())
}

/// B9 too. Flat users of versitygw own buckets by their names; ministack gives a bucket to whoever expects any owner.
#[tokio::test]
async fn another_owner_is_found_out_where_the_store_knows_any() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let root = server.root();
        let mut address = server.address("plain");
        address.expected_owner = Some("333333333333".into());
        let said = verdict(&address, &root, &asked(None)).await?;
        if matches!(server, Server::Ministack(_)) {
            assert!(said.fit && said.message.contains("doesn't check who owns"), "{said:?}");
            continue;
        }
        assert_eq!((said.fit, said.reason), (false, "WrongOwner"), "{said:?}");
        assert_eq!(open(server, "plain")?.list("", "", 10).await?.objects, [], "a byte was written");
        address.expected_owner = Some(root.id.clone());
        let right = Store::open(&address, &credentials(&root))?.look(&probe_key("b", "shop")).await;
        assert_eq!(right.bucket, Ok(Owner::Right));
        assert!(judge("plain", &asked(None), &right).fit, "{right:?}");
    }
    Ok(())
}

/// B7: the store's clock is read off its answers, those that refuse included.
#[tokio::test]
async fn a_clock_that_is_off_is_named() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("plain");
        address.endpoint = Some(proxy.url(&server.url()));
        let said = verdict(&address, &server.root(), &asked(None)).await?;
        assert!(said.fit, "through the proxy: {said:?}");
        let body = "<?xml version=\"1.0\"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference \
                    between the request time and the current time is too large.</Message></Error>";
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = vec![("date".into(), date), ("content-type".into(), "application/xml".into())];
        proxy.fail(Matcher::any(), Fault::Status { code: 403, headers, body: body.into() });
        let said = verdict(&address, &server.root(), &asked(None)).await?;
        assert_eq!((said.fit, said.reason), (false, "ClockSkew"), "{said:?}");
        let told = said.message.contains("min ahead of the operator's");
        assert!(told && (said.message.contains("19 min") || said.message.contains("20 min")), "{said:?}");
    }
    Ok(())
}

/// B21: the store says yes, and forgets.
#[tokio::test]
async fn a_store_that_forgets_is_found_out() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("plain");
        address.endpoint = Some(proxy.url(&server.url()));
        proxy.fail(Matcher::path("store.probe").method("PUT"), Fault::status(200));
        let said = verdict(&address, &server.root(), &asked(None)).await?;
        assert_eq!((said.fit, said.reason), (false, "NotDurable"), "{}: {said:?}", server.name());
        let store = Store::open(&address, &credentials(&server.root()))?;
        proxy.heal_all();
        proxy.fail(Matcher::path("records/a").method("PUT"), Fault::status(200));
        let lost = store.put_proved("records/a", b"{}").await.unwrap_err();
        assert_eq!((lost.class.clone(), lost.reason()), (Class::NotDurable, "NotDurable"), "{lost}");
        let other = Fault::Status { code: 200, headers: Vec::new(), body: "[]".into() };
        proxy.fail(Matcher::path("records/b").method("GET"), other);
        let changed = store.put_proved("records/b", b"{}").await.unwrap_err();
        assert_eq!(changed.class, Class::NotDurable, "{changed}");
        // One that ignores the condition.
        proxy.heal_all();
        store.put_new(&probe_key("b", "shop"), b"x").await?;
        proxy.fail(Matcher::path("store.probe").method("PUT"), Fault::status(200));
        let said = verdict(&address, &server.root(), &asked(None)).await?;
        assert_eq!((said.fit, said.reason), (false, "NoConditionalPut"), "{said:?}");
    }
    Ok(())
}

/// B6: what passes is tried again, and what doesn't ends at its deadline with a reason.
#[tokio::test]
async fn trouble_that_passes_is_lived_through() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let name = server.name();
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("plain");
        address.endpoint = Some(proxy.url(&server.url()));
        let store = Store::open(&address, &credentials(&server.root()))?;
        for (key, fault) in [
            ("t/500", Fault::status(500)),
            ("t/503", Fault::status(503)),
            ("t/reset", Fault::Reset),
            ("t/lost", Fault::LoseAnswer),
        ] {
            let once = proxy.fail_next(1, Matcher::path(key).method("PUT"), fault);
            store.put_proved(key, b"content").await?;
            assert_eq!(proxy.hits(once), 1, "{name}: {key}");
            let versions = store.list_versions(key, 10).await?.versions;
            assert_eq!(versions.len(), 1, "{name}: {key}: {versions:?}");
        }
        proxy.fail(Matcher::path("t/never"), Fault::status(503));
        let busy = store.get("t/never", 10).await.unwrap_err();
        assert!(busy.class == Class::Busy && busy.class.is_passing(), "{name}: {busy}");
        proxy.refuse(true);
        let said = verdict(&address, &server.root(), &asked(None)).await?;
        assert_eq!(said.reason, "StoreUnreachable", "{name}: {said:?}");
        assert!(matches!(open(server, "plain")?.look("p").await.bucket, Ok(Owner::NotAsked)));
    }
    Ok(())
}
