//! The whole way: a real API server's log, an agent, an archive in another account, a witness; then an auditor without
//! the cluster.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry::audit::log::note::PublicKey;
use tenantry_testbed::{AuditArchive, Cluster, Options, eventually, programs};

use crate::archive::oracle::fsck;
use crate::play::Outcome;

const USER: &str = "system:serviceaccount:tenantry-audit:tenantry-audit";
/// Sealed after 20 s, shipped, cosigned and heard again after 15 s, twice over.
const SOON: Duration = Duration::from_secs(180);

fn tenantry(words: &[&str], files: &[&Path]) -> Outcome<Output> {
    Ok(Command::new(crate::BINARY).args(words).args(files).env("NO_COLOR", "1").output()?)
}

/// What the agent says in its ConfigMap, once its canary has come all the way.
async fn heard(cluster: &Cluster) -> Result<Value, String> {
    let path = "/api/v1/namespaces/tenantry-system/configmaps/tenantry-audit-cp-1";
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    let map: Value = cluster.client().request(request).await.map_err(|error| error.to_string())?;
    let state: Value = serde_json::from_str(map["data"]["state"].as_str().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    let came = state["servers"][0]["canary"].is_string() && state["verified"].as_u64() > Some(0);
    if came { Ok(state) } else { Err(state.to_string()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_needs_two_keys_and_no_cluster() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let policy = String::from_utf8(tenantry(&["audit", "policy"], &[])?.stdout)?;
    let options = Options { audit_policy: Some(policy), ..Options::api_only() };
    let cluster = Cluster::start(options).await?;
    let root = programs::repository_root();
    for file in
        ["manifests/install/namespace.yaml", "manifests/audit/namespace.yaml", "manifests/audit/rbac.yaml"]
    {
        cluster.apply_path(root.join(file)).await?;
    }
    let archive = AuditArchive::start(cluster.run(), Path::new(crate::BINARY), "eu", "cp-1").await?;
    let kubeconfig = cluster.kubeconfig_for(USER, &["system:serviceaccounts", "system:authenticated"])?;
    let url = cluster.config().cluster_url.to_string();
    let args = ["--apiserver", url.trim_end_matches('/'), "--publish", "tenantry-system"].map(str::to_owned);
    let agent = archive.agent(&cluster.audit_log(), &kubeconfig, &args)?;
    let _witness = archive.witness()?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "canary", "namespace": "default"},
        "stringData": {"word": "a-planted-secret"},
    });
    cluster.apply_yaml(&secret.to_string()).await?;
    let state = eventually(SOON, "a canary in the cosigned archive", || heard(&cluster)).await?;
    assert_eq!(state["troubles"], json!([]), "{state:#}");
    assert_eq!((&state["servers"][0]["dropped"], &state["servers"][0]["failed"]), (&json!(0), &json!(0)));
    cluster.stop_apiserver()?;
    assert!(agent.stop(Duration::from_secs(30)).is_some_and(|status| status.success()), "{}", agent.logs());

    Auditor::new(&archive, cluster.run().dir())?.looks()
}

/// Who has a copy of the archive and two public keys.
struct Auditor {
    files: PathBuf,
    folder: PathBuf,
    log: String,
    witness: String,
}

impl Auditor {
    fn new(archive: &AuditArchive, folder: &Path) -> Outcome<Self> {
        let key = |file| archive.key(file).to_str().map(str::to_owned).ok_or("a path");
        Ok(Self {
            files: archive.files(),
            folder: folder.into(),
            log: key("log.pub")?,
            witness: key("witness.pub")?,
        })
    }

    fn looks(&self) -> Outcome {
        let good = self.verify()?;
        let said = (String::from_utf8_lossy(&good.stdout), String::from_utf8_lossy(&good.stderr));
        assert!(good.status.success(), "{said:?}");
        let report: Value = serde_json::from_slice(&good.stdout)?;
        assert_eq!((&report["passed"], &report["streams"][0]["strangers"]), (&json!(true), &json!([])));
        self.others_agree(&report["streams"][0])?;
        self.names_who_is_missing()?;
        self.proves()?;
        self.finds_a_flipped_bit()
    }

    fn verify(&self) -> Outcome<Output> {
        self.verify_with(&[&self.log])
    }

