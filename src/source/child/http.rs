//! Git's smart protocol over HTTP: a request of its own for each step.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, BodyReader};

use super::super::protocol::{DISCOVERY, Failure, Request, UPLOAD_PACK};
use super::server::{Client, Shared, Stop};

/// A repository on a web server.
pub(super) struct Web {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Web {
    /// The repository of a request.
    pub(super) fn new(agent: Agent, request: &Request) -> Self {
        Self { agent, url: request.url.clone(), authorization: request.authorization.clone() }
    }

    /// Sends one request; `body` makes it a POST.
    fn send(&self, shared: &Shared, suffix: &str, service: &str, body: Option<&[u8]>) -> io::Result<Body> {
        let left = shared.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(shared.fail(Failure::Timeout));
        }
        let url = format!("{}{suffix}", self.url);
        let sent = match body {
            None => {
                let mut request = self.agent.get(&url).header("Cache-Control", "no-cache");
                if let Some(value) = &self.authorization {
                    request = request.header("Authorization", value);
                }
                request.config().timeout_global(Some(left)).build().call()
            }
            Some(body) => {
                let mut request =
                    self.agent.post(&url).content_type(format!("application/x-{service}-request"));
                if let Some(value) = &self.authorization {
                    request = request.header("Authorization", value);
                }
                request.config().timeout_global(Some(left)).build().send(body)
            }
        };
        let answer = sent.map_err(|error| shared.fail(failure_of(&error)))?;
        let kind = if body.is_some() { "result" } else { "advertisement" };
        check(shared, suffix, &format!("application/x-{service}-{kind}"), &answer)?;
        Ok(answer.into_body())
    }
}

/// Status and content type of an answer.
fn check(shared: &Shared, suffix: &str, expected: &str, answer: &Response<Body>) -> io::Result<()> {
    let status = answer.status().as_u16();
    if (300..400).contains(&status) {
        let location = header_text(answer.headers(), &header::LOCATION);
        return Err(shared.stop(Stop::Redirected { location, suffix: suffix.to_owned() }));
    }
    if !answer.status().is_success() {
        return Err(shared.fail(Failure::Status { status, retry_after: retry_after(answer.headers()) }));
    }
    let found = header_text(answer.headers(), &header::CONTENT_TYPE);
    let media = found.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(expected) {
        let detail = format!("content type {media:?} instead of {expected:?}");
        return Err(shared.fail(Failure::NotAGitServer { detail }));
    }
    Ok(())
}

fn header_text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

/// Seconds that the server asks to wait: a number or an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = header_text(headers, &header::RETRY_AFTER);
    if let Ok(seconds) = text.trim().parse() {
        return Some(seconds);
    }
    let at: SystemTime = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().into();
    Some(at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO).as_secs())
}

/// An error of the HTTP client in our classes. No text of it holds the request's headers.
fn failure_of(error: &ureq::Error) -> Failure {
    let unreachable = |detail: String| Failure::Unreachable { detail };
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => unreachable("nothing answers there".to_owned()),
        ureq::Error::Timeout(_) => Failure::Timeout,
        ureq::Error::Rustls(error) => Failure::Tls { detail: error.to_string() },
        ureq::Error::Tls(detail) => Failure::Tls { detail: (*detail).to_owned() },
        ureq::Error::Io(error) => failure_of_io(error),
        ureq::Error::ConnectProxyFailed(detail) => unreachable(format!("the proxy refuses: {detail}")),
        ureq::Error::Protocol(error) => Failure::NotAGitServer { detail: format!("broken HTTP: {error}") },
        other => unreachable(other.to_string()),
    }
}

fn failure_of_io(error: &io::Error) -> Failure {
    if let Some(inner) = error.get_ref() {
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            return Failure::Tls { detail: error.to_string() };
        }
        if let Some(error) = inner.downcast_ref::<ureq::Error>() {
            return failure_of(error);
        }
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::Unreachable { detail: error.to_string() },
    }
}

/// One HTTP request and its answer: libgit2 writes the one, then reads the other.
pub(super) struct Exchange {
    shared: Arc<Shared>,
    listing: bool,
    request: Vec<u8>,
    listed: u64,
    answer: Option<BodyReader<'static>>,
}

impl Exchange {
    /// An exchange that asks for the list of references, or for a pack.
    pub(super) fn new(shared: Arc<Shared>, listing: bool) -> Self {
        Self { shared, listing, request: Vec::new(), listed: 0, answer: None }
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        let Client::Web(web) = &shared.client else { return Ok(0) };
        let first = self.answer.is_none();
        if first {
            let service = "git-upload-pack";
            let body = if self.listing {
                web.send(&shared, DISCOVERY, service, None)?
            } else {
                web.send(&shared, UPLOAD_PACK, service, Some(&self.request))?
            };
            self.answer = Some(body.into_reader());
        }
        let Some(answer) = &mut self.answer else { return Ok(0) };
        let read = answer.read(buffer).map_err(|error| shared.fail(failure_of_io(&error)))?;
        if first {
            shared.refused(&buffer[..read])?;
        }
        shared.count(self.listing.then_some(&mut self.listed), read as u64)?;
        Ok(read)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
