//! A real kube-apiserver, which writes a log file that it rotates and posts to the webhook, while agents come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use serde_json::json;
use tenantry::audit::frame::Source;
use tenantry_testbed::{Cluster, Options, Run, eventually, mutual_tls, programs};

use crate::play::agent::{Desk, SOON, post};
use crate::play::{Kept, Outcome, event, list, missing, proved, records, segments};

/// Flags for an API server that records writes of ConfigMaps with their bodies, in files of 1 MB, and posts them: over
/// TLS, where a folder has its files.
fn flags(folder: &Path, desk: &Desk, tls: Option<&Path>) -> Outcome<Vec<String>> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "RequestResponse", "resources": [{"group": "", "resources": ["configmaps"]}], "verbs": ["create"]},
            {"level": "Metadata"},
        ],
    });
    let at = format!("127.0.0.1:{}/events", desk.webhook);
    let (user, cluster) = match tls {
        None => (json!({}), json!({"server": format!("http://{at}")})),
        Some(tls) => (
            json!({"client-certificate": tls.join("client.crt"), "client-key": tls.join("client.key")}),
            json!({"server": format!("https://{at}"), "certificate-authority": tls.join("ca.crt")}),
        ),
    };
    let webhook = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "agent", "users": [{"name": "apiserver", "user": user}],
        "clusters": [{"name": "agent", "cluster": cluster}],
        "contexts": [{"name": "agent", "context": {"cluster": "agent", "user": "apiserver"}}],
    });
    let file = |name: &str, content: String| -> Outcome<PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    };
    let (policy, webhook) =
        (file("policy.json", policy.to_string())?, file("webhook.json", webhook.to_string())?);
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", desk.file().display()),
        "--audit-log-maxsize=1".into(),
        format!("--audit-webhook-config-file={}", webhook.display()),
        "--audit-webhook-batch-max-wait=1s".into(),
        "--audit-webhook-initial-backoff=4s".into(),
    ])
}

