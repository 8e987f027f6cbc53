//! What the operator and its fetch process say to each other: one JSON request
//! on stdin, one JSON answer on stdout.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::error::SourceError;
use super::known_hosts::{HostKeys, Verdict};
use super::settings::{CommitId, Limits, Reference};
use super::text;
use crate::trust::history::Difference;

/// The hidden subcommand.
pub(super) const SUBCOMMAND: &str = "git-child";

/// Exit status of a child that ended itself at its deadline.
pub(super) const EXIT_DEADLINE: u8 = 124;

/// What `git-upload-pack` discovery appends to the repository's address.
pub(super) const DISCOVERY: &str = "/info/refs?service=git-upload-pack";

/// What fetching appends to the repository's address.
pub(super) const UPLOAD_PACK: &str = "/git-upload-pack";

#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub operation: Operation,
    /// The repository's address, without credentials.
    pub url: String,
    pub https: bool,
    /// Where to connect: the child has no `/etc/resolv.conf`. Of the proxy when there is one.
    pub addresses: Vec<SocketAddr>,
    pub proxy: Option<String>,
    pub authorization: Option<String>,
    pub login: Option<Login>,
    pub ca_pem: Option<String>,
    pub reference: Reference,
    /// The only folder that the child may touch.
    pub repository: PathBuf,
    pub limits: Limits,
    pub deadline: Duration,
}

