//! Real stores: versitygw, one server on a folder, whose locks hold and survive a crash; ministack, which has several
//! accounts and roles to assume, and keeps nothing.

mod ministack;
mod versitygw;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, VersioningConfiguration,
};

use crate::error::{Error, Result};
pub use ministack::Ministack;
pub use versitygw::Versitygw;

/// The region of every store here.
pub const REGION: &str = "us-east-1";

/// What signs requests to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKeys {
    /// Access key.
    pub id: String,
    /// Secret key.
    pub secret: String,
}

impl StoreKeys {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }
}

/// A client for set-up and for looking behind the operator's back. It answers in 20 s or fails.
#[must_use]
pub fn s3_client(url: &str, keys: &StoreKeys) -> Client {
    let timeouts = aws_sdk_s3::config::timeout::TimeoutConfig::builder();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .force_path_style(true)
        .timeout_config(timeouts.operation_timeout(Duration::from_secs(20)).build())
        .credentials_provider(Credentials::new(&keys.id, &keys.secret, None, None, "testbed"));
    Client::from_conf(config.build())
}

/// Makes a bucket with versions; with Object Lock where `lock_days` is given (COMPLIANCE, as the bucket's default).
///
/// # Errors
/// The store refuses.
pub async fn make_bucket(client: &Client, name: &str, lock_days: Option<i32>) -> Result<()> {
    let said = |error: String| Error::Invalid(format!("can't make the bucket {name}: {error}"));
    let request = client.create_bucket().bucket(name).object_lock_enabled_for_bucket(lock_days.is_some());
    request.send().await.map_err(|error| said(DisplayErrorContext(error).to_string()))?;
    let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = client.put_bucket_versioning().bucket(name).versioning_configuration(versions);
    request.send().await.map_err(|error| said(DisplayErrorContext(error).to_string()))?;
    let Some(days) = lock_days else { return Ok(()) };
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(days).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    let request = client.put_object_lock_configuration().bucket(name).object_lock_configuration(lock);
    request.send().await.map_err(|error| said(DisplayErrorContext(error).to_string()))?;
    Ok(())
}
