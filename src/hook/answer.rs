//! What a hook is told. Pure.
//!
//! A Platform that is not there, one without a key, and a wrong signature get the very same answer: names
//! can't be found out by asking.

use std::time::Duration;

use http::StatusCode;

/// What became of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The source looks now.
    Accepted,
    /// No such Platform, no key, no signature or token, or a wrong one.
    Refused,
    /// The body is longer than [`super::server::BODY`].
    TooLarge,
    /// The body did not come in time, or not to its end.
    Slow,
    /// Too many hooks; the next one is welcome after this.
    TooMany(Duration),
    /// This replica doesn't lead; ask again, and reach another one.
    Standby,
}

/// When to ask again, where another replica leads.
const ELSEWHERE: Duration = Duration::from_secs(2);

impl Answer {
    /// Its word in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::TooMany(_) => "too_many",
            Self::Standby => "standby",
        }
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::ACCEPTED,
            Self::Refused => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Standby => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whole seconds for `Retry-After`, rounded up.
    #[must_use]
    pub fn retry_after(self) -> Option<u64> {
        let wait = match self {
            Self::TooMany(wait) => wait,
            Self::Standby => ELSEWHERE,
            _ => return None,
        };
        Some(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
    }

    /// What the caller reads.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Accepted => "the source looks at its repository now\n",
            Self::Refused => {
                "no such hook, or not signed with its token; compare the Platform's name in the path, and the token \
                 with the Secret in spec.source.git.hook.secretRef or its claims with spec.source.git.hook.oidc\n"
            }
            Self::TooLarge => "the body is larger than 1 MiB; send push events only\n",
            Self::Slow => "the body did not come in time\n",
            Self::TooMany(_) => "too many hooks; the source looks anyway, try again later\n",
            Self::Standby => "this replica does not lead; try again\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_whole_seconds_and_never_none() {
        let seconds = |wait| Answer::TooMany(wait).retry_after();
        assert_eq!(seconds(Duration::ZERO), Some(1));
        assert_eq!(seconds(Duration::from_millis(1001)), Some(2));
        assert_eq!(Answer::Standby.retry_after(), Some(2));
        assert_eq!(Answer::Accepted.retry_after(), None);
    }
}
