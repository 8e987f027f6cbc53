//! The demo's own audit log: shipped to a second account on this machine, and verified there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tenantry_testbed::{AuditArchive, Cluster, Error, Process, Result, eventually};

const CLUSTER: &str = "demo";
pub(crate) const AGENT: &str = "cp-1";
const AGENT_USER: &str = "system:serviceaccount:tenantry-audit:tenantry-audit";
/// Until the newest records are sealed, shipped and cosigned: a minute, with room for slow machines.
const SOON: Duration = Duration::from_secs(180);

/// The policy that `tenantry audit policy` prints.
pub(crate) fn policy(binary: &Path) -> Result<String> {
    let output = Command::new(binary).args(["audit", "policy"]).output();
    let output = output.map_err(|error| Error::Invalid(format!("{}: {error}", binary.display())))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The archive, and who writes there and watches it; all end with it.
pub(crate) struct Audit {
    archive: AuditArchive,
    agent: Process,
    witness: Process,
}

impl Audit {
    /// Starts the second account's store, the agent and the witness. `operator` is where the operator keeps what it writes.
    pub(crate) async fn start(cluster: &Cluster, binary: &Path, operator: &Path) -> Result<Self> {
        let archive = AuditArchive::start(cluster.run(), binary, CLUSTER, AGENT).await?;
        let groups = ["system:serviceaccounts", "system:authenticated"];
        let kubeconfig = cluster.kubeconfig_for(AGENT_USER, &groups)?;
        let apiserver = cluster.config().cluster_url.to_string();
        let args = ["--apiserver", apiserver.trim_end_matches('/'), "--publish", "tenantry-system"];
        let mut args = args.map(str::to_owned).to_vec();
        // What the operator writes down: there as soon as it runs.
        for (flag, folder) in [("--trail", "trail"), ("--health", "health"), ("--backups", "backups")] {
            args.extend([flag.to_owned(), operator.join(folder).display().to_string()]);
        }
        let agent = archive.agent(&cluster.audit_log(), &kubeconfig, &args)?;
        let witness = archive.witness()?;
        Ok(Self { archive, agent, witness })
    }

    /// Waits until the Platform says that the log is complete, ends the agent, and verifies what lies in the archive
    /// with two public keys and no cluster.
    pub(crate) async fn show(&self, cluster: &Cluster, binary: &Path, say: impl Fn(&str)) -> Result<()> {
        say("the API server's audit log goes to a second account: waiting for the witness' word");
        eventually(SOON, "the audit log to be complete", || async {
            for process in [&self.agent, &self.witness] {
                process.check().map_err(|error| error.to_string())?;
            }
            complete(cluster).await
        })
        .await?;
        say("AuditComplete is True; now without the cluster, as an auditor would:\n");
        let (log, witness) = (self.archive.key("log.pub"), self.archive.key("witness.pub"));
        println!("$ tenantry audit verify ARCHIVE --log-key log.pub --witness-key witness.pub");
        let mut command = Command::new(binary);
        command.args(["audit", "verify"]).arg(self.archive.files());
        command.arg("--log-key").arg(log).arg("--witness-key").arg(witness);
        let status = tokio::task::spawn_blocking(move || command.status()).await;
        let status = status.map_err(|error| Error::Invalid(error.to_string()))?;
        let status = status.map_err(|error| Error::Invalid(format!("{}: {error}", binary.display())))?;
        if !status.success() {
            return Err(Error::Invalid(format!("tenantry audit verify ended with {status}")));
        }
        println!("\n$ tenantry audit search ARCHIVE --source Health --limit 5");
        let mut command = Command::new(binary);
        command.args(["audit", "search", "--source", "Health", "--limit", "5"]).arg(self.archive.files());
        let found = tokio::task::spawn_blocking(move || command.status()).await;
        let found = found.map_err(|error| Error::Invalid(error.to_string()))?;
        if !found.is_ok_and(|status| status.success()) {
            return Err(Error::Invalid("the archive has no condition that turned".into()));
        }
        println!(
            "\nWhat that proves: every record that the agent took is there as it came, in order, and was there when the\n\
             witness looked. What it can't prove on one machine: that nobody held both accounts (here one user owns both\n\
             disks), and that the API server told everything. Archive: {}",
            self.archive.files().display()
        );
        Ok(())
    }
}

async fn complete(cluster: &Cluster) -> std::result::Result<(), String> {
    let request = http::Request::get("/apis/tenantry.dev/v1alpha1/platforms").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let list: Value = cluster.client().request(request).await.map_err(|error| error.to_string())?;
    let platforms = list["items"].as_array().cloned().unwrap_or_default();
    let conditions =
        platforms.iter().filter_map(|platform| platform["status"]["conditions"].as_array()).flatten();
    let found = conditions.filter(|one| one["type"] == "AuditComplete").collect::<Vec<_>>();
    match found.first() {
        Some(one) if one["status"] == "True" => Ok(()),
        other => Err(other.map_or_else(
            || "nobody says".to_owned(),
            |one| format!("{}: {}", one["reason"], one["message"]),
        )),
    }
}
