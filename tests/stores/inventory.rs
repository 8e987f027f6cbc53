//! What the store has of one tenant.

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::layout::Place;
use tenantry::backup::record::{self, Point, Record};
use tenantry::backup::store::inventory::{Inventory, locked_percent};
use tenantry::backup::task::Size;
use tenantry::store::{Class, Store};
use tenantry_testbed::{Fault, Matcher, Proxy};

use crate::Outcome;
use crate::bed::{self, credentials, open};

/// An id of a snapshot.
fn id(number: u32) -> String {
    format!("{number:064x}")
}

fn record(number: u32, started: Timestamp, succeeded: bool) -> Record {
    let point = Point {
        snapshot: id(number * 2),
        manifest: id(number * 2 + 1),
        time: started.to_string(),
        lsn: String::new(),
        engine: "PostgreSQL 17.2".into(),
        size: Size { rows: 5, bytes: u64::from(number) },
        stored_bytes: 1,
        manifest_sha256: id(0),
    };
    Record {
        version: record::VERSION,
        kind: "backup".into(),
        id: format!("backup-app-{number}"),
        install_id: "i1".into(),
        platform: "shop".into(),
        tenant: "acme".into(),
        database: "app".into(),
        slot: String::new(),
        generation: 1 + number % 2,
        started: started.to_string(),
        ended: (started + SignedDuration::from_secs(9)).to_string(),
        store_clock_ahead_seconds: 0,
        succeeded,
        reason: if succeeded { "Succeeded" } else { "Shrunken" }.into(),
        message: String::new(),
        log_line: String::new(),
        // A dump that turned out too small lies in the store, and is no restore point.
        point: Some(point),
        neighbours: None,
        restored: None,
        removed: Vec::new(),
        programs: Vec::new(),
        phases: Default::default(),
    }
}

/// Writes what a run leaves.
async fn leave(store: &Store, place: &Place, record: &Record) -> Outcome {
    if let Some(point) = &record.point {
        for id in [&point.snapshot, &point.manifest] {
            store.put_new(&format!("{}{id}", place.snapshots(record.generation)), b"s").await?;
        }
    }
    let key = place.record(record.started.parse()?, &record.kind, &record.id);
    Ok(store.put_proved(&key, &serde_json::to_vec(record)?).await?)
}

#[tokio::test]
async fn points_are_what_has_a_record_and_both_snapshots() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, store) = (server.name(), open(server, "plain")?);
        let place = Place::of("b", "shop", "acme");
        let now = Timestamp::now();
        let mut inventory = Inventory::default();
        let empty = inventory.look(&store, &place, now).await?;
        assert!(empty.points.is_empty() && empty.past.is_empty(), "{name}: {empty:?}");
        for number in 1..=4 {
            leave(&store, &place, &record(number, now - SignedDuration::from_hours(9), number != 3)).await?;
        }
        // A snapshot of a run that died, and things that are none.
        store.put_new(&format!("{}{}", place.snapshots(1), id(99)), b"s").await?;
        store.put_new(&format!("{}notes", place.snapshots(1)), b"s").await?;
        store.put_new(&format!("{}20260101T000000Z-backup-x.json", place.records()), b"not a record").await?;
        leave(&store, &Place::of("b", "shop", "acme2"), &record(7, now, true)).await?;
        let found = inventory.look(&store, &place, now).await?;
        let mut sizes: Vec<u64> = found.points.iter().map(|point| point.size.bytes).collect();
        sizes.sort_unstable();
        assert_eq!((sizes, found.past.len()), (vec![1, 2, 4], 4), "{name}: {found:?}");
        assert_eq!((found.snapshots.len(), inventory.unreadable()), (9, 1), "{name}");
        assert!(found.points.iter().all(|point| point.stored > point.time && !point.is_future_dated()));
        assert!(found.clock.duration_since(now).abs() < SignedDuration::from_secs(60), "{name}");
        // One point is gone, another is new; a run that began long ago ends only now.
        store.remove(&format!("{}{}", place.snapshots(1), id(4))).await?;
        leave(&store, &place, &record(8, now + SignedDuration::from_hours(1000), true)).await?;
        leave(&store, &place, &record(10, now - SignedDuration::from_hours(30), true)).await?;
        let found = inventory.look(&store, &place, now).await?;
        let mut sizes: Vec<u64> = found.points.iter().map(|point| point.size.bytes).collect();
        sizes.sort_unstable();
        assert_eq!((sizes, found.past.len()), (vec![1, 4, 8, 10], 6), "{name}");
        let future: Vec<u64> =
            found.points.iter().filter(|one| one.is_future_dated()).map(|one| one.size.bytes).collect();
        assert_eq!(future, [8], "{name}: it says a time that the store's clock hasn't reached");
        // Nor does that hide who tells the right time later, and who is read already isn't read again.
        leave(&store, &place, &record(12, now, true)).await?;
        let found = inventory.look(&store, &place, now).await?;
        assert_eq!((found.points.len(), found.past.len()), (5, 7), "{name}: {found:?}");
        let gone = inventory.gone_early(30, found.clock);
        assert_eq!(gone.iter().map(|point| point.size.bytes).collect::<Vec<_>>(), [2], "{name}");
        let later = found.clock + SignedDuration::from_mins(1);
        assert_eq!(inventory.gone_early(0, later).len(), 0, "{name}");
    }
    Ok(())
}

