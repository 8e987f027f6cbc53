//! Namespaces with a process that holds them: when it dies, everything in them is gone.
//!
//! A node is its own network, mount and process namespace. Killing the first process of a process
//! namespace kills all others in it (containers and their shims, however they detached themselves), and
//! with the last process go the mounts and interfaces. So nothing of a node can stay behind.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::registry::Run;

/// The first process of a node.
const NODE: &str = include_str!("node.sh");
/// The same for the switch between the nodes, which is a network namespace only.
const SWITCH: &str = "set -eu\nip link set lo up\n: >\"$1/up\"\nexec sleep infinity\n";
/// For one call of a small program.
const CALL_SECONDS: &str = "120";

/// Namespaces and the process that holds them; dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Space {
    holder: Process,
    kinds: &'static [(&'static str, &'static str)],
}

impl Space {
    /// The namespaces of a node, whose own files are below `folder`.
    pub(crate) fn node(run: &Arc<Run>, name: &str, folder: &Path) -> Result<Self> {
        let options = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let kinds = &[("net", "net"), ("mount", "mnt"), ("pid", "pid_for_children")];
        let options = [options.as_slice(), &["--propagation", "private"]].concat();
        Self::start(run, name, folder, &options, NODE, kinds)
    }

    /// A network namespace.
    pub(crate) fn network(run: &Arc<Run>, name: &str, folder: &Path) -> Result<Self> {
        Self::start(run, name, folder, &["--net", "--fork", "--kill-child"], SWITCH, &[("net", "net")])
    }

    fn start(
        run: &Arc<Run>,
        name: &str,
        folder: &Path,
        options: &[&str],
        script: &str,
        kinds: &'static [(&'static str, &'static str)],
    ) -> Result<Self> {
        let up = folder.join("up");
        let _ = std::fs::remove_file(&up);
        let mut command = Command::new("unshare");
        command.args(options).args(["sh", "-c", script, "sh"]).arg(folder);
        let holder = Process::start(run, name, command)?;
        let start = Instant::now();
        while !up.exists() {
            holder.check()?;
            if start.elapsed() > Duration::from_secs(20) {
                return Err(Error::Timeout {
                    what: format!("the namespaces of {name}"),
                    seconds: 20,
                    last: holder.logs(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { holder, kinds })
    }

    /// The process, by which `ip link set … netns` knows the network.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// A command line inside.
    pub(crate) fn enter(&self, words: &[&str]) -> Vec<String> {
        let id = self.id();
        let option = |(kind, file): &(&str, &str)| format!("--{kind}=/proc/{id}/ns/{file}");
        let enter = std::iter::once("nsenter".to_owned()).chain(self.kinds.iter().map(option));
        enter.chain(words.iter().map(ToString::to_string)).collect()
    }

    /// Runs a small program inside; returns what it writes.
    pub(crate) fn call(&self, words: &[&str], input: &str) -> Result<String> {
        call(&self.enter(words), input)
    }

    /// Runs lines of `ip` commands in the network. Only there: the kernel knows the namespace that an
    /// interface goes to by a process, and inside a node processes have other numbers.
    pub(crate) fn ip(&self, lines: &str) -> Result<()> {
        let network = format!("--net=/proc/{}/ns/net", self.id());
        let words = ["nsenter", &network, "ip", "-batch", "-"].map(str::to_owned);
        call(&words, lines).map(drop)
    }

    /// Starts a program that runs on inside; its working folder is `/`.
    pub(crate) fn process(&self, run: &Arc<Run>, name: &str, words: &[&str]) -> Result<Process> {
        let words = self.enter(words);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Process::start(run, name, command)
    }
}

/// Runs a small program with a deadline; returns what it writes.
///
/// # Errors
/// It can't be run, or says that it failed.
pub(crate) fn call(words: &[String], input: &str) -> Result<String> {
    let mut command = Command::new("timeout");
    command.arg("--kill-after=5").arg(CALL_SECONDS).args(words);
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(io("start", Path::new("timeout")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(io("wait for", Path::new(&words[0])))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let output = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).trim().to_owned();
    Err(Error::Command { command: words.join(" "), output })
}
