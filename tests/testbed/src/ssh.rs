//! A real Git server over SSH, with every fault that one can have, and the keys that go with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;
use crate::wait::eventually;

/// How a server is set up.
#[derive(Debug, Default, Clone)]
pub struct SshOptions {
    /// What goes wrong; the Go program lists the words. Nothing when empty.
    pub fault: String,
    /// Bytes of git's answer before some of the faults.
    pub after: usize,
    /// Private keys of the host.
    pub host_keys: Vec<PathBuf>,
    /// Certificates of the host keys in the same places.
    pub certificates: Vec<PathBuf>,
    /// Public keys that may log in, as user `git`.
    pub authorized: PathBuf,
}

/// A server for the bare repositories in a folder.
#[derive(Debug)]
pub struct SshServer {
    process: Process,
    port: u16,
}

impl SshServer {
    /// Starts a server in `run`.
    ///
    /// # Errors
    /// The program can't be built, or does not come up.
    pub async fn start(run: &Arc<Run>, root: &Path, options: &SshOptions) -> Result<Self> {
        let port = run.port()?;
        let mut command = Command::new(program().await?);
        command.arg(format!("--addr=127.0.0.1:{port}")).arg(format!("--after={}", options.after));
        command.arg(format!("--fault={}", options.fault)).arg("--root").arg(root);
        command.arg("--authorized").arg(&options.authorized);
        for key in &options.host_keys {
            command.arg("--host-key").arg(key);
        }
        for file in &options.certificates {
            command.arg("--host-certificate").arg(file);
        }
        let process = Process::start(run, &format!("git-ssh-{port}"), command)?;
        eventually(Duration::from_secs(20), "the SSH server to listen", || {
            let answer = match process.check() {
                Err(error) => Ok(Err(error)),
                Ok(()) if process.logs().contains("listening on") => Ok(Ok(())),
                Ok(()) => Err(process.logs()),
            };
            async { answer }
        })
        .await??;
        Ok(Self { process, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `login USER` and `exec "COMMAND"` of every client so far, a line each.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }
}

async fn program() -> Result<PathBuf> {
    let built = tokio::task::spawn_blocking(|| programs::git().and_then(|()| programs::git_ssh()));
    built.await.map_err(|error| Error::Invalid(error.to_string()))?
}

/// Makes a key pair: `file` and `file.pub`. Kinds: `ed25519`, `ecdsa256`, `ecdsa384`, `rsa`.
///
/// # Errors
/// The program can't be built, or fails.
pub fn ssh_key(file: &Path, kind: &str, passphrase: &str) -> Result<()> {
    let flags = [format!("--type={kind}"), format!("--passphrase={passphrase}")];
    let flags = flags.iter().map(OsStr::new);
    call("keygen", flags.chain([OsStr::new("--out"), file.as_os_str()]))
}

/// Certifies the public key `key.pub` by the private key `authority`; `more` are flags of the Go program.
///
/// # Errors
/// The program can't be built, or fails.
pub fn ssh_certificate(file: &Path, key: &Path, authority: &Path, more: &[&str]) -> Result<()> {
    let key = key.with_extension("pub");
    let files = [("--ca", authority), ("--key", &key), ("--out", file)];
    let files = files.iter().flat_map(|(flag, path)| [OsStr::new(flag), path.as_os_str()]);
    call("certify", files.chain(more.iter().map(OsStr::new)))
}

fn call<'a>(name: &str, arguments: impl Iterator<Item = &'a OsStr>) -> Result<()> {
    let program = programs::git_ssh()?;
    let output = Command::new(&program).arg(name).args(arguments).output().map_err(io("start", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(Error::Command { command: format!("git-ssh {name}"), output })
}
