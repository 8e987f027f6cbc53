//! Programs that a run starts: each with a deadline, an environment of its own, bounded output, and an end that its
//! own children share.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use crate::backup::record::reasons;

/// Bytes of stdout and of the end of stderr that are kept.
pub const OUT: usize = 64 * 1024 * 1024;
const WORDS: usize = 64 * 1024;

/// When a run has failed.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So many seconds from now.
    #[must_use]
    pub fn after(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    /// What is left, in whole seconds, at least one.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.saturating_duration_since(Instant::now()).as_secs().max(1)
    }

    /// The result, or the failure that the time is over.
    ///
    /// # Errors
    /// The time is over.
    pub async fn of<T>(&self, doing: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
        timeout_at(self.0, future).await.map_err(|_| Failure::late(doing, ""))
    }
}

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Call {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: Vec<u8>,
    /// The end of what it wrote to stderr.
    pub words: String,
}

impl Output {
    /// Whether it ended well.
    #[must_use]
    pub fn good(&self) -> bool {
        self.code == Some(0)
    }

    /// stdout as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl Call {
    /// A call in a folder, with nothing of our own environment but the `PATH`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let call = Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: folder.to_owned(),
        };
        // One language and one time zone: what programs say is read.
        let fixed = call.set("PATH", path).set("LC_ALL", "C").set("TZ", "UTC");
        fixed.set("HOME", folder).set("TMPDIR", folder)
    }

    /// One more argument; never a secret, since everybody on the machine can read them.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn set(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// More variables.
    #[must_use]
    pub fn sets(mut self, variables: &[(String, String)]) -> Self {
        self.environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// What it is called in messages.
    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Starts it in a process group of its own, so that it ends with its children.
    ///
    /// # Errors
    /// It isn't there, or may not be started.
    pub fn start(&self, stdin: Stdio) -> Result<Running, Failure> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.current_dir(&self.folder).process_group(0).kill_on_drop(true);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error| {
            let place = self.program.display();
            Failure::new(
                reasons::INTERRUPTED,
                format!("{place} can't be started: {error}; is it in the image?"),
            )
        };
        let child = command.spawn().map_err(failed)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Running { name: self.name(), child, group: Group(group) })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It can't be started, or isn't done in time; then it is dead, with its children.
    pub async fn run(&self, deadline: Deadline) -> Result<Output, Failure> {
        let mut running = self.start(Stdio::null())?;
        let (out, err) = (running.child.stdout.take(), running.child.stderr.take());
        let mut words = Vec::new();
        let whole = async {
            let read = tokio::join!(begin_of(out, OUT), end_of(err, &mut words));
            (read.0, running.child.wait().await)
        };
        let ended = timeout_at(deadline.0, whole).await;
        let words = String::from_utf8_lossy(&words).into_owned();
        let Ok((out, status)) = ended else {
            running.group.kill();
            return Err(Failure::late(&running.name, &words));
        };
        running.group.0 = None;
        Ok(Output { code: status.ok().and_then(|status| status.code()), out, words })
    }
}

/// A program that runs; dropped, it is killed with its children.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// The process.
    pub child: Child,
    group: Group,
}

impl Running {
    /// Waits for its end; afterwards nothing is killed any more.
    ///
    /// # Errors
    /// It doesn't end in time; then it is dead.
    pub async fn wait(&mut self, deadline: Deadline) -> Result<Option<i32>, Failure> {
        match timeout_at(deadline.0, self.child.wait()).await {
            Ok(status) => {
                self.group.0 = None;
                Ok(status.ok().and_then(|status| status.code()))
            }
            Err(_) => {
                self.group.kill();
                Err(Failure::late(&self.name, ""))
            }
        }
    }

    /// Ends it at once.
    pub async fn kill(&mut self) {
        self.group.kill();
        let _ = self.child.wait().await;
    }

    /// Asks it to end, as Kubernetes and PostgreSQL do with `signal`.
    pub fn ask_to_end(&self, signal: Signal) {
        if let Some(group) = self.group.0 {
            let _ = rustix::process::kill_process(group, signal);
        }
    }
}

/// A process group, killed when it is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end and keeps the first bytes, so that nobody blocks on a full pipe.
pub async fn begin_of(stream: Option<impl AsyncRead + Unpin>, most: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(most as u64).read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    kept
}

/// Reads to the end and keeps the last bytes: what a program says last tells why it ended.
pub async fn end_of(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut part = vec![0; 8192];
    while let Ok(read) = stream.read(&mut part).await {
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&part[..read]);
        if kept.len() > 2 * WORDS {
            kept.drain(..kept.len() - WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        Call::new("/bin/sh", Path::new("/")).args(["-c", script])
    }

    #[tokio::test]
    async fn what_a_program_says_is_kept() {
        let output = sh("echo out; echo words >&2; exit 3").run(Deadline::after(60)).await.unwrap();
        assert_eq!(
            (output.code, output.text().as_str(), output.words.as_str()),
            (Some(3), "out\n", "words\n")
        );
    }

    #[tokio::test]
    async fn nothing_of_our_environment_is_passed_on() {
        let call = sh("env").set("GIVEN", "1");
        let text = call.run(Deadline::after(60)).await.unwrap().text();
        assert!(text.contains("GIVEN=1") && !text.contains("CARGO"), "{text}");
    }

    #[tokio::test]
    async fn a_late_program_dies_with_its_children() {
        let failure =
            sh("echo why >&2; sleep 600 & echo $! ; wait").run(Deadline::after(1)).await.unwrap_err();
        assert_eq!((failure.reason, failure.log_line.as_str()), (reasons::DEADLINE_EXCEEDED, "why"));
    }

    #[tokio::test]
    async fn children_die_with_a_killed_program() {
        let mut running = sh("sleep 600 & echo $!; wait").start(Stdio::null()).unwrap();
        let mut out = running.child.stdout.take().unwrap();
        let mut line = [0; 16];
        let read = out.read(&mut line).await.unwrap();
        let child: i32 = std::str::from_utf8(&line[..read]).unwrap().trim().parse().unwrap();
        running.kill().await;
        let gone = async {
            // A dead child may wait for its new parent to notice: then its command line is empty.
            while std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| !line.is_empty()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the child is gone");
    }
}
