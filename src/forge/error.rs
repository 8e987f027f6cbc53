//! What can go wrong between us and a forge, in words for the person who has to act. Pure.

use std::time::Duration;

use crate::api::conditions::reasons;

/// Shortest and longest time that we let a forge make us wait.
const PATIENCE: std::ops::RangeInclusive<u64> = 1..=3600;

/// Why a call to a forge failed. No message holds a secret; text of servers is made harmless and bounded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The URL doesn't tell where the API is.
    #[error("spec.source.git.forge.{field} can't be derived from {from}; write it out")]
    NoPlace {
        /// The field.
        field: &'static str,
        /// What it was to be derived from.
        from: String,
    },
    /// The Secret can't be used.
    #[error("the forge's credentials can't be used: {problem}")]
    Credentials {
        /// Why, without its content.
        problem: String,
    },
    /// Nobody answers.
    #[error("{url} can't be reached: {detail}; check spec.source.git.forge.url, DNS and network policies")]
    Unreachable {
        /// The call.
        url: String,
        /// Why.
        detail: String,
    },
    /// No answer in time.
    #[error("{url} did not answer within {} s; it is tried again", after.as_secs())]
    Timeout {
        /// The call.
        url: String,
        /// The deadline.
        after: Duration,
    },
    /// No trusted connection.
    #[error("no trusted connection to {url}: {detail}; name its CA in spec.source.git.ca")]
    Tls {
        /// The call.
        url: String,
        /// Why.
        detail: String,
    },
    /// 401, or 403 without a rate limit.
    #[error(
        "{url} refuses the credentials (status {status}): {message}; does the token live, and may it {right}?"
    )]
    Refused {
        /// The call.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the forge says.
        message: String,
        /// What was tried.
        right: &'static str,
    },
    /// 404 or 410.
    #[error(
        "{url} is not there (status {status}), or the token may not see it; check spec.source.git.forge.repository and the token's rights"
    )]
    NotFound {
        /// The call.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// 429, or a limit in other words.
    #[error("{url} asks to wait {} s (status {status})", wait.as_secs())]
    Busy {
        /// The call.
        url: String,
        /// HTTP status.
        status: u16,
        /// How long, between a second and an hour.
        wait: Duration,
    },
    /// Another 4xx: this call is wrong, others may be right.
    #[error("{url} refuses this (status {status}): {message}")]
    Invalid {
        /// The call.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the forge says.
        message: String,
    },
    /// 5xx.
    #[error("{url} answers with status {status}; it is tried again")]
    Server {
        /// The call.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// 3xx: the token is for this host alone, so nobody follows.
    #[error("{url} redirects to {to}, which is not followed; correct spec.source.git.forge")]
    Redirected {
        /// The call.
        url: String,
        /// Where to, without query.
        to: String,
    },
    /// The answer isn't what the API documents.
    #[error("{url} does not answer as a forge ({detail}); check spec.source.git.forge.kind and url")]
    Unexpected {
        /// The call.
        url: String,
        /// What is wrong.
        detail: String,
    },
}

impl ForgeError {
    /// The error of an answer that is no success. `wait` is what the forge asks for, in seconds.
    pub(super) fn of_status(
        url: String,
        status: u16,
        wait: Option<u64>,
        message: String,
        right: &'static str,
    ) -> Self {
        let patience = |seconds: u64| Duration::from_secs(seconds.clamp(*PATIENCE.start(), *PATIENCE.end()));
        match (status, wait) {
            (429, seconds) => Self::Busy { url, status, wait: patience(seconds.unwrap_or(60)) },
            // GitHub says 403 for its rate limits.
            (403 | 503, Some(seconds)) => Self::Busy { url, status, wait: patience(seconds) },
            (401 | 403, _) => Self::Refused { url, status, message, right },
            (404 | 410, _) => Self::NotFound { url, status },
            (500.., _) => Self::Server { url, status },
            _ => Self::Invalid { url, status, message },
        }
    }

    /// Whether the next call would fail too: then a round ends here.
    pub fn is_everywhere(&self) -> bool {
        !matches!(self, Self::Refused { status: 403, .. } | Self::NotFound { .. } | Self::Invalid { .. })
    }

    /// What the forge asks us to wait.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Busy { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// Reason constant.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::Busy { .. }
            | Self::Server { .. } => reasons::FORGE_UNREACHABLE,
            _ => reasons::FORGE_REFUSED,
        }
    }

    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoPlace { .. } => "no_place",
            Self::Credentials { .. } => "credentials",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Tls { .. } => "tls",
            Self::Refused { .. } => "refused",
            Self::NotFound { .. } => "not_found",
            Self::Busy { .. } => "busy",
            Self::Invalid { .. } => "invalid",
            Self::Server { .. } => "server",
            Self::Redirected { .. } => "redirected",
            Self::Unexpected { .. } => "unexpected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_meaning() {
        let of = |status, wait| ForgeError::of_status("u".into(), status, wait, "no".into(), "do it");
        let seconds = |status, wait| of(status, wait).wait().map(|wait| wait.as_secs());
        assert_eq!(seconds(429, None), Some(60));
        assert_eq!(seconds(429, Some(0)), Some(1));
        assert_eq!(seconds(403, Some(u64::MAX)), Some(3600));
        assert_eq!(seconds(503, Some(7)), Some(7));
        for (status, label, everywhere) in [
            (401, "refused", true),
            (403, "refused", false),
            (404, "not_found", false),
            (410, "not_found", false),
            (400, "invalid", false),
            (422, "invalid", false),
            (500, "server", true),
            (503, "server", true),
        ] {
            let error = of(status, None);
            assert_eq!((error.label(), error.is_everywhere()), (label, everywhere), "{status}");
        }
    }
}
