//! A real Gitea: what its API really answers, from an open pull request to its merge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry::forge::{
    Client, State, Status, Wrote,
    call::{Call, Verb},
    http::{Http, Token},
    place::dialect,
    tokens::Access,
};
use tenantry_testbed::{Gitea, Run, eventually, git_as, programs};

use crate::fake::Kind;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The API as one user.
struct User {
    http: Http,
    token: String,
}

impl User {
    fn new(gitea: &Gitea, name: &str, admin: bool) -> Outcome<Self> {
        let http = Http::new(&format!("{}/api/v1", gitea.url()), None)?;
        Ok(Self { http, token: gitea.user(name, admin)? })
    }

    async fn call(&self, call: Call) -> Outcome<Value> {
        Ok(self.http.send(call, &format!("token {}", self.token), "do what the test does").await?.body)
    }

    async fn post(&self, path: &str, body: Value) -> Outcome<Value> {
        self.call(Call::write(Verb::Post, path.into(), body)).await
    }

    /// Posts what Gitea takes once it has looked at a push, which it does in the background.
    async fn post_soon(&self, path: &str, body: Value) -> Outcome<Value> {
        let posted = eventually(Duration::from_secs(20), path, || async {
            self.post(path, body.clone()).await.map_err(|error| error.to_string())
        });
        Ok(posted.await?)
    }

    async fn get(&self, path: &str) -> Outcome<Value> {
        self.call(Call::get(path.into())).await
    }

    fn client(&self) -> Outcome<Client> {
        let access = Access { token: Token::new(&self.token)?, me: None };
        Ok(Client::new(self.http.clone(), dialect(crate::spoken(Kind::Gitea), "tess/config".into()), access))
    }
}

fn git(folder: &Path, args: &[&str]) -> Outcome<String> {
    Ok(git_as(folder, "Ann", "ann@example.com", args)?)
}

fn commit(folder: &Path, text: &str) -> Outcome<String> {
    std::fs::write(folder.join("one.yaml"), text)?;
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "-m", text])?;
    git(folder, &["rev-parse", "HEAD"])
}

struct Story {
    gitea: Gitea,
    tess: User,
    ann: User,
    bob: User,
    bot: User,
    work: PathBuf,
}

/// A repository with a branch and an open pull request, number 1.
async fn story(run: &std::sync::Arc<Run>) -> Outcome<Story> {
    let gitea = Gitea::start_in(run).await?;
    let tess = User::new(&gitea, "tess", true)?;
    let [ann, bob, bot] = ["ann", "bob", "tenantry-bot"].map(|name| User::new(&gitea, name, false));
    let (ann, bob, bot) = (ann?, bob?, bot?);
    tess.post("/user/repos", json!({"name": "config", "private": true})).await?;
    for name in ["ann", "bob", "tenantry-bot"] {
        let path = format!("/repos/tess/config/collaborators/{name}");
        tess.call(Call::write(Verb::Put, path, json!({"permission": "write"}))).await?;
    }
    let work = run.folder("work")?;
    let remote = format!("{}/tess/config.git", gitea.url()).replace("://", &format!("://ann:{}@", ann.token));
    git(&work, &["init", "--quiet", "--initial-branch=main"])?;
    git(&work, &["remote", "add", "origin", &remote])?;
    commit(&work, "first")?;
    git(&work, &["push", "--quiet", "origin", "main"])?;
    git(&work, &["checkout", "--quiet", "-b", "topic"])?;
    commit(&work, "second")?;
    git(&work, &["push", "--quiet", "origin", "topic"])?;
    let pull = json!({"title": "A change", "head": "topic", "base": "main"});
    ann.post_soon("/repos/tess/config/pulls", pull).await?;
    Ok(Story { gitea, tess, ann, bob, bot, work })
}