async fn create(cluster: &Cluster, names: std::ops::Range<usize>) -> Outcome {
    let client = cluster.client();
    let filler = "y".repeat(3000);
    let create = names.map(|number| {
        let body = json!({"metadata": {"name": format!("seen-{number}")}, "data": {"filler": filler}});
        let (client, uri) = (client.clone(), "/api/v1/namespaces/default/configmaps");
        async move {
            let request = Request::post(uri).header("content-type", "application/json");
            client.request_text(request.body(body.to_string().into_bytes())?).await?;
            Outcome::Ok(())
        }
    });
    stream::iter(create).buffer_unordered(8).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// Names of ConfigMaps whose creation came from a source to its end, by source.
fn created(records: &[Kept]) -> BTreeMap<Source, BTreeSet<String>> {
    let mut created: BTreeMap<Source, BTreeSet<String>> = BTreeMap::new();
    for record in records {
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(&record.bytes) else { continue };
        let object = &event["objectRef"];
        if event["stage"] == "ResponseComplete"
            && event["verb"] == "create"
            && object["resource"] == "configmaps"
        {
            created.entry(record.source).or_default().extend(object["name"].as_str().map(str::to_owned));
        }
    }
    created
}

/// Waits until the creation of all of them came both ways.
async fn both(desk: &Desk, count: usize) -> Outcome {
    came(desk, count, &[Source::AuditFile, Source::AuditWebhook]).await
}

/// Waits until the creation of all of them came each of these ways.
async fn came(desk: &Desk, count: usize, ways: &[Source]) -> Outcome {
    let wanted: BTreeSet<String> = (0..count).map(|number| format!("seen-{number}")).collect();
    eventually(SOON, "all events", || async {
        let all = segments(&desk.spool).map_err(|error| error.to_string())?;
        let created = created(&records(&all));
        for source in ways {
            let gone = created.get(source).map_or(count, |have| wanted.difference(have).count());
            if gone > 0 {
                return Err(format!("{gone} of {count} are missing from {source:?}"));
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_a_real_api_server_arrives_both_ways() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let run = Run::start()?;
    let desk = Desk::new(crate::BINARY, &run, "apiserver")?;
    let desk = desk.clone().with(&["--file", &desk.file().display().to_string()]);
    let folder = desk.spool.parent().ok_or("a folder")?.to_owned();
    let apiserver_args = flags(&folder, &desk, None)?;
    let agent = desk.start()?;
    agent.answers().await?;
    let cluster = Cluster::start(Options { apiserver_args, ..Options::api_only() }).await?;
    create(&cluster, 0..200).await?;
    both(&desk, 200).await?;
    // Killed: the file goes on and is rotated while nobody looks, and the API server posts once more.
    agent.process.kill();
    create(&cluster, 200..600).await?;
    let agent = desk.start()?;
    both(&desk, 600).await?;
    cluster.stop_apiserver()?;
    let (lines, files) = logs(&folder)?;
    assert!(files > 2, "the API server never rotated its log: {files} files");
    eventually(SOON, "the whole log", || async {
        let all = segments(&desk.spool).map_err(|error| error.to_string())?;
        match missing(&lines, &records(&all)).len() {
            0 => Ok(()),
            gone => Err(format!("{gone} of {} lines are missing", lines.len())),
        }
    })
    .await?;
    assert!(agent.stop().is_some_and(|status| status.success()), "{}", agent.process.logs());
    let records = proved(&segments(&desk.spool)?)?;
    let from = |source| records.iter().filter(move |record| record.source == source);
    let only: BTreeSet<&[u8]> = from(Source::AuditFile).map(|record| record.bytes.as_slice()).collect();
    assert_eq!(only.len(), lines.len(), "records that are no lines of the log");
    // An event that came both ways is one, by its id and stage.
    let ids = |source| from(source).map(Kept::identity).collect::<BTreeSet<_>>();
    let (file, webhook) = (ids(Source::AuditFile), ids(Source::AuditWebhook));
    assert!(webhook.is_subset(&file), "{:?}", webhook.difference(&file).take(3).collect::<Vec<_>>());
    let gaps = records.iter().filter(|record| record.identity().1.ends_with("Gap")).map(Kept::text);
    assert_eq!(gaps.collect::<Vec<_>>(), Vec::<String>::new());
    println!(
        "{files} files, {} lines, {} records, {} of the webhook",
        lines.len(),
        records.len(),
        webhook.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server_posts_over_tls_and_shows_who_it_is() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let run = Run::start()?;
    let tls = run.folder("webhook-tls")?;
    mutual_tls(&tls)?;
    let file = |name: &str| tls.join(name).display().to_string();
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let desk = Desk::new(crate::BINARY, &run, "tls")?;
    let desk = desk.with(&["--webhook-cert", &cert, "--webhook-key", &key, "--webhook-client-ca", &ca]);
    let folder = desk.spool.parent().ok_or("a folder")?.to_owned();
    let apiserver_args = flags(&folder, &desk, Some(&tls))?;
    let agent = desk.start()?;
    agent.answers().await?;
    let cluster = Cluster::start(Options { apiserver_args, ..Options::api_only() }).await?;
    create(&cluster, 0..50).await?;
    came(&desk, 50, &[Source::AuditWebhook]).await?;
    // Whoever shows no certificate is not let in, whatever he says.
    let posted = post(desk.webhook, &list(&[event("forged", 0)])).await;
    assert!(!matches!(posted, Ok(200)), "{posted:?}");
    cluster.stop_apiserver()?;
    assert!(agent.stop().is_some_and(|status| status.success()), "{}", agent.process.logs());
    let records = proved(&segments(&desk.spool)?)?;
    assert!(records.iter().all(|record| record.identity().0 != "forged"));
    Ok(())
}

#[test]
fn an_address_that_others_reach_is_refused_without_tls() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut command = std::process::Command::new(crate::BINARY);
    command.args([
        "audit",
        "agent",
        "--cluster",
        "eu",
        "--agent",
        "cp-1",
        "--webhook",
        "0.0.0.0:0",
        "--spool",
    ]);
    let output = command.arg(folder.path().join("spool")).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("or listen on 127.0.0.1"), "{said}");
    Ok(())
}

/// All lines of all logs, and how many files there are.
fn logs(folder: &Path) -> Outcome<(Vec<Vec<u8>>, usize)> {
    let (mut lines, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "log") {
            files += 1;
            let bytes = std::fs::read(&path)?;
            // It was killed, perhaps in the middle of a line.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let bytes = &bytes[..whole];
            lines.extend(
                bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec),
            );
        }
    }
    Ok((lines, files))
}