/// How to log in by SSH, and what to ask for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Login {
    pub user: String,
    /// The repository on the server.
    pub path: String,
    pub private_key: String,
    pub passphrase: Option<String>,
    /// The keys that the server may have.
    pub hosts: HostKeys,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Operation {
    /// List references, say which commit the reference names.
    Resolve,
    /// Bring a commit into the repository folder, with the history since `base` where there is one.
    Fetch { commit: CommitId, base: Option<CommitId> },
    /// Bring the notes with approvals into the repository folder.
    FetchNotes,
    /// Find the first of some merges in the repository folder that holds something else than merging its parents gives.
    Compare { merges: Vec<CommitId> },
    /// Try to open a file, to see whether the sandbox holds.
    Probe { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    /// Landlock version in force, 0 for none; `None` when it did not come to that.
    pub landlock: Option<u8>,
    pub result: Result<Done, Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Done {
    Resolved {
        commit: CommitId,
        /// The newest state of the notes with approvals, where there are any.
        notes: Option<CommitId>,
    },
    Fetched {
        commit: CommitId,
        received: u64,
        stored: u64,
        fresh: bool,
    },
    /// What the notes with approvals are now; `None` when there are none.
    Notes {
        tip: Option<CommitId>,
    },
    Compared {
        differs: Option<(CommitId, Difference)>,
    },
    Probed {
        readable: bool,
    },
    /// The server sent us elsewhere: `suffix` was asked for, `location` answered.
    Redirected {
        location: String,
        suffix: String,
    },
}

/// What the child reports as failed; the parent knows the rest of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Failure {
    Status {
        status: u16,
        retry_after: Option<u64>,
    },
    NotAGitServer {
        detail: String,
    },
    ReferenceNotFound {
        existing: Vec<String>,
        more: usize,
    },
    EmptyRepository,
    Unreachable {
        detail: String,
    },
    Timeout,
    Tls {
        detail: String,
    },
    TooLarge {
        what: String,
        limit: u64,
    },
    Remote {
        message: String,
    },
    InvalidCa {
        problem: String,
    },
    Corrupt {
        detail: String,
    },
    Busy,
    Disk {
        path: String,
        detail: String,
    },
    Other {
        detail: String,
    },
    /// The server's key is not one that it may have.
    HostKey {
        verdict: Verdict,
        offered: String,
    },
    /// No SSH connection can come about as things are.
    Ssh {
        detail: String,
    },
    /// Our key can't be used.
    InvalidKey {
        problem: String,
    },
    /// The server does not take our key.
    KeyRefused {
        key: String,
    },
    /// The server says that it has no such repository, or not for us.
    NotServed {
        message: String,
    },
}

/// Shortest and longest time that we let a server make us wait.
const RETRY_AFTER: std::ops::RangeInclusive<u64> = 1..=3600;

impl Failure {
    /// The error that users read. Everything in `self` is treated as hostile text: a server may
    /// even say back the token that it was shown.
    pub(super) fn into_error(
        self,
        address: &Address,
        reference: &Reference,
        deadline: Duration,
        secrets: &[String],
    ) -> SourceError {
        let url = address.to_string();
        let clean = |text: String| text::printable(&text::redact(&text, secrets), 300);
        match self {
            Self::Status { status, retry_after } => status_error(url, status, retry_after),
            Self::NotAGitServer { detail } => SourceError::NotAGitServer { url, detail: clean(detail) },
            Self::ReferenceNotFound { existing, more } => SourceError::ReferenceNotFound {
                url,
                reference: reference.to_string(),
                existing: existing.into_iter().take(5).map(clean).collect(),
                more,
            },
            Self::EmptyRepository => SourceError::EmptyRepository { url },
            Self::Unreachable { detail } => {
                SourceError::Unreachable { host: address.authority(), detail: clean(detail) }
            }
            Self::Timeout => {
                SourceError::Timeout { what: format!("the exchange with {url}"), after: deadline }
            }
            Self::Tls { detail } => {
                SourceError::TlsFailed { host: address.authority(), detail: clean(detail) }
            }
            Self::TooLarge { what, limit } => SourceError::TooLarge { what: clean(what), limit },
            Self::Remote { message } => SourceError::Remote { url, message: clean(message) },
            Self::InvalidCa { problem } => {
                SourceError::InvalidSecret { what: "CA certificates", problem: clean(problem) }
            }
            Self::Corrupt { detail } => SourceError::Corrupt { detail: clean(detail) },
            Self::Busy => SourceError::Busy,
            Self::Disk { path, detail } => {
                SourceError::Disk { path: clean(path), source: std::io::Error::other(clean(detail)) }
            }
            Self::Other { detail } => SourceError::Child { detail: clean(detail), source: None },
            Self::HostKey { verdict, offered } => host_key_error(address, verdict, clean(offered)),
            Self::Ssh { detail } => {
                SourceError::SshFailed { host: address.authority(), detail: clean(detail) }
            }
            Self::InvalidKey { problem } => {
                SourceError::InvalidSecret { what: "ssh-privatekey", problem: clean(problem) }
            }
            Self::KeyRefused { key } => SourceError::KeyRefused { url, key: clean(key) },
            Self::NotServed { message } => SourceError::NotServed { url, message: clean(message) },
        }
    }
}

fn host_key_error(address: &Address, verdict: Verdict, offered: String) -> SourceError {
    let host = address.authority();
    match verdict {
        Verdict::Unknown => SourceError::HostKeyUnknown { host, offered },
        Verdict::Revoked => SourceError::HostKeyRevoked { host, offered },
        Verdict::Changed | Verdict::Pinned => SourceError::HostKeyMismatch { host, offered },
    }
}

fn status_error(url: String, status: u16, retry_after: Option<u64>) -> SourceError {
    let wait = |seconds: u64| Duration::from_secs(seconds.clamp(*RETRY_AFTER.start(), *RETRY_AFTER.end()));
    match (status, retry_after) {
        (429, seconds) => SourceError::RateLimited { url, status, retry_after: wait(seconds.unwrap_or(60)) },
        // GitHub says 403 for its secondary rate limit.
        (403 | 503, Some(seconds)) => SourceError::RateLimited { url, status, retry_after: wait(seconds) },
        (401 | 403, _) => SourceError::AuthenticationFailed { url, status },
        (404 | 410, _) => SourceError::RepositoryNotFound { url, status },
        _ => SourceError::ServerError { url, status },
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Class;
    use super::*;

    #[test]
    fn statuses_have_classes() {
        let class = |status, retry_after| {
            let error = status_error("https://x/y".to_owned(), status, retry_after);
            (error.reason(), error.class())
        };
        let waiting = |seconds| Class::Waiting { retry_after: Duration::from_secs(seconds) };
        assert_eq!(class(401, None), ("AuthenticationFailed", Class::Rejected));
        assert_eq!(class(403, None), ("AuthenticationFailed", Class::Rejected));
        assert_eq!(class(403, Some(30)), ("RateLimited", waiting(30)));
        assert_eq!(class(404, None), ("RepositoryNotFound", Class::Rejected));
        assert_eq!(class(429, Some(7)), ("RateLimited", waiting(7)));
        assert_eq!(class(429, Some(0)), ("RateLimited", waiting(1)));
        assert_eq!(class(429, Some(u64::MAX)), ("RateLimited", waiting(3600)));
        assert_eq!(class(429, None), ("RateLimited", waiting(60)));
        assert_eq!(class(503, Some(9)), ("RateLimited", waiting(9)));
        assert_eq!(class(503, None), ("ServerError", Class::Transient));
        assert_eq!(class(500, None), ("ServerError", Class::Transient));
        assert_eq!(class(400, None), ("ServerError", Class::Rejected));
    }
}
