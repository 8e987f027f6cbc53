//! Asks an issuer for its keys: its configuration below `/.well-known/`, and the key set that it names. Both are
//! bounded in bytes and time; no redirect is followed, and keys on another host are taken only where the Platform names
//! the place.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::{
    Agent,
    http::{Request, Uri, header},
};

use crate::{
    api::hook::Oidc,
    runtime::https::{self, NoCertificate, Unheard},
    validate::text::{quote, sanitize},
};

use super::keys::Keys;

/// Longest time for both calls together.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the largest answer.
const BODY: u64 = 256 * 1024;
/// Longest text of others that is passed on, in characters.
const WORDS: usize = 200;

/// Why an issuer's keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The Secret of `ca` has none.
    #[error("the Secret of spec.source.git.hook.oidc.ca: {0}")]
    Ca(NoCertificate),
    /// An address isn't one of HTTPS.
    #[error("{0} is no address of HTTPS without user and password")]
    Address(String),
    /// Nobody answers there, or no trusted TLS is spoken.
    #[error("GET {url}: {detail}")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        detail: String,
    },
    /// Any status but 200.
    #[error("GET {url}: status {status}; an issuer answers 200 there, and redirects are not followed")]
    Status {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer is none.
    #[error("GET {url}: {problem}")]
    Unexpected {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The configuration is another issuer's.
    #[error("GET {url}: it is the configuration of {found}; write the issuer exactly as it calls itself")]
    OtherIssuer {
        /// The address.
        url: String,
        /// What it calls itself, made harmless.
        found: String,
    },
    /// The keys are on another host.
    #[error(
        "the issuer says that its keys are at {found}, another host; if that is right, write it into spec.source.git.hook.oidc.jwksUri"
    )]
    Elsewhere {
        /// Where, made harmless.
        found: String,
    },
    /// The call came to nothing.
    #[error("the issuer {issuer}: {source}")]
    Unheard {
        /// The issuer.
        issuer: String,
        /// Why.
        #[source]
        source: Unheard,
    },
}

/// The keys that an issuer has now; `ca` in PEM is trusted besides the system's roots.
///
/// # Errors
/// They can't be had.
pub async fn keys(oidc: &Oidc, ca: Option<String>) -> Result<Keys, IssuerError> {
    let asked = oidc.clone();
    let call = move || ask(&asked, ca.as_deref(), Instant::now() + DEADLINE);
    let heard = https::aside("issuer-call", DEADLINE, call).await;
    heard.map_err(|source| IssuerError::Unheard { issuer: oidc.issuer.clone(), source })?
}

fn ask(oidc: &Oidc, ca: Option<&str>, end: Instant) -> Result<Keys, IssuerError> {
    let agent = https::agent(true, ca).map_err(IssuerError::Ca)?;
    let place = match &oidc.jwks_uri {
        Some(place) => place.clone(),
        None => discover(&agent, &oidc.issuer, end)?,
    };
    let set = get(&agent, &place, end)?;
    Keys::parse(&set).map_err(|problem| IssuerError::Unexpected { url: shown(&place), problem })
}

/// Where an issuer's keys are, as it says itself.
fn discover(agent: &Agent, issuer: &str, end: Instant) -> Result<String, IssuerError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let configuration = get(agent, &url, end)?;
    let text = |name: &str| configuration.get(name).and_then(Value::as_str);
    match text("issuer") {
        Some(found) if found == issuer => {}
        found => {
            let found = quote(found.unwrap_or_default());
            return Err(IssuerError::OtherIssuer { url: shown(&url), found });
        }
    }
    let problem = "it has no jwks_uri";
    let place = text("jwks_uri").ok_or(IssuerError::Unexpected { url: shown(&url), problem })?;
    if host(place)? != host(issuer)? {
        return Err(IssuerError::Elsewhere { found: shown(place) });
    }
    Ok(place.to_owned())
}

/// Host and port of an address of HTTPS.
fn host(url: &str) -> Result<(String, u16), IssuerError> {
    let wrong = || IssuerError::Address(quote(url));
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https")).ok_or_else(wrong)?;
    if authority.as_str().contains('@') {
        return Err(wrong());
    }
    Ok((authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(443)))
}

/// An address for people: without a query, made harmless.
fn shown(url: &str) -> String {
    sanitize(url.split(['?', '#']).next().unwrap_or_default(), WORDS)
}

fn get(agent: &Agent, url: &str, end: Instant) -> Result<Value, IssuerError> {
    host(url)?;
    let unreachable =
        |detail: String| IssuerError::Unreachable { url: shown(url), detail: sanitize(&detail, WORDS) };
    let unexpected = |problem| IssuerError::Unexpected { url: shown(url), problem };
    let request = Request::builder().uri(url).header(header::ACCEPT, "application/json").body(());
    let request = request.map_err(|error| unreachable(error.to_string()))?;
    let left = end.saturating_duration_since(Instant::now());
    let request = agent.configure_request(request).timeout_global(Some(left)).build();
    let mut response = agent.run(request).map_err(|error| unreachable(error.to_string()))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(IssuerError::Status { url: shown(url), status });
    }
    let bytes = response.body_mut().with_config().limit(BODY).read_to_vec();
    let bytes = bytes.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => unexpected("the answer is larger than 256 KiB"),
        error => unreachable(error.to_string()),
    })?;
    serde_json::from_slice(&bytes).map_err(|_| unexpected("the answer is not JSON"))
}
