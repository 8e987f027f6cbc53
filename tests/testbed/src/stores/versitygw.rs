//! versitygw with flat users.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::{REGION, StoreKeys, s3_client};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;

/// A running versitygw with its own folder and ports.
#[derive(Debug)]
pub struct Versitygw {
    run: Arc<Run>,
    program: PathBuf,
    folder: PathBuf,
    host: String,
    port: u16,
    admin_port: u16,
    process: Process,
}

impl Versitygw {
    /// Starts one on 127.0.0.1 that belongs to `run`.
    ///
    /// # Errors
    /// It can't be built, or does not come up.
    pub async fn start_in(run: &Arc<Run>) -> Result<Self> {
        Self::start_at(run, "127.0.0.1").await
    }

    /// The same on another address of this machine, for pods on real nodes.
    ///
    /// # Errors
    /// As [`Self::start_in`].
    pub async fn start_at(run: &Arc<Run>, host: &str) -> Result<Self> {
        let built = tokio::task::spawn_blocking(programs::stores::versitygw);
        let program = built.await.map_err(|error| Error::Invalid(error.to_string()))??;
        let (port, admin_port) = (run.port()?, run.port()?);
        let folder = run.folder(&format!("versitygw-{port}"))?;
        for part in ["root", "versions", "users"] {
            run.folder(&format!("versitygw-{port}/{part}"))?;
        }
        let process = serve(run, &program, &folder, host, (port, admin_port))?;
        let store =
            Self { run: Arc::clone(run), program, folder, host: host.into(), port, admin_port, process };
        store.ready().await?;
        Ok(store)
    }

    async fn ready(&self) -> Result<()> {
        let wait = Duration::from_secs(30);
        self.process.answers(&format!("{}:{}", self.host, self.port), "versitygw to answer", wait).await?;
        let admin = format!("{}:{}", self.host, self.admin_port);
        self.process.answers(&admin, "versitygw's admin port to answer", wait).await
    }

    /// `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// Who may do everything.
    #[must_use]
    pub fn root(&self) -> StoreKeys {
        StoreKeys::new("rootadmin", "rootsecretrootsecret")
    }

    /// A client of root's.
    #[must_use]
    pub fn client(&self) -> aws_sdk_s3::Client {
        s3_client(&self.url(), &self.root())
    }

    /// Makes a user who may do nothing before a bucket's policy names it: `"AWS": ["NAME"]`. Such a policy takes away
    /// the owner's own access unless it names the owner too; root keeps it.
    ///
    /// # Errors
    /// versitygw refuses.
    pub fn user(&self, name: &str) -> Result<StoreKeys> {
        let (root, keys) = (self.root(), StoreKeys::new(name, &format!("secret-of-{name}-and-long")));
        let admin = format!("http://{}:{}", self.host, self.admin_port);
        let mut command = Command::new(&self.program);
        command.args(["admin", "-a", &root.id, "-s", &root.secret, "-r", REGION, "-er", &admin]);
        command.args(["create-user", "-a", &keys.id, "-s", &keys.secret, "-r", "user"]);
        let output = command.output().map_err(crate::error::io("run", &self.program))?;
        if output.status.success() {
            return Ok(keys);
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Command { command: "versitygw admin create-user".into(), output })
    }

    /// Where a bucket's objects lie as files: for tests that tamper with them.
    #[must_use]
    pub fn files(&self, bucket: &str) -> PathBuf {
        self.folder.join("root").join(bucket)
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts it again on the same folder and ports.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.kill();
        let ports = (self.port, self.admin_port);
        self.process = serve(&self.run, &self.program, &self.folder, &self.host, ports)?;
        self.ready().await
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }
}

/// It changes its directory, so all paths are absolute; its caches would hide changes of policies for two minutes.
fn serve(
    run: &Arc<Run>,
    program: &std::path::Path,
    folder: &std::path::Path,
    host: &str,
    (port, admin): (u16, u16),
) -> Result<Process> {
    let mut command = Command::new(program);
    command.env("ROOT_ACCESS_KEY", "rootadmin").env("ROOT_SECRET_KEY", "rootsecretrootsecret");
    command.args(["--port", &format!("{host}:{port}"), "--admin-port", &format!("{host}:{admin}")]);
    command.args(["--region", REGION, "--quiet", "--iam-cache-disable", "--iam-dir"]);
    command.arg(folder.join("users")).args(["posix", "--versioning-dir"]).arg(folder.join("versions"));
    command.arg(folder.join("root"));
    Process::start(run, &format!("versitygw-{port}"), command)
}
