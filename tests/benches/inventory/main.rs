//! What restore points of one tenant cost, up to 10,000 of them: the first look into a real store, the next ones, their
//! requests, and memory. `cargo bench --bench inventory`.

use std::path::Path;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::layout::Place;
use tenantry::backup::store::inventory::Inventory;
use tenantry::store::StoreAddress;
use tenantry::store::{Credentials, Store};
use tenantry_testbed::{Proxy, REGION, Run, Versitygw, make_bucket};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Restore points at which it is measured.
const STEPS: [usize; 4] = [1_000, 2_000, 5_000, 10_000];

#[tokio::main]
async fn main() -> Outcome {
    let run = Run::start()?;
    let server = Versitygw::start_in(&run).await?;
    make_bucket(&server.client(), "backups", None).await?;
    let root = server.root();
    let proxy = Proxy::to(&server.url())?;
    let address = StoreAddress {
        endpoint: Some(proxy.url(&server.url())),
        region: REGION.into(),
        bucket: "backups".into(),
        path_style: true,
        ..StoreAddress::default()
    };
    let store = Store::open(&address, &Credentials::new(&root.id, &root.secret, None)?)?;
    let place = Place::of("", "shop", "acme");
    let mut left = 0;
    println!(
        "| restore points | first look | requests | next look | requests | kept by the operator | bytes a point |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for points in STEPS {
        // Straight onto the store's disk: 30,000 uploads measure nothing but uploads.
        for number in left..points {
            leave(&server.files("backups"), &place, number)?;
        }
        left = points;
        eprintln!("{points} restore points lie in the store");
        let mut inventory = Inventory::default();
        let before = resident()?;
        let mut looks = Vec::new();
        let mut seen = None;
        for _ in 0..2 {
            proxy.forget_requests();
            let start = Instant::now();
            let found = inventory.look(&store, &place, Timestamp::now()).await?;
            assert_eq!((found.points.len(), found.past.len()), (points, points));
            looks.push((start.elapsed().as_secs_f64(), proxy.requests().values().sum::<u64>()));
            eprintln!("looked in {:.2} s", start.elapsed().as_secs_f64());
            seen = Some(found);
        }
        let more = resident()?.saturating_sub(before);
        let [(first, asked), (next, again)] = looks[..] else { unreachable!("two looks") };
        println!(
            "| {points} | {first:.2} s | {asked} | {next:.2} s | {again} | {:.1} MB | {} |",
            more as f64 / 1e6,
            more / points as u64
        );
        drop((seen, inventory));
    }
    println!("\nresident at the end: {:.1} MB", resident()? as f64 / 1e6);
    Ok(())
}

/// What one run leaves, of a year and more with one an hour.
fn leave(bucket: &Path, place: &Place, number: usize) -> Outcome {
    let hours = i64::try_from(number)?;
    let started = Timestamp::from_second(1_760_000_000)? + SignedDuration::from_hours(hours);
    let (dump, manifest) = (format!("{:064x}", 2 * number), format!("{:064x}", 2 * number + 1));
    for id in [&dump, &manifest] {
        put(bucket, &format!("{}{id}", place.snapshots(1)), b"s")?;
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
    put(bucket, &key, &serde_json::to_vec(&record)?)
}

fn put(bucket: &Path, key: &str, content: &[u8]) -> Outcome {
    let path = bucket.join(key);
    std::fs::create_dir_all(path.parent().ok_or("a key has a folder")?)?;
    Ok(std::fs::write(path, content)?)
}

/// Bytes of memory in use.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or("0").parse::<u64>()? * 1024)
}
