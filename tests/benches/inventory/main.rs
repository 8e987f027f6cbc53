//! What 10,000 restore points of one tenant cost: the first look into a real store, the next ones, and memory.
//! `cargo bench --bench inventory`.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tenantry::backup::layout::Place;
use tenantry::backup::store::inventory::Inventory;
use tenantry::backup::store::{Credentials, Store};
use tenantry::backup::task::StoreAddress;
use tenantry_testbed::{REGION, Run, Versitygw, make_bucket};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const POINTS: usize = 10_000;

#[tokio::main]
async fn main() -> Outcome {
    let run = Run::start()?;
    let server = Versitygw::start_in(&run).await?;
    make_bucket(&server.client(), "backups", None).await?;
    let root = server.root();
    let address = StoreAddress {
        endpoint: Some(server.url()),
        region: REGION.into(),
        bucket: "backups".into(),
        path_style: true,
        ..StoreAddress::default()
    };
    let store = Store::open(&address, &Credentials::new(&root.id, &root.secret, None)?)?;
    let place = Place::of("", "shop", "acme");
    let start = Instant::now();
    let left = stream::iter(0..POINTS).map(|number| leave(&store, &place, number));
    left.buffer_unordered(16).try_collect::<()>().await?;
    println!("{POINTS} restore points written in {:.1} s", start.elapsed().as_secs_f64());
    let mut inventory = Inventory::default();
    let before = resident()?;
    for look in ["first look", "next look"] {
        let start = Instant::now();
        let found = inventory.look(&store, &place, Timestamp::now()).await?;
        assert_eq!((found.points.len(), found.past.len()), (POINTS, POINTS));
        let (seconds, more) = (start.elapsed().as_secs_f64(), resident()?.saturating_sub(before));
        println!("{look}: {seconds:.2} s; {:.1} MB more in memory", more as f64 / 1e6);
    }
    Ok(())
}

/// What one run leaves, of a year and more with one an hour.
async fn leave(store: &Store, place: &Place, number: usize) -> Outcome {
    let hours = i64::try_from(number)?;
    let started = Timestamp::from_second(1_760_000_000)? + SignedDuration::from_hours(hours);
    let (dump, manifest) = (format!("{:064x}", 2 * number), format!("{:064x}", 2 * number + 1));
    for id in [&dump, &manifest] {
        store.put_new(&format!("{}{id}", place.snapshots(1)), b"s").await?;
    }
    let record = serde_json::json!({
        "version": 1, "kind": "backup", "id": format!("backup-app-{number}"), "installId": "i", "platform": "shop",
        "tenant": "acme", "database": "app", "slot": started.to_string(), "generation": 1,
        "started": started.to_string(), "ended": (started + SignedDuration::from_mins(3)).to_string(),
        "succeeded": true, "reason": "Succeeded",
        "point": {
            "snapshot": dump, "manifest": manifest, "time": started.to_string(), "lsn": "0/15D6B10",
            "engine": "PostgreSQL 17.2", "size": {"rows": 1000, "bytes": 100_000}, "storedBytes": 10_000,
            "manifestSha256": format!("{number:064x}"),
        },
    });
    let key = place.record(started, "backup", &format!("backup-app-{number}"));
    store.put_new(&key, &serde_json::to_vec(&record)?).await?;
    Ok(())
}

/// Bytes of memory in use.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or("0").parse::<u64>()? * 1024)
}
