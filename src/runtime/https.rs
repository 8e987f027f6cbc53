//! Calls to servers of others (forges, issuers of tokens): one way to trust them, and no call that somebody waits for
//! longer than its deadline.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

/// Longest time for one TCP connection.
pub const CONNECT: Duration = Duration::from_secs(5);

/// A text that should hold certificates has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no certificate in PEM")]
pub struct NoCertificate;

/// A client that follows no redirect and takes every status for an answer. `tls` where the server speaks it: then its
/// certificate is checked against the system's roots and those in `ca`.
///
/// # Errors
/// `ca` holds no certificates.
pub fn agent(tls: bool, ca: Option<&str>) -> Result<Agent, NoCertificate> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // None are read where no TLS is spoken.
    let roots = if tls { roots(ca)? } else { Vec::<Certificate<'static>>::new().into() };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(roots)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

/// Certificates of the system plus those given.
fn roots(ca: Option<&str>) -> Result<RootCerts, NoCertificate> {
    // Errors are single unreadable files; a missing root shows in the handshake.
    let mut roots = rustls_native_certs::load_native_certs().certs;
    if let Some(pem) = ca {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        roots.extend(found.ok().filter(|found| !found.is_empty()).ok_or(NoCertificate)?);
    }
    Ok(roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect::<Vec<_>>().into())
}

/// Why nothing came of a call.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// There is no thread for it.
    #[error("no thread for it: {0}")]
    NoThread(std::io::Error),
    /// Its thread died.
    #[error("the call ended early")]
    Ended,
    /// It didn't end in time.
    #[error("it didn't end in time")]
    Late,
}

/// Makes a call on a thread of its own, which nobody waits for at the end of the process: a server that hangs would
/// else keep it from ending.
///
/// # Errors
/// It didn't come to an end within `deadline`, and a little longer: it should end by its own.
pub async fn aside<T: Send + 'static>(
    name: &str,
    deadline: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unheard> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let work = move || drop(send.send(call()));
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Unheard::NoThread)?;
    match tokio::time::timeout(deadline + CONNECT, receive).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unheard::Ended),
        Err(_) => Err(Unheard::Late),
    }
}
