//! The HTTP client of the fetch process: fixed addresses, fixed certificates,
//! no redirects, no environment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy};

use super::super::check;
use super::super::protocol::{Failure, Request};

/// Longest time for one TCP connection, so that a dead first address leaves time for the next.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for one request of the operator.
pub(super) fn build(request: &Request) -> Result<Agent, Failure> {
    let proxy = request.proxy.as_deref().map(Proxy::new).transpose();
    let proxy =
        proxy.map_err(|_| Failure::Unreachable { detail: "the proxy's address is not valid".to_owned() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(roots(request)?)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .max_redirects(0)
        .http_status_as_error(false)
        .https_only(request.https)
        .timeout_connect(Some(CONNECT.min(request.deadline)))
        // Forges answer better to clients that look like git.
        .user_agent(concat!("git/2.0 (tenantry ", env!("CARGO_PKG_VERSION"), ")"))
        .build();
    Ok(Agent::with_parts(config, DefaultConnector::default(), Fixed(request.addresses.clone())))
}

/// Certificates of the system plus those of the source; none are read when no TLS is spoken.
fn roots(request: &Request) -> Result<RootCerts, Failure> {
    let mut roots = Vec::new();
    if request.https || request.proxy.as_ref().is_some_and(|proxy| proxy.starts_with("https")) {
        // Errors are single unreadable files; a missing root shows in the handshake.
        roots = rustls_native_certs::load_native_certs().certs;
        if let Some(pem) = &request.ca_pem {
            roots.extend(check::certificates(pem).map_err(|problem| Failure::InvalidCa { problem })?);
        }
    }
    Ok(roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect::<Vec<_>>().into())
}

/// The addresses that the operator resolved, for whatever name is asked.
#[derive(Debug)]
struct Fixed(Vec<SocketAddr>);

impl Resolver for Fixed {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        self.0.iter().take(16).for_each(|address| found.push(*address));
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}
