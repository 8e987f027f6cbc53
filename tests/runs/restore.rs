//! `tenantry restore`: asked for on a terminal, done by a run, told on the terminal.

use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenantry::backup::{
    known::Kind,
    layout::Place,
    names,
    record::{Point, Record, Restored, VERSION, reasons},
    task::Size,
};
use tenantry_testbed::eventually;

use crate::bed::{Bed, ended};
use crate::support::{
    Outcome, at,
    kit::SOON,
    objects::{name, text},
};

pub fn record(tenant: &str, kind: &str, id: &str) -> Record {
    let now = Timestamp::now();
    Record {
        neighbours: None,
        version: VERSION,
        kind: kind.into(),
        id: id.into(),
        install_id: "i".into(),
        platform: tenant.into(),
        tenant: tenant.into(),
        database: "app".into(),
        slot: String::new(),
        generation: 1,
        started: now.to_string(),
        ended: now.to_string(),
        store_clock_ahead_seconds: 0,
        succeeded: true,
        reason: reasons::SUCCEEDED.into(),
        message: String::new(),
        log_line: String::new(),
        point: None,
        restored: None,
        removed: Vec::new(),
        programs: Vec::new(),
        phases: Vec::new(),
    }
}

/// The run of a backup ends well, and the store has what it says.
pub async fn backed_up(bed: &Bed, tenant: &str) -> Outcome<String> {
    let job = bed.job(tenant, "app", |_| true).await?;
    let (snapshot, manifest) = ("a1".repeat(32), "b2".repeat(32));
    let point = Point {
        snapshot: snapshot.clone(),
        manifest: manifest.clone(),
        time: Timestamp::now().to_string(),
        lsn: String::new(),
        engine: "PostgreSQL 17.2".into(),
        size: Size { rows: 5, bytes: 100 },
        stored_bytes: 100,
        manifest_sha256: "c3".repeat(32),
    };
    let record = Record { point: Some(point), ..record(tenant, "backup", name(&job)) };
    let (place, words) = (Place::of("", tenant, tenant), serde_json::to_string(&record)?);
    for id in [snapshot, manifest] {
        bed.put(&format!("{}{id}", place.snapshots(1)), "x").await?;
    }
    let started = record.started.parse()?;
    bed.put(&place.record(started, "backup", &record.id), &words).await?;
    bed.end(&job, ended("Succeeded", json!({"exitCode": 0, "message": words}))).await?;
    let path = at("tenants", "", tenant);
    bed.kit.object(&path, "a restore point", |now| now["status"]["backups"][0]["points"] == 1).await?;
    Ok(record.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_asked_for_and_told_on_the_terminal() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    bed.tenant("back", &["app"]).await?;
    let kubeconfig = bed.kit.world.cluster.kubeconfig().display().to_string();
    let words = |database: &str| {
        ["restore", "back", "--database", database, "--kubeconfig", &kubeconfig].map(str::to_owned)
    };
    let run = |database: &str| bed.kit.world.program(&words(database).each_ref().map(String::as_str));
    let (code, _, said) = run("app")?;
    assert_eq!(code, Some(2));
    assert!(said.contains("back/app has no restore point yet; tenantry why back says why"), "{said}");
    let (code, _, said) = run("web")?;
    assert_eq!(code, Some(2));
    assert!(said.contains("Tenant back lists no database web; it lists: app"), "{said}");

    backed_up(&bed, "back").await?;
    for (to, good) in [("app_then", true), ("app_again", false)] {
        let before = Timestamp::now() + SignedDuration::from_mins(1);
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(words("app")).args(["--to", to, "--at", &before.to_string()]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        finish(&bed, to, good).await?;
        let output = tokio::time::timeout(SOON, child.wait_with_output()).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(i32::from(!good)), "{said}");
        assert!(said.contains("1 restore points, from "), "{said}");
        let told = if good {
            "restored: database app_then holds"
        } else {
            "failed: TargetExists: app_again is there"
        };
        assert!(said.contains(told), "{said}");
    }
    bed.kit.clean_up("back").await
}

/// The run of a restore to this name ends.
async fn finish(bed: &Bed, to: &str, good: bool) -> Outcome {
    let asked = eventually(SOON, "the Restore", || async {
        let all = bed.kit.list(&at("restores", "", "")).await.map_err(|error| error.to_string())?;
        let found = all.into_iter().find(|one| text(one, "/spec/to") == to);
        found.ok_or_else(|| "not yet".to_owned())
    });
    let asked = asked.await?;
    let id = names::asked(Kind::Restore, name(&asked), text(&asked, "/metadata/creationTimestamp").parse()?);
    let job: Value = bed.kit.object(&at("jobs", "back-backup", &id), "begun", |_| true).await?;
    let restored = Restored {
        snapshot: "a1".repeat(32),
        passed: 3,
        checks: 3,
        database: to.into(),
        ..Restored::default()
    };
    let whole = Record { restored: Some(restored), ..record("back", "restore", &id) };
    let bad = Record {
        succeeded: false,
        reason: reasons::TARGET_EXISTS.into(),
        message: format!("{to} is there already"),
        ..record("back", "restore", &id)
    };
    let (phase, code, record) = if good { ("Succeeded", 0, whole) } else { ("Failed", 1, bad) };
    let words = serde_json::to_string(&record)?;
    bed.end(&job, ended(phase, json!({"exitCode": code, "message": words}))).await?;
    Ok(())
}
