//! A commit that does too much at once: held, looked at, released.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use tenantry_testbed::{Cluster, Error, Repo, Result, eventually};

use crate::samples::Samples;

/// Longest wait for each step.
const SOON: Duration = Duration::from_secs(60);

/// What the demo shows it with.
pub(crate) struct Show<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) repo: &'a Repo,
    pub(crate) samples: &'a Samples,
    pub(crate) binary: &'a Path,
}

impl Show<'_> {
    /// Suspends most Tenants with one commit, and goes the whole way with it. `say` tells each step.
    pub(crate) async fn run(&self, say: impl Fn(&str)) -> Result<()> {
        let before = self.repo.head()?;
        let files = self.asleep()?;
        let names: Vec<&str> = files.iter().map(|(tenant, ..)| tenant.as_str()).collect();
        let changes: Vec<(&str, Option<&str>)> =
            files.iter().map(|(_, file, text)| (file.as_str(), Some(text.as_str()))).collect();
        let head = self.repo.commit(&changes, "Good night")?;
        say(&format!("pushed commit {head:.8}, which suspends {}", names.join(" and ")));
        let message = self.held(&head).await?;
        say(&format!("the brake holds it:\n\n  {message}\n"));

        let plan = self.plan(&before, &head).await?;
        say(&format!("tenantry plan {before:.8}..{head:.8}\n\n{}", indented(&plan)));
        let said = acknowledgement(&message)?;
        // Who looks at the plan and who looks at the status read the same line.
        if !plan.contains(said) {
            return Err(Error::Invalid(format!("the plan doesn't say {said}: {plan}")));
        }
        say(&format!(
            "kubectl annotate --overwrite platform {} tenantry.dev/acknowledge={said}",
            self.platform()
        ));
        let annotation = json!({"metadata": {"annotations": {"tenantry.dev/acknowledge": said}}});
        self.patch(&annotation).await?;
        for name in &names {
            let what = format!("Tenant {name} to be suspended");
            eventually(SOON, &what, || async {
                let tenant = get(&self.cluster.client(), &format!("tenants/{name}")).await?;
                let reason = ready(&tenant, "Ready")["reason"].clone();
                if reason == "Suspended" { Ok(()) } else { Err(format!("Ready says {reason}")) }
            })
            .await?;
        }
        say(&format!("released: {} sleep", names.join(" and ")));
        Ok(())
    }

    fn platform(&self) -> &str {
        self.samples.platform_name()
    }

    /// The Tenants that run something: name, file, and the file with them suspended.
    fn asleep(&self) -> Result<Vec<(String, String, String)>> {
        let mut files = Vec::new();
        for file in &self.samples.files {
            let path = self.repo.work().join(file);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Error::Invalid(format!("can't read {}: {error}", path.display())))?;
            if text.contains("\n  services:") && !text.contains("\n  lifecycle:") {
                let text = text.replacen("\nspec:\n", "\nspec:\n  lifecycle: Suspended\n", 1);
                let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
                files.push((name, file.clone(), text));
            }
        }
        Ok(files)
    }

    /// Waits until the head is held; returns what the Platform says.
    async fn held(&self, head: &str) -> Result<String> {
        eventually(SOON, "the commit to be held", || async {
            let platform = get(&self.cluster.client(), &format!("platforms/{}", self.platform())).await?;
            let synced = ready(&platform, "SourceSynced");
            let message = synced["message"].as_str().unwrap_or_default().to_owned();
            if synced["reason"] == "BrakeApplied" && message.contains(head) {
                Ok(message)
            } else {
                Err(message)
            }
        })
        .await
    }

    /// Asks the program, as anybody with a clone would.
    async fn plan(&self, before: &str, head: &str) -> Result<String> {
        let rules = self.cluster.run().folder("plan")?.join("platform.yaml");
        let text = self.samples.platform_for(self.repo.url())?;
        std::fs::write(&rules, text)
            .map_err(|error| Error::Invalid(format!("{}: {error}", rules.display())))?;
        let mut command = tokio::process::Command::new(self.binary);
        command.args(["plan", &format!("{before}..{head}"), "--path", "tenants", "--platform"]).arg(&rules);
        command.arg("--repo").arg(PathBuf::from(self.repo.work()));
        let output =
            command.output().await.map_err(|error| Error::Invalid(format!("tenantry plan: {error}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(Error::Command { command: "tenantry plan".into(), output: text(&output.stderr) })
        }
    }

    async fn patch(&self, body: &Value) -> Result<()> {
        let uri = format!("/apis/tenantry.dev/v1alpha1/platforms/{}?fieldManager=demo", self.platform());
        let request = http::Request::patch(uri)
            .header("content-type", "application/merge-patch+json")
            .body(body.to_string().into_bytes())
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let sent = self.cluster.client().request::<Value>(request).await;
        sent.map(drop).map_err(|source| Error::Kube {
            action: "annotate the Platform".into(),
            source: Box::new(source),
        })
    }
}

async fn get(client: &Client, path: &str) -> std::result::Result<Value, String> {
    let request = http::Request::get(format!("/apis/tenantry.dev/v1alpha1/{path}"))
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    client.request(request).await.map_err(|error| error.to_string())
}

/// A condition that speaks of the present spec.
fn ready(object: &Value, type_: &str) -> Value {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = all.into_iter().flatten().find(|one| one["type"] == type_);
    found
        .filter(|one| one["observedGeneration"] == object["metadata"]["generation"])
        .cloned()
        .unwrap_or_default()
}

/// `<commit>@<digest>`, as the message says it.
fn acknowledgement(message: &str) -> Result<&str> {
    let rest = message.split("tenantry.dev/acknowledge=").nth(1).unwrap_or_default();
    let said = rest.split(';').next().unwrap_or_default();
    if said.is_empty() {
        Err(Error::Invalid(format!("it doesn't say how to let it pass: {message}")))
    } else {
        Ok(said)
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
