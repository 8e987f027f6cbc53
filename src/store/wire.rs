//! How requests reach a store: trust, deadlines, retries, and its clock as each answer tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::error::Class;
use crate::runtime::https::NoCertificate;
use crate::validate::text::sanitize;

/// Longest time for one call with all its tries.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Longest time for one try.
const TRY: Duration = Duration::from_secs(12);
/// Longest time for one TCP connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest message of a store that is passed on, in characters.
const MESSAGE: usize = 200;

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(TRY)
        .operation_timeout(DEADLINE)
        .build()
}

/// For a call that is tried once.
pub(super) fn one_try() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(DEADLINE)
        .operation_timeout(DEADLINE)
        .build()
}

pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(2))
}

/// A client for an endpoint. Roots are read only where TLS is spoken: the system's, and those in `ca`.
///
/// # Errors
/// `ca` holds no certificates.
pub(super) fn client(endpoint: Option<&str>, ca: Option<&str>) -> Result<SharedHttpClient, NoCertificate> {
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Ok(Builder::new().build_http());
    }
    let mut trust = TrustStore::default();
    if let Some(pem) = ca {
        is_authority(pem)?;
        trust = trust.with_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trust).build().map_err(|_| NoCertificate)?;
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Ok(builder.tls_context(context).build_https())
}

/// The client's library ends the process over certificates that it can't read.
fn is_authority(pem: &str) -> Result<(), NoCertificate> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.ok().filter(|found| !found.is_empty()).ok_or(NoCertificate)?;
    let mut roots = RootCertStore::empty();
    found.into_iter().try_for_each(|one| roots.add(one)).map_err(|_| NoCertificate)
}

/// The store's clock, against ours, as its last answer told it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<AtomicI64>);

/// No answer had a date yet.
const UNTOLD: i64 = i64::MIN;

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNTOLD)))
    }
}

impl Clock {
    /// How far it is before ours; none before the first answer.
    #[must_use]
    pub fn ahead(&self) -> Option<SignedDuration> {
        let seconds = self.0.load(Ordering::Relaxed);
        (seconds != UNTOLD).then(|| SignedDuration::from_secs(seconds))
    }

    /// The store's time, or ours where it never told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        self.ahead().and_then(|ahead| now.checked_add(ahead).ok()).unwrap_or(now)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            let ahead = date.timestamp().duration_since(Timestamp::now());
            self.0.store(ahead.as_secs(), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What a failure means, and the store's own words.
pub(super) fn failure<E>(error: &SdkError<E, aws_sdk_s3::config::http::HttpResponse>) -> (Class, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let chain = |error: &dyn std::error::Error| sanitize(&DisplayErrorContext(error).to_string(), MESSAGE);
    match error {
        SdkError::TimeoutError(_) => (Class::Timeout(TRY), String::new()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (Class::Timeout(CONNECT), String::new())
        }
        SdkError::DispatchFailure(failure) => {
            let said = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
            let tls = ["certificate", "UnknownIssuer", "tls", "TLS"].iter().any(|word| said.contains(word));
            (if tls { Class::Tls } else { Class::Unreachable }, said)
        }
        SdkError::ServiceError(service) => {
            let meta = service.err();
            let code = meta.code().unwrap_or_default();
            let said = format!("{code} {}", meta.message().unwrap_or_default());
            (Class::of(service.raw().status().as_u16(), code), sanitize(said.trim(), MESSAGE))
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            let class = if status < 300 { Class::Unexpected } else { Class::of(status, "") };
            (class, sanitize(&format!("status {status}"), MESSAGE))
        }
        other => (Class::Invalid, chain(other)),
    }
}
