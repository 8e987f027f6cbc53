//! Whether a store is fit for backups: what was asked of it, what a look found, and the verdict. Pure.

use jiff::SignedDuration;

use crate::api::conditions::reasons;
use crate::store::address::Lock;
use crate::store::error::Class;
use crate::store::verdict::{Answer, Judgement, MOST_SKEW, Owner};

/// Days between the end of a lock and the day on which a restore point must be gone.
pub const SLACK_DAYS: u32 = 2;

/// What a Platform asks of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Object Lock that the bucket must have as its default.
    pub lock: Option<Lock>,
    /// Days that restore points stay.
    pub retention_days: u32,
    /// Whether runs get credentials for their tenant's folder alone.
    pub scoped: bool,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Whether the bucket can be listed, and whose it is.
    pub bucket: Answer<Owner>,
    /// Whether removed objects stay as versions.
    pub versioned: Answer<bool>,
    /// The bucket's default lock; `None` when it has none.
    pub lock: Answer<Option<Lock>>,
    /// Days after which old versions are removed; `None` when never.
    pub noncurrent_days: Answer<Option<u32>>,
    /// Whether a second write of the same key was refused, and the first was read back.
    pub conditional: Answer<bool>,
    /// How far the store's clock is before ours.
    pub ahead: Option<SignedDuration>,
}

/// The verdict. `bucket` is its name, for messages.
#[must_use]
pub fn judge(bucket: &str, asked: &Asked, findings: &Findings) -> Judgement {
    let refused = skewed(findings)
        .or_else(|| owned(bucket, findings))
        .or_else(|| versioned(bucket, findings))
        .or_else(|| locked(bucket, asked, findings))
        .or_else(|| conditional(bucket, findings));
    refused.unwrap_or_else(|| fit(bucket, asked, findings))
}

/// First, since a store refuses everything then.
fn skewed(findings: &Findings) -> Option<Judgement> {
    let ahead = findings.ahead.filter(|ahead| ahead.abs() > MOST_SKEW)?;
    let (minutes, word) = (ahead.abs().as_mins(), if ahead.is_positive() { "ahead of" } else { "behind" });
    Some(Judgement::no(
        reasons::CLOCK_SKEW,
        format!(
            "the store's clock is {minutes} min {word} the operator's: set the clock of the node (NTP), or that of the store; nothing expires until then"
        ),
    ))
}

fn owned(bucket: &str, findings: &Findings) -> Option<Judgement> {
    match &findings.bucket {
        Err(error) => Some(Judgement::failed(error)),
        Ok(Owner::Wrong) => Some(Judgement::no(
            reasons::WRONG_OWNER,
            format!(
                "bucket {bucket} belongs to another account than spec.backups.store.expectedOwner; nothing is written there: correct the bucket's name or the account"
            ),
        )),
        Ok(_) => None,
    }
}

fn versioned(bucket: &str, findings: &Findings) -> Option<Judgement> {
    match &findings.versioned {
        Ok(true) => None,
        Ok(false) => Some(Judgement::no(
            reasons::NOT_VERSIONED,
            format!(
                "bucket {bucket} keeps no versions, so that what is overwritten or removed is lost: enable versioning"
            ),
        )),
        Err(error) if error.class == Class::Unsupported => {
            Some(Judgement::no(reasons::NOT_VERSIONED, error.to_string()))
        }
        Err(error) => Some(Judgement::failed(error)),
    }
}

fn locked(bucket: &str, asked: &Asked, findings: &Findings) -> Option<Judgement> {
    let found = match (&findings.lock, &asked.lock) {
        (Ok(found), _) => found.as_ref(),
        (Err(_), None) => None,
        (Err(error), Some(_)) if matches!(error.class, Class::Unsupported | Class::NotConfigured) => None,
        (Err(error), Some(_)) => return Some(Judgement::failed(error)),
    };
    let latest = asked.retention_days.saturating_sub(SLACK_DAYS);
    if let Some(found) = found.filter(|found| found.days > latest) {
        return Some(Judgement::no(
            reasons::LOCK_TOO_LONG,
            format!(
                "bucket {bucket} locks objects for {} days, and restore points must be gone after {} (two days of which are needed to remove them): shorten the bucket's default retention to {latest} days",
                found.days, asked.retention_days
            ),
        ));
    }
    let want = asked.lock.as_ref()?;
    let Some(found) = found else {
        return Some(Judgement::no(
            reasons::NOT_IMMUTABLE,
            format!(
                "bucket {bucket} has no Object Lock with a default retention, and spec.backups.store.objectLock asks for {} days in mode {}: set it on the bucket",
                want.days, want.mode
            ),
        ));
    };
    if found.mode != want.mode && want.mode == "COMPLIANCE" {
        return Some(Judgement::no(
            reasons::NOT_IMMUTABLE,
            format!(
                "bucket {bucket} locks in mode {}, which some may bypass: spec.backups.store.objectLock asks for {}",
                found.mode, want.mode
            ),
        ));
    }
    (found.days < want.days).then(|| {
        Judgement::no(
            reasons::LOCK_TOO_SHORT,
            format!(
                "bucket {bucket} locks objects for {} days by default, and spec.backups.store.objectLock asks for {}: lengthen the bucket's default retention",
                found.days, want.days
            ),
        )
    })
}

fn conditional(bucket: &str, findings: &Findings) -> Option<Judgement> {
    match &findings.conditional {
        Ok(true) => None,
        Ok(false) => Some(Judgement::no(
            reasons::NO_CONDITIONAL_PUT,
            format!(
                "the store of bucket {bucket} overwrites where it was told not to (If-None-Match), so that keys and records could be replaced: take a newer release of it, or another store"
            ),
        )),
        Err(error) => Some(Judgement::failed(error)),
    }
}

