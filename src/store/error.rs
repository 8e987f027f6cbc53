//! What can go wrong between us and a store, in words for the person who has to act. Pure.

use std::time::Duration;

use super::address::Written;

/// What kind of trouble it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// 401, or a 403 that is about the credentials themselves.
    BadCredentials,
    /// The credentials' time is over.
    Expired,
    /// 403: they are good, and may not do this.
    Denied,
    /// 404, the object.
    NotFound,
    /// 404, the bucket.
    NoBucket,
    /// 412, or 409 while somebody else writes: the object is there already.
    Exists,
    /// The clocks are too far apart for signatures.
    ClockSkew,
    /// 301, 307, or a signature for another region.
    OtherRegion,
    /// 501, 405: the store can't do this.
    Unsupported,
    /// 404 for a setting that nobody made: no lock, no lifecycle, no policy.
    NotConfigured,
    /// 429, 503: later.
    Busy,
    /// Other 5xx.
    Server,
    /// Nobody answers.
    Unreachable,
    /// No trusted connection.
    Tls,
    /// No answer in time.
    Timeout(Duration),
    /// Another 4xx.
    Invalid,
    /// The answer isn't what the API documents, or is too large.
    Unexpected,
    /// The store said yes, and what it then gives back is something else, or nothing.
    NotDurable,
}

/// Codes of S3 and STS that say more than their status.
const CODES: [(&str, Class); 30] = [
    ("InvalidAccessKeyId", Class::BadCredentials),
    ("SignatureDoesNotMatch", Class::BadCredentials),
    ("InvalidClientTokenId", Class::BadCredentials),
    ("InvalidToken", Class::BadCredentials),
    ("InvalidIdentityToken", Class::BadCredentials),
    ("UnrecognizedClientException", Class::BadCredentials),
    ("ExpiredToken", Class::Expired),
    ("ExpiredTokenException", Class::Expired),
    ("TokenRefreshRequired", Class::Expired),
    ("NoSuchBucket", Class::NoBucket),
    ("NoSuchKey", Class::NotFound),
    ("NoSuchVersion", Class::NotFound),
    ("NotFound", Class::NotFound),
    ("PreconditionFailed", Class::Exists),
    ("ConditionalRequestConflict", Class::Exists),
    ("RequestTimeTooSkewed", Class::ClockSkew),
    ("RequestExpired", Class::ClockSkew),
    ("PermanentRedirect", Class::OtherRegion),
    ("TemporaryRedirect", Class::OtherRegion),
    ("AuthorizationHeaderMalformed", Class::OtherRegion),
    ("NotImplemented", Class::Unsupported),
    ("MethodNotAllowed", Class::Unsupported),
    ("ObjectLockConfigurationNotFoundError", Class::NotConfigured),
    ("NoSuchLifecycleConfiguration", Class::NotConfigured),
    ("NoSuchBucketPolicy", Class::NotConfigured),
    ("NoSuchPublicAccessBlockConfiguration", Class::NotConfigured),
    ("ServerSideEncryptionConfigurationNotFoundError", Class::NotConfigured),
    ("NoSuchObjectLockConfiguration", Class::NotConfigured),
    ("SlowDown", Class::Busy),
    ("ServiceUnavailable", Class::Busy),
];

impl Class {
    /// What an answer that is no success means. `code` may be empty: answers to HEAD have none.
    #[must_use]
    pub fn of(status: u16, code: &str) -> Self {
        if let Some((_, class)) = CODES.iter().find(|(one, _)| *one == code) {
            return class.clone();
        }
        match status {
            401 => Self::BadCredentials,
            403 => Self::Denied,
            404 => Self::NotFound,
            409 | 412 => Self::Exists,
            301 | 302 | 307 => Self::OtherRegion,
            405 | 501 => Self::Unsupported,
            429 | 503 => Self::Busy,
            500.. => Self::Server,
            _ => Self::Invalid,
        }
    }

    fn words(&self) -> String {
        let words = match self {
            Self::BadCredentials => "the store doesn't know the credentials",
            Self::Expired => "the store says that the credentials' time is over",
            Self::Denied => "the store denies it",
            Self::NotFound => "it is not there",
            Self::NoBucket => "there is no such bucket",
            Self::Exists => "it exists already",
            Self::ClockSkew => "the store's clock and ours are too far apart",
            Self::OtherRegion => "the bucket is in another region",
            Self::Unsupported => "the store can't do this",
            Self::NotConfigured => "the bucket has no such setting",
            Self::Busy => "the store asks to come back later",
            Self::Server => "the store has trouble of its own",
            Self::Unreachable => "nobody answers",
            Self::Tls => "no trusted connection",
            Self::Timeout(after) => return format!("no answer within {} s", after.as_secs()),
            Self::Invalid => "the store refuses the request",
            Self::Unexpected => "the answer isn't that of an S3 store",
            Self::NotDurable => "the store said that it was written, and gives something else back",
        };
        words.to_owned()
    }

