//! What keeps the shipper from going on, in words for the person who has to act. Pure.

use crate::api::conditions::reasons;
use crate::store::error::{Class, StoreError};

/// Why it doesn't go on. None of them loses a record: the spool keeps what wasn't shipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The archive; tried again for ever.
    #[error("{0}; nothing is lost: the spool keeps all records until they are shipped")]
    Sink(StoreError),
    /// Somebody else writes this log. A person has to act.
    #[error(
        "{path} is in the archive already, and this agent never put it there ({said}): two agents have this log's \
         name, or somebody has its key or its credentials. Nothing more is shipped. Compare the object's SHA-256 in the \
         archive account with that in journal.json of the spool: where they are equal, remove fork.json from the spool; \
         where they differ, take away the writer's credentials, make a new key, and begin a new epoch in an empty spool"
    )]
    Fork {
        /// The object, or the checkpoint.
        path: String,
        /// What gave it away.
        said: String,
    },
    /// The witness' checkpoint isn't one of this log; nothing is forgotten while it is so.
    #[error(
        "the witness' checkpoint {path} {said}; nothing is forgotten in the spool. Run `tenantry audit verify` in the \
         archive account"
    )]
    Mismatch {
        /// The checkpoint.
        path: String,
        /// What is wrong with it.
        said: String,
    },
    /// The witness doesn't cosign this log any more. A person has to act.
    #[error(
        "the witness refuses this log since {since}: {said}; nothing is forgotten in the spool, which still has what wasn't \
         cosigned"
    )]
    Refused {
        /// Since when, RFC 3339, by its clock.
        since: String,
        /// What it says.
        said: String,
    },
    /// The witness said nothing for too long; shipping goes on.
    #[error(
        "no witness has cosigned {path} since {since}; segments stay in the spool. See whether `tenantry witness` runs in \
         the archive account and what it says, and whether the reader may read that object"
    )]
    Stale {
        /// The checkpoint.
        path: String,
        /// Since when, RFC 3339.
        since: String,
    },
    /// A file of the spool can't be read or written.
    #[error("the spool's {path}: {said}; nothing is shipped until it can be used")]
    Spool {
        /// The file.
        path: String,
        /// What the disk says, or what is wrong with it.
        said: String,
    },
}

impl Trouble {
    /// Reason constant.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Sink(error) => match error.class {
                Class::Denied | Class::BadCredentials | Class::Expired => reasons::SINK_DENIED,
                Class::NotFound | Class::NoBucket => reasons::SINK_MISSING,
                Class::ClockSkew => reasons::CLOCK_SKEW,
                _ => reasons::SINK_FAILING,
            },
            Self::Fork { .. } => reasons::FORK_DETECTED,
            Self::Mismatch { .. } => reasons::REMOTE_MISMATCH,
            Self::Refused { .. } => reasons::WITNESS_REFUSED,
            Self::Stale { .. } => reasons::WITNESS_STALE,
            Self::Spool { .. } => reasons::SPOOL_DAMAGED,
        }
    }

    /// Whether only a person can end it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Fork { .. })
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Sink(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::address::Written;

    #[test]
    fn each_refusal_of_the_archive_has_its_word() {
        let of = |class| {
            Trouble::from(StoreError {
                class,
                action: "write",
                place: "b/k".into(),
                said: String::new(),
                written: Written::Flags,
            })
        };
        for (class, reason) in [
            (Class::Denied, "SinkDenied"),
            (Class::Expired, "SinkDenied"),
            (Class::NoBucket, "SinkMissing"),
            (Class::NotFound, "SinkMissing"),
            (Class::Server, "SinkFailing"),
            (Class::Invalid, "SinkFailing"),
            (Class::ClockSkew, "ClockSkew"),
        ] {
            let trouble = of(class);
            assert_eq!((trouble.reason(), trouble.is_final()), (reason, false));
            assert!(trouble.to_string().contains("nothing is lost"), "{trouble}");
        }
        let fork = Trouble::Fork { path: "segments/0".into(), said: "412".into() };
        assert!(fork.is_final() && fork.to_string().contains("remove fork.json"), "{fork}");
    }
}