    fn verify_with(&self, logs: &[&str]) -> Outcome<Output> {
        let mut words = vec!["audit", "verify", "--output", "json", "--witness-key", &self.witness];
        words.extend(logs.iter().flat_map(|log| ["--log-key", log]));
        tenantry(&words, &[&self.files])
    }

    /// An agent whose key is believed and that left nothing, and one whose key nobody gave.
    fn names_who_is_missing(&self) -> Outcome {
        let other = self.folder.join("other");
        let made = tenantry(&["audit", "keygen", "--name", "eu/cp-9", "--out"], &[&other])?;
        assert!(made.status.success(), "{made:?}");
        let other = other.join("log.pub").to_str().ok_or("a path")?.to_owned();
        for (logs, wanted) in [
            (&[self.log.as_str(), &other][..], &["StreamMissing"][..]),
            (&[other.as_str()], &["KeyUnknown", "StreamMissing"]),
        ] {
            let output = self.verify_with(logs)?;
            assert_eq!(output.status.code(), Some(1));
            let report: Value = serde_json::from_slice(&output.stdout)?;
            let streams = report["streams"].as_array().into_iter().flatten();
            let reasons: Vec<&str> = streams.filter_map(|one| one["faults"][0]["reason"].as_str()).collect();
            assert_eq!(reasons, wanted);
        }
        Ok(())
    }

    /// Those who made the format find what is cosigned right, too.
    fn others_agree(&self, stream: &Value) -> Outcome {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("a text");
        let folder = self.files.join(text(&stream["stream"])?);
        let witness = PublicKey::parse(&std::fs::read_to_string(&self.witness)?)?;
        let said = fsck(&folder, &text(&stream["key"])?, &witness)?;
        let cosigned = text(&stream["witness"]["time"])?.parse::<jiff::Timestamp>()?.as_second();
        let (size, of) = (stream["witness"]["size"].to_string(), said.unwrap_or_else(|error| error));
        assert!(
            of.starts_with(&format!("{size} ")) && of.ends_with(&format!(" {cosigned}")),
            "{of}: {stream:#}"
        );
        Ok(())
    }

    /// One event is found, and proved without the archive.
    fn proves(&self) -> Outcome {
        let found = tenantry(&["audit", "search", "--output", "json", "--verb", "patch"], &[&self.files])?;
        let found = String::from_utf8(found.stdout)?;
        let hit =
            found.lines().find(|line| line.contains("default/secrets/canary")).ok_or("it isn't found")?;
        let id = serde_json::from_str::<Value>(hit)?["auditID"].as_str().ok_or("an id")?.to_owned();
        let proved = tenantry(&["audit", "prove", "--id", &id, "--log-key", &self.log], &[&self.files])?;
        assert!(proved.status.success(), "{}", String::from_utf8_lossy(&proved.stderr));
        let evidence = self.folder.join("evidence.json");
        std::fs::write(&evidence, &proved.stdout)?;
        let check = || tenantry(&["audit", "check", "--log-key", &self.log], &[&evidence]);
        assert!(check()?.status.success());
        let changed = String::from_utf8(proved.stdout)?.replacen("\"index\": ", "\"index\": 1", 1);
        std::fs::write(&evidence, changed)?;
        assert_eq!(check()?.status.code(), Some(1));
        Ok(())
    }

    /// One bit of the first segment, as somebody with the disk would change it.
    fn finds_a_flipped_bit(&self) -> Outcome {
        let all = segments(&self.files.join("eu/cp-1"))?;
        let first = all.first().ok_or("a segment")?;
        // No body of a Secret is in the log.
        for path in &all {
            let segment = tenantry::audit::pack::unpack(&std::fs::read(path)?)?;
            assert!(!segment.windows(16).any(|part| part == b"a-planted-secret"), "{}", path.display());
        }
        let mut bytes = std::fs::read(first)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(first, bytes)?;
        let bad = self.verify()?;
        assert_eq!(bad.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&bad.stdout)?;
        let fault = &report["streams"][0]["faults"][0];
        assert_eq!((&fault["reason"], &fault["index"]), (&json!("SegmentDamaged"), &json!(0)), "{report:#}");
        Ok(())
    }
}

/// All segments of an agent, in order.
fn segments(agent: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for epoch in agent.read_dir()? {
        let folder = epoch?.path().join("segments");
        if folder.is_dir() {
            found.extend(
                folder
                    .read_dir()?
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
    }
    found.sort();
    Ok(found)
}
