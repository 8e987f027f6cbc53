//! Volumes are decided on as databases are, with names that no database has.

use std::collections::BTreeSet;

use tenantry::backup::{
    decide::{self, Decision, Known},
    known::{Asked, Choice, Database, Kind, Settings, Store},
    task::Work,
    volumes::key,
};

use super::known::{add, database, settings, store, time};

fn volume(name: &str) -> Database {
    Database { claim: Some(format!("{name}-app-0")), ..database("acme", &key(name), "0 3 * * *", "UTC") }
}

fn decided(settings: &Settings, store: &Store) -> Decision {
    let now = time("2026-11-22T03:10:00Z");
    decide::decide(Known { settings, store: Some(store), runs: &[], asked: &[], now })
}

#[test]
fn a_volume_and_a_database_of_one_name_have_runs_of_their_own() {
    let both = vec![database("acme", "files", "0 3 * * *", "UTC"), volume("files")];
    let store = store(&[], 0, time("2026-11-22T03:10:00Z"));
    let mut names = BTreeSet::new();
    for one in both {
        let decision = decided(&settings("acme", vec![one.clone()], "UTC"), &store);
        let start = decision.starts.iter().find(|want| want.kind == Kind::Backup).unwrap();
        assert_eq!(
            matches!(&start.work, Work::Volume(work) if work.claim == "files-app-0"),
            one.claim.is_some()
        );
        assert!(!start.job.contains('.'), "a pod's name is a host's: {}", start.job);
        names.insert(start.job.clone());
    }
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_cannot_be_backed_up_keeps_nobody_waiting_and_is_tried_all_the_same() {
    let now = time("2026-11-22T03:10:00Z");
    let blocked = Database { unsupported: Some("no class".into()), ..volume("a") };
    let all = settings("acme", vec![blocked, database("acme", "files", "0 3 * * *", "UTC")], "UTC");
    let mut store = store(&[], 0, now);
    let starts = decided(&all, &store).starts;
    let backups: Vec<&str> =
        starts.iter().filter(|want| want.kind == Kind::Backup).map(|want| want.database.as_str()).collect();
    assert_eq!(backups, ["files"], "one at a time, and not for ever the one that can't");
    // What it had before stays, expires and is tried like any other.
    add(&mut store, &key("a"), time("2026-11-22T02:00:00Z"));
    let starts = decided(&all, &store).starts;
    let drill = starts.iter().find(|want| want.kind == Kind::Drill).unwrap();
    assert!(matches!(&drill.work, Work::VolumeDrill(_)), "{drill:?}");
    // Files come back by hand.
    let asked = Asked {
        name: "please".into(),
        created: now,
        database: key("a"),
        choice: Choice::Newest,
        restore: Some(Some("copy".into())),
    };
    let known = Known { settings: &all, store: Some(&store), runs: &[], asked: &[asked], now };
    assert!(decide::decide(known).starts.iter().all(|want| want.kind != Kind::Restore));
}