/// What can't be had is said, and stops nothing.
fn fit(bucket: &str, asked: &Asked, findings: &Findings) -> Judgement {
    let mut said = match (&asked.lock, findings.lock.as_ref().ok().and_then(Option::as_ref)) {
        (_, Some(lock)) => {
            format!("bucket {bucket} keeps versions and locks for {} days ({})", lock.days, lock.mode)
        }
        _ => format!(
            "bucket {bucket} keeps versions and has no lock: who has the credentials can remove restore points"
        ),
    };
    if findings.bucket == Ok(Owner::Untold) {
        said.push_str("; the store doesn't check who owns the bucket");
    }
    match &findings.noncurrent_days {
        Ok(Some(days)) => said.push_str(&format!("; removed objects are gone after {days} more days")),
        Ok(None) => said.push_str(
            "; no lifecycle rule removes old versions, so that what expires still takes room and can be read by who has the key",
        ),
        Err(error) if error.class == Class::Unsupported => {
            said.push_str("; the store has no lifecycle rules, so that old versions stay until somebody removes them");
        }
        Err(_) => said.push_str("; the lifecycle rules can't be read"),
    }
    let reason = if asked.scoped {
        reasons::SUCCEEDED
    } else {
        said.push_str(
            "; all runs share the Platform's credentials, so that Tenants' backups are kept apart by their keys alone (name a role to assume)",
        );
        reasons::SHARED_CREDENTIALS
    };
    Judgement { fit: true, reason, message: said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::address::Written;
    use crate::store::error::StoreError;

    fn lock(mode: &str, days: u32) -> Lock {
        Lock { mode: mode.into(), days }
    }

    fn good() -> Findings {
        Findings {
            bucket: Ok(Owner::Right),
            versioned: Ok(true),
            lock: Ok(Some(lock("COMPLIANCE", 14))),
            noncurrent_days: Ok(Some(7)),
            conditional: Ok(true),
            ahead: None,
        }
    }

    fn error(class: Class) -> StoreError {
        let (place, said) = ("b".to_owned(), String::new());
        StoreError { class, action: "read", place, said, written: Written::Platform }
    }

    fn said(want: Option<Lock>, findings: &Findings) -> &'static str {
        let judged = judge("b", &Asked { lock: want, retention_days: 30, scoped: true }, findings);
        assert_eq!(judged.fit, judged.reason == "Succeeded", "{judged:?}");
        judged.reason
    }

    #[test]
    fn a_store_is_fit_only_when_all_is_right() {
        let (asked, ahead) = (Some(lock("COMPLIANCE", 14)), |count| Some(SignedDuration::from_mins(count)));
        assert_eq!(said(asked.clone(), &good()), "Succeeded");
        for (findings, reason) in [
            (Findings { bucket: Ok(Owner::Wrong), ..good() }, "WrongOwner"),
            (Findings { bucket: Err(error(Class::NoBucket)), ..good() }, "BucketMissing"),
            (Findings { versioned: Ok(false), ..good() }, "NotVersioned"),
            (Findings { versioned: Err(error(Class::Unsupported)), ..good() }, "NotVersioned"),
            (Findings { lock: Ok(None), ..good() }, "NotImmutable"),
            (Findings { lock: Err(error(Class::NotConfigured)), ..good() }, "NotImmutable"),
            (Findings { lock: Err(error(Class::Denied)), ..good() }, "AccessDenied"),
            (Findings { lock: Ok(Some(lock("GOVERNANCE", 20))), ..good() }, "NotImmutable"),
            (Findings { lock: Ok(Some(lock("COMPLIANCE", 13))), ..good() }, "LockTooShort"),
            // Two days are needed to remove what was locked until the last one.
            (Findings { lock: Ok(Some(lock("COMPLIANCE", 29))), ..good() }, "LockTooLong"),
            (Findings { conditional: Ok(false), ..good() }, "NoConditionalPut"),
            (
                Findings { conditional: Err(error(Class::Timeout(std::time::Duration::ZERO))), ..good() },
                "StoreUnreachable",
            ),
            (Findings { ahead: ahead(6), ..good() }, "ClockSkew"),
            (Findings { ahead: ahead(-6), ..good() }, "ClockSkew"),
        ] {
            assert_eq!(said(asked.clone(), &findings), reason, "{findings:?}");
        }
    }

    #[test]
    fn who_asks_for_less_is_content_with_it_and_hears_what_is_missing() {
        let bare =
            Findings { bucket: Ok(Owner::Untold), lock: Ok(None), noncurrent_days: Ok(None), ..good() };
        for lock in [Ok(None), Err(error(Class::Denied)), Ok(Some(lock("GOVERNANCE", 28)))] {
            assert_eq!(said(None, &Findings { lock, ..bare.clone() }), "Succeeded");
        }
        // Nobody asked for a lock; what it keeps for too long breaks the promise all the same.
        assert_eq!(
            said(None, &Findings { lock: Ok(Some(lock("GOVERNANCE", 29))), ..bare.clone() }),
            "LockTooLong"
        );
        let stricter = Findings { lock: Ok(Some(lock("COMPLIANCE", 14))), ..good() };
        assert_eq!(said(Some(lock("GOVERNANCE", 14)), &stricter), "Succeeded");
        let told = judge("b", &Asked { lock: None, retention_days: 30, scoped: false }, &bare);
        assert_eq!(told.reason, "SharedCredentials");
        for words in
            ["has no lock", "doesn't check who owns", "no lifecycle rule", "share the Platform's credentials"]
        {
            assert!(told.message.contains(words), "{words}: {}", told.message);
        }
    }
}
