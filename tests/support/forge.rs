//! A small forge: the documented API of GitHub, GitLab and Gitea, as far as the operator uses it, over one state. With
//! pages, tokens, refusals and troubles. What is not in their documentation gets 404, and is remembered.

#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "forge/api.rs"]
mod api;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State as Shared},
    http::{Response, StatusCode, header},
};
use serde_json::{Value, json};

pub const TOKEN: &str = "canary-forge-token-5d1e";
pub const ME: &str = "tenantry-bot";
pub const REPOSITORY: &str = "acme/config";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
    Gitea,
}

#[derive(Clone, Debug, Default)]
pub struct Pull {
    pub number: u64,
    pub head: String,
    pub base: String,
    pub author: String,
    pub merged: bool,
    /// user, state in the forge's own word, commit, time
    pub reviews: Vec<(String, String, String, String)>,
    /// head, since
    pub versions: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub pull: u64,
    pub author: String,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub commit: String,
    pub context: String,
    pub state: String,
    pub description: String,
}

/// What the forge does instead of answering.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Status, one header, body.
    Answer(u16, (&'static str, String), String),
    /// Nothing, for so long.
    Slow(Duration),
    /// So many bytes of JSON text.
    Huge(usize),
}

#[derive(Debug)]
pub struct State {
    pub kind: Kind,
    pub pulls: Vec<Pull>,
    pub comments: Vec<Comment>,
    pub statuses: Vec<Status>,
    /// Every call: method, path and query.
    pub calls: Vec<String>,
    /// Calls that no documentation has.
    pub strange: Vec<String>,
    /// What happens to the next calls.
    pub troubles: Vec<Trouble>,
    /// Down: every call gets 502.
    pub down: bool,
    /// Most items of a page.
    pub page: usize,
    /// Tokens that are taken.
    pub tokens: Vec<String>,
    /// How an App's statement is checked: returns whether it is right, by the forge's time.
    pub app: Option<fn(&str) -> bool>,
    /// Seconds by which this forge's clock is ahead.
    pub ahead: i64,
}

#[derive(Clone, Debug)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    pub base: String,
}

impl Fake {
    pub async fn start(kind: Kind) -> std::io::Result<Self> {
        let state = State {
            kind,
            pulls: Vec::new(),
            comments: Vec::new(),
            statuses: Vec::new(),
            calls: Vec::new(),
            strange: Vec::new(),
            troubles: Vec::new(),
            down: false,
            page: 100,
            tokens: vec![TOKEN.to_owned()],
            app: None,
            ahead: 0,
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}/api", listener.local_addr()?);
        let fake = Self { state: Arc::new(Mutex::new(state)), base };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(fake)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes since the last time, without reads.
    pub fn writes(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.state().calls);
        calls.into_iter().filter(|call| !call.starts_with("GET ")).collect()
    }

    /// What a commit's newest status of this name says.
    pub fn status(&self, commit: &str, context: &str) -> Option<(String, String)> {
        let state = self.state();
        let found = state.statuses.iter().rev().find(|one| one.commit == commit && one.context == context);
        found.map(|one| (one.state.clone(), one.description.clone()))
    }
}

async fn answer(Shared(fake): Shared<Fake>, request: Request) -> Response<Body> {
    let trouble = {
        let mut state = fake.state();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        state.calls.push(format!("{} {}{query}", request.method(), request.uri().path()));
        if state.down {
            Some(Trouble::Answer(502, ("x-trouble", "down".into()), "<html>bad gateway</html>".into()))
        } else if state.troubles.is_empty() {
            None
        } else {
            Some(state.troubles.remove(0))
        }
    };
    match trouble {
        Some(Trouble::Answer(status, (name, value), body)) => {
            let response = Response::builder().status(status).header(name, value);
            return response.body(Body::from(body)).expect("a response");
        }
        Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
        Some(Trouble::Huge(bytes)) => {
            return Response::new(Body::from(format!("[\"{}\"]", "x".repeat(bytes))));
        }
        None => {}
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let path = parts.uri.path().strip_prefix("/api").unwrap_or_default().to_owned();
    let call = Asked {
        method: parts.method.as_str().to_owned(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: authorization.unwrap_or_default().to_owned(),
        body,
    };
    let mut state = fake.state();
    let (status, value, link) = state.answer(&call);
    if status == 404 {
        let line = format!("{} {}", call.method, call.path);
        state.strange.push(line);
    }
    let now = jiff::Timestamp::now().as_second() + state.ahead;
    let date =
        jiff::Timestamp::from_second(now).expect("a time").strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).expect("a status"))
        .header(header::DATE, date)
        .header(header::CONTENT_TYPE, "application/json");
    if link {
        response = response.header(header::LINK, "<http://elsewhere.example/?page=next>; rel=\"next\"");
    }
    response.body(Body::from(value.to_string())).expect("a response")
}

pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authorization: String,
    pub body: Value,
}

impl Asked {
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    }

    pub fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) type Answered = (u16, Value, bool);

pub(crate) fn refuse(status: u16, message: &str) -> Answered {
    (status, json!({ "message": message }), false)
}
