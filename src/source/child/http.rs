//! libgit2's smart protocol over our own HTTP client: streaming, counted, with a
//! deadline over everything.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode};
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, BodyReader};

use super::super::protocol::{DISCOVERY, Done, Failure, Request, UPLOAD_PACK};

/// One Git server for one request of the operator. libgit2 sees only that something failed;
/// what it was is kept here.
#[derive(Clone)]
pub(super) struct Server(Arc<Shared>);

struct Shared {
    agent: Agent,
    url: String,
    authorization: Option<String>,
    end: Instant,
    /// Bytes received by all requests for packs together.
    received: AtomicU64,
    pack_limit: u64,
    list_limit: u64,
    stopped: Mutex<Option<Stop>>,
}

/// Why the transport stopped.
enum Stop {
    Failed(Failure),
    Redirected { location: String, suffix: String },
}

impl Server {
    /// The server of a request.
    pub(super) fn new(agent: Agent, request: &Request, end: Instant) -> Self {
        Self(Arc::new(Shared {
            agent,
            url: request.url.clone(),
            authorization: request.authorization.clone(),
            end,
            received: AtomicU64::new(0),
            pack_limit: request.limits.repository_bytes,
            list_limit: request.limits.advertisement_bytes,
            stopped: Mutex::new(None),
        }))
    }

    /// Makes this server the one that libgit2 speaks to under `http:` and `https:`.
    pub(super) fn register(&self) -> Result<(), Failure> {
        static ONCE: Once = Once::new();
        let mut result = Ok(());
        ONCE.call_once(|| {
            for scheme in ["http", "https"] {
                let server = self.clone();
                let factory = move |remote: &git2::Remote<'_>| Transport::smart(remote, true, server.clone());
                // SAFETY: registering must not run beside the creation of other transports. This
                // process makes its only remote after this call, and `Once` admits one caller.
                let registered = unsafe { git2::transport::register(scheme, factory) };
                if let Err(error) = registered {
                    result = Err(Failure::Other { detail: error.message().to_owned() });
                }
            }
        });
        result
    }

    /// Bytes of packs received so far.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Counts anew, for a second attempt.
    pub(super) fn reset(&self) {
        self.0.received.store(0, Ordering::Relaxed);
    }

    /// The outcome of an operation of libgit2 that failed: what stopped the transport, or else
    /// what libgit2 says about what it received.
    pub(super) fn explain(&self, error: &git2::Error) -> Result<Done, Failure> {
        let stopped = self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
        match stopped {
            Some(Stop::Redirected { location, suffix }) => Ok(Done::Redirected { location, suffix }),
            Some(Stop::Failed(failure)) => Err(failure),
            None => Err(self.explain_alone(error)),
        }
    }

    fn explain_alone(&self, error: &git2::Error) -> Failure {
        let message = error.message();
        if Instant::now() >= self.0.end {
            return Failure::Timeout;
        }
        if let Some(words) = message.strip_prefix("remote error: ") {
            return Failure::Remote { message: words.to_owned() };
        }
        if message.contains("overly large object") {
            return Failure::TooLarge {
                what: "an object of the repository".to_owned(),
                limit: self.0.pack_limit,
            };
        }
        match error.class() {
            ErrorClass::Net => Failure::Unreachable { detail: format!("the exchange broke: {message}") },
            ErrorClass::Indexer | ErrorClass::Zlib | ErrorClass::Odb => {
                Failure::Unreachable { detail: format!("the pack arrived damaged: {message}") }
            }
            ErrorClass::Os => {
                Failure::Disk { path: "the repository folder".to_owned(), detail: message.to_owned() }
            }
            _ => Failure::Other { detail: message.to_owned() },
        }
    }
}

impl Shared {
    fn stop(&self, stop: Stop) -> io::Error {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        // The first cause counts; what follows are its consequences.
        stopped.get_or_insert(stop);
        io::Error::other("stopped")
    }

    fn fail(&self, failure: Failure) -> io::Error {
        self.stop(Stop::Failed(failure))
    }

    /// Sends one request; `body` makes it a POST.
    fn send(&self, suffix: &str, service: &str, body: Option<&[u8]>) -> io::Result<Body> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.fail(Failure::Timeout));
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
        let answer = sent.map_err(|error| self.fail(failure_of(&error)))?;
        let kind = if body.is_some() { "result" } else { "advertisement" };
        self.check(suffix, &format!("application/x-{service}-{kind}"), &answer)?;
        Ok(answer.into_body())
    }

    /// Status and content type of an answer.
    fn check(&self, suffix: &str, expected: &str, answer: &Response<Body>) -> io::Result<()> {
        let status = answer.status().as_u16();
        if (300..400).contains(&status) {
            let location = header_text(answer.headers(), &header::LOCATION);
            return Err(self.stop(Stop::Redirected { location, suffix: suffix.to_owned() }));
        }
        if !answer.status().is_success() {
            return Err(self.fail(Failure::Status { status, retry_after: retry_after(answer.headers()) }));
        }
        let found = header_text(answer.headers(), &header::CONTENT_TYPE);
        let media = found.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case(expected) {
            let detail = format!("content type {media:?} instead of {expected:?}");
            return Err(self.fail(Failure::NotAGitServer { detail }));
        }
        Ok(())
    }
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

impl SmartSubtransport for Server {
    fn action(&self, _: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let listing = match action {
            Service::UploadPackLs => true,
            Service::UploadPack => false,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::new(
                    ErrorCode::Invalid,
                    ErrorClass::Net,
                    "sources are never pushed to",
                ));
            }
        };
        Ok(Box::new(Exchange { server: self.clone(), listing, request: Vec::new(), listed: 0, answer: None }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One HTTP request and its answer: libgit2 writes the one, then reads the other.
struct Exchange {
    server: Server,
    listing: bool,
    request: Vec<u8>,
    listed: u64,
    answer: Option<BodyReader<'static>>,
}

impl Exchange {
    fn count(&mut self, bytes: u64) -> io::Result<()> {
        let shared = &self.server.0;
        let (what, sum, limit) = if self.listing {
            self.listed += bytes;
            ("the server's list of branches and tags", self.listed, shared.list_limit)
        } else {
            let sum = shared.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
            ("the repository", sum, shared.pack_limit)
        };
        if sum > limit {
            return Err(shared.fail(Failure::TooLarge { what: what.to_owned(), limit }));
        }
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = Arc::clone(&self.server.0);
        let first = self.answer.is_none();
        if first {
            let service = "git-upload-pack";
            let body = if self.listing {
                shared.send(DISCOVERY, service, None)?
            } else {
                shared.send(UPLOAD_PACK, service, Some(&self.request))?
            };
            self.answer = Some(body.into_reader());
        }
        let Some(answer) = &mut self.answer else { return Ok(0) };
        let read = answer.read(buffer).map_err(|error| shared.fail(failure_of_io(&error)))?;
        if let Some(message) = first.then(|| refusal(&buffer[..read])).flatten() {
            return Err(shared.fail(Failure::Remote { message }));
        }
        self.count(read as u64)?;
        Ok(read)
    }
}

/// The words of an answer that begins with an error packet. libgit2 drops them when it expected
/// news about shallow commits.
fn refusal(answer: &[u8]) -> Option<String> {
    let words = answer.get(4..)?.strip_prefix(b"ERR ")?;
    Some(String::from_utf8_lossy(words).into_owned())
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
