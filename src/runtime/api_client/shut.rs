//! An API server that is asked too much refuses requests before it looks at them, and says for how long. Nothing more is
//! sent meanwhile: whoever asks is told at once how long to wait, and loses no time and no connection.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http::{Response, StatusCode, header};
use serde_json::json;
use tokio::time::Instant;

/// What a server means that refuses and doesn't say for how long.
const SECOND: Duration = Duration::from_secs(1);
/// No server holds us up for longer; its own longest is about as much.
const LONGEST: Duration = Duration::from_secs(30);

/// Until when nothing is sent; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shut(Arc<Mutex<Option<Instant>>>);

impl Shut {
    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to what isn't sent now; `None` where it may be.
    pub(super) fn refusal(&self) -> Option<Response<Body>> {
        let until = *self.until();
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| later(left))
    }

    /// Listens to an answer. One about an object (JSON, from who looked at it) is for that call alone.
    pub(super) fn heard(&self, answer: Response<Body>) -> Response<Body> {
        let of = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let of_server = !of(header::CONTENT_TYPE).starts_with("application/json");
        if answer.status() != StatusCode::TOO_MANY_REQUESTS || !of_server {
            return answer;
        }
        let asked = of(header::RETRY_AFTER).parse().map_or(SECOND, Duration::from_secs);
        let wait = asked.clamp(SECOND, LONGEST);
        let mut until = self.until();
        *until = (*until).max(Some(Instant::now() + wait));
        later(wait)
    }
}

/// A refusal that says for how long where kube reads it: a server's own has that in a header alone.
fn later(wait: Duration) -> Response<Body> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 429,
        "reason": "TooManyRequests", "message": format!("the API server asks to wait {seconds} s"),
        "details": {"retryAfterSeconds": seconds},
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    answer
}
