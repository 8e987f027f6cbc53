//! Tenants' keys in the store: made once, never replaced.

use crate::backup::key::{self, Claim, KeyError, KeyFile, Password, PlatformKey};
use crate::backup::layout::Place;
use crate::backup::record::reasons;
use crate::store::{Class, Store, StoreError};

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl NoKey {
    /// The word of a record, or of a condition.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Key(_) => reasons::KEY_MISMATCH,
        }
    }
}

/// The password of a tenant's repositories. With `create` it is made where there are none yet, and never again: where
/// there are backups without a key, that is said.
///
/// # Errors
/// The store or the key refuses.
pub async fn tenant_key(
    store: &Store,
    place: &Place,
    claim: Claim<'_>,
    platform_key: &dyn PlatformKey,
    create: bool,
) -> Result<Password, NoKey> {
    let key = place.key();
    let here = store.place(&key);
    if let Some(bytes) = found(store, &key).await? {
        return Ok(KeyFile::read(&bytes, &here)?.of(&claim, &here)?.open(platform_key, &here).await?);
    }
    let repositories = store.list(&format!("{}/g", place.prefix), "", 1).await?;
    if !create || !repositories.objects.is_empty() {
        return Err(KeyError::Missing(here).into());
    }
    let file = KeyFile::seal(claim.owner.clone(), &Password::new()?, platform_key).await?;
    match store.put_proved(&key, &file.to_bytes()).await {
        Ok(()) => {}
        // Somebody else was faster: theirs counts.
        Err(error) if error.class == Class::Exists => {}
        Err(error) => return Err(error.into()),
    }
    // What lies there opens, or it isn't used.
    let bytes = store.get(&key, key::MOST_BYTES).await?;
    Ok(KeyFile::read(&bytes, &here)?.of(&claim, &here)?.open(platform_key, &here).await?)
}

async fn found(store: &Store, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match store.get(key, key::MOST_BYTES).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
