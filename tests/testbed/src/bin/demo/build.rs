//! Building the operator with the cargo that runs the demo.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tenantry_testbed::programs::{Progress, repository_root};
use tenantry_testbed::{Error, Result};

/// Builds the `tenantry` binary, with a progress line if it takes a while.
pub(crate) fn tenantry() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let failed = |output: String| Error::Command { command: "cargo build --bin tenantry".into(), output };
    let mut child = Command::new(cargo)
        .args(["build", "--bin", "tenantry", "--message-format=json-render-diagnostics", "--quiet"])
        .current_dir(repository_root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("{error}; get Rust from https://rustup.rs")))?;
    let messages = child.stdout.take().map(|stdout| std::thread::spawn(move || executable(stdout)));
    let start = Instant::now();
    let mut progress = None;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
        match &mut progress {
            None if start.elapsed() > Duration::from_secs(2) => {
                progress = Some(Progress::start("building the operator".into()));
            }
            None => {}
            Some(progress) => progress.tick(),
        }
    };
    if let Some(progress) = progress {
        progress.end(status.success());
    }
    if !status.success() {
        return Err(failed("see the compiler's messages above".into()));
    }
    let found = messages.and_then(|thread| thread.join().ok()).flatten();
    found.ok_or_else(|| failed("cargo named no binary".into()))
}

/// Where cargo says that it put the binary.
fn executable(stdout: ChildStdout) -> Option<PathBuf> {
    let lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
    lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .filter(|message| message["target"]["name"] == "tenantry")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .last()
}
