//! GitLab's REST API v4. Pure.

use serde_json::{Value, json};

use super::{
    call::{Ask, Call, Verb, escape, items, number, text},
    github::status,
    types::{Comment, Forge, ForgeApproval, Merged, Pull, Review, State, Status, Version, Word},
};

/// Items a page: GitLab's most.
const PAGE: u32 = 100;

/// A project on GitLab.
#[derive(Clone, Debug)]
pub struct GitLab {
    /// `group/project`, of any depth.
    pub repository: String,
}

impl GitLab {
    fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", escape(&self.repository))
    }
}

impl Forge for GitLab {
    fn sign(&self) -> char {
        '!'
    }

    fn authorization(&self, token: &str) -> String {
        format!("Bearer {token}")
    }

    fn me(&self) -> Ask<String> {
        Ask { call: Call::get("/user".into()), read: |answer| text(answer, "/username").map(str::to_owned) }
    }

    fn open(&self, branch: &str, page: u32) -> Ask<Vec<Pull>> {
        let branch = escape(branch);
        let query = format!("state=opened&scope=all&target_branch={branch}&per_page={PAGE}&page={page}");
        let path = self.path(&format!("/merge_requests?{query}"));
        Ask {
            call: Call::get(path),
            read: |answer| Some(items(answer, pull)?.into_iter().flatten().collect()),
        }
    }

    fn brought(&self, commit: &str, page: u32) -> Ask<Vec<Merged>> {
        let rest = format!("/repository/commits/{commit}/merge_requests?per_page={PAGE}&page={page}");
        let read = |answer: &Value| Some(items(answer, merged)?.into_iter().flatten().collect());
        Ask { call: Call::get(self.path(&rest)), read }
    }

    fn reviews(&self, pull: u64, _: u32) -> Ask<Vec<Review>> {
        // No pages: who approves now. What was taken back isn't listed.
        let path = self.path(&format!("/merge_requests/{pull}/approvals"));
        Ask { call: Call::get(path), read: |answer| items(answer.get("approved_by")?, approval) }
    }

    fn versions(&self, pull: u64, page: u32) -> Option<Ask<Vec<Version>>> {
        let path = self.path(&format!("/merge_requests/{pull}/versions?per_page={PAGE}&page={page}"));
        Some(Ask { call: Call::get(path), read: |answer| items(answer, version) })
    }

    fn comments(&self, pull: u64, page: u32) -> Ask<Vec<Comment>> {
        let order = "order_by=created_at&sort=asc";
        let rest = format!("/merge_requests/{pull}/notes?{order}&per_page={PAGE}&page={page}");
        Ask { call: Call::get(self.path(&rest)), read: |answer| items(answer, note) }
    }

    fn comment(&self, pull: u64, id: Option<u64>, body: &str) -> Ask<u64> {
        let notes = self.path(&format!("/merge_requests/{pull}/notes"));
        let body = json!({ "body": body });
        let call = match id {
            None => Call::write(Verb::Post, notes, body),
            Some(id) => Call::write(Verb::Put, format!("{notes}/{id}"), body),
        };
        Ask { call, read: |answer| number(answer, "/id") }
    }

    fn statuses(&self, commit: &str, context: &str, page: u32) -> Ask<Vec<Status>> {
        let name = escape(context);
        let rest = format!("/repository/commits/{commit}/statuses?name={name}&per_page={PAGE}&page={page}");
        Ask { call: Call::get(self.path(&rest)), read: |answer| items(answer, |one| status(one, "/status")) }
    }

    fn set_status(&self, commit: &str, status: &Status) -> Ask<()> {
        let state = match status.state {
            Some(State::Success) => "success",
            Some(State::Pending) => "pending",
            Some(State::Failure) | None => "failed",
        };
        let body = json!({ "state": state, "name": status.context, "description": status.description });
        let path = self.path(&format!("/statuses/{commit}"));
        Ask { call: Call::write(Verb::Post, path, body), read: |_| Some(()) }
    }
}

/// The outer `None` is an answer that isn't understood, the inner one a merge request without commits.
#[allow(clippy::option_option)] // two different things
fn pull(value: &Value) -> Option<Option<Pull>> {
    let (number, base) = (number(value, "/iid")?, text(value, "/target_branch")?.to_owned());
    Some(text(value, "/sha").map(|head| Pull { number, head: head.to_owned(), base }))
}

#[allow(clippy::option_option)] // as above
fn merged(value: &Value) -> Option<Option<Merged>> {
    if text(value, "/state")? != "merged" {
        return Some(None);
    }
    let author = text(value, "/author/username").unwrap_or_default().to_owned();
    Some(pull(value)?.map(|Pull { number, head, base }| Merged { number, base, author, head }))
}

fn approval(value: &Value) -> Option<Review> {
    let user = text(value, "/user/username")?.to_owned();
    let at = text(value, "/approved_at").map(str::to_owned);
    Some(Review { word: Word::Yes, approval: ForgeApproval { user, commit: None, at } })
}

fn version(value: &Value) -> Option<Version> {
    let (head, at) = (text(value, "/head_commit_sha")?, text(value, "/created_at")?);
    Some(Version { head: head.to_owned(), at: at.to_owned() })
}

fn note(value: &Value) -> Option<Comment> {
    Some(Comment {
        id: number(value, "/id")?,
        author: text(value, "/author/username").unwrap_or_default().to_owned(),
        body: text(value, "/body").unwrap_or_default().to_owned(),
    })
}
