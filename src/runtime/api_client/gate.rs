//! A tower layer: counts calls by verb and outcome, limits how many are
//! under way, and sends none while the server asks to wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body as Answer, Bytes, HttpBody};
use http::{Method, Request, Response, StatusCode, Uri, header};
use kube::client::Body;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::shut::Shut;
use crate::runtime::health::Health;
use crate::runtime::metrics::Metrics;

/// The layer; all clients made of one share its limit.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    metrics: Metrics,
    health: Health,
    slots: Arc<Semaphore>,
    shut: Shut,
}

impl Gate {
    pub(super) fn new(metrics: Metrics, health: Health, in_flight: usize) -> Self {
        Self { metrics, health, slots: Arc::new(Semaphore::new(in_flight)), shut: Shut::default() }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.clone() }
    }
}

/// The service behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S, B> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    /// The slot is taken inside the future and not in `poll_ready`: kube buffers
    /// its service, and there a full gate would also hold up the watches. It is
    /// free again when the answer's head is there. A future that is dropped
    /// before that (a deadline) counts as a timeout.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(&request);
        let count = Count { metrics: self.gate.metrics.clone(), verb, outcome: "timeout" };
        // A watch that begins (and begins anew) is a sign of life, also when nothing happens in it.
        let renewed = (verb == "watch").then(|| (self.gate.health.clone(), plural(request.uri())));
        let slots = (verb != "watch").then(|| Arc::clone(&self.gate.slots));
        // A Lease that isn't renewed goes to another replica, and that one would ask for everything anew.
        let shut = if is_lease(request.uri()) { Shut::default() } else { self.gate.shut.clone() };
        let call = self.inner.call(request); // lazy: nothing is sent before its first poll
        Box::pin(async move {
            let _slot = match slots {
                Some(slots) => slots.acquire_owned().await.ok(), // never closed
                None => None,
            };
            if let Some(refusal) = shut.refusal() {
                count.end("held");
                return Ok(refusal);
            }
            let answer = call.await;
            if let (Some((health, name)), Ok(answer)) = (renewed, &answer)
                && answer.status().is_success()
            {
                health.beat(&name);
            }
            count.end(answer.as_ref().map_or("transport", |answer| outcome(answer.status())));
            answer.map(|answer| shut.heard(answer.map(Answer::new)))
        })
    }
}

/// Counts a call when it is over.
struct Count {
    metrics: Metrics,
    verb: &'static str,
    outcome: &'static str,
}

impl Count {
    /// Takes it whole: naming the field in the future would leave the rest, and
    /// with it the drop, outside.
    fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics.api_call(self.verb, self.outcome);
    }
}

/// The words of `CallError::label`; what wasn't sent is `held`.
fn outcome(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..400 => "ok",
        401 | 403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        410 => "gone",
        429 => "throttled",
        400..500 => "invalid",
        _ => "server_error",
    }
}

fn verb(request: &Request<Body>) -> &'static str {
    let method = request.method();
    if method == Method::GET {
        return if is_watch(request.uri()) {
            "watch"
        } else if is_named(request.uri().path()) {
            "get"
        } else {
            "list"
        };
    }
    if method == Method::PATCH {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
        let applies = kind.is_some_and(|kind| kind.starts_with(b"application/apply-patch"));
        return if applies { "apply" } else { "patch" };
    }
    match method.as_str() {
        "POST" => "create",
        "PUT" => "update",
        "DELETE" if is_named(request.uri().path()) => "delete",
        "DELETE" => "delete_collection",
        _ => "other",
    }
}

/// The last part of a collection's path.
fn plural(uri: &Uri) -> String {
    uri.path().rsplit('/').next().unwrap_or_default().to_owned()
}

fn is_lease(uri: &Uri) -> bool {
    uri.path().starts_with("/apis/coordination.k8s.io/")
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// Whether a path of the API names an object (or is none of the API's at all),
/// and not a whole collection.
fn is_named(path: &str) -> bool {
    let mut parts = path.trim_matches('/').split('/');
    let skipped = match parts.next() {
        Some("api") => parts.next(),
        Some("apis") => parts.next().and(parts.next()),
        _ => None,
    };
    let rest: Vec<&str> = parts.collect();
    match (skipped, rest.as_slice()) {
        (None, _) | (_, []) => true, // discovery, /version, …
        (_, ["namespaces", _, _resource]) => false,
        (_, [_resource]) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb_of(method: &str, uri: &str, kind: Option<&str>) -> &'static str {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        verb(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn verbs_are_told_apart_by_path_query_and_content() {
        for (method, uri, kind, expected) in [
            ("GET", "/api/v1/namespaces", None, "list"),
            ("GET", "/api/v1/namespaces/acme", None, "get"),
            ("GET", "/api/v1/namespaces/acme/pods?limit=500", None, "list"),
            ("GET", "/api/v1/namespaces/acme/pods/web-0", None, "get"),
            ("GET", "/api/v1/pods?&watch=true&resourceVersion=7", None, "watch"),
            ("GET", "/apis/apps/v1/deployments?watch=1", None, "watch"),
            ("GET", "/apis/apps/v1/deployments?labelSelector=watch%3Dtrue", None, "list"),
            ("GET", "/apis/tenantry.dev/v1alpha1/tenants", None, "list"),
            ("GET", "/apis/tenantry.dev/v1alpha1/tenants/acme/status", None, "get"),
            ("GET", "/apis/tenantry.dev/v1alpha1", None, "get"),
            ("GET", "/version?", None, "get"),
            ("PATCH", "/api/v1/namespaces/a?", Some("application/apply-patch+yaml"), "apply"),
            ("PATCH", "/api/v1/namespaces/a?", Some("application/merge-patch+json"), "patch"),
            ("POST", "/api/v1/namespaces?", Some("application/json"), "create"),
            ("PUT", "/api/v1/namespaces/a", None, "update"),
            ("DELETE", "/api/v1/namespaces/a/secrets/b", None, "delete"),
            ("DELETE", "/api/v1/namespaces/a/secrets", None, "delete_collection"),
            ("OPTIONS", "/", None, "other"),
        ] {
            assert_eq!(verb_of(method, uri, kind), expected, "{method} {uri}");
        }
    }
}
