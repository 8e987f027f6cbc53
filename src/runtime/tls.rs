//! TLS of a listener: its certificate, and whose clients it lets in. The files are read again when they change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};
use tracing::{info, warn};

/// Time between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that a client's certificate must be of; without it, anybody is let in.
    pub client_ca: Option<PathBuf>,
}

/// A file can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} can't be used: {said}")]
pub struct TlsError {
    path: String,
    said: String,
}

impl TlsError {
    /// Nothing of a file's content is in a message: one of them is a key.
    fn of(path: &Path, said: impl ToString) -> Self {
        Self { path: path.display().to_string(), said: said.to_string() }
    }
}

/// What tells one state of the files from another.
type Stamp = Vec<Option<(u64, u64, i64, i64)>>;

impl Files {
    fn stamp(&self) -> Stamp {
        let of = |path: &PathBuf| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        };
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(of).collect()
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certs = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| TlsError::of(&self.key, error))?;
        let wrong = |error| TlsError::of(&self.cert, error);
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(wrong)?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| TlsError::of(path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.build().map_err(|error| TlsError::of(path, error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config.with_single_cert(certs, key).map_err(wrong)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error| TlsError::of(path, error);
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<Vec<_>, _>>();
    let found = found.map_err(wrong)?;
    if found.is_empty() { Err(TlsError::of(path, "it has no certificate in it")) } else { Ok(found) }
}

/// What connections are secured with.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    now: Mutex<Now>,
}

struct Now {
    acceptor: TlsAcceptor,
    stamp: Stamp,
    looked: Instant,
}

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Now").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them can't be read, or isn't what it must be.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let stamp = files.stamp();
        let acceptor = TlsAcceptor::from(Arc::new(files.config()?));
        Ok(Self { files, now: Mutex::new(Now { acceptor, stamp, looked: Instant::now() }) })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next connection is secured with. Files that changed and can't be used leave it as it is.
    fn acceptor(&self) -> TlsAcceptor {
        let mut now = self.now();
        if now.looked.elapsed() >= LOOK {
            now.looked = Instant::now();
            self.refresh(&mut now);
        }
        now.acceptor.clone()
    }

    fn refresh(&self, now: &mut Now) {
        let stamp = self.files.stamp();
        if stamp == now.stamp {
            return;
        }
        match self.files.config() {
            Ok(config) => {
                now.acceptor = TlsAcceptor::from(Arc::new(config));
                info!(cert = %self.files.cert.display(), "the certificate was read again");
            }
            // Half of it may be written: the next look tries once more when the other half has come.
            Err(error) => warn!(%error, "the certificate changed; the one from before goes on"),
        }
        now.stamp = stamp;
    }

    /// A connection, secured with the first byte that is read or written.
    pub fn secure<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Secured<S> {
        Secured(State::Shaking(Box::new(self.acceptor().accept(stream))))
    }
}

/// A connection whose handshake is a part of its own work: a slow client keeps no other one waiting.
pub struct Secured<S>(State<S>);

enum State<S> {
    Shaking(Box<Accept<S>>),
    Open(Box<TlsStream<S>>),
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Secured<S> {
    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut TlsStream<S>>> {
        if let State::Shaking(accept) = &mut self.0 {
            self.0 = match ready!(Pin::new(accept.as_mut()).poll(cx)) {
                Ok(stream) => State::Open(Box::new(stream)),
                Err(error) => {
                    warn!(%error, "a client is not let in");
                    State::Failed
                }
            };
        }
        Poll::Ready(match &mut self.0 {
            State::Open(stream) => Ok(stream.as_mut()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.open(cx))?).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(ready!(self.open(cx))?).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
