//! The operator's side of the fetch process: start it, feed it, wait no longer
//! than the deadline, follow its redirects, believe nothing it says.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicI16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::check::{Checked, check};
use super::error::SourceError;
use super::folder::Folder;
use super::protocol::{Answer, Done, EXIT_DEADLINE, Operation, Request, SUBCOMMAND};
use super::route::{self, ProxyRules};
use super::settings::Settings;
use super::text;

/// Redirects followed in one operation.
const HOPS: usize = 3;

/// Bytes read of the child's answer and of its last words.
const ANSWER_BYTES: u64 = 1024 * 1024;
const WORDS_BYTES: u64 = 16 * 1024;

/// Landlock version of the last fetch process; -1 before the first.
static LANDLOCK: AtomicI16 = AtomicI16::new(-1);

/// How the last fetch process was confined, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// No fetch process has run yet.
    Unknown,
    /// The kernel has no Landlock: the fetch process can read what the operator can.
    None,
    /// Confined by this version of Landlock.
    Landlock(u8),
}

/// How the last fetch process was confined.
#[must_use]
pub fn sandbox() -> Sandbox {
    match LANDLOCK.load(Ordering::Relaxed) {
        version if version < 0 => Sandbox::Unknown,
        0 => Sandbox::None,
        version => Sandbox::Landlock(u8::try_from(version).unwrap_or(u8::MAX)),
    }
}

fn remember_sandbox(version: u8) {
    let before = LANDLOCK.swap(i16::from(version), Ordering::Relaxed);
    if before != i16::from(version) {
        if version == 0 {
            tracing::warn!("the kernel has no landlock: the fetch process is confined by limits only");
        } else {
            tracing::info!(landlock = version, "the fetch process sees its repository folder only");
        }
    }
}

/// Runs one operation in fetch processes: one, and one more for each redirect.
pub(super) async fn run(settings: &Settings, operation: Operation) -> Result<Done, SourceError> {
    let deadline = Instant::now() + settings.deadline;
    let Checked { address: mut at, mut authorization, login } = check(settings)?;
    let folder = settings.repository.as_path();
    Folder::new(folder)
        .create()
        .map_err(|source| SourceError::Disk { path: folder.display().to_string(), source })?;
    let proxies = ProxyRules::from_environment();
    for _ in 0..=HOPS {
        let route = route::find(&at, &proxies, deadline).await?;
        let request = Request {
            operation: operation.clone(),
            url: at.to_string(),
            https: at.is_https(),
            addresses: route.addresses,
            proxy: route.proxy,
            authorization: authorization.clone(),
            login: login.clone(),
            ca_pem: settings.ca_pem.clone(),
            reference: settings.reference.clone(),
            repository: folder.to_owned(),
            limits: settings.limits.clone(),
            deadline: deadline.saturating_duration_since(Instant::now()),
        };
        match once(settings, &request, &at, deadline).await? {
            Done::Redirected { location, suffix } => {
                // A server that puts the token into an address would have us show it to everybody.
                if secrets(settings, &request).iter().any(|secret| location.contains(secret.as_str())) {
                    return Err(SourceError::RedirectRefused {
                        from: at.to_string(),
                        to: "an address".to_owned(),
                        problem: "it holds credentials",
                    });
                }
                let next = at.redirected(&location, &suffix)?;
                if !at.same_origin(&next) {
                    // Whoever we are sent to is not who the token was given for.
                    authorization = None;
                }
                tracing::debug!(from = %at, to = %next, "the git server redirects");
                at = next;
            }
            done => return Ok(done),
        }
    }
    let from = Address::parse(&settings.url)?.to_string();
    Err(SourceError::RedirectRefused {
        from,
        to: at.to_string(),
        problem: "it is the fourth redirect in a row",
    })
}

/// Runs one operation that asks no server in a process of its own, which is given no secret.
pub(super) async fn alone(settings: &Settings, operation: Operation) -> Result<Done, SourceError> {
    let deadline = Instant::now() + settings.deadline;
    let at = Address::parse(&settings.url)?;
    let request = Request {
        operation,
        url: at.to_string(),
        https: at.is_https(),
        addresses: Vec::new(),
        proxy: None,
        authorization: None,
        login: None,
        ca_pem: None,
        reference: settings.reference.clone(),
        repository: settings.repository.clone(),
        limits: settings.limits.clone(),
        deadline: settings.deadline,
    };
    once(settings, &request, &at, deadline).await
}