/// B21, stale or broken answers: a look that fails tells nothing, and a later one everything.
#[tokio::test]
async fn a_look_is_whole_or_none_and_reads_records_once() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, behind) = (server.name(), open(server, "plain")?);
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("plain");
        address.endpoint = Some(proxy.url(&server.url()));
        let store = Store::open(&address, &credentials(&server.root()))?;
        let (place, now) = (Place::of("b", "shop", "acme"), Timestamp::now());
        for number in 1..=3 {
            leave(&behind, &place, &record(number, now, true)).await?;
        }
        let mut inventory = Inventory::default();
        let broken = proxy.fail(Matcher::path("backup-app-2.json"), Fault::status(500));
        let refused = inventory.look(&store, &place, now).await.unwrap_err();
        assert_eq!(refused.class, Class::Server, "{name}: {refused}");
        proxy.heal(broken);
        assert_eq!(inventory.look(&store, &place, now).await?.points.len(), 3, "{name}");
        let broken = proxy.fail(Matcher::path("g0001%2Fsnapshots"), Fault::status(500));
        assert!(inventory.look(&store, &place, now).await.is_err(), "{name}");
        assert!(proxy.hits(broken) > 0, "{name}: the fault was met");
        proxy.heal(broken);
        let again = proxy.fail(Matcher::path("backup-app-"), Fault::status(500));
        assert_eq!(inventory.look(&store, &place, now).await?.points.len(), 3, "{name}");
        assert_eq!(proxy.hits(again), 0, "{name}: a record is read once");
    }
    Ok(())
}

#[tokio::test]
async fn the_share_under_lock_is_that_of_the_packs() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, place) = (server.name(), Place::of("b", "shop", "acme"));
        for (bucket, days, share) in [("locked", 14, 100), ("plain", 0, 0)] {
            let store = open(server, bucket)?;
            assert_eq!(locked_percent(&store, &place, 1, days).await?, None, "{name}: no packs");
            store.put_new(&format!("{}/data/aa/pack", place.repository(1)), b"12345").await?;
            assert_eq!(locked_percent(&store, &place, 1, days).await?, Some(share), "{name} {bucket}");
        }
    }
    Ok(())
}

/// What a look costs a store, which bills by request: a list of records, one of repositories, and one of each repository's
/// snapshots; a record is read once.
#[tokio::test]
async fn a_look_without_news_is_two_lists_and_one_of_each_repository() -> Outcome {
    let Some(servers) = bed::servers().await? else { return Ok(()) };
    for server in &servers {
        let (name, behind) = (server.name(), open(server, "plain")?);
        let proxy = Proxy::to(&server.url())?;
        let mut address = server.address("plain");
        address.endpoint = Some(proxy.url(&server.url()));
        let store = Store::open(&address, &credentials(&server.root()))?;
        let (place, now) = (Place::of("b", "shop", "acme"), Timestamp::now());
        for number in 1..=6 {
            leave(&behind, &place, &record(number, now, true)).await?;
        }
        let mut inventory = Inventory::default();
        let mut cost = async || -> Outcome<u64> {
            proxy.forget_requests();
            assert_eq!(inventory.look(&store, &place, now).await?.points.len(), 6, "{name}");
            Ok(proxy.requests().values().sum())
        };
        // Six records, in two generations.
        assert_eq!((cost().await?, cost().await?), (6 + 4, 4), "{name}");
    }
    Ok(())
}
