//! Gitea's API v1, which Forgejo speaks too. Pure.

use serde_json::{Value, json};

use super::{
    call::{Ask, Call, Verb, escape, items, number, text},
    github::{comment, merged, pull, status, word},
    types::{Comment, Forge, ForgeApproval, Merged, Pull, Review, Status, Word},
};

/// Items a page: Gitea's most, unless somebody raised it.
const PAGE: u32 = 50;

/// A repository on Gitea or Forgejo.
#[derive(Clone, Debug)]
pub struct Gitea {
    /// `owner/name`.
    pub repository: String,
}

impl Gitea {
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository)
    }
}

impl Forge for Gitea {
    fn authorization(&self, token: &str) -> String {
        format!("token {token}")
    }

    fn me(&self) -> Ask<String> {
        Ask { call: Call::get("/user".into()), read: |answer| text(answer, "/login").map(str::to_owned) }
    }

    fn open(&self, branch: &str, page: u32) -> Ask<Vec<Pull>> {
        // Older ones ignore base_branch: whoever asks looks at `base` again.
        let branch = escape(branch);
        let path = self.path(&format!("/pulls?state=open&base_branch={branch}&limit={PAGE}&page={page}"));
        Ask { call: Call::get(path), read: |answer| items(answer, pull) }
    }

    fn brought(&self, commit: &str, _: u32) -> Ask<Vec<Merged>> {
        let path = self.path(&format!("/commits/{commit}/pull"));
        Ask { call: Call::get(path), read: |answer| Some(merged(answer)?.into_iter().collect()) }
    }

    fn reviews(&self, pull: u64, page: u32) -> Ask<Vec<Review>> {
        let path = self.path(&format!("/pulls/{pull}/reviews?limit={PAGE}&page={page}"));
        Ask { call: Call::get(path), read: |answer| items(answer, review) }
    }

    fn comments(&self, pull: u64, _: u32) -> Ask<Vec<Comment>> {
        // All at once: this list has no pages.
        let path = self.path(&format!("/issues/{pull}/comments"));
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
        let path = self.path(&format!("/commits/{commit}/status?limit={PAGE}&page={page}"));
        let read = |answer: &Value| match answer.get("statuses")? {
            // A commit without any.
            Value::Null => Some(Vec::new()),
            list => items(list, |one| status(one, "/status")),
        };
        Ask { call: Call::get(path), read }
    }

    fn set_status(&self, commit: &str, status: &Status) -> Ask<()> {
        let body = json!({
            "state": word(status.state), "context": status.context, "description": status.description,
        });
        let path = self.path(&format!("/statuses/{commit}"));
        Ask { call: Call::write(Verb::Post, path, body), read: |_| Some(()) }
    }
}

fn review(value: &Value) -> Option<Review> {
    let dismissed = value.get("dismissed").and_then(Value::as_bool).unwrap_or_default();
    let owned = |pointer| text(value, pointer).map(str::to_owned);
    let user = owned("/user/login");
    let word = match text(value, "/state")? {
        // A team's review has no user.
        _ if user.is_none() => Word::Nothing,
        "APPROVED" if dismissed => Word::No,
        "APPROVED" => Word::Yes,
        "REQUEST_CHANGES" => Word::No,
        _ => Word::Nothing,
    };
    let (commit, at) = (owned("/commit_id").filter(|id| !id.is_empty()), owned("/submitted_at"));
    Some(Review { word, approval: ForgeApproval { user: user.unwrap_or_default(), commit, at } })
}
