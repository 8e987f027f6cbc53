//! A call to a forge: one deadline over everything, a bounded answer, no redirects, and a token that stays with the
//! host that it was given for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Request, Response, header},
};

use crate::{
    runtime::https::{self, Unheard},
    validate::text::sanitize,
};

use super::{
    call::{Answer, Call, Verb, has_next},
    error::ForgeError,
};

/// Longest time for one call.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of the largest answer: a page of a hundred comments of 65,536 characters.
const BODY: u64 = 16 * 1024 * 1024;
/// Longest message of a forge that is passed on, in characters.
const MESSAGE: usize = 200;

/// A token. `Debug` doesn't print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Takes a token, without white space around it: files that become Secrets have it.
    ///
    /// # Errors
    /// It can't stand in a header.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err("the token is empty, or holds a character that no token has")
        }
    }

    /// The token itself, for headers.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// One forge's API.
#[derive(Clone, Debug)]
pub struct Http {
    agent: Agent,
    base: Arc<str>,
    deadline: Duration,
    /// How far the forge's clock is ahead of ours, in seconds.
    ahead: Arc<AtomicI64>,
}

impl Http {
    /// The API at `base`, whose certificate is checked against the system's roots and those in `ca`.
    ///
    /// # Errors
    /// `ca` holds no certificates.
    pub fn new(base: &str, ca: Option<&str>) -> Result<Self, ForgeError> {
        let agent = https::agent(base.starts_with("https://"), ca).map_err(|_| ForgeError::Credentials {
            problem: "the Secret of spec.source.git.ca has no certificate in PEM".into(),
        })?;
        Ok(Self { agent, base: base.into(), deadline: DEADLINE, ahead: Arc::default() })
    }

    /// The same with another deadline, for tests.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The base of the API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The forge's time, as far as it has told: our clock may be wrong.
    pub fn now(&self) -> Timestamp {
        let (now, ahead) = (Timestamp::now(), self.ahead.load(Ordering::Relaxed));
        Timestamp::from_second(now.as_second().saturating_add(ahead)).unwrap_or(now)
    }

    /// Makes a call with this `Authorization`; `right` says what it needs, for people.
    ///
    /// # Errors
    /// Everything that is no success.
    pub async fn send(
        &self,
        call: Call,
        authorization: &str,
        right: &'static str,
    ) -> Result<Answer, ForgeError> {
        let (this, authorization) = (self.clone(), authorization.to_owned());
        let url = self.shown(&call);
        let work = move || this.send_blocking(&call, &authorization, right);
        match https::aside("forge-call", self.deadline, work).await {
            Ok(answer) => answer,
            Err(Unheard::Late) => Err(ForgeError::Timeout { url, after: self.deadline }),
            Err(unheard) => Err(ForgeError::Unreachable { url, detail: unheard.to_string() }),
        }
    }

    /// The call for people: without its query.
    fn shown(&self, call: &Call) -> String {
        let path = call.path.split('?').next().unwrap_or_default();
        format!("{} {}{path}", call.verb.as_str(), self.base)
    }

