//! What a bucket says of itself.

use std::time::Duration;

use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, LifecycleRule, ObjectLockConfiguration, ObjectLockEnabled,
};

use super::verdict::{Answer, Owner};
use super::{Class, Lock, Store};

/// Time between two looks at a store.
pub const EVERY: Duration = Duration::from_secs(300);

/// What lies under the key that conditional writes are tried on.
const PROBE: &[u8] = b"Tenantry tries here whether the store refuses to overwrite.\n";

/// An account that owns nothing: a store that gives a bucket to who expects this owner doesn't check it.
const NOBODY: &str = "000000000001";

/// What a bucket's owner is asked by.
#[derive(Clone, Copy)]
enum By {
    Listing,
    Settings,
}

impl Store {
    /// Who owns the bucket, asked by a listing.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn owned(&self) -> Answer<Owner> {
        self.owned_by(By::Listing).await
    }

    /// The same, asked by its settings: whoever only writes can't list.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn owned_by_settings(&self) -> Answer<Owner> {
        self.owned_by(By::Settings).await
    }

    async fn owned_by(&self, by: By) -> Answer<Owner> {
        let Some(owner) = self.owner() else { return self.reach(by, None).await.map(|()| Owner::NotAsked) };
        match self.reach(by, Some(owner)).await {
            Ok(()) => {
                let anybody = self.reach(by, Some(NOBODY.to_owned())).await.is_ok();
                Ok(if anybody { Owner::Untold } else { Owner::Right })
            }
            Err(error) if error.class == Class::Denied && self.reach(by, None).await.is_ok() => {
                Ok(Owner::Wrong)
            }
            Err(error) => Err(error),
        }
    }

    async fn reach(&self, by: By, owner: Option<String>) -> Answer<()> {
        match by {
            By::Listing => {
                // Rather than HEAD, whose refusals say nothing.
                let request = self.client.list_objects_v2().bucket(&self.address.bucket).max_keys(1);
                let request = request.prefix("tenantry").set_expected_bucket_owner(owner);
                self.call("list", "", request.send()).await.map(drop)
            }
            By::Settings => self.versioning(owner).await.map(drop),
        }
    }

    async fn versioning(&self, owner: Option<String>) -> Answer<Option<BucketVersioningStatus>> {
        let request = self.client.get_bucket_versioning().bucket(&self.address.bucket);
        let request = request.set_expected_bucket_owner(owner);
        let answer = self.call("read the versioning of", "", request.send()).await?;
        Ok(answer.status)
    }

    /// Whether the bucket keeps versions.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn versioned(&self) -> Answer<bool> {
        Ok(self.versioning(self.owner()).await? == Some(BucketVersioningStatus::Enabled))
    }

    /// The bucket's default lock; `None` when it has none.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn default_lock(&self) -> Answer<Option<Lock>> {
        let request = self.client.get_object_lock_configuration().bucket(&self.address.bucket);
        let request = request.set_expected_bucket_owner(self.owner());
        match self.call("read the Object Lock of", "", request.send()).await {
            Ok(answer) => Ok(answer.object_lock_configuration.as_ref().and_then(default_of)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Days after which every old version is removed; `None` when some never are.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn noncurrent_days(&self) -> Answer<Option<u32>> {
        let request = self.client.get_bucket_lifecycle_configuration().bucket(&self.address.bucket);
        let request = request.set_expected_bucket_owner(self.owner());
        match self.call("read the lifecycle rules of", "", request.send()).await {
            Ok(answer) => Ok(answer.rules.unwrap_or_default().iter().filter_map(noncurrent_of).min()),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a second write of this key is refused. The object is written once for the life of the bucket, so that a
    /// lock costs one version.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn refuses_to_overwrite(&self, key: &str) -> Answer<bool> {
        match self.get(key, PROBE.len()).await {
            Ok(_) => {}
            Err(error) if error.class == Class::Unexpected => {}
            Err(error) if error.class == Class::NotFound => self.put_proved(key, PROBE).await?,
            Err(error) => return Err(error),
        }
        match self.put_new(key, PROBE).await {
            Ok(_) => Ok(false),
            Err(error) if error.class == Class::Exists => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn default_of(lock: &ObjectLockConfiguration) -> Option<Lock> {
    if lock.object_lock_enabled != Some(ObjectLockEnabled::Enabled) {
        return None;
    }
    let retention = lock.rule.as_ref()?.default_retention.as_ref()?;
    let years = retention.years.filter(|years| *years > 0).map(|years| years.saturating_mul(365));
    let days = retention.days.filter(|days| *days > 0).or(years)?;
    Some(Lock { mode: retention.mode.as_ref()?.as_str().to_owned(), days: u32::try_from(days).ok()? })
}

/// What one rule does to every old version of the bucket; `None` when it leaves some.
pub(crate) fn noncurrent_of(rule: &LifecycleRule) -> Option<u32> {
    let everywhere = rule.filter.as_ref().is_none_or(|filter| {
        let prefix = filter.prefix.as_deref().unwrap_or_default();
        prefix.is_empty()
            && filter.tag.is_none()
            && filter.and.is_none()
            && filter.object_size_greater_than.is_none()
            && filter.object_size_less_than.is_none()
    });
    let enabled = rule.status == ExpirationStatus::Enabled;
    let rule = rule.noncurrent_version_expiration.as_ref().filter(|_| enabled && everywhere)?;
    if rule.newer_noncurrent_versions.is_some_and(|kept| kept > 0) {
        return None;
    }
    rule.noncurrent_days.and_then(|days| u32::try_from(days).ok())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        DefaultRetention, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectLockRetentionMode,
        ObjectLockRule, Tag,
    };

    use super::*;

    #[test]
    fn a_lock_counts_where_it_is_enabled_and_says_how_long() {
        let lock = |enabled: Option<ObjectLockEnabled>, days: Option<i32>, years: Option<i32>| {
            let mode = ObjectLockRetentionMode::Compliance;
            let retention = DefaultRetention::builder().mode(mode).set_days(days).set_years(years).build();
            let rule = ObjectLockRule::builder().default_retention(retention).build();
            let lock = ObjectLockConfiguration::builder().set_object_lock_enabled(enabled).rule(rule);
            default_of(&lock.build()).map(|lock| (lock.mode, lock.days))
        };
        let enabled = || Some(ObjectLockEnabled::Enabled);
        let locked = |days| Some(("COMPLIANCE".to_owned(), days));
        assert_eq!(lock(enabled(), Some(14), None), locked(14));
        // Stores send the one that isn't set as a zero.
        assert_eq!(lock(enabled(), Some(0), Some(2)), locked(730));
        assert_eq!(lock(None, Some(14), None), None);
        assert_eq!(lock(enabled(), None, None), None);
        let bare = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
        assert_eq!(default_of(&bare.build()), None);
    }

    #[test]
    fn a_rule_counts_where_it_removes_every_old_version() {
        let rule = |status, filter, newer: Option<i32>| {
            let expiry = NoncurrentVersionExpiration::builder().noncurrent_days(30);
            let expiry = expiry.set_newer_noncurrent_versions(newer).build();
            let rule = LifecycleRule::builder().status(status).filter(filter);
            noncurrent_of(&rule.noncurrent_version_expiration(expiry).build().unwrap())
        };
        let filter = LifecycleRuleFilter::builder;
        assert_eq!(rule(ExpirationStatus::Enabled, filter().prefix("").build(), None), Some(30));
        assert_eq!(rule(ExpirationStatus::Enabled, filter().build(), Some(0)), Some(30));
        assert_eq!(rule(ExpirationStatus::Disabled, filter().build(), None), None);
        assert_eq!(rule(ExpirationStatus::Enabled, filter().prefix("logs/").build(), None), None);
        let tagged = filter().tag(Tag::builder().key("k").value("v").build().unwrap()).build();
        assert_eq!(rule(ExpirationStatus::Enabled, tagged, None), None);
        assert_eq!(rule(ExpirationStatus::Enabled, filter().object_size_less_than(9).build(), None), None);
        assert_eq!(rule(ExpirationStatus::Enabled, filter().build(), Some(3)), None, "three of each stay");
    }
}
