//! A small forge: the documented API of GitHub, GitLab and Gitea, as far as the operator uses it, over one state. With
//! pages, tokens, refusals and troubles. What is not in their documentation gets 404, and is remembered.

#![allow(dead_code, reason = "each test uses a part of it")]

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

struct Asked {
    method: String,
    path: String,
    query: String,
    authorization: String,
    body: Value,
}

impl Asked {
    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    }

    fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

type Answered = (u16, Value, bool);

fn refuse(status: u16, message: &str) -> Answered {
    (status, json!({ "message": message }), false)
}

impl State {
    fn answer(&mut self, call: &Asked) -> Answered {
        let (scheme, token) = call.authorization.split_once(' ').unwrap_or_default();
        let right = if self.kind == Kind::Gitea { "token" } else { "Bearer" };
        if call.path == "/app" || call.path.starts_with("/app/") {
            return self.as_app(call, token);
        }
        if scheme != right || !self.tokens.iter().any(|one| one == token) {
            return refuse(401, &format!("Bad credentials {token}"));
        }
        if call.path == "/user" {
            return (200, json!({"login": ME, "username": ME, "id": 1}), false);
        }
        let prefix = match self.kind {
            Kind::GitLab => format!("/projects/{}/", REPOSITORY.replace('/', "%2F")),
            _ => format!("/repos/{REPOSITORY}/"),
        };
        let Some(rest) = call.path.strip_prefix(&prefix) else { return refuse(404, "Not Found") };
        let parts: Vec<&str> = rest.split('/').collect();
        match self.kind {
            Kind::GitLab => self.gitlab(call, &parts),
            _ => self.github(call, &parts),
        }
    }

