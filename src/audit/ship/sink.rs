//! The archive as the agent reaches it: who writes, and who reads the witness' checkpoint.

use crate::store::Lock;
use crate::store::access::Access;
use crate::store::{Class, StoreError};

use super::checks::Asked;

/// Longest checkpoint that is read, in bytes.
pub(super) const MOST: usize = crate::audit::log::note::MOST_BYTES;

/// An archive.
#[derive(Debug)]
pub struct Sink {
    write: Access,
    read: Option<Access>,
    prefix: String,
    bucket: String,
    asked: Asked,
}

impl Sink {
    /// `write` may only add; its address bears `lock`, which all objects get, and names the bucket's `owner`. `read` may
    /// read checkpoints of the witness and nothing else.
    #[must_use]
    pub fn new(write: Access, read: Option<Access>, place: Place) -> Self {
        let Place { bucket, prefix, owner, lock } = place;
        Self { write, read, prefix, bucket, asked: Asked { owner, lock } }
    }

    /// The writer.
    #[must_use]
    pub fn writer(&self) -> &Access {
        &self.write
    }

    /// What is asked of it.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The part of the bucket that is the archive's.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the witness' checkpoint can be read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.read.is_some()
    }

    /// The witness' checkpoint at a key; `None` when there is none, or nobody who may read.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn checkpoint(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(read) = &self.read else { return Ok(None) };
        match read.store().await?.get(key, MOST).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where an archive is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The part of it that is the archive's; may be empty.
    pub prefix: String,
    /// The account that must own the bucket.
    pub owner: String,
    /// Of every object.
    pub lock: Lock,
}
