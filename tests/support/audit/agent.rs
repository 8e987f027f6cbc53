//! Agents as the processes they are in real life.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tenantry_testbed::{Process, Run, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Outcome;

/// Longest wait for something that takes a moment.
pub const SOON: Duration = Duration::from_secs(60);

/// Where an agent works and listens; the same again is a restart.
#[derive(Clone, Debug)]
pub struct Desk {
    pub binary: PathBuf,
    pub run: Arc<Run>,
    pub spool: PathBuf,
    pub webhook: u16,
    pub http: u16,
    /// Further arguments.
    pub args: Vec<String>,
}

impl Desk {
    /// A desk in a folder of its own below the run's.
    pub fn new(binary: &str, run: &Arc<Run>, name: &str) -> Outcome<Self> {
        let (spool, binary) = (run.folder(name)?.join("spool"), PathBuf::from(binary));
        let (webhook, http) = (run.port()?, run.port()?);
        Ok(Self { binary, run: Arc::clone(run), spool, webhook, http, args: Vec::new() })
    }

    pub fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// The log that the API server would write.
    pub fn file(&self) -> PathBuf {
        self.spool.with_file_name("audit.log")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["audit", "agent", "--cluster", "eu", "--agent", "cp-1", "--reserve", "0", "--spool"]);
        command.arg(&self.spool).arg("--webhook").arg(format!("127.0.0.1:{}", self.webhook));
        command.arg("--http").arg(format!("127.0.0.1:{}", self.http)).args(&self.args);
        command
    }

    pub fn start(&self) -> Outcome<Agent> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("agent-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Ok(Agent { process: Process::start(&self.run, &name, self.command())?, desk: self.clone() })
    }
}

/// A running agent; dropped, it is killed.
#[derive(Debug)]
pub struct Agent {
    pub process: Process,
    desk: Desk,
}

impl Agent {
    /// Waits until its pages answer.
    pub async fn answers(&self) -> Outcome {
        let address = format!("127.0.0.1:{}", self.desk.http);
        Ok(self.process.answers(&address, "the agent to answer", SOON).await?)
    }

    pub async fn status(&self) -> Outcome<Value> {
        let (status, page) = get(self.desk.http, "/status").await?;
        if status != 200 {
            return Err(format!("/status: {status}: {page}").into());
        }
        Ok(serde_json::from_str(&page)?)
    }

    /// Waits until the status is as wanted.
    pub async fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let status = eventually(SOON, what, || async {
            let status = self.status().await.map_err(|error| error.to_string())?;
            if is(&status) { Ok(status) } else { Err(status.to_string()) }
        });
        Ok(status.await?)
    }

    /// SIGTERM; how it ended.
    pub fn stop(&self) -> Option<ExitStatus> {
        self.process.stop(Duration::from_secs(20))
    }
}

/// Posts a body to an agent's webhook; the status that it is answered with.
pub async fn post(port: u16, body: &[u8]) -> std::io::Result<u16> {
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Ok(exchange(port, &[head.as_bytes(), body].concat()).await?.0)
}

/// Gets a page.
pub async fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    exchange(port, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
}

async fn exchange(port: u16, request: &[u8]) -> std::io::Result<(u16, String)> {
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer: std::io::Result<String> = tokio::time::timeout(SOON, talk).await?;
    let answer = answer?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Appends to a file as the API server does.
pub fn append(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::File::options().create(true).append(true).open(file)?.write_all(bytes)
}
