//! Whether the archive is what it must be: another account's, locked, and closed to who writes there. Pure.

use jiff::SignedDuration;

use crate::api::conditions::reasons;
use crate::store::address::Lock;
use crate::store::error::{Class, StoreError};
use crate::store::verdict::{Answer, Judgement, MOST_SKEW, Owner};

use super::trouble::Trouble;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Whose the bucket is.
    pub owner: Answer<Owner>,
    /// The account that the agent's own credentials are of; `None` where there is nobody to ask.
    pub account: Answer<Option<String>>,
    /// Whether removed objects stay as versions.
    pub versioned: Answer<bool>,
    /// The bucket's default lock; `None` when it has none.
    pub lock: Answer<Option<Lock>>,
    /// Whether a second write of the same key was refused.
    pub conditional: Answer<bool>,
    /// What the writer did that it must not: `read`, `list`, `remove`, `remove a version`; and what couldn't be tried.
    pub rights: Vec<(Right, Answer<bool>)>,
    /// How far the store's clock is before ours.
    pub ahead: Option<SignedDuration>,
}

/// What a writer must not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// An object's content.
    Read,
    /// Keys.
    List,
    /// Hiding an object behind a mark.
    Remove,
    /// A version for good, in spite of its lock.
    RemoveVersion,
}

impl Right {
    fn action(self) -> &'static str {
        match self {
            Self::Read => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Remove => "s3:DeleteObject",
            Self::RemoveVersion => "s3:DeleteObjectVersion",
        }
    }
}

/// What is asked of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The account that must own the bucket.
    pub owner: String,
    /// The least lock of the bucket.
    pub lock: Lock,
}

/// Whether anything may be sent there: not to a stranger. What else is wrong is said, and segments go on being copied:
/// they stay in the spool as well until the archive is fit.
#[must_use]
pub fn may_ship(findings: &Findings) -> bool {
    matches!(findings.owner, Ok(Owner::Right | Owner::Untold))
}

/// The verdict. `bucket` is its name, for messages.
#[must_use]
pub fn judge(bucket: &str, asked: &Asked, findings: &Findings) -> Judgement {
    let wrong = skewed(findings)
        .or_else(|| owned(bucket, asked, findings))
        .or_else(|| kept(bucket, findings))
        .or_else(|| locked(bucket, &asked.lock, findings))
        .or_else(|| closed(bucket, findings));
    wrong.unwrap_or_else(|| fit(bucket, findings))
}

fn no(reason: &'static str, message: String) -> Option<Judgement> {
    Some(Judgement::no(reason, message))
}

fn failed(error: &StoreError) -> Option<Judgement> {
    let trouble = Trouble::Sink(error.clone());
    no(trouble.reason(), trouble.to_string())
}

fn skewed(findings: &Findings) -> Option<Judgement> {
    let ahead = findings.ahead.filter(|ahead| ahead.abs() > MOST_SKEW)?;
    let (minutes, word) = (ahead.abs().as_mins(), if ahead.is_positive() { "ahead of" } else { "behind" });
    no(
        reasons::CLOCK_SKEW,
        format!(
            "the archive's clock is {minutes} min {word} the agent's: set the clock of the node (NTP), or that of the store"
        ),
    )
}

fn owned(bucket: &str, asked: &Asked, findings: &Findings) -> Option<Judgement> {
    match &findings.owner {
        Err(error) => return failed(error),
        Ok(Owner::Wrong | Owner::NotAsked) => {
            return no(
                reasons::WRONG_OWNER,
                format!(
                    "bucket {bucket} doesn't belong to account {}; nothing is sent there: correct the bucket's name or the account",
                    asked.owner
                ),
            );
        }
        Ok(Owner::Right | Owner::Untold) => {}
    }
    match &findings.account {
        Err(error) => failed(error),
        Ok(Some(own)) if *own == asked.owner => no(
            reasons::SAME_ACCOUNT,
            format!(
                "bucket {bucket} belongs to account {own}, which is the agent's own: who takes over the workloads has the log as well. Keep the archive in an account of its own"
            ),
        ),
        Ok(_) => None,
    }
}

fn kept(bucket: &str, findings: &Findings) -> Option<Judgement> {
    match &findings.versioned {
        Ok(true) => {}
        Ok(false) => {
            return no(
                reasons::NOT_IMMUTABLE,
                format!("bucket {bucket} keeps no versions: enable versioning, which Object Lock needs"),
            );
        }
        Err(error) => return failed(error),
    }
    match &findings.conditional {
        Ok(true) => None,
        Ok(false) => no(
            reasons::NOT_IMMUTABLE,
            format!(
                "the store of bucket {bucket} overwrites where it was told not to (If-None-Match): take a newer release of it, or another store"
            ),
        ),
        Err(error) => failed(error),
    }
}

fn locked(bucket: &str, want: &Lock, findings: &Findings) -> Option<Judgement> {
    let found = match &findings.lock {
        Ok(found) => found.as_ref(),
        Err(error) if matches!(error.class, Class::Unsupported | Class::NotConfigured) => None,
        Err(error) => return failed(error),
    };
    let Some(found) = found else {
        return no(
            reasons::NOT_IMMUTABLE,
            format!(
                "bucket {bucket} has no Object Lock with a default retention: set {} days in mode {}",
                want.days, want.mode
            ),
        );
    };
    if found.mode != want.mode && want.mode == "COMPLIANCE" {
        return no(
            reasons::NOT_IMMUTABLE,
            format!("bucket {bucket} locks in mode {}, which some may bypass: set COMPLIANCE", found.mode),
        );
    }
    if found.days < want.days {
        return no(
            reasons::LOCK_TOO_SHORT,
            format!(
                "bucket {bucket} locks objects for {} days, and {} are asked for: lengthen the bucket's default retention",
                found.days, want.days
            ),
        );
    }
    None
}

fn closed(bucket: &str, findings: &Findings) -> Option<Judgement> {
    findings.rights.iter().find_map(|(right, tried)| match tried {
        Ok(false) => None,
        Ok(true) => {
            let reason = match right {
                Right::Read | Right::List => reasons::WRITER_CAN_READ,
                Right::Remove | Right::RemoveVersion => reasons::WRITER_CAN_DELETE,
            };
            let action = right.action();
            no(
                reason,
                format!(
                    "who writes to bucket {bucket} was allowed {action}: take it out of the writer's policy"
                ),
            )
        }
        Err(error) => failed(error),
    })
}

fn fit(bucket: &str, findings: &Findings) -> Judgement {
    let mut message = match findings.lock.as_ref().ok().and_then(Option::as_ref) {
        Some(lock) => format!(
            "bucket {bucket} locks for {} days ({}), and its writer can only add",
            lock.days, lock.mode
        ),
        None => format!("bucket {bucket} is locked"),
    };
    if findings.owner == Ok(Owner::Untold) {
        message.push_str("; the store doesn't check who owns the bucket");
    }
    if findings.account == Ok(None) {
        message.push_str(
            "; there is no role to assume, so that nobody can say whether the account is another one",
        );
    }
    Judgement { fit: true, reason: reasons::SUCCEEDED, message }
}

#[cfg(test)]
mod tests;
