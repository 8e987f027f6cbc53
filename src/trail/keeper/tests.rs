use serde_json::json;

use super::*;
use crate::trail::record::Object;

fn turn(to: &str) -> Transition {
    Transition {
        time: "2026-01-01T00:00:00Z".into(),
        object: Object { kind: "Tenant".into(), name: "acme".into(), uid: "u".into() },
        type_: "Ready".into(),
        from: None,
        to: Some(to.into()),
        reason: "Because".into(),
    }
}

fn run(tenant: &str, id: &str) -> Value {
    json!({"tenant": tenant, "id": id, "kind": "drill", "reason": "Succeeded"})
}

fn entries(data: &Path, book: &str) -> Vec<Entry> {
    let (disk, _) = Disk::open(&data.join(book)).unwrap();
    let all = disk.newest(100).unwrap();
    all.into_iter().filter(|entry| !matches!(entry, Entry::Segment(_))).collect()
}

/// Until the thread that writes has let go of the folders.
async fn ended(trail: Trail, data: &Path) {
    trail.flush().await;
    drop(trail);
    while Disk::open(&data.join(BACKUPS)).is_err() || Disk::open(&data.join(HEALTH)).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn conditions_and_runs_have_books_of_their_own_and_a_run_is_there_once() {
    let data = tempfile::tempdir().unwrap();
    let trail = Trail::start(data.path(), Metrics::new()).unwrap();
    trail.turned(vec![turn("True"), turn("False")]);
    trail.ran(run("acme", "one"));
    trail.ran(run("acme", "one"));
    trail.ran(run("globex", "one"));
    trail.flush().await;
    trail.ran(run("acme", "one"));
    ended(trail, data.path()).await;
    // The next process reads the same Jobs once more.
    let trail = Trail::start(data.path(), Metrics::new()).unwrap();
    trail.ran(run("acme", "one"));
    trail.ran(run("acme", "two"));
    ended(trail, data.path()).await;
    assert_eq!(entries(data.path(), HEALTH), [turn("True").into(), turn("False").into()]);
    let runs = [("acme", "one"), ("globex", "one"), ("acme", "two")];
    assert_eq!(entries(data.path(), BACKUPS), runs.map(|(tenant, id)| Entry::Run(run(tenant, id))));
    assert_eq!(entries(data.path(), TRAIL), []);
}

/// A folder that can't be made, and one that can: the second goes on, and what is lost is counted.
#[tokio::test]
async fn a_book_that_cannot_be_written_holds_up_nothing() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join(HEALTH), "a file where a folder should be").unwrap();
    let metrics = Metrics::new();
    let trail = Trail::start(data.path(), metrics.clone()).unwrap();
    for _ in 0..3 * WAITING {
        trail.turned(vec![turn("True")]);
        tokio::task::yield_now().await;
    }
    trail.flush().await;
    trail.ran(run("acme", "one"));
    trail.flush().await;
    let page = metrics.encode();
    assert!(
        page.contains(&format!("tenantry_trail_records_total{{outcome=\"lost\"}} {}", 3 * WAITING)),
        "{page}"
    );
    assert!(page.contains("tenantry_trail_records_total{outcome=\"written\"} 1"), "{page}");
}

/// Nobody takes anything: who works goes on, and it is counted.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_no_pass() {
    let (jobs, _hangs) = mpsc::channel(1);
    let metrics = Metrics::new();
    let trail = Trail { jobs, metrics: metrics.clone() };
    trail.turned(vec![turn("True"), turn("False")]);
    trail.ran(run("acme", "one"));
    let change: Change = serde_json::from_value(json!({
        "time": "", "platform": "", "file": "", "commit": "", "author": {"name": "", "email": "", "time": ""},
        "committer": {"name": "", "email": "", "time": ""}, "signer": null, "approvers": [], "before": null,
        "after": null, "outcome": "Created", "object": {"kind": "Tenant", "name": "acme", "uid": "u"},
    }))
    .unwrap();
    trail.record(change).await;
    assert!(metrics.encode().contains("tenantry_trail_records_total{outcome=\"lost\"} 3"));
}
