//! The operator under test, as the process it is in real life.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{Error, Result};
use crate::process::Process;
use crate::registry::Run;
use crate::wait::eventually;

/// How to run `tenantry run`.
#[derive(Debug, Clone)]
pub struct OperatorOptions {
    /// The `tenantry` binary: `env!("CARGO_BIN_EXE_tenantry")` in tests.
    pub binary: PathBuf,
    /// Whom it is in the cluster.
    pub kubeconfig: PathBuf,
    /// Where it keeps what may be lost; the same folder again is a restart.
    pub data_dir: PathBuf,
    /// Further arguments.
    pub args: Vec<String>,
    /// Environment variables on top of the caller's.
    pub env: Vec<(String, String)>,
}

/// A running operator; dropped, it is killed.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    port: u16,
}

impl Operator {
    /// Starts it and returns at once; see [`Operator::ready`].
    ///
    /// # Errors
    /// The binary can't be started.
    pub fn start(run: &Arc<Run>, options: &OperatorOptions) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let port = run.port()?;
        let mut command = Command::new(&options.binary);
        command.arg("run").arg("--kubeconfig").arg(&options.kubeconfig);
        command.arg("--data-dir").arg(&options.data_dir).arg("--http").arg(format!("127.0.0.1:{port}"));
        command.args(&options.args).envs(options.env.iter().cloned());
        let name = format!("operator-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Ok(Self { process: Process::start(run, &name, command)?, port })
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Errors
    /// It ends or does not get ready in time.
    pub async fn ready(&self, timeout: Duration) -> Result<()> {
        eventually(timeout, "the operator to be ready", || async {
            if let Err(error) = self.check() {
                return Ok(Err(error));
            }
            self.get("/readyz").await.map(|_| Ok(())).map_err(|error| error.to_string())
        })
        .await?
    }

    /// An error with the end of the log if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&self) -> Result<()> {
        self.process.check()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// SIGKILL: a crash.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGTERM, then SIGKILL after 20 s; returns the exit status if the first was enough.
    pub fn stop(&self) -> Option<ExitStatus> {
        self.process.stop(Duration::from_secs(20))
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The port of health and metrics.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.port
    }

    /// Everything it logged.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    /// The log file.
    #[must_use]
    pub fn log_path(&self) -> &std::path::Path {
        self.process.log_path()
    }

    /// The metrics page.
    ///
    /// # Errors
    /// It does not answer with 200.
    pub async fn metrics(&self) -> Result<String> {
        self.get("/metrics").await
    }

    /// The sum of a metric's samples, over all labels.
    ///
    /// # Errors
    /// As [`Operator::metrics`].
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let page = self.metrics().await?;
        let samples = page
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Ok(samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// Gets a page of its HTTP server.
    ///
    /// # Errors
    /// It does not answer with 200 within 5 s.
    pub async fn get(&self, path: &str) -> Result<String> {
        let failed = |reason: String| Error::Process {
            name: "operator".into(),
            reason: format!("GET {path}: {reason}"),
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), request(self.port, path)).await;
        let answer =
            answer.map_err(|_| failed("no answer in 5 s".into()))?.map_err(|e| failed(e.to_string()))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.contains(" 200 ") { Ok(body.to_string()) } else { Err(failed(format!("{status}: {body}"))) }
    }

    /// The memory it holds.
    #[must_use]
    pub fn rss_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok();
        let text = match status
            .as_deref()
            .and_then(|all| all.lines().find_map(|line| line.strip_prefix("VmRSS:")))
        {
            Some(line) => line.trim_end_matches("kB").to_string(),
            None => {
                let ps =
                    Command::new("ps").args(["-o", "rss=", "-p", &self.id().to_string()]).output().ok()?;
                String::from_utf8(ps.stdout).ok()?
            }
        };
        text.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

/// One HTTP/1.0 request: the answer ends with the connection.
async fn request(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
