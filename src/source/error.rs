//! What can go wrong between a repository and a snapshot, in words for the
//! person who has to act.

use std::time::Duration;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A person must act, on the Platform or on the Git server. Try again when the Platform
    /// changes, or at the ordinary interval: the server may have been mended.
    Rejected,
    /// The server asked for patience. Do not try before this has passed.
    Waiting {
        /// How long to wait, between one second and one hour.
        retry_after: Duration,
    },
    /// It may work next time: try again with backoff.
    Transient,
}

/// Why a source could not be resolved, fetched or read. No message ever holds a
/// secret; text from servers is escaped and bounded.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URL can't be used at all.
    #[error(
        "the repository url {url} can't be used: {problem}; write https://host/path, http://host/path, ssh://git@host/path or git@host:path"
    )]
    InvalidUrl {
        /// The URL without credentials.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// None of http, https and ssh.
    #[error(
        "repository urls with {scheme} are not supported; use https:// (or http://) with a token in the source's Secret, or ssh:// with a key there"
    )]
    UnsupportedScheme {
        /// The scheme found, or what the URL looks like.
        scheme: String,
    },
    /// `https://user:token@host/…`.
    #[error(
        "the repository url holds credentials, which every reader of the Platform could see; \
         put them into the Secret that the source names, and change them"
    )]
    CredentialsInUrl,
    /// A branch, tag or commit that can't exist.
    #[error("{reference} can't exist: {problem}; correct the source's reference")]
    InvalidReference {
        /// Kind and name.
        reference: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// A folder setting that can't be used.
    #[error("the source's {field} {path:?} can't be used: {problem}")]
    InvalidPath {
        /// `path` or `platformPath`.
        field: &'static str,
        /// What was written.
        path: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// The CA or credentials can't be read.
    #[error("the source's {what} can't be used: {problem}; correct the Secret that holds it")]
    InvalidSecret {
        /// `CA certificates`, `credentials` or `ssh-privatekey`.
        what: &'static str,
        /// Why, without its content.
        problem: String,
    },
    /// 401 or 403.
    #[error(
        "{url} refused the credentials (status {status}); check the source's Secret: does the token live, and may it read this repository?"
    )]
    AuthenticationFailed {
        /// The repository.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// 404 or 410.
    #[error("there is no repository at {url} (status {status}), or the source's credentials may not see it")]
    RepositoryNotFound {
        /// The repository.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer is no Git.
    #[error(
        "{url} does not answer as a Git server ({detail}); check the url: it must be the one that git clone takes"
    )]
    NotAGitServer {
        /// The repository.
        url: String,
        /// What it answered.
        detail: String,
    },
    /// A redirect that we do not follow.
    #[error("{from} redirects to {to}, which is not followed: {problem}")]
    RedirectRefused {
        /// The repository asked.
        from: String,
        /// Where it points, without credentials and query.
        to: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// The branch, tag or commit is not there.
    #[error("{reference} is not in {url}{}", existing_text(existing, *more))]
    ReferenceNotFound {
        /// The repository.
        url: String,
        /// Kind and name.
        reference: String,
        /// Up to five names of the same kind that do exist.
        existing: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// No commit at all.
    #[error("the repository {url} is empty; push a first commit")]
    EmptyRepository {
        /// The repository.
        url: String,
    },
    /// The watched folder is not in the revision.
    #[error(
        "the folder {path:?} is not in commit {commit}: {problem}; correct the source's path or bring the folder back"
    )]
    PathNotFound {
        /// The folder.
        path: String,
        /// The commit, shortened.
        commit: String,
        /// What is there instead.
        problem: &'static str,
    },
    /// Name resolution, connect, or a connection that broke.
    #[error("{host} can't be reached: {detail}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What happened.
        detail: String,
    },
    /// The deadline passed.
    #[error("{what} did not end within {} s: the server hangs, is slow, or the repository is large", after.as_secs_f32())]
    Timeout {
        /// What took too long, and where.
        what: String,
        /// The deadline.
        after: Duration,
    },
    /// Any other status.
    #[error("{url} answered with status {status}")]
    ServerError {
        /// The repository.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// 429, or 403 and 503 with `Retry-After`.
    #[error("{url} asks to wait {} s (status {status})", retry_after.as_secs())]
    RateLimited {
        /// The repository.
        url: String,
        /// HTTP status.
        status: u16,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The server itself reported an error inside the Git protocol.
    #[error("{url} reports: {message}")]
    Remote {
        /// The repository.
        url: String,
        /// Its words, escaped and bounded.
        message: String,
    },
    /// A limit in bytes.
    #[error(
        "{what} is larger than the limit of {limit} bytes; make it smaller, or raise the source's limits"
    )]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A limit in numbers.
    #[error(
        "the watched folders hold more than {limit} {what}; split the repository, or raise the source's limits"
    )]
    TooManyFiles {
        /// `YAML files` or `entries`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A limit in commits.
    #[error(
        "commit {head} has more than {limit} commits since the last accepted one; follow the branch in smaller steps: set spec.source.git.commit to a commit in between first"
    )]
    HistoryTooLong {
        /// The head, shortened.
        head: String,
        /// The limit.
        limit: usize,
    },
    /// The TLS handshake failed.
    #[error(
        "no trusted TLS connection to {host}: {detail}; if the server uses a private CA, name its certificate in the source's Secret"
    )]
    TlsFailed {
        /// Host and port.
        host: String,
        /// What rustls says.
        detail: String,
    },
    /// An SSH server without a line in known_hosts.
    #[error(
        "{host} is not in the key known_hosts of the source's Secret, and nothing was sent to it; it offers the key {offered}: if that is the fingerprint that its operator publishes, add the line that ssh-keyscan prints"
    )]
    HostKeyUnknown {
        /// Host and port.
        host: String,
        /// Type and fingerprint.
        offered: String,
    },
    /// An SSH server with another key than those in known_hosts.
    #[error(
        "{host} offers the key {offered}, which is none of those that known_hosts in the source's Secret has for it: somebody may be between us, or the server has a new key; nothing was sent to it. Ask its operator, and add the line if the fingerprint is theirs"
    )]
    HostKeyMismatch {
        /// Host and port.
        host: String,
        /// Type and fingerprint.
        offered: String,
    },
    /// An SSH server with a key that known_hosts revokes.
    #[error(
        "{host} offers the key {offered}, which known_hosts in the source's Secret marks as @revoked; nothing was sent to it. Ask its operator for the new key"
    )]
    HostKeyRevoked {
        /// Host and port.
        host: String,
        /// Type and fingerprint.
        offered: String,
    },
    /// The SSH handshake failed.
    #[error("no SSH connection to {host}: {detail}")]
    SshFailed {
        /// Host and port.
        host: String,
        /// What happened.
        detail: String,
    },
    /// An SSH server that does not take our key.
    #[error(
        "{url} refused the key {key} of the source's Secret; add its public part to the repository as a deploy key that may read"
    )]
    KeyRefused {
        /// The repository.
        url: String,
        /// Type and fingerprint of our key.
        key: String,
    },
    /// An SSH server that has no such repository.
    #[error(
        "{url} is not served: {message}; check the path, and that the deploy key may read this repository"
    )]
    NotServed {
        /// The repository.
        url: String,
        /// The server's words, escaped and bounded.
        message: String,
    },
    /// Objects are missing or damaged.
    #[error("the local copy of the repository is damaged ({detail}); it is fetched anew")]
    Corrupt {
        /// What is damaged.
        detail: String,
    },
    /// Another fetch or read holds the folder.
    #[error("another fetch of this repository is still under way")]
    Busy,
    /// The child process could not be started, or died.
    #[error("the fetch process failed: {detail}")]
    Child {
        /// Its last words, escaped, bounded, without secrets.
        detail: String,
        /// Why it could not be started, when that is the cause.
        #[source]
        source: Option<std::io::Error>,
    },
    /// The disk.
    #[error("can't use {path}: {source}; check the operator's cache volume")]
    Disk {
        /// The file or folder.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

fn existing_text(existing: &[String], more: usize) -> String {
    match (existing.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; it has {}", existing.join(", ")),
        (false, more) => format!("; it has {} and {more} more", existing.join(", ")),
    }
}

impl SourceError {
    /// What the caller should do.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::RateLimited { retry_after, .. } => Class::Waiting { retry_after: *retry_after },
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Remote { .. }
            | Self::Corrupt { .. }
            | Self::Busy
            | Self::Child { .. }
            | Self::Disk { .. } => Class::Transient,
            Self::ServerError { status, .. } if *status >= 500 || matches!(status, 408 | 425) => {
                Class::Transient
            }
            _ => Class::Rejected,
        }
    }

    /// The reason of the `SourceSynced` condition.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "InvalidUrl",
            Self::UnsupportedScheme { .. } => "UnsupportedScheme",
            Self::CredentialsInUrl => "CredentialsInUrl",
            Self::InvalidReference { .. } => "InvalidReference",
            Self::InvalidPath { .. } => "InvalidPath",
            Self::InvalidSecret { .. } => "InvalidSecret",
            Self::AuthenticationFailed { .. } | Self::KeyRefused { .. } => "AuthenticationFailed",
            Self::RepositoryNotFound { .. } | Self::NotServed { .. } => "RepositoryNotFound",
            Self::HostKeyUnknown { .. } => "HostKeyUnknown",
            Self::HostKeyMismatch { .. } => "HostKeyMismatch",
            Self::HostKeyRevoked { .. } => "HostKeyRevoked",
            Self::SshFailed { .. } => "SshFailed",
            Self::NotAGitServer { .. } => "NotAGitServer",
            Self::RedirectRefused { .. } => "RedirectRefused",
            Self::ReferenceNotFound { .. } => "ReferenceNotFound",
            Self::EmptyRepository { .. } => "EmptyRepository",
            Self::PathNotFound { .. } => "PathNotFound",
            Self::Unreachable { .. } => "Unreachable",
            Self::Timeout { .. } => "Timeout",
            Self::ServerError { .. } | Self::Remote { .. } => "ServerError",
            Self::RateLimited { .. } => "RateLimited",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooManyFiles { .. } => "TooManyFiles",
            Self::HistoryTooLong { .. } => "HistoryTooLong",
            Self::TlsFailed { .. } => "TlsFailed",
            Self::Corrupt { .. } => "Corrupt",
            Self::Busy => "Busy",
            Self::Child { .. } => "FetchProcessFailed",
            Self::Disk { .. } => "DiskFailed",
        }
    }
}
