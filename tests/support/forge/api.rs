//! What each forge documents, over the one state.

use serde_json::{Value, json};

use super::{Answered, Asked, Comment, Kind, ME, Pull, REPOSITORY, State, Status, refuse};

impl State {
    pub(crate) fn answer(&mut self, call: &Asked) -> Answered {
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
