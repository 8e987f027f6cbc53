//! Buckets with files of tenants: what was found of each promise, and the verdict. Pure.

use jiff::SignedDuration;

use crate::api::conditions::reasons;
use crate::store::error::{Class, StoreError};
use crate::store::verdict::Judgement;

/// How much later than its rule says a store may remove an old version: they do it in rounds of their own.
pub const LATE: SignedDuration = SignedDuration::from_hours(72);

/// How it stands with one promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// As it has to be.
    Kept,
    /// It wasn't, and was set.
    Set,
    /// It isn't; the words say what is.
    Broken(String),
    /// The store can't do it.
    Unsupported,
    /// The store doesn't tell, or doesn't let itself be told.
    Failed(StoreError),
}

impl Aspect {
    /// Of a failed call.
    #[must_use]
    pub fn of(error: StoreError) -> Self {
        if error.class == Class::Unsupported { Self::Unsupported } else { Self::Failed(error) }
    }

    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::Kept | Self::Set)
    }
}

/// What one look at a bucket found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketReport {
    /// It is there, and belongs to who it must.
    pub owner: Aspect,
    /// What is overwritten or removed stays as a version.
    pub versions: Aspect,
    /// Old versions stay as long as they must, and no longer.
    pub retention: Aspect,
    /// It is encrypted at rest.
    pub encryption: Aspect,
    /// Nobody can open it to the world.
    pub privacy: Aspect,
    /// For how long the oldest old version is one; `None` where there is none.
    pub oldest: Option<SignedDuration>,
    /// Whether all versions were counted for `oldest`.
    pub counted: bool,
}

impl BucketReport {
    /// Of a bucket that can't be asked.
    #[must_use]
    pub fn unreachable(owner: Aspect, error: &StoreError) -> Self {
        let failed = || Aspect::Failed(error.clone());
        let (versions, retention, encryption, privacy) = (failed(), failed(), failed(), failed());
        Self { owner, versions, retention, encryption, privacy, oldest: None, counted: false }
    }
}

/// The verdict: the first promise that doesn't hold. What a store can't do is no promise kept.
#[must_use]
pub fn judge(bucket: &str, report: &BucketReport, retention_days: u32) -> Judgement {
    let promises = [
        (&report.owner, reasons::WRONG_OWNER, "has the owner that it must have"),
        (&report.versions, reasons::NOT_VERSIONED, "keeps versions"),
        (&report.retention, reasons::RETENTION_NOT_EXACT, "keeps old versions for so long and no longer"),
        (&report.encryption, reasons::NOT_ENCRYPTED, "is encrypted at rest"),
        (&report.privacy, reasons::PUBLIC_ACCESS, "is closed to the public"),
    ];
    let mut broken = promises.iter().filter(|(aspect, ..)| !aspect.holds());
    if let Some((aspect, reason, words)) = broken.next() {
        let more = broken.count();
        let more =
            if more > 0 { format!("; and {more} more of its promises don't hold") } else { String::new() };
        return match aspect {
            Aspect::Failed(error) => {
                let failed = Judgement::failed(error);
                Judgement::no(failed.reason, format!("{}{more}", failed.message))
            }
            Aspect::Broken(what) => Judgement::no(reason, format!("bucket {bucket}: {what}{more}")),
            _ => Judgement::no(
                reason,
                format!(
                    "the store of bucket {bucket} can't promise that it {words}; move the files to one that can{more}"
                ),
            ),
        };
    }
    let most = SignedDuration::from_hours(24 * i64::from(retention_days)) + LATE;
    if let Some(oldest) = report.oldest.filter(|oldest| *oldest > most) {
        return Judgement::no(
            reasons::RETENTION_NOT_EXACT,
            format!(
                "bucket {bucket} has a version that is an old one for {} days, and its rule says {retention_days}: the store doesn't do what its rule says",
                oldest.as_hours() / 24
            ),
        );
    }
    let oldest = match (report.oldest, report.counted) {
        (None, true) => "there are none".to_owned(),
        (Some(oldest), true) => format!("the oldest is one for {} days", oldest.as_hours() / 24),
        (_, false) => "there are too many to measure all".to_owned(),
    };
    Judgement {
        fit: true,
        reason: reasons::SUCCEEDED,
        message: format!(
            "bucket {bucket} is encrypted, closed to the public, and keeps old versions for {retention_days} days; {oldest}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> BucketReport {
        BucketReport {
            owner: Aspect::Kept,
            versions: Aspect::Set,
            retention: Aspect::Kept,
            encryption: Aspect::Kept,
            privacy: Aspect::Kept,
            oldest: Some(SignedDuration::from_hours(24 * 31)),
            counted: true,
        }
    }

    #[test]
    fn each_promise_has_its_reason() {
        let said = judge("files", &good(), 30);
        assert!(said.fit && said.message.ends_with("the oldest is one for 31 days"), "{said:?}");
        let broken = || Aspect::Broken("no".into());
        for (report, reason) in [
            (BucketReport { owner: broken(), ..good() }, "WrongOwner"),
            (BucketReport { versions: Aspect::Unsupported, ..good() }, "NotVersioned"),
            (BucketReport { retention: broken(), ..good() }, "RetentionNotExact"),
            (BucketReport { encryption: Aspect::Unsupported, ..good() }, "NotEncrypted"),
            (BucketReport { privacy: broken(), ..good() }, "PublicAccess"),
            (
                BucketReport { oldest: Some(SignedDuration::from_hours(24 * 34)), ..good() },
                "RetentionNotExact",
            ),
        ] {
            let said = judge("files", &report, 30);
            assert_eq!((said.fit, said.reason), (false, reason), "{said:?}");
            assert!(said.message.contains("bucket files"), "{said:?}");
        }
        let two = BucketReport { encryption: broken(), privacy: broken(), ..good() };
        assert!(judge("files", &two, 30).message.ends_with("and 1 more of its promises don't hold"));
    }
}