    fn as_app(&mut self, call: &Asked, statement: &str) -> Answered {
        let Some(check) = self.app else { return refuse(404, "Not Found") };
        if !check(statement) {
            return refuse(401, "'Expiration time' claim ('exp') is too far in the future");
        }
        match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/app") => (200, json!({"id": 12345, "slug": "tenantry-app"}), false),
            ("POST", "/app/installations/678/access_tokens") => {
                let token = format!("ghs_canary{}", self.tokens.len());
                self.tokens.push(token.clone());
                let until = jiff::Timestamp::now().as_second() + self.ahead + 3600;
                let until = jiff::Timestamp::from_second(until).expect("a time").to_string();
                (201, json!({"token": token, "expires_at": until}), false)
            }
            _ => refuse(404, "Not Found"),
        }
    }

    /// One page of a list.
    fn page(&self, call: &Asked, all: Vec<Value>) -> Answered {
        let number = |name: &str| call.query(name).and_then(|value| value.parse::<usize>().ok());
        let size = number("per_page").or(number("limit")).unwrap_or(30).min(self.page);
        let page = number("page").unwrap_or(1);
        let (from, more) = ((page - 1) * size, all.len() > page * size);
        (200, Value::Array(all.into_iter().skip(from).take(size).collect()), more)
    }

    /// GitHub and Gitea, where they agree, and where they don't.
    fn github(&mut self, call: &Asked, parts: &[&str]) -> Answered {
        let gitea = self.kind == Kind::Gitea;
        match (call.method.as_str(), parts) {
            ("GET", ["pulls"]) => {
                let base = call.query(if gitea { "base_branch" } else { "base" });
                let open = self.pulls.iter().filter(|pull| !pull.merged && Some(pull.base.as_str()) == base);
                self.page(call, open.map(github_pull).collect())
            }
            ("GET", ["commits", commit, "pulls"]) if !gitea => {
                let of = self.pulls.iter().filter(|pull| pull.head == *commit);
                self.page(call, of.map(github_pull).collect())
            }
            ("GET", ["commits", commit, "pull"]) if gitea => {
                let found = self.pulls.iter().find(|pull| pull.merged && pull.head == *commit);
                found.map_or_else(|| refuse(404, "not found"), |pull| (200, github_pull(pull), false))
            }
            ("GET", ["pulls", number, "reviews"]) => {
                let pull = self.pulls.iter().find(|pull| pull.number.to_string() == *number);
                let reviews = pull.into_iter().flat_map(|pull| &pull.reviews);
                let review = |(user, state, commit, at): &(String, String, String, String)| json!({"user": {"login": user}, "state": state, "commit_id": commit, "submitted_at": at, "dismissed": false});
                self.page(call, reviews.map(review).collect())
            }
            ("GET", ["issues", number, "comments"]) => {
                let of = self.comments.iter().filter(|one| one.pull.to_string() == *number);
                let all =
                    of.map(|one| json!({"id": one.id, "user": {"login": one.author}, "body": one.body}));
                if gitea { (200, all.collect(), false) } else { self.page(call, all.collect()) }
            }
            ("POST", ["issues", number, "comments"]) => self.add_comment(call, number.parse().unwrap_or(0)),
            ("PATCH", ["issues", "comments", id]) => self.change_comment(call, id),
            ("GET", ["commits", commit, "status"]) => {
                let (status, list, more) =
                    self.page(call, self.newest(commit, if gitea { "status" } else { "state" }, "context"));
                // Gitea: a commit without statuses has null.
                let list = if gitea && list == json!([]) { Value::Null } else { list };
                (status, json!({"state": "pending", "statuses": list}), more)
            }
            ("POST", ["statuses", commit]) => {
                if call.text("description").chars().count() > 140 {
                    return refuse(422, "description is too long (maximum is 140 characters)");
                }
                self.add_status(call, commit, "context")
            }
            _ => refuse(404, "Not Found"),
        }
    }

    fn gitlab(&mut self, call: &Asked, parts: &[&str]) -> Answered {
        let find = |number: &str| self.pulls.iter().find(|pull| pull.number.to_string() == number).cloned();
        match (call.method.as_str(), parts) {
            ("GET", ["merge_requests"]) => {
                let branch = call.query("target_branch");
                let open =
                    self.pulls.iter().filter(|pull| !pull.merged && Some(pull.base.as_str()) == branch);
                self.page(call, open.map(gitlab_pull).collect())
            }
            ("GET", ["repository", "commits", commit, "merge_requests"]) => {
                let of = self.pulls.iter().filter(|pull| pull.head == *commit);
                self.page(call, of.map(gitlab_pull).collect())
            }
            ("GET", ["merge_requests", number, "approvals"]) => {
                let reviews = find(number).map(|pull| pull.reviews).unwrap_or_default();
                let by = reviews
                    .iter()
                    .map(|(user, _, _, at)| json!({"user": {"username": user}, "approved_at": at}));
                (200, json!({"approved_by": by.collect::<Vec<_>>()}), false)
            }
            ("GET", ["merge_requests", number, "versions"]) => {
                let versions = find(number).map(|pull| pull.versions).unwrap_or_default();
                let all =
                    versions.iter().map(|(head, at)| json!({"head_commit_sha": head, "created_at": at}));
                self.page(call, all.collect())
            }
            ("GET", ["merge_requests", number, "notes"]) => {
                let of = self.comments.iter().filter(|one| one.pull.to_string() == *number);
                let all =
                    of.map(|one| json!({"id": one.id, "author": {"username": one.author}, "body": one.body}));
                self.page(call, all.collect())
            }
            ("POST", ["merge_requests", number, "notes"]) => {
                self.add_comment(call, number.parse().unwrap_or(0))
            }
            ("PUT", ["merge_requests", _, "notes", id]) => self.change_comment(call, id),
            ("GET", ["repository", "commits", commit, "statuses"]) => {
                self.page(call, self.newest(commit, "status", "name"))
            }
            ("POST", ["statuses", commit]) => {
                let now = self
                    .statuses
                    .iter()
                    .rev()
                    .find(|one| one.commit == **commit && one.context == call.text("name"));
                if call.text("state") == "pending" && now.is_some_and(|one| one.state == "pending") {
                    return refuse(400, "Cannot transition status via :enqueue from :pending");
                }
                self.add_status(call, commit, "name")
            }
            _ => refuse(404, "404 Not Found"),
        }
    }

    fn newest(&self, commit: &str, state: &str, context: &str) -> Vec<Value> {
        let mut newest: Vec<&Status> = Vec::new();
        for status in self.statuses.iter().filter(|one| one.commit == commit) {
            newest.retain(|one| one.context != status.context);
            newest.push(status);
        }
        let one =
            |one: &Status| json!({state: one.state, context: one.context, "description": one.description});
        newest.into_iter().map(one).collect()
    }

    fn add_comment(&mut self, call: &Asked, pull: u64) -> Answered {
        let body = call.text("body");
        if body.is_empty() || body.chars().count() > 65_536 {
            return refuse(422, "body is too long (maximum is 65536 characters)");
        }
        let id = 100 + self.comments.len() as u64;
        self.comments.push(Comment { id, pull, author: ME.into(), body });
        (201, json!({ "id": id }), false)
    }

    fn change_comment(&mut self, call: &Asked, id: &str) -> Answered {
        let body = call.text("body");
        match self.comments.iter_mut().find(|one| one.id.to_string() == id) {
            Some(comment) if comment.author == ME => comment.body = body,
            Some(_) => return refuse(403, "Forbidden"),
            None => return refuse(404, "Not Found"),
        }
        (200, json!({"id": id.parse::<u64>().unwrap_or(0)}), false)
    }

    fn add_status(&mut self, call: &Asked, commit: &str, context: &str) -> Answered {
        let (commit, context) = (commit.to_owned(), call.text(context));
        let (state, description) = (call.text("state"), call.text("description"));
        self.statuses.push(Status { commit, context, state, description });
        (201, json!({"id": 1}), false)
    }
}

fn github_pull(pull: &Pull) -> Value {
    json!({
        "number": pull.number,
        "state": if pull.merged { "closed" } else { "open" },
        "merged_at": pull.merged.then_some("2026-01-01T00:00:00Z"),
        "user": {"login": pull.author},
        "head": {"sha": pull.head, "ref": "topic"},
        "base": {"ref": pull.base, "sha": "0"},
    })
}

fn gitlab_pull(pull: &Pull) -> Value {
    json!({
        "iid": pull.number,
        "id": 9000 + pull.number,
        "state": if pull.merged { "merged" } else { "opened" },
        "sha": pull.head,
        "target_branch": pull.base,
        "author": {"username": pull.author},
    })
}
