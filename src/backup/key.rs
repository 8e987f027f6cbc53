//! A tenant's key: what opens its repository, wrapped by the platform's key. Pure but for the random bytes.
//!
//! The wrapping is AES-256 key wrap (RFC 3394), so that `openssl` alone opens it:
//!
//! ```text
//! base64 -d < wrapped | openssl enc -d -id-aes256-wrap -K <platform key, hexadecimal> -iv A6A6A6A6A6A6A6A6
//! ```

use std::fmt;

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::marks::ADOPT_INSTALL_IDS;

/// Version of the form.
const VERSION: u32 = 1;
/// How it is wrapped, for whoever reads the file.
const ALGORITHM: &str = "AES-256-KW (RFC 3394)";
/// Bytes of a password: 32 random ones, hexadecimal.
const PASSWORD: usize = 64;
/// What key wrap adds.
const OVERHEAD: usize = 8;
/// Most bytes of the file.
pub const MOST_BYTES: usize = 4096;

/// The password of a repository. `Debug` doesn't print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new() -> Result<Self, KeyError> {
        let mut bytes = [0; PASSWORD / 2];
        rand::fill(&mut bytes).map_err(|_| KeyError::NoRandom)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// For a file that only a Job reads, and for who restores without us.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let fits = bytes.len() == PASSWORD && bytes.iter().all(u8::is_ascii_hexdigit);
        fits.then(|| String::from_utf8(bytes.to_vec()).ok().map(Self)).flatten()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why there is no key to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The platform's key isn't one.
    #[error("the platform's key has to be 64 hexadecimal digits; make one with `openssl rand -hex 32`")]
    NoPlatformKey,
    /// No random bytes.
    #[error("the system has no random bytes")]
    NoRandom,
    /// The file isn't one of ours.
    #[error("{0} is no wrapped key of ours; an older version of the object may be")]
    Damaged(String),
    /// The file is somebody else's.
    #[error("{place} belongs to {theirs}, and this is {ours}; it is not used")]
    Foreign {
        /// Where it lies.
        place: String,
        /// Whose it is.
        theirs: String,
        /// Who we are.
        ours: String,
    },
    /// The file is the same tenant's, of another installation.
    #[error(
        "{place} is the key of this tenant, made by installation {theirs}, and this is {ours}: two installations must \
         not share a tenant's backups. If {theirs} is gone for good, and this cluster goes on in its place, say so: \
         kubectl annotate platform {platform} {ADOPT_INSTALL_IDS}={theirs}"
    )]
    OtherInstallation {
        /// Where it lies.
        place: String,
        /// The Platform.
        platform: String,
        /// Whose it is.
        theirs: String,
        /// Who we are.
        ours: String,
    },
    /// Another platform key has wrapped it.
    #[error(
        "{place} was wrapped by the platform key {wrapped_by}, and spec.backups.key names {named}; give that one back: nothing else opens the tenant's backups"
    )]
    OtherPlatformKey {
        /// Where it lies.
        place: String,
        /// Name of the key that wrapped it.
        wrapped_by: String,
        /// Name of the key that we have.
        named: String,
    },
    /// There are backups, and no key.
    #[error(
        "{0} is not there, and backups may be that only it opens; bring back an older version of the object; no new key is made"
    )]
    Missing(String),
    /// The service that wraps doesn't.
    #[error("the platform's key can't be used: {0}")]
    Service(String),
}

/// What wraps tenants' keys. A service that keeps its key to itself (KMS, Vault's transit) fits: it is asked, and may
/// take its time.
pub trait PlatformKey: Send + Sync {
    /// A name of the key, which tells it from others and nothing about it.
    fn name(&self) -> &str;
    /// Wraps a password.
    fn wrap<'a>(&'a self, password: &'a Password) -> BoxFuture<'a, Result<Vec<u8>, KeyError>>;
    /// Unwraps one; `None` when this key didn't wrap it.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Option<Password>, KeyError>>;
}

/// A platform key that we have in hand: from a Secret, or from a person's file.
#[derive(Clone)]
pub struct SecretKey {
    bytes: [u8; 32],
    name: String,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// From 64 hexadecimal digits, with or without white space around them.
    ///
    /// # Errors
    /// [`KeyError::NoPlatformKey`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError::NoPlatformKey)?;
        let digest = Sha256::new().chain_update(b"tenantry platform key").chain_update(bytes).finalize();
        Ok(Self { bytes, name: format!("secret-{}", hex::encode(&digest[..8])) })
    }

    fn kek(&self) -> Result<AesKek, KeyError> {
        AesKek::new(&AES_256, &self.bytes).map_err(|_| KeyError::NoPlatformKey)
    }
}

