//! What is true of objects on every store.

use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use tenantry::store::Lock;
use tenantry::store::{Class, Store};
use tenantry_testbed::StoreKeys;

use crate::Outcome;
use crate::bed::{self, credentials, open};

#[tokio::test]
async fn an_object_is_written_once_and_read_back() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, store) = (server.name(), open(server, "plain")?);
        let put = store.put_new("shop/acme/key.json", b"one").await?;
        assert!(put.version.is_some(), "{name}: {put:?}");
        let again = store.put_new("shop/acme/key.json", b"two").await.unwrap_err();
        assert_eq!(again.class, Class::Exists, "{name}: {again}");
        store.put_proved("shop/acme/key.json", b"one").await?;
        let other = store.put_proved("shop/acme/key.json", b"two").await.unwrap_err();
        assert_eq!(other.class, Class::Exists, "{name}: {other}");
        let longer = store.put_proved("shop/acme/key.json", b"t").await.unwrap_err();
        assert_eq!(longer.class, Class::Exists, "{name}: {longer}");
        assert_eq!(store.get("shop/acme/key.json", 3).await?, b"one", "{name}");
        let most = store.get("shop/acme/key.json", 2).await.unwrap_err();
        assert_eq!(most.class, Class::Unexpected, "{name}: {most}");
        let none = store.get("shop/acme/none", 9).await.unwrap_err();
        assert_eq!(none.class, Class::NotFound, "{name}: {none}");
        assert!(none.to_string().contains("plain/shop/acme/none at http://127.0.0.1:"), "{none}");
        let head = store.head("shop/acme/key.json").await?;
        assert_eq!((head.size, head.held), (3, None), "{name}");
        assert_eq!(store.head("shop/acme/none").await.unwrap_err().class, Class::NotFound, "{name}");
        let ahead = store.clock().ahead().expect("answers have dates");
        assert!(ahead.abs() < SignedDuration::from_secs(5), "{name}: {ahead}");
    }
    Ok(())
}

#[tokio::test]
async fn an_object_under_lock_stays_and_says_until_when() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let mut address = server.address("locked");
        address.lock = Some(Lock { mode: "COMPLIANCE".into(), days: 20 });
        let store = Store::open(&address, &credentials(&server.root()))?;
        let put = store.put_new("records/a.json", b"{}").await?;
        let head = store.head("records/a.json").await?;
        let held = head.held.expect("it was written under a lock");
        assert_eq!(held.mode, "COMPLIANCE", "{}", server.name());
        let left = held.until.duration_since(Timestamp::now()).as_hours();
        assert!((20 * 24 - 1..=20 * 24).contains(&left), "{}: {left} h", server.name());
        // A plain removal only marks it; the version itself stays.
        store.remove("records/a.json").await?;
        let request = server.client().delete_object().bucket("locked").key("records/a.json");
        let refused = request.set_version_id(put.version).send().await;
        assert!(refused.is_err(), "{}: a locked version was removed", server.name());
        let versions = store.list_versions("records/", 100).await?;
        assert_eq!(versions.versions.len(), 2, "{}: {versions:?}", server.name());
        assert_eq!(versions.versions.iter().filter(|one| one.marker && one.latest).count(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_listing_is_paged_bounded_and_in_order() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let store = open(server, "plain")?;
        let keys: Vec<String> = (0..1203).map(|number| format!("shop/a/{number:05}/x")).collect();
        let puts = futures::stream::iter(keys.iter().map(|key| store.put_new(key, b"x")));
        puts.buffer_unordered(16).try_collect::<Vec<_>>().await?;
        store.put_new("shop/b", b"x").await?;
        let all = store.list("shop/a/", "", 5000).await?;
        let found: Vec<&String> = all.objects.iter().map(|object| &object.key).collect();
        assert_eq!(found, keys.iter().collect::<Vec<_>>(), "{}", server.name());
        assert!(!all.cut && all.objects.iter().all(|object| object.size == 1 && object.modified.is_some()));
        let some = store.list("shop/a/", "shop/a/00009/x", 1100).await?;
        assert!(some.cut && some.objects.len() == 1100, "{}", server.name());
        assert_eq!(some.objects[0].key, "shop/a/00010/x");
        assert_eq!(store.list("shop/none/", "", 10).await?.objects, []);
        // A part of the folders is none, and what begins like a key isn't it.
        assert_eq!(store.folders("shop/a/").await.unwrap_err().class, Class::Unexpected);
        assert_eq!(store.listed("shop/a/0000").await.unwrap_err().class, Class::NotFound);
        assert_eq!(store.listed("shop/a/00007/x").await?, 1);
        let versions = store.list_versions("shop/a/", 5000).await?;
        assert_eq!((versions.versions.len(), versions.cut), (1203, false), "{}", server.name());
        assert!(store.list_versions("shop/a/", 1001).await?.cut);
    }
    Ok(())
}

#[tokio::test]
async fn each_refusal_has_its_class() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let name = server.name();
        let missing = open(server, "nobucket")?.list("a", "", 1).await.unwrap_err();
        assert_eq!(missing.class, Class::NoBucket, "{name}: {missing}");
        // Root's keys are not checked on ministack, users' are.
        let stranger = StoreKeys { id: "AKIANOBODYKNOWSTHIS1".into(), secret: "canary-secret".into() };
        let stranger = Store::open(&server.address("plain"), &credentials(&stranger))?;
        let refused = stranger.get("a", 1).await.unwrap_err();
        assert!(matches!(refused.class, Class::BadCredentials | Class::Denied), "{name}: {refused}");
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused}");
    }
    let mut nobody = bed::address("http://127.0.0.1:9", "plain");
    let keys = StoreKeys { id: "a".into(), secret: "b".into() };
    let refused = Store::open(&nobody, &credentials(&keys))?.get("a", 1).await.unwrap_err();
    assert_eq!(refused.class, Class::Unreachable, "{refused}");
    assert_eq!(refused.reason(), "StoreUnreachable");
    nobody.endpoint = Some("https://127.0.0.1:9".into());
    nobody.ca = Some("no certificate".into());
    let refused = Store::open(&nobody, &credentials(&keys)).unwrap_err();
    assert_eq!(refused.class, Class::Tls, "{refused}");
    Ok(())
}
