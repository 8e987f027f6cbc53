//! kube-apiserver's audit webhook: answered with 200 when all events of a body are safe on disk, and not before.
//!
//! Whatever else is answered makes the API server send the same once more. It does so four times in a minute and a half
//! and then drops it, which is why its log file is the better source; with both, an event counts once by its id and
//! stage. Without TLS the listener is for the API server of the same node alone.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::agent::feed::{Feed, State as FeedState};
use super::events::events;
use super::frame::Source;
use super::spool::Spool;
use super::spool::batch::Batch;
use crate::runtime::http::{BindError, Bounds, Server};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::tls::Tls;

/// Longest body: the API server sends 400 events at once, and cuts them at 10 MB in all if it is told to.
pub const BODY: usize = 32 * 1024 * 1024;
/// Bytes of bodies that are held at once; more wait to be read.
const AT_ONCE: usize = 2 * BODY;
/// Time for a body to come in, and for its events to get onto the disk: the API server waits for 30 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to come again.
const AGAIN: u64 = 2;
const BOUNDS: Bounds = Bounds { life: Duration::from_secs(600), connections: 512 };

/// How requests were answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// All events are safe.
    pub taken: AtomicU64,
    /// No list of events.
    pub rubbish: AtomicU64,
    /// No room, or no time.
    pub later: AtomicU64,
}

/// The listener as a source.
pub struct Webhook {
    server: Server,
    answers: Arc<Answers>,
    state: Arc<Mutex<FeedState>>,
}

impl Webhook {
    /// Binds its address; with `tls`, only secured connections are taken.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn bind(addr: SocketAddr, tls: Option<Tls>) -> Result<Self, BindError> {
        let server = Server::bind(addr, "the audit webhook").await?;
        let server = match tls {
            Some(tls) => server.secured(tls),
            None => server,
        };
        Ok(Self { server, answers: Arc::default(), state: Arc::default() })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// How requests were answered so far.
    #[must_use]
    pub fn answers(&self) -> Arc<Answers> {
        Arc::clone(&self.answers)
    }
}

impl Feed for Webhook {
    fn name(&self) -> &str {
        "webhook"
    }

    fn state(&self) -> Arc<Mutex<FeedState>> {
        Arc::clone(&self.state)
    }

    fn run(self: Box<Self>, spool: Spool, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        let Self { server, answers, state } = *self;
        let desk = Arc::new(Desk { spool, answers, state, room: Semaphore::new(AT_ONCE) });
        // The API server posts to whatever path its kubeconfig says.
        let router = Router::new().route("/", post(take)).route("/{*path}", post(take)).with_state(desk);
        Box::pin(server.serve(router, BOUNDS, shutdown))
    }
}

struct Desk {
    spool: Spool,
    answers: Arc<Answers>,
    state: Arc<Mutex<FeedState>>,
    room: Semaphore,
}

async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (answer, counter) = match desk.judge(request).await {
        Ok(records) => {
            desk.state.lock().unwrap_or_else(PoisonError::into_inner).records += records;
            (StatusCode::OK.into_response(), &desk.answers.taken)
        }
        Err(Refusal::Rubbish(status, why)) => {
            warn!(why, "a body of the audit webhook is not taken");
            ((status, why).into_response(), &desk.answers.rubbish)
        }
        Err(Refusal::Later(why)) => {
            let wait = [(header::RETRY_AFTER, AGAIN)];
            ((StatusCode::SERVICE_UNAVAILABLE, wait, why).into_response(), &desk.answers.later)
        }
    };
    counter.fetch_add(1, Ordering::Relaxed);
    answer
}

enum Refusal {
    /// It stays so however often it comes.
    Rubbish(StatusCode, String),
    /// Not now.
    Later(String),
}

impl Desk {
    /// Whether all events of a request are safe, and how many they are.
    async fn judge(&self, request: Request) -> Result<u64, Refusal> {
        if let Some(trouble) = self.spool.trouble() {
            return Err(Refusal::Later(trouble.to_string()));
        }
        let room = timeout(PATIENCE, self.room.acquire_many(announced(request.headers()))).await;
        let Ok(Ok(_room)) = room else { return Err(Refusal::Later("too many bodies at once".into())) };
        let body = self.body(request.into_body()).await?;
        let records = events(&body).map_err(|error| {
            Refusal::Rubbish(StatusCode::BAD_REQUEST, format!("the body of {} bytes: {error}", body.len()))
        })?;
        let count = records.len() as u64;
        let batch = Batch::new(Source::AuditWebhook, body, records)
            .ok_or_else(|| Refusal::Later("its events were not found again".into()))?;
        // Given up, the batch may still be written: the event counts once all the same.
        match timeout(PATIENCE, self.spool.append(batch)).await {
            Ok(Ok(_)) => Ok(count),
            Ok(Err(error)) => Err(Refusal::Later(error.to_string())),
            Err(_) => {
                let trouble = self.spool.trouble().map_or("the disk is slow".into(), |one| one.to_string());
                Err(Refusal::Later(trouble))
            }
        }
    }

    async fn body(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        match timeout(PATIENCE, to_bytes(body, BODY)).await {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            Ok(Err(error)) => {
                // Either too long, or the client went away; only one of them reads the answer.
                let why = format!("the body has more than {BODY} bytes or ended early: {error}");
                Err(Refusal::Rubbish(StatusCode::PAYLOAD_TOO_LARGE, why))
            }
            Err(_) => Err(Refusal::Later("the body took too long".into())),
        }
    }
}

/// Bytes that a body will have, as far as it says so and may.
fn announced(headers: &HeaderMap) -> u32 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    u32::try_from(length.unwrap_or(BODY).clamp(1, BODY)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
