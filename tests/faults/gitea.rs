//! The whole road with a real forge: push, pull request, plan, merge, applied.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tenantry::forge::{
    call::{Call, Verb},
    http::Http,
};
use tenantry_testbed::{Gitea, eventually, git_as};

use crate::{
    alone,
    support::{Kit, Outcome, at, kit::SOON, objects::text, world::SYSTEM},
};

const NAME: &str = "gitea";
const BOT: &str = "tenantry-bot";

fn file(tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: gitea-one\nspec:\n  platformRef:\n    name: {NAME}\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    )
}

struct Story {
    kit: Kit,
    work: PathBuf,
    http: Http,
    tess: String,
    /// Ends with the story.
    _gitea: Gitea,
}

impl Story {
    async fn call(&self, verb: Verb, path: &str, body: Option<Value>) -> Outcome<Value> {
        let call = Call { verb, path: path.into(), body };
        Ok(self.http.send(call, &format!("token {}", self.tess), "do what the test does").await?.body)
    }

    /// Posts what Gitea takes once it has looked at a push, which it does in the background.
    async fn post_soon(&self, path: &str, body: Value) -> Outcome {
        let posted = eventually(SOON, path, || async {
            self.call(Verb::Post, path, Some(body.clone())).await.map_err(|error| error.to_string())
        });
        Ok(posted.await.map(drop)?)
    }

    /// Commits the Tenant with this tag on a branch, and pushes it.
    fn push(&self, branch: &str, tag: &str) -> Outcome<String> {
        std::fs::create_dir_all(self.work.join("tenants"))?;
        std::fs::write(self.work.join("tenants/one.yaml"), file(tag))?;
        git(&self.work, &["add", "--all"])?;
        git(&self.work, &["commit", "--quiet", "-m", tag])?;
        git(&self.work, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")])?;
        git(&self.work, &["rev-parse", "HEAD"])
    }

    async fn says(&self, commit: &str, context: &str, state: &str, words: &str) -> Outcome {
        let path = format!("/repos/tess/config/commits/{commit}/status");
        let what = format!("{context} of {commit}: {state}");
        let waited = eventually(SOON, &what, || async {
            let all = self.call(Verb::Get, &path, None).await.map_err(|error| error.to_string())?;
            let found =
                all["statuses"].as_array().into_iter().flatten().find(|one| one["context"] == context);
            match found {
                Some(one) if one["status"] == state && text(one, "/description").contains(words) => Ok(()),
                _ => Err(all["statuses"].to_string()),
            }
        });
        Ok(waited.await?)
    }

    async fn comments(&self) -> Outcome<Vec<(String, String)>> {
        let all = self.call(Verb::Get, "/repos/tess/config/issues/1/comments", None).await?;
        let pair = |one: &Value| (text(one, "/user/login").to_owned(), text(one, "/body").to_owned());
        Ok(all.as_array().into_iter().flatten().map(pair).collect())
    }
}

fn git(folder: &Path, args: &[&str]) -> Outcome<String> {
    Ok(git_as(folder, "Tess", "tess@example.com", args)?)
}

/// A private repository; the operator comes as a user who may write comments and statuses, and reads with a token.
async fn start(mut kit: Kit) -> Outcome<Story> {
    let run = kit.world.cluster.run();
    let gitea = Gitea::start_in(run).await?;
    let (tess, bot) = (gitea.user("tess", true)?, gitea.user(BOT, false)?);
    let url = format!("{}/tess/config.git", gitea.url());
    let work = run.folder("gitea-work")?;
    git(&work, &["init", "--quiet", "--initial-branch=main"])?;
    git(&work, &["remote", "add", "origin", &url.replace("://", &format!("://tess:{tess}@"))])?;
    let http = Http::new(&format!("{}/api/v1", gitea.url()), None)?;
    for (name, data) in
        [("gitea-git", json!({"username": BOT, "password": bot})), ("gitea-forge", json!({"token": bot}))]
    {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        kit.apply(&at("secrets", SYSTEM, name), "tess", &secret).await?;
    }
    let story = Story { work, http, tess, kit: Kit::of(kit.world), _gitea: gitea };
    story.call(Verb::Post, "/user/repos", Some(json!({"name": "config", "private": true}))).await?;
    let path = format!("/repos/tess/config/collaborators/{BOT}");
    story.call(Verb::Put, &path, Some(json!({"permission": "write"}))).await?;
    story.push("main", "1")?;
    // Neither the API nor the repository's name is written out: both follow from the URL.
    let git = json!({
        "url": url, "path": "tenants", "interval": "1s", "credentials": {"name": "gitea-git"},
        "forge": {"kind": "Gitea", "credentials": {"name": "gitea-forge"}},
    });
    kit.own_platform(NAME, &json!({"source": {"git": git}})).await?;
    Ok(story)
}

#[tokio::test]
async fn from_a_pull_request_to_the_cluster_on_a_real_gitea() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    let story = start(kit).await?;
    let kit = &story.kit;
    let platform = at("platforms", "", NAME);
    let first = git(&story.work, &["rev-parse", "HEAD"])?;
    story.says(&first, "tenantry/applied/gitea", "success", "applied: 1 Tenants from 1 files").await?;

    git(&story.work, &["checkout", "--quiet", "-b", "topic"])?;
    let head = story.push("topic", "2")?;
    let pull = json!({"title": "A change", "head": "topic", "base": "main"});
    story.post_soon("/repos/tess/config/pulls", pull).await?;
    story.says(&head, "tenantry/plan/gitea", "success", "1 Tenant changes, 1 service restarts").await?;
    let comments = story.comments().await?;
    assert_eq!(comments.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), [BOT], "{comments:?}");
    assert!(comments[0].1.contains("pause:1\" → \"registry.k8s.io/pause:2"), "{}", comments[0].1);

    let next = story.push("topic", "3")?;
    story.says(&next, "tenantry/plan/gitea", "success", "1 Tenant changes").await?;
    let comments = story.comments().await?;
    assert!(comments.len() == 1 && comments[0].1.contains("pause:3"), "{comments:?}");
    kit.until_of(&platform, "PlansPosted", "True", "1 open pull requests").await?;
    let image = |tag: &'static str| {
        move |one: &Value| text(one, "/spec/services/0/image") == format!("registry.k8s.io/pause:{tag}")
    };
    assert!(image("1")(&kit.the(&at("tenants", "", "gitea-one")).await?), "nothing is applied yet");

    story.post_soon("/repos/tess/config/pulls/1/merge", json!({"Do": "merge"})).await?;
    kit.object(&at("tenants", "", "gitea-one"), "merged", image("3")).await?;
    let branch = story.call(Verb::Get, "/repos/tess/config/branches/main", None).await?;
    story.says(text(&branch, "/commit/id"), "tenantry/applied/gitea", "success", "applied").await?;
    kit.until_of(&platform, "PlansPosted", "True", "0 open pull requests").await?;
    kit.merge(&platform, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("gitea-one").await
}
