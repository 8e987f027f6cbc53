//! A bucket with files of a tenant: looked at, and set right where that is asked for. Rules of others stay.

use std::collections::BTreeMap;

use crate::backup::buckets::{Aspect, BucketReport};
use crate::store::probe::noncurrent_of;
use crate::store::verdict::{Answer, Owner};
use crate::store::{Class, Store, Version};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};

/// The lifecycle rule of ours.
const RULE: &str = "tenantry-old-versions";
/// Most versions that are counted.
const MOST: usize = 10_000;

impl Store {
    /// Looks at a bucket whose old versions stay `days`; with `set` what isn't right is set, and looked at again.
    pub async fn look_at_files(&self, days: u32, set: bool) -> BucketReport {
        let owner = match self.owned().await {
            Ok(Owner::Wrong) => {
                let words = "it belongs to another account than expectedOwner; nothing was changed";
                let error = self.fault(Class::Denied, "look at", "", words);
                return BucketReport::unreachable(Aspect::Broken(words.to_owned()), &error);
            }
            Ok(_) => Aspect::Kept,
            Err(error) => return BucketReport::unreachable(Aspect::Failed(error.clone()), &error),
        };
        let versions = self.keep_versions(set).await;
        let (retention, encryption, privacy, oldest) = tokio::join!(
            self.keep_old_versions(days, set),
            self.encrypt(set),
            self.close(set),
            self.list_versions("", MOST)
        );
        let counted = oldest.as_ref().is_ok_and(|all| !all.cut);
        let now = self.clock().now();
        let since = oldest.ok().and_then(|all| oldest_noncurrent(&all.versions));
        let oldest = since.map(|since| now.duration_since(since));
        BucketReport { owner, versions, retention, encryption, privacy, oldest, counted }
    }

    async fn keep_versions(&self, set: bool) -> Aspect {
        let broken = "it keeps no versions: enable versioning";
        settle(
            set,
            broken,
            || self.versioned(),
            || async {
                let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
                let request = self.client.put_bucket_versioning().bucket(&self.address().bucket);
                let request = request.versioning_configuration(on).set_expected_bucket_owner(self.owner());
                self.call("enable the versioning of", "", request.send()).await.map(drop)
            },
        )
        .await
    }

    async fn keep_old_versions(&self, days: u32, set: bool) -> Aspect {
        let rules = match self.rules().await {
            Ok(rules) => rules,
            Err(error) => return Aspect::of(error),
        };
        if let Some(early) = rules.iter().find(|rule| removes_earlier(rule, days)) {
            let id = early.id.as_deref().unwrap_or("without an id");
            return Aspect::Broken(format!(
                "the lifecycle rule {id} removes old versions earlier than after {days} days: lengthen or remove it"
            ));
        }
        let broken = format!(
            "no lifecycle rule removes old versions after {days} days: add one for noncurrent versions"
        );
        let exact = || async { Ok(self.noncurrent_days().await? == Some(days)) };
        settle(set, &broken, exact, || async {
            let others = rules.iter().filter(|rule| rule.id.as_deref() != Some(RULE)).cloned();
            let ours = our_rule(days).ok_or_else(|| self.fault(Class::Invalid, "make a rule for", "", ""))?;
            let all = aws_sdk_s3::types::BucketLifecycleConfiguration::builder();
            let all = all.set_rules(Some(others.chain([ours]).collect())).build();
            let all = all.map_err(|_| self.fault(Class::Invalid, "make a rule for", "", ""))?;
            let request = self.client.put_bucket_lifecycle_configuration().bucket(&self.address().bucket);
            let request = request.lifecycle_configuration(all).set_expected_bucket_owner(self.owner());
            self.call("set the lifecycle rules of", "", request.send()).await.map(drop)
        })
        .await
    }

