//! Settings and stores of the simulated world.

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{
    known::{Database, Evidence, Kind, Past, Point, Settings, Snapshot, Store},
    schedule::{Schedule, Seed},
    task::Size,
};

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

pub fn schedule(line: &str, zone: &str, words: &[&str]) -> Schedule {
    Schedule::parse(line, zone, &Seed::of(words)).unwrap()
}

pub fn database(tenant: &str, name: &str, line: &str, zone: &str) -> Database {
    Database {
        name: name.into(),
        schedule: schedule(line, zone, &["uid", tenant, name, "backup"]),
        drills: schedule("H H(6-11) * * H", zone, &["uid", tenant, name, "drill"]),
        old_points: schedule("H H(12-17) H * *", zone, &["uid", tenant, name, "olddrill"]),
        seed: Seed::of(&["uid", tenant, name]),
        least_percent: 50,
        sampled_tables: 3,
        sentinel: false,
        accept_shrunken: None,
        checks: vec![],
        room_bytes: 1 << 30,
        rpo_limit_seconds: 26 * 3600,
        claim: None,
        unsupported: None,
    }
}

pub fn settings(tenant: &str, databases: Vec<Database>, zone: &str) -> Settings {
    Settings {
        tenant: tenant.into(),
        active: true,
        databases,
        starting_deadline: hours(6),
        retention_days: 30,
        locked: false,
        max_deletions_per_hour: 20,
        accepted_deletions: None,
        check: schedule("H H(18-23) * * *", zone, &["uid", tenant, "check"]),
        prune: schedule("H H(18-23) * * H", zone, &["uid", tenant, "prune"]),
    }
}

/// A store with one good restore point a day for so many days, the newest an hour before `now`.
pub fn store(databases: &[&str], days: i64, now: Timestamp) -> Store {
    let mut store = Store {
        observed_at: now,
        clock: now,
        points: vec![],
        snapshots: vec![],
        past: vec![],
        evidence: Evidence::default(),
    };
    for name in databases {
        for day in (0..days).rev() {
            add(&mut store, name, now - hours(day * 24 + 1));
        }
    }
    store
}

/// Adds a good restore point.
pub fn add(store: &mut Store, database: &str, stored: Timestamp) {
    let id = |what: &str| format!("{what}-{database}-{}", stored.as_second());
    for what in ["manifest", "dump"] {
        store.snapshots.push(Snapshot { generation: 1, id: id(what), stored });
    }
    store.points.push(Point {
        database: database.into(),
        generation: 1,
        snapshot: id("dump"),
        manifest: id("manifest"),
        time: stored,
        stored,
        size: Size { rows: 10, bytes: 100 },
    });
    store.past.push(Past {
        id: format!("backup-{database}-{}", stored.as_second()),
        kind: Kind::Backup,
        database: database.into(),
        slot: None,
        generation: 1,
        started: stored,
        ended: stored,
        succeeded: true,
        reason: "Succeeded".into(),
        removed: 0,
        details: None,
    });
    store.evidence = Evidence::of(store.evidence.times().iter().copied().chain([stored]));
}
