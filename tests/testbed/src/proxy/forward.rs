//! Accepting, passing on, and doing harm on the way.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certs::{Authority, Identity};
use crate::error::{Error, Result, io};
use crate::proxy::faults::{Fault, Faults};
use crate::proxy::kinds::RequestKind;

type Failure = std::io::Error;
type Body = UnsyncBoxBody<Bytes, Failure>;

/// Where requests go, and what happens to them.
pub(crate) struct Forward {
    upstream: Uri,
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    acceptor: Option<TlsAcceptor>,
    refuse: AtomicBool,
    generation: watch::Sender<u64>,
    pub(crate) faults: Faults,
}

fn tls(error: impl std::fmt::Display) -> Error {
    Error::Invalid(format!("can't set up TLS for a proxy: {error}"))
}

fn parse(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let cert = CertificateDer::from_pem_slice(identity.cert.as_bytes()).map_err(tls)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(tls)?;
    Ok((vec![cert], key))
}

fn versions<Side: rustls::ConfigSide>(
    builder: rustls::ConfigBuilder<Side, rustls::WantsVersions>,
) -> Result<rustls::ConfigBuilder<Side, rustls::WantsVerifier>> {
    builder.with_safe_default_protocol_versions().map_err(tls)
}

impl Forward {
    /// Plain HTTP on both sides.
    pub(crate) fn plain(url: &str) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = versions(ClientConfig::builder_with_provider(provider))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Self::new(url, client, None)
    }

    /// TLS on both sides; upstream as the user `client`.
    pub(crate) fn tls(
        url: &str,
        authority: &Authority,
        server: &Identity,
        client: &Identity,
    ) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let path = authority.path("ca.crt");
        let ca = std::fs::read(&path).map_err(io("read", &path))?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca).map_err(tls)?).map_err(tls)?;
        let (chain, key) = parse(client)?;
        let upstream = versions(ClientConfig::builder_with_provider(Arc::clone(&provider)))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(tls)?;
        let (chain, key) = parse(server)?;
        let mut accept = versions(ServerConfig::builder_with_provider(provider))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(tls)?;
        accept.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::new(url, upstream, Some(TlsAcceptor::from(Arc::new(accept))))
    }

    fn new(url: &str, tls: ClientConfig, acceptor: Option<TlsAcceptor>) -> Result<Self> {
        let upstream = url.parse().map_err(|error| Error::Invalid(format!("{url}: {error}")))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            upstream,
            client: Client::builder(TokioExecutor::new()).build(connector),
            acceptor,
            refuse: AtomicBool::new(false),
            generation: watch::Sender::new(0),
            faults: Faults::default(),
        })
    }

    pub(crate) fn refuse(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::SeqCst);
        if refuse {
            self.cut();
        }
    }

    pub(crate) fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    async fn answer(&self, request: Request<Incoming>, socket: &OwnedFd) -> Result<Response<Body>, Failure> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_string();
        let header =
            |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let (uri, method) = (request.uri(), request.method().as_str());
        let kind =
            RequestKind::of(method, uri.path(), uri.query().unwrap_or_default(), header("content-type"));
        match self.faults.decide(method, &path, kind) {
            Fault::Pass => self.pass(request).await,
            Fault::Status { code, headers, body } => status(code, headers, body),
            Fault::Redirect(base) => {
                let location = format!("{}{path}", base.trim_end_matches('/'));
                status(302, vec![("location".into(), location)], String::new())
            }
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                self.pass(request).await
            }
            Fault::BytesPerSecond(speed) => Ok(self.pass(request).await?.map(|body| throttle(body, speed))),
            Fault::CutAfter(bytes) => {
                let response = self.pass(request).await?;
                reset_on_close(socket);
                Ok(response.map(|body| cut_after(body, bytes)))
            }
            Fault::LoseAnswer => {
                let answer = self.pass(request).await?.into_body().collect().await;
                drop(answer);
                reset_on_close(socket);
                Err(Failure::other("injected: the answer is lost"))
            }
            Fault::Hang => std::future::pending().await,
            Fault::Reset => {
                reset_on_close(socket);
                Err(Failure::other("injected: reset"))
            }
        }
    }

    async fn pass(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).map_err(Failure::other)?;
        for hop in ["connection", "expect", "keep-alive", "proxy-connection"] {
            request.headers_mut().remove(hop);
        }
        let response = self.client.request(request).await.map_err(Failure::other)?;
        Ok(response.map(|body| body.map_err(Failure::other).boxed_unsync()))
    }
}

/// Accepts connections until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, forward: Arc<Forward>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        if forward.refuse.load(Ordering::SeqCst) {
            continue;
        }
        tokio::spawn(connection(stream, Arc::clone(&forward)));
    }
}

async fn connection(stream: TcpStream, forward: Arc<Forward>) {
    let mut generation = forward.generation.subscribe();
    // A second handle, to set how the socket closes while hyper owns the first.
    let Ok(stream) = stream.into_std() else { return };
    let Ok(socket) = stream.try_clone().map(OwnedFd::from) else { return };
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    let _ = stream.set_nodelay(true);
    let talk = async {
        match &forward.acceptor {
            None => http1(stream, &forward, socket).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    http1(stream, &forward, socket).await;
                }
            }
        }
    };
    tokio::select! {
        () = talk => {}
        _ = generation.changed() => {}
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(stream: S, forward: &Arc<Forward>, socket: OwnedFd) {
    let socket = &socket;
    let service = service_fn(move |request| async move { forward.answer(request, socket).await });
    // An error here is a connection that was cut: by us, or by either side.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// From now on closing the connection is a reset (RST), not an orderly end.
fn reset_on_close(socket: &OwnedFd) {
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

fn status(code: u16, headers: Vec<(String, String)>, body: String) -> Result<Response<Body>, Failure> {
    let mut response = Response::builder().status(code);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {});
    response.body(body.boxed_unsync()).map_err(Failure::other)
}

/// The body at `speed` bytes a second, in ten pieces a second where that is possible.
fn throttle(body: Body, speed: u32) -> Body {
    let piece = (speed / 10).max(1);
    let pause = Duration::from_secs_f64(f64::from(piece) / f64::from(speed.max(1)));
    let slow = body.into_data_stream().flat_map(move |data| {
        let pieces = match data {
            Ok(data) => data.chunks(piece as usize).map(|part| Ok(Bytes::copy_from_slice(part))).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces).then(move |part| async move {
            tokio::time::sleep(pause).await;
            part.map(Frame::data)
        })
    });
    BodyExt::boxed_unsync(StreamBody::new(slow))
}

/// The first bytes of the body, then an error, which makes hyper drop the connection.
fn cut_after(body: Body, bytes: u64) -> Body {
    let cut = body.into_data_stream().scan(Some(bytes), |left, data| {
        let Some(remaining) = *left else { return std::future::ready(None) };
        let item = match data {
            Ok(data) if data.len() as u64 <= remaining => {
                *left = Some(remaining - data.len() as u64);
                vec![Ok(Frame::data(data))]
            }
            Ok(data) => {
                *left = None;
                let first = usize::try_from(remaining).unwrap_or(usize::MAX);
                vec![Ok(Frame::data(data.slice(..first))), Err(Failure::other("injected: cut"))]
            }
            Err(error) => vec![Err(error)],
        };
        std::future::ready(Some(item))
    });
    BodyExt::boxed_unsync(StreamBody::new(cut.flat_map(stream::iter)))
}