impl PlatformKey for SecretKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(&'a self, password: &'a Password) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let mut out = [0; PASSWORD + OVERHEAD];
            let wrapped = self.kek()?.wrap(password.0.as_bytes(), &mut out);
            wrapped.map(|wrapped| wrapped.to_vec()).map_err(|_| KeyError::NoPlatformKey)
        })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Option<Password>, KeyError>> {
        Box::pin(async move {
            let mut out = [0; PASSWORD + OVERHEAD];
            if wrapped.len() != out.len() {
                return Ok(None);
            }
            Ok(self.kek()?.unwrap(wrapped, &mut out).ok().and_then(|plain| Password::of(plain)))
        })
    }
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The installation.
    pub install_id: String,
    /// The Platform.
    pub platform: String,
    /// The tenant.
    pub tenant: String,
}

/// Whose keys may be used.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who we are.
    pub owner: &'a Owner,
    /// Installations that we go on in the place of ([`ADOPT_INSTALL_IDS`]).
    pub adopted: &'a [String],
}

/// The installations that a Platform's annotation names.
#[must_use]
pub fn adopted(annotation: &str) -> Vec<String> {
    annotation.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {} of {} (installation {})", self.tenant, self.platform, self.install_id)
    }
}

/// `key.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyFile {
    version: u32,
    #[serde(flatten)]
    owner: Owner,
    algorithm: String,
    /// Name of the key that wrapped it.
    platform_key: String,
    /// Base64.
    wrapped: String,
}

impl KeyFile {
    /// Wraps a password.
    ///
    /// # Errors
    /// The platform's key can't be used.
    pub async fn seal(owner: Owner, password: &Password, key: &dyn PlatformKey) -> Result<Self, KeyError> {
        let wrapped = STANDARD.encode(key.wrap(password).await?);
        let (algorithm, platform_key) = (ALGORITHM.to_owned(), key.name().to_owned());
        Ok(Self { version: VERSION, owner, algorithm, platform_key, wrapped })
    }

    /// The file's content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a file. `place` is where it lies, for messages.
    ///
    /// # Errors
    /// [`KeyError::Damaged`].
    pub fn read(bytes: &[u8], place: &str) -> Result<Self, KeyError> {
        let file: Option<Self> = serde_json::from_slice(bytes).ok();
        file.filter(|file| file.version == VERSION).ok_or_else(|| KeyError::Damaged(place.to_owned()))
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Refuses a file of somebody else.
    ///
    /// # Errors
    /// [`KeyError::Foreign`], [`KeyError::OtherInstallation`].
    pub fn of(self, claim: &Claim<'_>, place: &str) -> Result<Self, KeyError> {
        let (theirs, ours, place) = (&self.owner, claim.owner, place.to_owned());
        let same = (&theirs.platform, &theirs.tenant) == (&ours.platform, &ours.tenant);
        if same && (theirs.install_id == ours.install_id || claim.adopted.contains(&theirs.install_id)) {
            return Ok(self);
        }
        if same {
            let (theirs, ours) = (theirs.install_id.clone(), ours.install_id.clone());
            return Err(KeyError::OtherInstallation { place, platform: self.owner.platform, theirs, ours });
        }
        Err(KeyError::Foreign { place, theirs: theirs.to_string(), ours: ours.to_string() })
    }

    /// Unwraps the password.
    ///
    /// # Errors
    /// [`KeyError::OtherPlatformKey`], [`KeyError::Damaged`], or the key can't be used.
    pub async fn open(&self, key: &dyn PlatformKey, place: &str) -> Result<Password, KeyError> {
        if self.platform_key != key.name() {
            let (wrapped_by, named) = (self.platform_key.clone(), key.name().to_owned());
            return Err(KeyError::OtherPlatformKey { place: place.to_owned(), wrapped_by, named });
        }
        let damaged = || KeyError::Damaged(place.to_owned());
        let wrapped = STANDARD.decode(&self.wrapped).map_err(|_| damaged())?;
        key.unwrap(&wrapped).await?.ok_or_else(damaged)
    }
}