    async fn rules(&self) -> Answer<Vec<LifecycleRule>> {
        let request = self.client.get_bucket_lifecycle_configuration().bucket(&self.address().bucket);
        let request = request.set_expected_bucket_owner(self.owner());
        match self.call("read the lifecycle rules of", "", request.send()).await {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            Err(error) if error.is_absent() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn encrypt(&self, set: bool) -> Aspect {
        let read = || async {
            let request = self.client.get_bucket_encryption().bucket(&self.address().bucket);
            let request = request.set_expected_bucket_owner(self.owner());
            match self.call("read the encryption of", "", request.send()).await {
                Ok(answer) => Ok(answer.server_side_encryption_configuration.is_some_and(|all| {
                    all.rules.iter().any(|rule| rule.apply_server_side_encryption_by_default.is_some())
                })),
                Err(error) if error.is_absent() => Ok(false),
                Err(error) => Err(error),
            }
        };
        settle(set, "it has no default encryption: set AES-256", read, || async {
            let failed = |_| self.fault(Class::Invalid, "set the encryption of", "", "");
            let default =
                ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
            let default = default.build().map_err(failed)?;
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
            let all = ServerSideEncryptionConfiguration::builder().rules(rule.build());
            let request = self.client.put_bucket_encryption().bucket(&self.address().bucket);
            let request = request.server_side_encryption_configuration(all.build().map_err(failed)?);
            let request = request.set_expected_bucket_owner(self.owner());
            self.call("set the encryption of", "", request.send()).await.map(drop)
        })
        .await
    }

    async fn close(&self, set: bool) -> Aspect {
        let read = || async {
            let request = self.client.get_public_access_block().bucket(&self.address().bucket);
            let request = request.set_expected_bucket_owner(self.owner());
            match self.call("read the public access block of", "", request.send()).await {
                Ok(answer) => Ok(answer.public_access_block_configuration.is_some_and(|block| {
                    let all = [
                        block.block_public_acls,
                        block.ignore_public_acls,
                        block.block_public_policy,
                        block.restrict_public_buckets,
                    ];
                    all.iter().all(|one| *one == Some(true))
                })),
                Err(error) if error.is_absent() => Ok(false),
                Err(error) => Err(error),
            }
        };
        settle(set, "it can be opened to the public: set all four public access blocks", read, || async {
            let block = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let request = self.client.put_public_access_block().bucket(&self.address().bucket);
            let request = request.public_access_block_configuration(block);
            let request = request.set_expected_bucket_owner(self.owner());
            self.call("set the public access block of", "", request.send()).await.map(drop)
        })
        .await
    }
}

/// Reads; where it isn't so, and may be set, sets and reads again: a store's yes is no proof.
async fn settle<R, W>(set: bool, broken: &str, read: impl Fn() -> R, write: impl FnOnce() -> W) -> Aspect
where
    R: Future<Output = Answer<bool>>,
    W: Future<Output = Answer<()>>,
{
    match read().await {
        Ok(true) => return Aspect::Kept,
        Ok(false) if !set => return Aspect::Broken(broken.to_owned()),
        Ok(false) => {}
        Err(error) => return Aspect::of(error),
    }
    if let Err(error) = write().await {
        return Aspect::of(error);
    }
    match read().await {
        Ok(true) => Aspect::Set,
        Ok(false) => Aspect::Broken(format!("{broken}; the store took it, and doesn't have it")),
        Err(error) => Aspect::of(error),
    }
}

/// Whether a rule takes any old version away before its time.
fn removes_earlier(rule: &LifecycleRule, days: u32) -> bool {
    let ours = rule.id.as_deref() == Some(RULE);
    let enabled = rule.status == ExpirationStatus::Enabled && !ours;
    let found = rule.noncurrent_version_expiration.as_ref().and_then(|one| one.noncurrent_days);
    found.filter(|_| enabled).is_some_and(|found| i64::from(found) < i64::from(days))
}

fn our_rule(days: u32) -> Option<LifecycleRule> {
    let expiry = NoncurrentVersionExpiration::builder().noncurrent_days(i32::try_from(days).ok()?).build();
    let rule = LifecycleRule::builder().id(RULE).status(ExpirationStatus::Enabled);
    let rule = rule.filter(LifecycleRuleFilter::builder().prefix("").build());
    let rule = rule.noncurrent_version_expiration(expiry).build().ok()?;
    noncurrent_of(&rule).map(|_| rule)
}

/// When the version that is an old one for longest became one: when what replaced it was written.
fn oldest_noncurrent(versions: &[Version]) -> Option<jiff::Timestamp> {
    let mut keys: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for version in versions {
        keys.entry(&version.key).or_default().push(version);
    }
    // By key, newest first: each was replaced by the one before it. A mark holds no content.
    let replaced = keys.values().flat_map(|all| all.windows(2)).filter(|pair| !pair[1].marker);
    replaced.filter_map(|pair| pair[0].modified).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_version_is_old_since_it_was_replaced() {
        let version = |key: &str, day: i64, latest, marker| Version {
            key: key.into(),
            version: format!("{key}{day}"),
            latest,
            marker,
            size: 1,
            modified: jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(24 * day)).ok(),
        };
        let all = [
            version("a", 90, true, false),
            version("a", 40, false, false),
            version("b", 80, true, true),
            version("b", 5, false, false),
            version("c", 1, true, false),
        ];
        let day =
            |days: i64| jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(24 * days)).ok();
        assert_eq!(oldest_noncurrent(&all), day(80));
        assert_eq!(oldest_noncurrent(&all[4..]), None);
    }
}
