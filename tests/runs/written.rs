//! What the operator writes down comes to the archive: conditions that turned, and what runs and drills left.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_testbed::{AuditArchive, eventually};

use crate::bed::{Bed, ended};
use crate::restore::{backed_up, record};
use crate::support::{Outcome, at, kit::SOON, objects::name};

const TENANT: &str = "written";
/// Sealed after 20 s, shipped, cosigned and heard again after 15 s, twice over.
const ARCHIVED: Duration = Duration::from_secs(180);

/// Ends a drill that somebody asked for, and gives the name of its Job.
async fn drilled(bed: &Bed) -> Outcome<String> {
    let drill = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "RestoreDrill", "metadata": {"name": "written-drill"},
        "spec": {"tenantRef": {"name": TENANT}, "database": "app"},
    });
    bed.kit.apply(&at("restoredrills", "", "written-drill"), "tess", &drill).await?;
    let path = at("jobs", &format!("{TENANT}-drill"), "");
    let job = eventually(SOON, "the drill's Job", || async {
        let jobs = bed.kit.list(&path).await.map_err(|error| error.to_string())?;
        let names: Vec<&str> = jobs.iter().map(name).collect();
        let said = format!("{names:?}");
        jobs.iter().find(|job| name(job).starts_with("drill-")).cloned().ok_or(said)
    });
    let job = job.await?;
    let words = serde_json::to_string(&record(TENANT, "drill", name(&job)))?;
    bed.end(&job, ended("Succeeded", json!({"exitCode": 0, "message": words}))).await?;
    Ok(name(&job).to_owned())
}

/// What a search of the archive finds.
fn search(bed: &Bed, archive: &AuditArchive, source: &str) -> Outcome<Vec<Value>> {
    let files = archive.files().display().to_string();
    let words = ["audit", "search", "--tenant", TENANT, "--source", source, "--output", "json", &files];
    let (code, out, said) = bed.kit.world.program(&words)?;
    // Nothing found, or nothing there yet.
    if !matches!(code, Some(0..=2)) {
        return Err(format!("exit {code:?}: {said}").into());
    }
    Ok(out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_turned_and_a_drill_are_found_in_the_verified_archive() -> Outcome {
    let Some(mut bed) = Bed::start().await? else { return Ok(()) };
    let world = bed.kit.world;
    let archive =
        AuditArchive::start(world.cluster.run(), Path::new(env!("CARGO_BIN_EXE_tenantry")), "runs", "cp-1")
            .await?;
    let data = world.data()?;
    let folder = |name: &str| data.join(name).display().to_string();
    let args = [("--trail", "trail"), ("--health", "health"), ("--backups", "backups")];
    let args: Vec<String> = args.iter().flat_map(|(flag, name)| [(*flag).to_owned(), folder(name)]).collect();
    let agent = archive.agent(&world.cluster.audit_log(), world.cluster.kubeconfig(), &args)?;
    let _witness = archive.witness()?;

    bed.tenant(TENANT, &["app"]).await?;
    let backup = backed_up(&bed, TENANT).await?;
    let drill = drilled(&bed).await?;
    let found = eventually(ARCHIVED, "the drill in the archive", || async {
        agent.check().map_err(|error| error.to_string())?;
        let found = search(&bed, &archive, "Backup").map_err(|error| error.to_string())?;
        let ids: Vec<&str> = found.iter().filter_map(|hit| hit["auditID"].as_str()).collect();
        if ids.contains(&drill.as_str()) { Ok(found.clone()) } else { Err(format!("{ids:?}")) }
    })
    .await?;
    for (id, kind) in [(&backup, "backup"), (&drill, "drill")] {
        let hits: Vec<&Value> = found.iter().filter(|hit| hit["auditID"] == **id).collect();
        assert_eq!(hits.len(), 1, "{kind}: {found:?}");
        assert_eq!((&hits[0]["verb"], &hits[0]["said"]), (&json!(kind), &json!("Succeeded")));
    }
    let turns = eventually(ARCHIVED, "the turn of a condition in the archive", || async {
        let found = search(&bed, &archive, "Health").map_err(|error| error.to_string())?;
        let ready = |hit: &&Value| {
            hit["said"].as_str().is_some_and(|said| said.starts_with("Ready: ") && said.contains("-> True"))
        };
        if found.iter().any(|hit| ready(&hit)) { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await?;
    assert!(turns.iter().all(|hit| hit["object"] == format!("Tenant/{TENANT}")), "{turns:?}");
    assert!(agent.stop(Duration::from_secs(30)).is_some_and(|status| status.success()), "{}", agent.logs());
    let key = |file| archive.key(file).display().to_string();
    let (log, witness, files) = (key("log.pub"), key("witness.pub"), archive.files().display().to_string());
    let words = ["audit", "verify", "--log-key", &log, "--witness-key", &witness, &files];
    // The witness looks every other second.
    eventually(ARCHIVED, "the archive to verify", || async {
        let (code, out, said) = world.program(&words).map_err(|error| error.to_string())?;
        if code == Some(0) { Ok(()) } else { Err(format!("exit {code:?}: {out}{said}")) }
    })
    .await?;
    bed.kit.clean_up(TENANT).await
}
