//! GitHub's REST API, version 2022-11-28, and GitHub Enterprise Server's. Pure.

use serde_json::{Value, json};

use super::{
    call::{Ask, Call, Verb, escape, items, number, text},
    types::{Comment, Forge, ForgeApproval, Merged, Pull, Review, State, Status, Word},
};

/// Items a page: GitHub's most.
const PAGE: u32 = 100;

/// A repository on GitHub.
#[derive(Clone, Debug)]
pub struct GitHub {
    /// `owner/name`.
    pub repository: String,
}

impl GitHub {
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository)
    }
}

impl Forge for GitHub {
    fn authorization(&self, token: &str) -> String {
        format!("Bearer {token}")
    }

    fn me(&self) -> Ask<String> {
        Ask { call: Call::get("/user".into()), read: |answer| text(answer, "/login").map(str::to_owned) }
    }

    fn open(&self, branch: &str, page: u32) -> Ask<Vec<Pull>> {
        let branch = escape(branch);
        let path = self.path(&format!("/pulls?state=open&base={branch}&per_page={PAGE}&page={page}"));
        Ask { call: Call::get(path), read: |answer| items(answer, pull) }
    }

    fn brought(&self, commit: &str, page: u32) -> Ask<Vec<Merged>> {
        let path = self.path(&format!("/commits/{commit}/pulls?per_page={PAGE}&page={page}"));
        let read = |answer: &Value| Some(items(answer, merged)?.into_iter().flatten().collect());
        Ask { call: Call::get(path), read }
    }

    fn reviews(&self, pull: u64, page: u32) -> Ask<Vec<Review>> {
        let path = self.path(&format!("/pulls/{pull}/reviews?per_page={PAGE}&page={page}"));
        Ask { call: Call::get(path), read: |answer| items(answer, review) }
    }

    fn comments(&self, pull: u64, page: u32) -> Ask<Vec<Comment>> {
        let path = self.path(&format!("/issues/{pull}/comments?per_page={PAGE}&page={page}"));
        Ask { call: Call::get(path), read: |answer| items(answer, comment) }
    }

    fn comment(&self, pull: u64, id: Option<u64>, body: &str) -> Ask<u64> {
        let body = json!({ "body": body });
        let call = match id {
            None => Call::write(Verb::Post, self.path(&format!("/issues/{pull}/comments")), body),
            Some(id) => Call::write(Verb::Patch, self.path(&format!("/issues/comments/{id}")), body),
        };
        Ask { call, read: |answer| number(answer, "/id") }
    }

    fn statuses(&self, commit: &str, _: &str, page: u32) -> Ask<Vec<Status>> {
        // The combined status has the newest of each context only.
        let path = self.path(&format!("/commits/{commit}/status?per_page={PAGE}&page={page}"));
        Ask {
            call: Call::get(path),
            read: |answer| items(answer.get("statuses")?, |one| status(one, "/state")),
        }
    }

    fn set_status(&self, commit: &str, status: &Status) -> Ask<()> {
        let body = json!({
            "state": word(status.state), "context": status.context, "description": status.description,
        });
        let path = self.path(&format!("/statuses/{commit}"));
        Ask { call: Call::write(Verb::Post, path, body), read: |_| Some(()) }
    }
}

/// A pull request; Gitea's has the same form.
pub(super) fn pull(value: &Value) -> Option<Pull> {
    Some(Pull {
        number: number(value, "/number")?,
        head: text(value, "/head/sha")?.to_owned(),
        base: text(value, "/base/ref")?.to_owned(),
    })
}

/// The outer `None` is an answer that isn't understood, the inner one a pull request that isn't merged.
#[allow(clippy::option_option)] // two different things
pub(super) fn merged(value: &Value) -> Option<Option<Merged>> {
    if value.get("merged_at").is_none_or(Value::is_null) {
        return Some(None);
    }
    let Pull { number, head, base } = pull(value)?;
    // Whose account is gone wrote it all the same; nobody is called so.
    let author = text(value, "/user/login").unwrap_or_default().to_owned();
    Some(Some(Merged { number, base, author, head }))
}

fn review(value: &Value) -> Option<Review> {
    let word = match text(value, "/state")? {
        "APPROVED" => Word::Yes,
        "CHANGES_REQUESTED" | "DISMISSED" => Word::No,
        _ => Word::Nothing,
    };
    let owned = |pointer| text(value, pointer).map(str::to_owned);
    let user = owned("/user/login");
    Some(Review {
        // An account that is gone can't be asked whether it meant it.
        word: if user.is_some() { word } else { Word::Nothing },
        approval: ForgeApproval {
            user: user.unwrap_or_default(),
            commit: owned("/commit_id"),
            at: owned("/submitted_at"),
        },
    })
}

/// A comment; Gitea's has the same form.
pub(super) fn comment(value: &Value) -> Option<Comment> {
    Some(Comment {
        id: number(value, "/id")?,
        author: text(value, "/user/login").unwrap_or_default().to_owned(),
        body: text(value, "/body").unwrap_or_default().to_owned(),
    })
}

/// A status, with its word at `state`.
pub(super) fn status(value: &Value, state: &str) -> Option<Status> {
    let state = match text(value, state)? {
        "success" => Some(State::Success),
        "failure" | "failed" => Some(State::Failure),
        "pending" => Some(State::Pending),
        _ => None,
    };
    let context = text(value, "/context").or_else(|| text(value, "/name"))?.to_owned();
    Some(Status { context, state, description: text(value, "/description").unwrap_or_default().to_owned() })
}

/// A state as GitHub and Gitea write it.
pub(super) fn word(state: Option<State>) -> &'static str {
    match state {
        Some(State::Success) => "success",
        Some(State::Failure) => "failure",
        Some(State::Pending) => "pending",
        None => "error",
    }
}
