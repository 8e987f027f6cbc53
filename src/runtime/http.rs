//! `/healthz`, `/readyz` and `/metrics` over plain HTTP; and what every listener of ours shares: connections
//! that are bounded in time and number.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::health::Health;
use super::metrics::{self, Metrics};
use super::shutdown::Shutdown;
use super::tls::{Secured, Tls};

/// A connection ends after this long, whatever it does: a slow client cannot
/// hold one for ever. Scrapers and probes open a new one.
const CONNECTION: Duration = Duration::from_secs(60);
/// Connections of scrapers and probes at once; more wait.
const CONNECTIONS: usize = 128;
/// How long answers under way may take after the stop.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr} for {purpose}")]
pub struct BindError {
    addr: SocketAddr,
    purpose: &'static str,
    #[source]
    source: io::Error,
}

/// How long a connection may last, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A connection ends after this long, whatever it does.
    pub life: Duration,
    /// Connections at once; more wait to be taken.
    pub connections: usize,
}

/// A listener, bound and not yet serving: clients wait until it does.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`BindError`] names the address; its source says why (in use, not allowed).
    pub async fn bind(addr: SocketAddr, purpose: &'static str) -> Result<Self, BindError> {
        let error = |source| BindError { addr, purpose, source };
        let listener = TcpListener::bind(addr).await.map_err(error)?;
        let addr = listener.local_addr().map_err(error)?;
        Ok(Self { listener, addr, tls: None })
    }

    /// Secures it: plain connections are no longer taken.
    #[must_use]
    pub fn secured(self, tls: Tls) -> Self {
        Self { tls: Some(Arc::new(tls)), ..self }
    }

    /// The address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the stop is asked for, and a moment longer for answers under way.
    pub async fn serve(self, router: Router, bounds: Bounds, shutdown: Shutdown) {
        let room = Arc::new(Semaphore::new(bounds.connections));
        let listener = Bounded { listener: self.listener, life: bounds.life, room };
        match self.tls {
            None => serve_on(listener, router, shutdown).await,
            Some(tls) => serve_on(Safe { listener, tls }, router, shutdown).await,
        }
    }
}

async fn serve_on<L: Listener<Addr = SocketAddr>>(listener: L, router: Router, shutdown: Shutdown) {
    let stop = shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { stop.requested().await });
    tokio::select! {
        _ = serving.into_future() => {} // never an error, says axum
        () = async { shutdown.requested().await; sleep(LAST_ANSWERS).await } => {}
    }
}

/// A listener whose connections are secured.
struct Safe {
    listener: Bounded,
    tls: Arc<Tls>,
}

impl Listener for Safe {
    type Io = Secured<BoundedStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, peer) = self.listener.accept().await;
        (self.tls.secure(stream), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Binds the address of the three pages.
///
/// # Errors
/// As [`Server::bind`].
pub async fn bind(addr: SocketAddr) -> Result<Server, BindError> {
    Server::bind(addr, "health and metrics").await
}

/// Serves the three pages until the stop is asked for. From then on `/readyz` fails for the connections that
/// are still open.
pub async fn serve(server: Server, health: Health, metrics: Metrics, shutdown: Shutdown) {
    let app = App { health, metrics, shutdown: shutdown.clone() };
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(app);
    let bounds = Bounds { life: CONNECTION, connections: CONNECTIONS };
    server.serve(router, bounds, shutdown).await;
}

#[derive(Clone)]
struct App {
    health: Health,
    metrics: Metrics,
    shutdown: Shutdown,
}

fn answer(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn healthz(State(app): State<App>) -> Response {
    answer(app.health.alive())
}

async fn readyz(State(app): State<App>) -> Response {
    if app.shutdown.is_requested() {
        return answer(Err("shutting down".into()));
    }
    answer(app.health.ready())
}

async fn scrape(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], app.metrics.encode()).into_response()
}

/// A listener whose connections have a deadline, and are so many at most.
struct Bounded {
    listener: TcpListener,
    life: Duration,
    room: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        // The semaphore is never closed: without a permit there is no limit, and that can't be.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (BoundedStream { stream, deadline: Box::pin(sleep(self.life)), _room: room }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct BoundedStream {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    /// Given back when the connection ends.
    _room: Option<OwnedSemaphorePermit>,
}

impl BoundedStream {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::call::report;
    use crate::runtime::shutdown::Trigger;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    async fn start(health: &Health) -> (SocketAddr, Trigger, JoinHandle<()>) {
        let server = bind(LOCAL).await.unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let addr = server.addr();
        (addr, trigger, tokio::spawn(serve(server, health.clone(), Metrics::new(), shutdown)))
    }

    async fn request(addr: SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn the_three_pages_answer() {
        let health = Health::default();
        let (addr, trigger, server) = start(&health).await;
        assert!(request(addr, "GET /healthz").await.starts_with("HTTP/1.1 200"));
        assert!(request(addr, "GET /readyz").await.ends_with("\r\n\r\nok\n"));
        health.block("crds", "the CRD tenants.tenantry.dev is missing");
        let unready = request(addr, "GET /readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
        assert!(unready.ends_with("\r\n\r\nthe CRD tenants.tenantry.dev is missing\n"), "{unready}");
        assert!(request(addr, "GET /healthz").await.starts_with("HTTP/1.1 200"));
        let metrics = request(addr, "GET /metrics").await;
        assert!(metrics.contains(super::metrics::CONTENT_TYPE) && metrics.contains("tenantry_build_info"));
        assert!(request(addr, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(request(addr, "POST /metrics").await.starts_with("HTTP/1.1 405"));
        trigger.stop();
        timeout(CONNECTION, server).await.unwrap().unwrap();
        assert!(TcpStream::connect(addr).await.is_err(), "still listening");
    }

    #[tokio::test]
    async fn a_taken_address_is_a_clear_error() {
        let taken = bind(LOCAL).await.unwrap();
        let error = bind(taken.addr()).await.unwrap_err();
        let text = report(&error);
        assert!(text.starts_with(&format!("cannot listen on {} for health and metrics: ", taken.addr())));
        assert!(text.to_lowercase().contains("in use"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_put_out() {
        let (addr, _trigger, _server) = start(&Health::default()).await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET /healthz HT").await.unwrap();
        let mut left = Vec::new();
        let ended = timeout(2 * CONNECTION, stream.read_to_end(&mut left)).await;
        assert!(ended.is_ok(), "the connection is still open");
    }
}
