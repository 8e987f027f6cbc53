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
