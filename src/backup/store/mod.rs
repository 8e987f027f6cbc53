//! What backups ask of the store.
//!
//! - [`policy`]: what one run may do
//! - [`scoped`]: the credentials for it
//! - [`checks`]: whether a store is fit for backups; `look`: what it says
//! - [`keys`]: tenants' keys
//! - [`inventory`]: what there is of a tenant
//! - `bucket`: buckets with files of tenants, for [`super::buckets`]

mod bucket;
pub mod checks;
pub mod inventory;
pub mod keys;
mod look;
pub mod policy;

use std::time::Duration;

use super::layout::Place;
use super::record::reasons;
use crate::api::backup::{ObjectLock, Store as Bucket};
use crate::store::access::{Access, Scoped};
use crate::store::address::Written;
use crate::store::{Class, Lock, StoreAddress, StoreError};
use policy::Role;

pub use look::key as probe_key;

impl StoreAddress {
    /// The Platform's. `ca` is the text of the Secret that it names.
    #[must_use]
    pub fn of(store: &Bucket, ca: Option<String>) -> Self {
        let lock = |lock: &ObjectLock| Lock { mode: lock.mode.as_str().to_owned(), days: lock.days };
        Self {
            endpoint: store.endpoint.clone(),
            region: store.region.clone(),
            bucket: store.bucket.clone(),
            expected_owner: store.expected_owner.clone(),
            path_style: store.path_style,
            ca,
            lock: store.object_lock.as_ref().map(lock),
            written: Written::Platform,
        }
    }
}

impl StoreError {
    /// The word of a record that fails because of it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.class {
            Class::ClockSkew => reasons::CLOCK_SKEW,
            Class::Expired => reasons::CREDENTIALS_EXPIRED,
            Class::NotDurable => reasons::NOT_DURABLE,
            _ => reasons::STORE_UNREACHABLE,
        }
    }
}

/// Credentials for one run of one tenant. `session` is its name, which shows in the account's trail.
///
/// # Errors
/// No credentials can be had, or names are too long for a policy.
pub async fn scoped(
    access: &Access,
    (role, place): (Role, &Place),
    session: &str,
    life: Duration,
) -> Result<Scoped, StoreError> {
    let policy =
        access.role().map(|to| policy::document(role, policy::partition(&to.arn), access.bucket(), place));
    if policy.as_ref().is_some_and(|policy| policy.len() > policy::MOST_BYTES) {
        let words = "its policy is too long; shorten spec.backups.store.prefix";
        return Err(access.fault(Class::Invalid, words));
    }
    access.narrowed(policy, session, life).await
}