    fn send_blocking(
        &self,
        call: &Call,
        authorization: &str,
        right: &'static str,
    ) -> Result<Answer, ForgeError> {
        let url = self.shown(call);
        let invalid = |detail: String| ForgeError::Unreachable { url: url.clone(), detail };
        let request = Request::builder()
            .method(call.verb.as_str())
            .uri(format!("{}{}", self.base, call.path))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json");
        let failed = |error: &ureq::Error| failure(error, url.clone(), self.deadline);
        let sent = if call.verb == Verb::Get {
            let request = request.body(()).map_err(|error| invalid(error.to_string()))?;
            self.run(request)
        } else {
            let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
            let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
            self.run(request.map_err(|error| invalid(error.to_string()))?)
        };
        let mut response = sent.map_err(|error| failed(&error))?;
        self.keep_time(response.headers());
        let (status, wait) = (response.status().as_u16(), wait(response.headers(), self.now()));
        if (300..400).contains(&status) {
            let to = text(response.headers(), "location");
            let to = sanitize(to.split(['?', '#']).next().unwrap_or_default(), MESSAGE);
            return Err(ForgeError::Redirected { url, to });
        }
        let more = has_next(text(response.headers(), "link"));
        let bytes = response.body_mut().with_config().limit(BODY).read_to_vec();
        if !(200..300).contains(&status) {
            let message = message(&bytes.unwrap_or_default(), authorization);
            return Err(ForgeError::of_status(url, status, wait, message, right));
        }
        let bytes = bytes.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                ForgeError::Unexpected { url: url.clone(), detail: "the answer is larger than 16 MiB".into() }
            }
            error => failed(&error),
        })?;
        if bytes.is_empty() {
            return Ok(Answer { body: Value::Null, more });
        }
        // Not the parser's words: they may hold what a login page says.
        let body = serde_json::from_slice(&bytes)
            .map_err(|_| ForgeError::Unexpected { url, detail: "the answer is not JSON".into() })?;
        Ok(Answer { body, more })
    }

    fn run<B: ureq::AsSendBody>(&self, request: Request<B>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(Some(self.deadline)).build();
        self.agent.run(request)
    }

    fn keep_time(&self, headers: &HeaderMap) {
        if let Ok(date) = jiff::fmt::rfc2822::parse(text(headers, "date")) {
            let ahead = date.timestamp().as_second() - Timestamp::now().as_second();
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Seconds that the forge asks to wait: `Retry-After` as a number or a date, or a used-up limit's reset.
fn wait(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let after = text(headers, "retry-after").trim();
    if let Ok(seconds) = after.parse() {
        return Some(seconds);
    }
    let left = |second: i64| u64::try_from(second.saturating_sub(now.as_second())).unwrap_or(0);
    if let Ok(date) = jiff::fmt::rfc2822::parse(after) {
        return Some(left(date.timestamp().as_second()));
    }
    for limit in ["x-ratelimit", "ratelimit"] {
        let figure = |what: &str| text(headers, &format!("{limit}-{what}")).trim().parse::<i64>().ok();
        if figure("remaining") == Some(0) {
            return figure("reset").map(left);
        }
    }
    None
}

/// What the forge says against a call, made harmless; without the token, should it say that back.
fn message(bytes: &[u8], authorization: &str) -> String {
    let secret = authorization.split_once(' ').map_or(authorization, |(_, secret)| secret);
    let said = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            let said = ["message", "error", "error_description"].into_iter().find_map(|key| value.get(key));
            said.map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned)).unwrap_or_default()
        }
        Err(_) => String::new(),
    };
    let said = if secret.is_empty() { said } else { said.replace(secret, "***") };
    if said.is_empty() { "it doesn't say why".into() } else { sanitize(&said, MESSAGE) }
}

/// An error of the HTTP client in our classes. No text of it holds the request's headers.
fn failure(error: &ureq::Error, url: String, after: Duration) -> ForgeError {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            ForgeError::Unreachable { url, detail: "nothing answers there".into() }
        }
        ureq::Error::Timeout(_) => ForgeError::Timeout { url, after },
        ureq::Error::Rustls(error) => ForgeError::Tls { url, detail: error.to_string() },
        ureq::Error::Tls(detail) => ForgeError::Tls { url, detail: (*detail).to_owned() },
        ureq::Error::Io(error) => match error.get_ref() {
            Some(inner) if inner.is::<rustls::Error>() => ForgeError::Tls { url, detail: inner.to_string() },
            Some(inner) if inner.is::<ureq::Error>() => match inner.downcast_ref() {
                Some(inner) => failure(inner, url, after),
                None => ForgeError::Unreachable { url, detail: error.to_string() },
            },
            _ if error.kind() == std::io::ErrorKind::TimedOut => ForgeError::Timeout { url, after },
            _ => ForgeError::Unreachable { url, detail: error.to_string() },
        },
        ureq::Error::Protocol(error) => {
            ForgeError::Unexpected { url, detail: format!("broken HTTP: {error}") }
        }
        other => ForgeError::Unreachable { url, detail: other.to_string() },
    }
}
