//! The archive of audit logs as another account would have it: a bucket with a lock, a user who may only write, one who
//! may read the witness' checkpoint, and the witness.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::certs::write_private;
use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::registry::Run;
use crate::stores::{REGION, StoreKeys, Versitygw, make_bucket};

const BUCKET: &str = "audit";
/// As short as a day allows: it goes with the run anyway.
const LOCK_DAYS: i32 = 1;

/// What a writer may do with objects, and nothing else.
pub const AUDIT_WRITES: [&str; 2] = ["s3:PutObject", "s3:PutObjectRetention"];

/// The policy of an archive's bucket for the users `writer`, `reader` and `witness`: the writer may do this with objects,
/// and this with the bucket beside reading its versioning and lock.
#[must_use]
pub fn audit_policy(bucket: &str, objects: &[&str], more: &[&str]) -> Value {
    let (all, below) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*"));
    let settings = ["s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"];
    let allow = |who: &str, actions: &[&str], on: &str| json!({"Effect": "Allow", "Principal": {"AWS": [who]}, "Action": actions, "Resource": on});
    json!({"Version": "2012-10-17", "Statement": [
        allow("writer", objects, &below),
        allow("writer", &[&settings[..], more].concat(), &all),
        allow("reader", &["s3:GetObject"], &below),
        allow("witness", &["s3:GetObject", "s3:PutObject"], &below),
        allow("witness", &["s3:ListBucket"], &all),
    ]})
}

/// An archive with its keys, and who uses it.
#[derive(Debug)]
pub struct AuditArchive {
    run: Arc<Run>,
    binary: PathBuf,
    store: Versitygw,
    folder: PathBuf,
    cluster: String,
    agent: String,
}

impl AuditArchive {
    /// Starts the store, and makes bucket, users and keys for one agent of a cluster.
    ///
    /// # Errors
    /// The store does not come up, or `binary`, which is the program under test, makes no keys.
    pub async fn start(run: &Arc<Run>, binary: &Path, cluster: &str, agent: &str) -> Result<Self> {
        let store = Versitygw::start_in(run).await?;
        make_bucket(&store.client(), BUCKET, Some(LOCK_DAYS)).await?;
        let folder = run.folder("archive-account")?;
        let (run, binary) = (Arc::clone(run), binary.to_owned());
        let archive = Self { run, binary, store, folder, cluster: cluster.into(), agent: agent.into() };
        for user in ["writer", "reader", "witness"] {
            let keys = archive.store.user(user)?;
            archive.credentials(user, &keys)?;
        }
        archive.allow().await?;
        archive.keys()?;
        Ok(archive)
    }

    fn credentials(&self, user: &str, keys: &StoreKeys) -> Result<()> {
        let folder = self.folder.join(user);
        std::fs::create_dir_all(&folder).map_err(io("make", &folder))?;
        write_private(&folder.join("aws-access-key-id"), &keys.id)?;
        write_private(&folder.join("aws-secret-access-key"), &keys.secret)
    }

    async fn allow(&self) -> Result<()> {
        let policy = audit_policy(BUCKET, &AUDIT_WRITES, &[]);
        let request = self.store.client().put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
        let said = |error| Error::Invalid(format!("the bucket's policy: {error:?}"));
        request.send().await.map_err(said)?;
        Ok(())
    }

    fn keys(&self) -> Result<()> {
        let name = format!("{}/{}", self.cluster, self.agent);
        let keys = self.folder.join("keys");
        for words in [&["--name", name.as_str()][..], &["--witness", "--name", "archive.example.com"]] {
            let mut command = Command::new(&self.binary);
            command.args(["audit", "keygen", "--out"]).arg(&keys).args(words);
            let output = command.output().map_err(io("run", &self.binary))?;
            if !output.status.success() {
                let output = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::Command { command: "tenantry audit keygen".into(), output });
            }
        }
        Ok(())
    }

    /// A file of a key: `log.key`, `log.pub`, `witness.key` or `witness.pub`.
    #[must_use]
    pub fn key(&self, file: &str) -> PathBuf {
        self.folder.join("keys").join(file)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Versitygw {
        &self.store
    }

    /// Where the archive's objects lie as files: what a download would bring.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.store.files(BUCKET)
    }

    fn place(&self, command: &mut Command, user: &str) {
        command.args(["--archive", &format!("s3://{BUCKET}"), "--endpoint", &self.store.url()]);
        command.args(["--region", REGION, "--owner", &self.store.root().id, "--path-style", "--credentials"]);
        command.arg(self.folder.join(user));
    }

    /// An agent that ships what it finds in an API server's log; `args` are added.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn agent(&self, log: &Path, kubeconfig: &Path, args: &[String]) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command
            .args(["audit", "agent", "--cluster", &self.cluster, "--agent", &self.agent, "--file"])
            .arg(log);
        command.arg("--spool").arg(self.run.folder("audit-spool")?).args(["--reserve", "0"]);
        command.arg("--http").arg(format!("127.0.0.1:{}", self.run.port()?));
        command.arg("--log-key").arg(self.key("log.key")).arg("--witness-key").arg(self.key("witness.pub"));
        command
            .args(["--lock-days", &LOCK_DAYS.to_string(), "--reader-credentials"])
            .arg(self.folder.join("reader"));
        self.place(&mut command, "writer");
        command.args(args).env("KUBECONFIG", kubeconfig);
        Process::start(&self.run, &name("audit-agent"), command)
    }

    /// The witness, which looks every other second.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn witness(&self) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.arg("witness").arg("--state").arg(self.folder.join("state"));
        command.arg("--key").arg(self.key("witness.key")).arg("--log-key").arg(self.key("log.pub"));
        self.place(&mut command, "witness");
        command.args(["--every", "2s"]);
        Process::start(&self.run, &name("audit-witness"), command)
    }
}

/// Of a process: each start has a log of its own.
fn name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
