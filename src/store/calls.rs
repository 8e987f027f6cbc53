//! One object: written once, read, looked at, removed.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ObjectLockMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Class, Store, StoreError, wire};

/// What the store says of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// The version that it made, where the bucket has versions.
    pub version: Option<String>,
}

/// An object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// By the store's clock.
    pub modified: Option<Timestamp>,
    /// The version, where the bucket has versions.
    pub version: Option<String>,
    /// Retention of its own. Stores need not tell what comes from the bucket's default.
    pub held: Option<Held>,
    /// How it is encrypted at rest, where the store says.
    pub encryption: Option<String>,
}

/// Until when nobody can remove an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub mode: String,
    /// By the store's clock.
    pub until: Timestamp,
}

pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), 0).ok()
}

impl Store {
    /// Writes an object that must not be there yet, under the address' lock where it has one. What then lies there is
    /// not asked: see [`Self::put_proved`].
    ///
    /// # Errors
    /// [`Class::Exists`] when it is there already, else what went wrong.
    pub async fn put_new(&self, key: &str, body: &[u8]) -> Result<Put, StoreError> {
        let put = self.call("write", key, self.putting(key, body).send()).await?;
        Ok(Put { version: put.version_id })
    }

    pub(super) fn putting(&self, key: &str, body: &[u8]) -> PutObjectFluentBuilder {
        let mut request = self.client.put_object().bucket(&self.address.bucket).key(key).if_none_match("*");
        if let Some(lock) = self.lock() {
            let until = self.clock.now() + SignedDuration::from_hours(24 * i64::from(lock.days));
            request = request
                .object_lock_mode(ObjectLockMode::from(lock.mode.as_str()))
                .object_lock_retain_until_date(DateTime::from_secs(until.as_second()));
        }
        request
            .set_expected_bucket_owner(self.owner())
            .checksum_sha256(STANDARD.encode(Sha256::digest(body)))
            .body(ByteStream::from(body.to_vec()))
    }

    /// [`Self::put_new`], and reads it back. A repetition of the same write is a success, so that an answer that got
    /// lost costs nothing.
    ///
    /// # Errors
    /// [`Class::Exists`] when something else is there, [`Class::NotDurable`] when the store doesn't give back what it
    /// took, else what went wrong.
    pub async fn put_proved(&self, key: &str, body: &[u8]) -> Result<(), StoreError> {
        let put = self.put_new(key, body).await;
        let existed = match put {
            Ok(_) => false,
            Err(error) if error.class == Class::Exists => true,
            Err(error) => return Err(error),
        };
        match self.get(key, body.len()).await {
            Ok(found) if found == body => Ok(()),
            Ok(_) | Err(StoreError { class: Class::Unexpected, .. }) if existed => {
                Err(self.fault(Class::Exists, "write", key, "with another content"))
            }
            Ok(_) => Err(self.fault(Class::NotDurable, "read back", key, "another content")),
            Err(error) if error.class == Class::NotFound => {
                Err(self.fault(Class::NotDurable, "read back", key, "it is not there"))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads an object of at most `most` bytes.
    ///
    /// # Errors
    /// [`Class::NotFound`], [`Class::Unexpected`] when it is longer, else what went wrong.
    pub async fn get(&self, key: &str, most: usize) -> Result<Vec<u8>, StoreError> {
        let request = self.client.get_object().bucket(&self.address.bucket).key(key);
        let request = request.set_expected_bucket_owner(self.owner());
        let whole = async {
            let mut answer = self.call("read", key, request.send()).await?;
            let too_long = || self.fault(Class::Unexpected, "read", key, format!("more than {most} bytes"));
            let mut content = Vec::new();
            while let Some(part) = answer.body.next().await {
                let part = part.map_err(|_| self.fault(Class::Unreachable, "read", key, "it broke off"))?;
                if content.len() + part.len() > most {
                    return Err(too_long());
                }
                content.extend_from_slice(&part);
            }
            Ok(content)
        };
        let late = || self.fault(Class::Timeout(wire::DEADLINE), "read", key, "");
        tokio::time::timeout(wire::DEADLINE, whole).await.unwrap_or_else(|_| Err(late()))
    }

    /// Looks at an object.
    ///
    /// # Errors
    /// [`Class::NotFound`], else what went wrong.
    pub async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let request = self.client.head_object().bucket(&self.address.bucket).key(key);
        let request = request.set_expected_bucket_owner(self.owner());
        let head = self.call("look at", key, request.send()).await?;
        let until = head.object_lock_retain_until_date.as_ref().and_then(timestamp);
        let mode = head.object_lock_mode.as_ref().map(|mode| mode.as_str().to_owned());
        Ok(Head {
            size: head.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            modified: head.last_modified.as_ref().and_then(timestamp),
            version: head.version_id,
            held: mode.zip(until).map(|(mode, until)| Held { mode, until }),
            encryption: head.server_side_encryption.map(|one| one.as_str().to_owned()),
        })
    }

    /// Removes an object; where the bucket has versions it becomes a noncurrent one.
    ///
    /// # Errors
    /// What went wrong; that it is not there is not an error.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.address.bucket).key(key);
        let request = request.set_expected_bucket_owner(self.owner());
        match self.call("remove", key, request.send()).await {
            Err(error) if error.class == Class::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}
