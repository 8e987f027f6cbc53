//! libgit2's smart protocol over clients of our own: streaming, counted, with a
//! deadline over everything.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Instant;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode};

use super::super::protocol::{Done, Failure, Request};
use super::http::{self, Web};
use super::ssh::{self, Shell};

/// One Git server for one request of the operator. libgit2 sees only that something failed;
/// what it was is kept here.
#[derive(Clone)]
pub(super) struct Server(Arc<Shared>);

/// How it is spoken to.
pub(super) enum Client {
    Web(Web),
    Shell(Shell),
}

/// What all conversations with the server have in common.
pub(super) struct Shared {
    pub client: Client,
    pub end: Instant,
    /// Bytes received by all requests for packs together.
    received: AtomicU64,
    pack_limit: u64,
    list_limit: u64,
    stopped: Mutex<Option<Stop>>,
}

/// Why the transport stopped.
pub(super) enum Stop {
    Failed(Failure),
    Redirected { location: String, suffix: String },
}

impl Server {
    /// The server of a request.
    pub(super) fn new(client: Client, request: &Request, end: Instant) -> Self {
        Self(Arc::new(Shared {
            client,
            end,
            received: AtomicU64::new(0),
            pack_limit: request.limits.repository_bytes,
            list_limit: request.limits.advertisement_bytes,
            stopped: Mutex::new(None),
        }))
    }

    /// Makes this server the one that libgit2 speaks to, whatever the scheme.
    pub(super) fn register(&self) -> Result<(), Failure> {
        static ONCE: Once = Once::new();
        let mut result = Ok(());
        ONCE.call_once(|| {
            // A request of its own for each step, or one stream for all of them.
            let stateless = matches!(self.0.client, Client::Web(_));
            for scheme in ["http", "https", "ssh"] {
                let server = self.clone();
                let factory =
                    move |remote: &git2::Remote<'_>| Transport::smart(remote, stateless, server.clone());
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
            ErrorClass::Indexer
            | ErrorClass::Zlib
            | ErrorClass::Odb
            | ErrorClass::Object
            | ErrorClass::Tree
            | ErrorClass::Tag
            | ErrorClass::Reference
            | ErrorClass::Invalid => {
                Failure::Unreachable { detail: format!("the pack arrived damaged: {message}") }
            }
            // Room for what a pack says that it holds: bounded by the same limit.
            ErrorClass::NoMemory => Failure::TooLarge {
                what: "what the server sends, unpacked,".to_owned(),
                limit: self.0.pack_limit,
            },
            ErrorClass::Os => {
                Failure::Disk { path: "the repository folder".to_owned(), detail: message.to_owned() }
            }
            _ => Failure::Other { detail: message.to_owned() },
        }
    }
}

impl Shared {
    pub(super) fn stop(&self, stop: Stop) -> io::Error {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        // The first cause counts; what follows are its consequences.
        stopped.get_or_insert(stop);
        io::Error::other("stopped")
    }

    pub(super) fn fail(&self, failure: Failure) -> io::Error {
        self.stop(Stop::Failed(failure))
    }

    /// Counts what was received: towards the list when there is one, else towards the packs.
    pub(super) fn count(&self, listed: Option<&mut u64>, bytes: u64) -> io::Result<()> {
        let (what, sum, limit) = match listed {
            Some(listed) => {
                *listed += bytes;
                ("the server's list of branches and tags", *listed, self.list_limit)
            }
            None => {
                let sum = self.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
                ("the repository", sum, self.pack_limit)
            }
        };
        if sum > limit {
            return Err(self.fail(Failure::TooLarge { what: what.to_owned(), limit }));
        }
        Ok(())
    }

    /// Fails on an answer that begins with an error packet. libgit2 drops its words when it expected news
    /// about shallow commits.
    pub(super) fn refused(&self, answer: &[u8]) -> io::Result<()> {
        match answer.get(4..).and_then(|answer| answer.strip_prefix(b"ERR ")) {
            Some(words) => {
                Err(self.fail(Failure::Remote { message: String::from_utf8_lossy(words).into_owned() }))
            }
            None => Ok(()),
        }
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
        let shared = Arc::clone(&self.0);
        Ok(match &self.0.client {
            Client::Web(_) => Box::new(http::Exchange::new(shared, listing)),
            Client::Shell(_) => Box::new(ssh::Exchange::new(shared)),
        })
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}
