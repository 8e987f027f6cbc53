//! One API call: its deadline, and what its failure means for the caller.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use kube::core::Status;

use super::lease::{Leadership, WriteError};

/// How long to wait when the server says "later" and not when.
const LATER: Duration = Duration::from_secs(1);
/// How long to wait for someone to grant a permission: no event tells us.
const FORBIDDEN: Duration = Duration::from_secs(60);
/// No server may park us for longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Characters of a server's message that are kept.
const MESSAGE: usize = 1024;

/// Longest wait for an answer to a read.
pub const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Why a call to the API server brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No answer in time. Whether a write took effect is unknown.
    #[error("no answer from the API server within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409, a changed object (or, for apply, a foreign field manager).
    #[error("conflict: {0}")]
    Conflict(String),
    /// 409, at creation.
    #[error("exists already: {0}")]
    AlreadyExists(String),
    /// 403, because the namespace is going away.
    #[error("namespace is terminating: {0}")]
    Terminating(String),
    /// 403: RBAC, quota or an admission plugin.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// 401.
    #[error("the API server does not know us: {0}")]
    Unauthorized(String),
    /// 400, 405, 406, 413, 415, 422: the same request fails for ever.
    #[error("refused: {0}")]
    Invalid(String),
    /// 410: the resource version is too old.
    #[error("expired: {0}")]
    Gone(String),
    /// 429.
    #[error("too many requests: {message}")]
    TooManyRequests {
        /// What the server asks for, when it does.
        retry_after: Option<Duration>,
        /// The server's words.
        message: String,
    },
    /// 5xx and any other status.
    #[error("API server error {code}: {message}")]
    Server {
        /// The HTTP status.
        code: u16,
        /// What the server asks for, when it does.
        retry_after: Option<Duration>,
        /// The server's words.
        message: String,
    },
    /// No connection, TLS, credentials, or a connection that broke.
    #[error("cannot talk to the API server")]
    Transport(#[source] Box<kube::Error>),
    /// An answer that is not what it should be.
    #[error("cannot read the API server's answer")]
    Decode(#[source] Box<kube::Error>),
    /// The write was not started: this replica does not lead, or not for long enough.
    #[error("not the leader")]
    NotLeader,
}

/// What a failure means for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same input fails again: no retry until something changes.
    Rejected,
    /// Something has to happen elsewhere first: a fixed wait, no backoff.
    Waiting(Duration),
    /// Likely to pass: retry with backoff.
    Transient,
}

impl CallError {
    /// What to do about it, where the caller knows no better. A 404 or 409 is
    /// transient, since it mostly means a race with somebody else.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => Class::Rejected,
            Self::Forbidden(_) => Class::Waiting(FORBIDDEN),
            Self::Terminating(_) | Self::NotLeader => Class::Waiting(2 * LATER),
            Self::TooManyRequests { retry_after, .. } => {
                Class::Waiting(retry_after.unwrap_or(LATER).min(LONGEST_WAIT))
            }
            Self::Server { retry_after: Some(wait), .. } => Class::Waiting((*wait).min(LONGEST_WAIT)),
            Self::Timeout(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::AlreadyExists(_)
            | Self::Unauthorized(_)
            | Self::Gone(_)
            | Self::Server { retry_after: None, .. }
            | Self::Transport(_)
            | Self::Decode(_) => Class::Transient,
        }
    }

    /// Whether a write may have taken effect although it failed.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Transport(_) | Self::Decode(_) | Self::Server { .. })
    }

    /// Whether the API server asks to wait: what is true of this call is true of all others.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::TooManyRequests { .. })
    }

    /// A word for the `outcome` label of metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) | Self::AlreadyExists(_) => "conflict",
            Self::Forbidden(_) | Self::Terminating(_) | Self::Unauthorized(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::Gone(_) => "gone",
            Self::TooManyRequests { .. } => "throttled",
            Self::Server { .. } => "server_error",
            Self::Transport(_) | Self::Decode(_) => "transport",
            Self::NotLeader => "not_leader",
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => from_status(&status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Decode(Box::new(error)),
            other => Self::Transport(Box::new(other)),
        }
    }
}

impl From<WriteError<Self>> for CallError {
    fn from(error: WriteError<Self>) -> Self {
        match error {
            WriteError::NotLeader => Self::NotLeader,
            WriteError::Timeout(limit) => Self::Timeout(limit),
            WriteError::Failed(error) => error,
        }
    }
}

