//! Writes of an archive, whose writer can't read: each is tried once, so that who asks knows what an answer means.

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::calls::Put;
use super::{Class, Store, StoreError, wire};

/// What S3 says while another write of the same key goes on; unlike a 412 it doesn't say that anything is there.
const CONFLICT: &str = "ConditionalRequestConflict";

impl Store {
    /// [`Self::put_new`], once: the client tries nothing again behind our back. [`Class::Exists`] then means that the
    /// object was there before this very call.
    ///
    /// # Errors
    /// As [`Self::put_new`]; [`Class::Busy`] while somebody else writes the same key.
    pub async fn put_once(&self, key: &str, body: &[u8]) -> Result<Put, StoreError> {
        let request = self.putting(key, body).customize().config_override(once());
        match self.call("write", key, request.send()).await {
            Ok(put) => Ok(Put { version: put.version_id }),
            Err(error) if error.class == Class::Exists && error.said.starts_with(CONFLICT) => {
                Err(StoreError { class: Class::Busy, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes an object whether or not there is one, and without a lock of its own.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn put_over(&self, key: &str, body: &[u8]) -> Result<(), StoreError> {
        let request = self.client.put_object().bucket(&self.address.bucket).key(key);
        let request = request
            .set_expected_bucket_owner(self.owner())
            .checksum_sha256(STANDARD.encode(Sha256::digest(body)))
            .body(ByteStream::from(body.to_vec()));
        self.call("write", key, request.send()).await.map(drop)
    }

    /// Removes one version of an object for good.
    ///
    /// # Errors
    /// What went wrong; where the version is under lock it is [`Class::Denied`].
    pub async fn remove_version(&self, key: &str, version: &str) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.address.bucket).key(key).version_id(version);
        let request = request.set_expected_bucket_owner(self.owner());
        self.call("remove a version of", key, request.send()).await.map(drop)
    }
}

/// One try, with all the time that a call has: a segment goes over slow lines.
fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled()).timeout_config(wire::one_try())
}