/// One fetch process from start to end.
async fn once(
    settings: &Settings,
    request: &Request,
    address: &Address,
    deadline: Instant,
) -> Result<Done, SourceError> {
    let dead = |detail: String| SourceError::Child { detail, source: None };
    let json = serde_json::to_vec(request).map_err(|_| dead("the request can't be written".to_owned()))?;
    let mut child = start(settings).map_err(|source| SourceError::Child {
        detail: "it can't be started".to_owned(),
        source: Some(source),
    })?;
    let talked = timeout_at(deadline, talk(&mut child, &json)).await;
    let timed_out =
        || SourceError::Timeout { what: format!("the exchange with {address}"), after: settings.deadline };
    let Ok(talked) = talked else {
        end(child).await;
        return Err(timed_out());
    };
    let Talk { status, answer, words } = talked.map_err(|source| SourceError::Child {
        detail: "talking to it broke".to_owned(),
        source: Some(source),
    })?;
    let secrets = secrets(settings, request);
    let words = text::printable(&text::redact(&words, &secrets), 300);
    if !words.is_empty() {
        tracing::warn!(url = %address, output = %words, "the fetch process wrote to stderr");
    }
    if status.code() == Some(i32::from(EXIT_DEADLINE)) {
        return Err(timed_out());
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(&answer) else {
        return Err(died(status, &words, request.limits.repository_bytes));
    };
    if let Some(version) = answer.landlock {
        remember_sandbox(version);
    }
    answer
        .result
        .map_err(|failure| failure.into_error(address, &request.reference, settings.deadline, &secrets))
}

/// Every string that must not appear in what we pass on.
fn secrets(settings: &Settings, request: &Request) -> Vec<String> {
    let mut secrets =
        settings.credentials.as_ref().map(super::settings::Credentials::canaries).unwrap_or_default();
    secrets.extend(request.proxy.clone());
    secrets
}

fn start(settings: &Settings) -> std::io::Result<Child> {
    let mut command = Command::new(program(settings.program.as_deref())?);
    command.arg(SUBCOMMAND).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Where the certificates of the operating system lie, when it is not where they usually do.
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.current_dir("/").kill_on_drop(true).spawn()
}

fn program(named: Option<&Path>) -> std::io::Result<PathBuf> {
    match named {
        Some(program) => Ok(program.to_owned()),
        // Also right when the file has been replaced since we started.
        None if cfg!(target_os = "linux") => Ok(PathBuf::from("/proc/self/exe")),
        None => std::env::current_exe(),
    }
}

/// What a child said before it ended.
struct Talk {
    status: std::process::ExitStatus,
    answer: Vec<u8>,
    words: String,
}

async fn talk(child: &mut Child, request: &[u8]) -> std::io::Result<Talk> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A child that died early says more by its status than this error would.
            let _ = stdin.write_all(request).await;
        }
    };
    let ((), answer, words) =
        tokio::join!(write, bounded(stdout, ANSWER_BYTES), bounded(stderr, WORDS_BYTES));
    let status = child.wait().await?;
    Ok(Talk { status, answer: answer?, words: String::from_utf8_lossy(&words?).into_owned() })
}

/// Reads to the end but keeps only the first bytes, so that a child never blocks on a full pipe.
async fn bounded(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(limit).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// Kills a child and waits, briefly, until it is gone and its lock with it.
async fn end(mut child: Child) {
    let _ = child.start_kill();
    let _ = timeout(Duration::from_secs(2), child.wait()).await;
}

/// A child that ended without an answer.
fn died(status: std::process::ExitStatus, words: &str, limit: u64) -> SourceError {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(rustix::process::Signal::XFSZ.as_raw())
    {
        return SourceError::TooLarge { what: "the repository".to_owned(), limit };
    }
    let _ = limit;
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    SourceError::Child { detail: format!("it ended with {status} and no answer{said}"), source: None }
}