    /// The next step.
    fn next(&self, written: Written) -> String {
        let field = |name| written.field(name);
        let step = match self {
            Self::BadCredentials => match written {
                Written::Platform => "check the access key in the Secret that the Platform names",
                Written::Flags => "check the access key in the folder that --credentials names",
            },
            Self::NoBucket => {
                return format!("make the bucket, with Object Lock, or correct {}", field("bucket"));
            }
            Self::OtherRegion => return format!("correct {} or {}", field("region"), field("endpoint")),
            Self::Unreachable => return format!("check {}, DNS and network policies", field("endpoint")),
            Self::Tls => return format!("name the certificate authority in {}", field("ca")),
            Self::Unexpected => return format!("check {}", field("endpoint")),
            Self::Invalid => "check how the store is named and set up",
            Self::Expired => {
                "new ones are asked for with the next run; check the role and the token if it stays"
            }
            Self::Denied => "give the credentials this right in the bucket's policy, or in their own",
            Self::NotFound => "nothing was done",
            Self::Exists => "nothing was overwritten",
            Self::ClockSkew => "set the clock of the node (NTP), or that of the store",
            Self::Unsupported => "take another store where this is promised",
            Self::NotConfigured => "set it on the bucket",
            Self::Busy | Self::Server | Self::Timeout(_) => "it is tried again",
            Self::NotDurable => "do not trust this store before it is understood",
        };
        step.to_owned()
    }

    /// Whether a call that failed like this may have been done all the same: no answer, or one from half way.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Server
                | Self::Unreachable
                | Self::Timeout(_)
                | Self::Unexpected
                | Self::NotDurable
        )
    }

    /// Whether the same call may well succeed a little later, with nobody doing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Server | Self::Unreachable | Self::Timeout(_) | Self::Expired)
    }
}

/// Why a call to a store brought nothing. It names the object, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't {action} {place}: {}{}; {}", class.words(), aside(said), class.next(*written))]
pub struct StoreError {
    /// What kind of trouble.
    pub class: Class,
    /// What was tried: `read`, `write`, `list`, …
    pub action: &'static str,
    /// On what: bucket, key and endpoint.
    pub place: String,
    /// The store's own words, made harmless and bounded; may be empty.
    pub said: String,
    /// Where people wrote where the store is.
    pub written: Written,
}

fn aside(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

impl StoreError {
    /// Whether the object, or the setting, is simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.class, Class::NotFound | Class::NotConfigured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_class() {
        for (status, code, class) in [
            (403, "RequestTimeTooSkewed", Class::ClockSkew),
            (403, "AccessDenied", Class::Denied),
            (403, "", Class::Denied),
            (400, "ExpiredToken", Class::Expired),
            (403, "InvalidAccessKeyId", Class::BadCredentials),
            (404, "NoSuchBucket", Class::NoBucket),
            (404, "", Class::NotFound),
            (404, "NoSuchLifecycleConfiguration", Class::NotConfigured),
            (412, "PreconditionFailed", Class::Exists),
            (409, "ConditionalRequestConflict", Class::Exists),
            (501, "", Class::Unsupported),
            (503, "SlowDown", Class::Busy),
            (500, "InternalError", Class::Server),
            (400, "InvalidArgument", Class::Invalid),
            (301, "PermanentRedirect", Class::OtherRegion),
        ] {
            assert_eq!(Class::of(status, code), class, "{status} {code}");
        }
    }

    #[test]
    fn it_says_what_where_and_the_next_step() {
        let error = StoreError {
            class: Class::Denied,
            action: "write",
            place: "backups/a/key.json at https://s3".into(),
            said: "AccessDenied".into(),
            written: Written::Flags,
        };
        assert_eq!(
            error.to_string(),
            "can't write backups/a/key.json at https://s3: the store denies it (AccessDenied); give the \
             credentials this right in the bucket's policy, or in their own"
        );
        // What to correct is named as it was written.
        for (written, field) in
            [(Written::Flags, "--bucket"), (Written::Platform, "spec.backups.store.bucket")]
        {
            let error = StoreError { class: Class::NoBucket, written, ..error.clone() };
            assert!(error.to_string().ends_with(&format!("correct {field}")), "{error}");
        }
    }
}
