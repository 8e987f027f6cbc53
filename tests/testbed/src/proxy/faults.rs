//! Which requests go wrong, and how.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::proxy::kinds::RequestKind;

/// Which requests a fault hits.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    method: Option<String>,
    path: String,
    kind: Option<(String, String)>,
}

impl Matcher {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests whose path with query contains `part`.
    #[must_use]
    pub fn path(part: &str) -> Self {
        Self { path: part.into(), ..Self::default() }
    }

    /// Calls to the API server by verb (`get`, `list`, `watch`, `create`, `update`,
    /// `patch`, `apply`, `delete`) and resource (`deployments`, `tenants/status`).
    #[must_use]
    pub fn call(verb: &str, resource: &str) -> Self {
        Self { kind: Some((verb.into(), resource.into())), ..Self::default() }
    }

    /// Only with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    fn matches(&self, method: &str, path: &str, kind: &RequestKind) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && path.contains(&self.path)
            && self
                .kind
                .as_ref()
                .is_none_or(|(verb, resource)| *verb == kind.verb && *resource == kind.resource)
    }
}

/// What happens to a request instead of, or on top of, being passed on.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer, without asking the server.
    Status {
        /// The HTTP status code.
        code: u16,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// A redirect to the same path under another address.
    Redirect(String),
    /// Passed on after a pause.
    Delay(Duration),
    /// Passed on; the answer's body comes at this speed.
    BytesPerSecond(u32),
    /// Passed on; the connection is reset after so many bytes of the answer's body.
    CutAfter(u64),
    /// Passed on and done by the server, but the connection is reset before the answer.
    LoseAnswer,
    /// Never answered.
    Hang,
    /// The connection is reset at once.
    Reset,
    /// Passed on unharmed: an exception from the faults that were set earlier.
    Pass,
}

impl Fault {
    /// An answer with nothing but a status code.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }

    /// What an API server says with `code`: a `Status` object.
    #[must_use]
    pub fn api_status(code: u16, reason: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": reason, "message": message, "code": code,
        });
        let json = ("content-type".to_string(), "application/json".to_string());
        Self::Status { code, headers: vec![json], body: body.to_string() }
    }

    /// What an API server says that is asked too much, to whoever asks: plain text, and for how long in a header.
    #[must_use]
    pub fn overloaded(retry_after: u32) -> Self {
        let text = ("content-type".to_string(), "text/plain; charset=utf-8".to_string());
        let header = ("retry-after".to_string(), retry_after.to_string());
        let body = "Too many requests, please try again later.\n".to_string();
        Self::Status { code: 429, headers: vec![text, header], body }
    }

    /// 429 with `Retry-After`, about one object.
    #[must_use]
    pub fn too_many_requests(retry_after: u32) -> Self {
        let header = ("retry-after".to_string(), retry_after.to_string());
        match Self::api_status(429, "TooManyRequests", "injected: too many requests") {
            Self::Status { code, mut headers, body } => {
                headers.push(header);
                Self::Status { code, headers, body }
            }
            other => other,
        }
    }
}

/// Names a fault, to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Rule {
    id: u64,
    matcher: Matcher,
    fault: Fault,
    left: Option<u64>,
    hits: u64,
}

/// The faults and counts of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    rules: Vec<Rule>,
    done: BTreeMap<u64, u64>,
    requests: BTreeMap<RequestKind, u64>,
    writes: Vec<String>,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, matcher: Matcher, fault: Fault, left: Option<u64>) -> FaultId {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.rules.push(Rule { id, matcher, fault, left, hits: 0 });
        FaultId(id)
    }

    pub(crate) fn remove(&self, id: FaultId) {
        self.state().rules.retain(|rule| rule.id != id.0);
    }

    pub(crate) fn clear(&self) {
        self.state().rules.clear();
    }

    pub(crate) fn hits(&self, id: FaultId) -> u64 {
        let state = self.state();
        let live = state.rules.iter().find(|rule| rule.id == id.0).map(|rule| rule.hits);
        live.or_else(|| state.done.get(&id.0).copied()).unwrap_or(0)
    }

    /// Counts a request and says what happens to it: the fault that was set last wins.
    pub(crate) fn decide(&self, method: &str, path: &str, kind: RequestKind) -> Fault {
        let mut state = self.state();
        let found = state.rules.iter().rposition(|rule| rule.matcher.matches(method, path, &kind));
        *state.requests.entry(kind).or_default() += 1;
        if !matches!(method, "GET" | "HEAD") {
            state.writes.push(format!("{method} {path}"));
        }
        let Some(index) = found else { return Fault::Pass };
        let rule = &mut state.rules[index];
        rule.hits += 1;
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                let rule = state.rules.remove(index);
                state.done.insert(rule.id, rule.hits);
            }
        }
        fault
    }

    pub(crate) fn requests(&self) -> BTreeMap<RequestKind, u64> {
        self.state().requests.clone()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.state().writes.clone()
    }

    pub(crate) fn forget_requests(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.writes.clear();
    }
}