#[tokio::test]
async fn a_pull_request_on_a_real_gitea() -> Outcome {
    if programs::skip() {
        return Ok(());
    }
    let run = Run::start()?;
    let story = story(&run).await?;
    let (client, work) = (story.bot.client()?, &story.work);
    let head = git(work, &["rev-parse", "topic"])?;
    let open = client.open_pulls("main").await?;
    assert_eq!(open.iter().map(|pull| (pull.number, pull.head.as_str())).collect::<Vec<_>>(), [(1, &*head)]);
    assert!(client.open_pulls("release").await?.is_empty());
    // What the source room fetches.
    let listed = git(work, &["ls-remote", "origin", "refs/pull/1/head"])?;
    assert!(listed.starts_with(&head), "{listed}");

    // One comment, however often; nobody is called by what is in it.
    let plan = "**Tenantry plan:** 1 Tenant changes\n\n<details><summary><code>&#64;ann: added</code></summary>\n\n```text\n@bob\n```\n</details>\n";
    assert_eq!(client.comment(1, "prod", plan).await?, Wrote::Created);
    assert_eq!(client.comment(1, "prod", plan).await?, Wrote::Same);
    assert_eq!(story.bot.client()?.comment(1, "prod", plan).await?, Wrote::Same, "a new process");
    assert_eq!(client.comment(1, "prod", "less").await?, Wrote::Updated);
    let comments = story.tess.get("/repos/tess/config/issues/1/comments").await?;
    assert_eq!(comments.as_array().map(Vec::len), Some(1), "{comments}");
    assert_eq!(comments[0]["body"], "<!-- tenantry:plan:prod -->\nless");

    // Statuses, none before.
    let status = |state, words: &str| Status {
        context: "tenantry/plan/prod".into(),
        state: Some(state),
        description: words.into(),
    };
    for (state, words, wrote) in [
        (State::Pending, "held", Wrote::Created),
        (State::Pending, "held", Wrote::Same),
        (State::Failure, "1 finding", Wrote::Updated),
        (State::Success, "1 Tenant changes", Wrote::Updated),
        (State::Success, "1 Tenant changes", Wrote::Same),
    ] {
        assert_eq!(client.status(&head, &status(state, words)).await?, wrote, "{words}");
    }
    let combined = story.tess.get(&format!("/repos/tess/config/commits/{head}/status")).await?;
    assert_eq!(combined["state"], "success", "{combined}");
    merged(&story, &client, &head).await?;
    refused(&story).await
}

/// Approvals, what takes them back, and the merge.
async fn merged(story: &Story, client: &Client, head: &str) -> Outcome {
    let review = |event: &str, commit: &str| json!({"event": event, "commit_id": commit, "body": "a word"});
    let reviews = "/repos/tess/config/pulls/1/reviews";
    story.bob.post(reviews, review("APPROVED", head)).await?;
    story.tess.post(reviews, review("APPROVED", head)).await?;
    story.tess.post(reviews, review("REQUEST_CHANGES", head)).await?;
    story.ann.post_soon("/repos/tess/config/pulls/1/merge", json!({"Do": "merge"})).await?;
    let merge = story.tess.get("/repos/tess/config/branches/main").await?["commit"]["id"].clone();
    let merge = merge.as_str().ok_or("no branch")?.to_owned();
    let waited = eventually(Duration::from_secs(20), "the merge to be known", || async {
        let found = client.brought("main", &merge).await.map_err(|error| error.to_string())?;
        if found.is_empty() { Err("nothing yet".to_owned()) } else { Ok(found) }
    });
    let found = waited.await?;
    assert_eq!((found.len(), found[0].pull.number, found[0].pull.author.as_str()), (1, 1, "ann"));
    assert_eq!(found[0].pull.head, head);
    let approvals: Vec<_> =
        found[0].approvals.iter().map(|one| (one.user.as_str(), one.commit.as_deref())).collect();
    assert_eq!(approvals, [("bob", Some(head))]);
    let at = found[0].approvals[0].at.as_deref().unwrap_or_default();
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    assert!(client.open_pulls("main").await?.is_empty());
    let first = git(&story.work, &["rev-parse", "main"])?;
    assert!(client.brought("main", &first).await?.is_empty(), "pushed, without a pull request");
    Ok(())
}

/// Who has no rights, or a token that is none.
async fn refused(story: &Story) -> Outcome {
    let stranger = User::new(&story.gitea, "mallory", false)?;
    let error = stranger.client()?.open_pulls("main").await.expect_err("a private repository");
    assert_eq!(error.label(), "not_found", "{error}");
    let nobody = User { http: stranger.http.clone(), token: "0".repeat(40) };
    let error = nobody.client()?.open_pulls("main").await.expect_err("no such token");
    assert_eq!(error.label(), "refused", "{error}");
    assert!(!error.to_string().contains("0000"), "{error}");
    Ok(())
}
