//! A store that speaks S3, for backups and for the audit log. The bucket's owner is asked on each request, each call has
//! a deadline, and nothing is overwritten but by [`Store::put_over`].
//!
//! - [`address`], [`credentials`], [`error`], [`verdict`]: pure
//! - `source`: credentials that are renewed while a run goes on
//! - `wire`: trust, deadlines, retries, the store's clock
//! - `calls`, `lists`: what can be done with objects
//! - `writes`: writes that are tried once, for who can't read
//! - [`probe`]: what a bucket says of itself
//! - [`access`]: who asks

pub mod access;
pub mod address;
mod calls;
pub mod credentials;
pub mod error;
mod lists;
pub mod probe;
mod source;
pub mod verdict;
mod wire;
mod writes;

use std::future::Future;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

pub use address::{Lock, StoreAddress};
pub use calls::{Head, Held, Put};
pub use credentials::{Credentials, Unusable};
pub use error::{Class, StoreError};
pub use lists::{Listing, Object, Version, Versions};
pub use source::Source;
pub use wire::{Clock, DEADLINE};

/// A bucket, and who asks it.
#[derive(Clone)]
pub struct Store {
    pub(crate) client: Client,
    address: Arc<StoreAddress>,
    clock: Clock,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("bucket", &self.address.bucket).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes the client; nothing is asked yet.
    ///
    /// # Errors
    /// The certificate authority isn't one.
    pub fn open(address: &StoreAddress, credentials: &Credentials) -> Result<Self, StoreError> {
        Self::with(address, SharedCredentialsProvider::new(signing(credentials)))
    }

    /// The same with credentials that are asked for again before they end.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_from(address: &StoreAddress, source: impl Source) -> Result<Self, StoreError> {
        Self::with(address, source::provider(source))
    }

    fn with(address: &StoreAddress, credentials: SharedCredentialsProvider) -> Result<Self, StoreError> {
        let endpoint = address.endpoint.as_deref();
        let http = wire::client(endpoint, address.ca.as_deref()).map_err(|error| StoreError {
            class: Class::Tls,
            action: "use",
            place: format!("the certificate authority of {}", place(address, "")),
            said: error.to_string(),
            written: address.written,
        })?;
        let clock = Clock::default();
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(address.region.clone()))
            .force_path_style(address.path_style)
            .credentials_provider(credentials)
            .http_client(http)
            .timeout_config(wire::timeouts())
            .retry_config(wire::retries())
            // Sums in trailers are news to older stores; what we write carries a sum of its own.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(clock.clone());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(Self { client: Client::from_conf(config.build()), address: Arc::new(address.clone()), clock })
    }

    /// The store's clock, as its answers told it.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Who must own the bucket, for each request.
    pub(crate) fn owner(&self) -> Option<String> {
        self.address.expected_owner.clone()
    }

    /// A key, or the bucket itself, in words.
    #[must_use]
    pub fn place(&self, key: &str) -> String {
        place(&self.address, key)
    }

    fn lock(&self) -> Option<&Lock> {
        self.address.lock.as_ref()
    }

    pub(crate) fn fault(
        &self,
        class: Class,
        action: &'static str,
        key: &str,
        said: impl Into<String>,
    ) -> StoreError {
        StoreError { class, action, place: self.place(key), said: said.into(), written: self.address.written }
    }

    /// One call, with a deadline over all of it.
    pub(crate) async fn call<T, E>(
        &self,
        action: &'static str,
        key: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, StoreError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let (class, said) = wire::failure(&error);
                Err(self.fault(class, action, key, said))
            }
            Err(_) => Err(self.fault(Class::Timeout(DEADLINE), action, key, "")),
        }
    }
}

/// A key, or the bucket itself, in words.
fn place(address: &StoreAddress, key: &str) -> String {
    let (bucket, region) = (&address.bucket, &address.region);
    let host = address.endpoint.as_deref().unwrap_or("AWS");
    let slash = if key.is_empty() { "" } else { "/" };
    format!("{bucket}{slash}{key} at {host} ({region})")
}

fn signing(credentials: &Credentials) -> aws_sdk_s3::config::Credentials {
    aws_sdk_s3::config::Credentials::new(
        credentials.access_key_id(),
        credentials.expose_secret(),
        credentials.expose_token().map(str::to_owned),
        credentials.expires().map(Into::into),
        "tenantry",
    )
}
