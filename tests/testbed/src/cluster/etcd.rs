//! etcd, and what one does with its backups.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;

/// A running etcd.
pub(crate) struct Etcd {
    process: Process,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    peer_port: u16,
}

impl Etcd {
    /// Starts an empty one.
    pub(crate) fn start(run: &Arc<Run>, program: &Path) -> Result<Self> {
        let (port, peer_port) = (run.port()?, run.port()?);
        let folder = run.dir().join("etcd");
        let process = run_in(run, program, &folder, port, peer_port)?;
        Ok(Self { process, program: program.to_path_buf(), folder, port, peer_port })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An error with the end of its log if it has ended.
    pub(crate) fn check(&self) -> Result<()> {
        self.process.check()
    }

    /// Puts a copy in the place of what it holds, and starts it again.
    fn restore(&mut self, run: &Arc<Run>, copy: &Path) -> Result<()> {
        self.process.kill();
        std::fs::remove_dir_all(&self.folder).map_err(io("remove", &self.folder))?;
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let (copy, folder) = (copy.display().to_string(), self.folder.display().to_string());
        copy_program(&["restore", &copy, &folder, &peer])?;
        self.process = run_in(run, &self.program, &self.folder, self.port, self.peer_port)?;
        Ok(())
    }
}

fn run_in(run: &Arc<Run>, program: &Path, folder: &Path, port: u16, peer_port: u16) -> Result<Process> {
    let (url, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    let mut command = Command::new(program);
    command.args(["etcd", "--name=default", "--unsafe-no-fsync", "--log-level=warn"]);
    command.arg(format!("--data-dir={}", folder.display()));
    command.arg(format!("--listen-client-urls={url}")).arg(format!("--advertise-client-urls={url}"));
    command.arg(format!("--listen-peer-urls={peer}")).arg(format!("--initial-advertise-peer-urls={peer}"));
    command.arg(format!("--initial-cluster=default={peer}"));
    Process::start(run, "etcd", command)
}

/// Runs `tests/programs/etcd`.
fn copy_program(args: &[&str]) -> Result<()> {
    let program = programs::etcd_copy()?;
    let output = Command::new(&program).args(args).output().map_err(io("start", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: format!("{} {}", program.display(), args.join(" ")), output: said })
}

impl Cluster {
    /// Copies everything that etcd holds into a new file.
    ///
    /// # Errors
    /// The cluster is not ours, or etcd gives no copy.
    pub fn save_etcd(&self, to: &Path) -> Result<()> {
        let url = self.own()?.plane().etcd().url();
        copy_program(&["save", &url, &to.display().to_string()])
    }

    /// The cluster forgets everything since a copy of [`Cluster::save_etcd`]: etcd and the API server start
    /// again with it. Who watches is told that what it knows is too old; nothing else is started again.
    ///
    /// # Errors
    /// The cluster is not ours, or one of the two does not come up.
    pub async fn restore_etcd(&self, copy: &Path) -> Result<()> {
        {
            let mut plane = self.own()?.plane();
            plane.stop_apiserver();
            plane.etcd().restore(&self.run, copy)?;
            plane.start_apiserver(&self.run)?;
        }
        self.wait_api(Duration::from_secs(60)).await
    }
}
