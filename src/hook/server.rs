//! The listener for push hooks: `POST /hooks/<platform>`, on an address of its own, so that it can be
//! exposed alone.
//!
//! Everything is bounded before anything is known of the caller: connections, requests at once, hooks a
//! second, bytes and time. Only what is signed counts against its Platform, so that a stranger can't use up a
//! Platform's share. A token in place of a signature is checked with keys that are here already: nobody's hook makes us
//! wait for an issuer. A hook that was lost costs one interval: the source looks anyway.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

use crate::runtime::{
    http::{BindError, Bounds, Server},
    metrics::Metrics,
    shutdown::Shutdown,
};

use super::answer::Answer;
use super::limit::{Rate, Taken};
use super::signature::{Check, Key, is_signed};
use super::token::{Refusal, Trusted, bearer};

/// Longest body.
pub const BODY: usize = 1024 * 1024;
/// Time for a body to come in.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections, their life, and how many of their bodies are read at once.
const BOUNDS: Bounds = Bounds { life: Duration::from_secs(20), connections: 64 };
const AT_ONCE: usize = 16;
/// Wait for somebody who came while that many bodies were read.
const BUSY: Duration = Duration::from_secs(1);
/// Hooks of everybody together.
const ALL: Rate = Rate { burst: 100, every: Duration::from_millis(20) };
/// Signed hooks of one Platform: each is a look at the Git server.
const ONE: Rate = Rate { burst: 10, every: Duration::from_secs(1) };

/// What the listener asks the rest of the operator. Nothing here may wait: how long an answer takes would
/// tell a stranger what is there.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Whether this replica looks at repositories.
    fn leads(&self) -> bool;
    /// What a Platform's hooks are signed with.
    fn key(&self, platform: &str) -> Option<Arc<Key>>;
    /// Whose tokens a Platform takes.
    fn trusted(&self, platform: &str) -> Option<Arc<Trusted>>;
    /// A token came with a key that the issuer didn't have when it was last asked.
    fn unknown_key(&self, platform: &str);
    /// Asks a Platform's source to look now.
    fn ask(&self, platform: &str);
}

/// Binds the address of the hooks.
///
/// # Errors
/// As [`Server::bind`].
pub async fn bind(addr: SocketAddr) -> Result<Server, BindError> {
    Server::bind(addr, "push hooks").await
}

/// Takes hooks until the stop is asked for.
pub async fn serve(server: Server, gate: impl Gate, metrics: Metrics, shutdown: Shutdown) {
    let desk = Arc::new(Desk { gate, metrics, slots: Semaphore::new(AT_ONCE), taken: Mutex::default() });
    let router = Router::new().route("/hooks/{platform}", post(hook)).with_state(desk);
    server.serve(router, BOUNDS, shutdown).await;
}

/// What all hooks share.
struct Desk<G> {
    gate: G,
    metrics: Metrics,
    slots: Semaphore,
    taken: Mutex<Shares>,
}

/// What was taken of the rates. Only Platforms that are there get an entry.
#[derive(Default)]
struct Shares {
    all: Taken,
    one: HashMap<String, Taken>,
}

async fn hook<G: Gate>(
    State(desk): State<Arc<Desk<G>>>,
    Path(platform): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let answer = desk.judge(&platform, &parts.headers, body).await;
    desk.metrics.hook(answer.label());
    let mut response = (answer.status(), answer.words()).into_response();
    if let Some(seconds) = answer.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

impl<G: Gate> Desk<G> {
    /// In the order of what it costs us to find out.
    async fn judge(&self, platform: &str, headers: &HeaderMap, body: Body) -> Answer {
        if !self.gate.leads() {
            return Answer::Standby;
        }
        if let Err(wait) = self.shares().all.take(ALL, Instant::now()) {
            return Answer::TooMany(wait);
        }
        let token = bearer(headers);
        if token.is_none() && !is_signed(headers) {
            return Answer::Refused;
        }
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes > BODY as u64) {
            return Answer::TooLarge;
        }
        let Ok(_slot) = self.slots.try_acquire() else { return Answer::TooMany(BUSY) };
        let key = self.gate.key(platform);
        // A Platform that isn't there costs as much as one that is.
        let mut check =
            Check::begin(key.as_deref().unwrap_or(&Key::nobodys()), headers, jiff::Timestamp::now());
        match timeout(PATIENCE, read(body, &mut check)).await {
            Ok(None) => {}
            Ok(Some(problem)) => return problem,
            Err(_) => return Answer::Slow,
        }
        let signed = check.passes() && key.is_some();
        if !signed && !token.is_some_and(|token| self.vouched(platform, token)) {
            return Answer::Refused;
        }
        let mut shares = self.shares();
        if let Err(wait) = shares.one.entry(platform.to_owned()).or_default().take(ONE, Instant::now()) {
            return Answer::TooMany(wait);
        }
        drop(shares);
        self.gate.ask(platform);
        Answer::Accepted
    }

    /// Whether the Platform's issuer vouches for whoever has this token.
    fn vouched(&self, platform: &str, token: &str) -> bool {
        let trusted = self.gate.trusted(platform);
        let nobody = Trusted::nobody();
        let judged = trusted.as_deref().unwrap_or(&nobody).judge(token, jiff::Timestamp::now());
        if let Err(refusal) = judged {
            debug!(platform, %refusal, "a token is not taken");
        }
        if judged == Err(Refusal::UnknownKey) {
            self.gate.unknown_key(platform);
        }
        judged.is_ok()
    }

    fn shares(&self) -> std::sync::MutexGuard<'_, Shares> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a body past the check, and keeps nothing of it. Returns what is wrong with it.
async fn read(body: Body, check: &mut Check) -> Option<Answer> {
    let mut stream = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = stream.next().await {
        let Ok(piece) = piece else { return Some(Answer::Slow) };
        length += piece.len();
        if length > BODY {
            return Some(Answer::TooLarge);
        }
        check.update(&piece);
    }
    None
}

#[cfg(test)]
mod tests;