fn from_status(status: &Status) -> CallError {
    let message = clean(if status.message.is_empty() { &status.reason } else { &status.message });
    let retry_after = status
        .details
        .as_ref()
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()));
    match status.code {
        400 | 405 | 406 | 413 | 415 | 422 => CallError::Invalid(message),
        401 => CallError::Unauthorized(message),
        403 if has_cause(status, "NamespaceTerminating") => CallError::Terminating(message),
        403 => CallError::Forbidden(message),
        404 => CallError::NotFound(message),
        409 if status.reason == "AlreadyExists" => CallError::AlreadyExists(message),
        409 => CallError::Conflict(message),
        410 => CallError::Gone(message),
        429 => CallError::TooManyRequests { retry_after, message },
        code => CallError::Server { code, retry_after, message },
    }
}

fn has_cause(status: &Status, reason: &str) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice());
    causes.unwrap_or_default().iter().any(|cause| cause.reason == reason)
}

/// A server's words on one line, without control characters, of bounded length.
fn clean(message: &str) -> String {
    let one_line = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(MESSAGE).collect::<String>().trim().to_owned()
}

/// Runs a call for at most `limit`.
///
/// # Errors
/// [`CallError::Timeout`] after `limit`, else what the call's own error means.
pub async fn deadline<T>(
    limit: Duration,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Timeout(limit)),
    }
}

/// Runs a write for at most `limit`, and only while this replica leads: it is
/// not started, and does not outlive its deadline, past lease end − margin.
///
/// # Errors
/// [`CallError::NotLeader`] when it was not started, else as [`deadline`].
pub async fn write<T>(
    leadership: &Leadership,
    limit: Duration,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    let call = async { call.await.map_err(CallError::from) };
    leadership.write(limit, call).await.map_err(CallError::from)
}

/// An error with all its causes on one line, each cause said once.
#[must_use]
pub fn report(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    fn of(code: u16, reason: &str, details: Option<StatusDetails>) -> CallError {
        let status = Status { code, details, ..Status::failure("deployments \"a\"\nsaid\u{7} no", reason) };
        kube::Error::Api(status.boxed()).into()
    }

    fn details(cause: &str, retry_after_seconds: u32) -> Option<StatusDetails> {
        let cause = StatusCause { reason: cause.into(), message: String::new(), field: String::new() };
        Some(StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: vec![cause],
            retry_after_seconds,
        })
    }

    #[test]
    fn each_status_has_its_class() {
        let seconds = |s| Class::Waiting(Duration::from_secs(s));
        for (code, reason, details, label, class) in [
            (404, "NotFound", None, "not_found", Class::Transient),
            (409, "Conflict", None, "conflict", Class::Transient),
            (409, "AlreadyExists", None, "conflict", Class::Transient),
            (403, "Forbidden", None, "forbidden", seconds(60)),
            (403, "Forbidden", details("NamespaceTerminating", 0), "forbidden", seconds(2)),
            (401, "Unauthorized", None, "forbidden", Class::Transient),
            (422, "Invalid", None, "invalid", Class::Rejected),
            (413, "RequestEntityTooLarge", None, "invalid", Class::Rejected),
            (410, "Expired", None, "gone", Class::Transient),
            (429, "TooManyRequests", details("", 7), "throttled", seconds(7)),
            (429, "TooManyRequests", details("", u32::MAX), "throttled", seconds(300)),
            (429, "", None, "throttled", seconds(1)),
            (500, "InternalError", None, "server_error", Class::Transient),
            (504, "Timeout", details("", 3), "server_error", seconds(3)),
        ] {
            let error = of(code, reason, details);
            assert_eq!((error.label(), error.class()), (label, class), "{code} {reason}");
            assert!(error.to_string().contains("deployments \"a\" said  no"), "{error}");
        }
    }

    #[test]
    fn only_some_failures_leave_doubt() {
        assert!(of(500, "", None).is_ambiguous() && CallError::Timeout(LATER).is_ambiguous());
        assert!(!of(409, "Conflict", None).is_ambiguous() && !CallError::NotLeader.is_ambiguous());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_call_ends_at_its_deadline() {
        let start = tokio::time::Instant::now();
        let error = deadline::<()>(Duration::from_secs(10), std::future::pending()).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(error.to_string(), "no answer from the API server within 10.0 s");
        assert_eq!(error.class(), Class::Transient);
    }

    #[test]
    fn a_report_names_the_root_cause_once() {
        let root: Box<dyn Error + Send + Sync> = "connection refused".into();
        let error = CallError::from(kube::Error::Service(root));
        assert_eq!(report(&error), "cannot talk to the API server: ServiceError: connection refused");
        assert!(clean(&"é".repeat(5000)).len() <= 2 * MESSAGE);
    }
}
