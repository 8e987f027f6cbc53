//! The one error type: what went wrong, and the next step.

use std::path::{Path, PathBuf};

/// What can go wrong while the testbed starts or runs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that must be on the PATH is not there.
    #[error("{program} is not installed; {get}")]
    Missing {
        /// The program's name.
        program: &'static str,
        /// How to get it.
        get: &'static str,
    },
    /// A file or folder could not be used.
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A helper program could not be built.
    #[error("building {program} failed; the last lines of {}:\n{tail}", log.display())]
    Build {
        /// The helper program.
        program: String,
        /// The whole build log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A process could not be started, or ended too early.
    #[error("{name} {reason}")]
    Process {
        /// The process.
        name: String,
        /// What happened, with the last lines of its log.
        reason: String,
    },
    /// A command ended with an error.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it wrote.
        output: String,
    },
    /// The API server refused or did not answer.
    #[error("can't {action}: {}", brief(source))]
    Kube {
        /// What was tried.
        action: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// Something did not come true in time.
    #[error("waited {seconds} s for {what}; last seen: {last}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: u64,
        /// The last reason why not.
        last: String,
    },
    /// Input that can't be used: a certificate parameter, a manifest, a kubeconfig.
    #[error("{0}")]
    Invalid(String),
}

/// The testbed's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the API server said, without the client's wrapping.
fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Turns an I/O error on `path` into ours.
pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { action, path, source }
}

/// Turns a client's error into ours.
pub(crate) fn kube_error(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let action = action.into();
    move |source| Error::Kube { action, source: Box::new(source) }
}

/// The last `count` lines of a file; empty if it can't be read.
pub(crate) fn tail(path: &Path, count: usize) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
