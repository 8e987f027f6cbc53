//! Plans on pull requests, posted by the operator itself: with a Git server, a forge, and everything between that
//! breaks. The forge is a small one of our own that speaks GitHub's documented API.

use serde_json::{Value, json};
use tenantry_testbed::{Repo, eventually};

use crate::{
    alone,
    fake_forge::{Fake, Kind, Pull, TOKEN},
    support::{
        Kit, Outcome, at,
        kit::SOON,
        objects::{condition, text},
        world::SYSTEM,
    },
};

const NAME: &str = "posted";

fn file(tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: posted-one\nspec:\n  platformRef:\n    name: {NAME}\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    )
}

struct Story {
    kit: Kit,
    fake: Fake,
    repo: Repo,
}

impl Story {
    fn platform() -> String {
        at("platforms", "", NAME)
    }

    /// Commits on a branch of its own, pushes it as a forge would keep it, and tells the forge.
    fn pull(&self, tag: &str) -> Outcome<String> {
        std::fs::write(self.repo.work().join("tenants/one.yaml"), file(tag))?;
        self.repo.git(["checkout", "--quiet", "-B", "topic"])?;
        self.repo.git(["commit", "--quiet", "--all", "-m", "A change"])?;
        self.repo.git(["push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/head"])?;
        let head = self.repo.head()?;
        let (base, author) = ("main".to_owned(), "ann".to_owned());
        self.fake.state().pulls =
            vec![Pull { number: 7, head: head.clone(), base, author, ..Pull::default() }];
        self.repo.git(["checkout", "--quiet", "main"])?;
        Ok(head)
    }

    async fn says(&self, commit: &str, context: &str, state: &str, words: &str) -> Outcome {
        let what = format!("status {context} of {commit}: {state} {words}");
        let waited = eventually(SOON, &what, || async {
            match self.fake.status(commit, context) {
                Some((found, said)) if found == state && said.contains(words) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        Ok(waited.await?)
    }

    /// Waits until the operator has asked so often for open pull requests, from now on.
    async fn rounds(&self, count: usize) -> Outcome {
        let asked = || {
            let state = self.fake.state();
            state.calls.iter().filter(|call| call.contains("/pulls?state=open")).count()
        };
        let before = asked();
        let waited = eventually(SOON * 2, "rounds of the forge loop", || {
            let now = asked();
            async move { if now >= before + count { Ok(()) } else { Err(format!("{}", now - before)) } }
        });
        Ok(waited.await?)
    }

    fn bodies(&self) -> Vec<String> {
        self.fake.state().comments.iter().map(|one| one.body.clone()).collect()
    }

    async fn runs(&self, tag: &str) -> Outcome {
        let image = format!("registry.k8s.io/pause:{tag}");
        let right = |now: &Value| text(now, "/spec/services/0/image") == image;
        self.kit.object(&at("tenants", "", "posted-one"), &image, right).await.map(drop)
    }
}

async fn start(kit: Kit) -> Outcome<Story> {
    let mut kit = kit;
    let fake = Fake::start(Kind::GitHub).await?;
    let repo = kit.world.git.create(NAME)?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forge-posted"}, "stringData": {"token": TOKEN},
    });
    kit.apply(&at("secrets", SYSTEM, "forge-posted"), "tess", &secret).await?;
    let forge = json!({
        "kind": "GitHub", "url": fake.base, "repository": "acme/config", "credentials": {"name": "forge-posted"},
    });
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s", "forge": forge});
    repo.commit(&[("tenants/one.yaml", Some(&file("1")))], "The first")?;
    kit.own_platform(NAME, &json!({"source": {"git": git}})).await?;
    Ok(Story { kit, fake, repo })
}

#[tokio::test]
async fn a_pull_request_gets_its_plan_and_keeps_one_comment() -> Outcome {
    let Some((_turn, kit)) = alone().await? else { return Ok(()) };
    let story = start(kit).await?;
    let (kit, fake) = (&story.kit, &story.fake);
    let first = story.repo.head()?;
    story.says(&first, "tenantry/applied/posted", "success", "applied: 1 Tenants from 1 files").await?;
    kit.until_of(&Story::platform(), "PlansPosted", "True", "0 open pull requests").await?;

    // Opened.
    let head = story.pull("2")?;
    story.says(&head, "tenantry/plan/posted", "success", "1 Tenant changes, 1 service restarts").await?;
    let [body] = story.bodies().try_into().map_err(|all| format!("{all:?}"))?;
    assert!(body.starts_with("<!-- tenantry:plan:posted -->\n**Tenantry plan:**"), "{body}");
    assert!(!body.contains("<!-- tenantry-plan -->"), "a workflow would take it for its own: {body}");
    assert!(body.contains("pause:1\" → \"registry.k8s.io/pause:2") && body.contains(&head), "{body}");
    kit.until_of(&Story::platform(), "PlansPosted", "True", "1 open pull requests").await?;
    story.runs("1").await?;

    // Pushed to: the same comment, another status.
    let bad = story.pull("3\n      replica: 1")?;
    story.says(&bad, "tenantry/plan/posted", "failure", "1 finding").await?;
    let next = story.pull("4")?;
    story.says(&next, "tenantry/plan/posted", "success", "1 Tenant changes").await?;
    let [body] = story.bodies().try_into().map_err(|all| format!("{all:?}"))?;
    assert!(body.contains("pause:4") && body.contains(&next) && !body.contains("pause:3"), "{body}");

    // Killed and started: it finds its own.
    kit.world.kill_operator();
    fake.writes();
    kit.world.start_operator(&[]).await?;
    story.rounds(3).await?;
    assert_eq!(fake.writes(), Vec::<String>::new());

    // The forge is down: what is merged is applied all the same, and the plan comes when the forge does.
    fake.state().down = true;
    kit.until_of(&Story::platform(), "PlansPosted", "False", "ForgeUnreachable").await?;
    let second = story.repo.commit(
        &[("tenants/two.txt", Some("no Tenant")), ("tenants/one.yaml", Some(&file("5")))],
        "Direct",
    )?;
    story.runs("5").await?;
    let late = story.pull("6")?;
    kit.object(&Story::platform(), "the second", |one| one["status"]["source"]["applied"] == second.as_str())
        .await?;
    fake.state().down = false;
    story.says(&late, "tenantry/plan/posted", "success", "1 Tenant changes").await?;
    story.says(&second, "tenantry/applied/posted", "success", "applied").await?;
    kit.until_of(&Story::platform(), "PlansPosted", "True", "").await?;
    assert_eq!(story.bodies().len(), 1);
    assert!(fake.state().strange.is_empty(), "{:?}", fake.state().strange);

    diverged(&story).await?;
    held(&story).await?;
    plan_only(&story).await?;
    told_nobody(&story).await?;
    kit.merge(&Story::platform(), "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("posted-one").await
}

/// The branch goes on without the pull request: its plan is still what it does itself, and nothing is written anew.
async fn diverged(story: &Story) -> Outcome {
    story.fake.writes();
    let third = story.repo.commit(&[("tenants/three.txt", Some("no Tenant"))], "Meanwhile")?;
    story.says(&third, "tenantry/applied/posted", "success", "applied").await?;
    story.rounds(3).await?;
    assert_eq!(story.fake.writes(), [format!("POST /api/repos/acme/config/statuses/{third}")]);
    story.kit.until_of(&Story::platform(), "PlansPosted", "True", "1 open pull requests").await.map(drop)
}

/// What the brake would hold is pending, and says how to let it pass.
async fn held(story: &Story) -> Outcome {
    let brake = json!({"spec": {"source": {"brake": {"maxEffects": 0}}}});
    story.kit.merge(&Story::platform(), "tess", &brake).await?;
    let head = story.pull("7")?;
    story.says(&head, "tenantry/plan/posted", "pending", "the brake would hold it").await?;
    let said = story.bodies().concat();
    assert!(said.contains(&format!("platform {NAME} tenantry.dev/acknowledge={head}")), "{said}");
    assert!(
        !said.contains("by the defaults of spec.source.brake"),
        "the cluster's own brake is known: {said}"
    );
    let brake = json!({"spec": {"source": {"brake": {"maxEffects": 20}}}});
    story.kit.merge(&Story::platform(), "tess", &brake).await?;
    story.says(&head, "tenantry/plan/posted", "success", "1 Tenant changes").await
}

/// With `tenantry.dev/plan-only` plans go on, and nothing of Git is applied.
async fn plan_only(story: &Story) -> Outcome {
    let kit = &story.kit;
    let only = |value: Value| json!({"metadata": {"annotations": {"tenantry.dev/plan-only": value}}});
    kit.merge(&Story::platform(), "tess", &only(json!("true"))).await?;
    kit.until_of(&Story::platform(), "SourceSynced", "False", "PlanOnly").await?;
    let commit = story.repo.commit(&[("tenants/one.yaml", Some(&file("8")))], "Not to be applied")?;
    let accepted = |one: &Value| one["status"]["source"]["accepted"] == commit.as_str();
    kit.object(&Story::platform(), "accepted", accepted).await?;
    let head = story.pull("9")?;
    story.says(&head, "tenantry/plan/posted", "success", "1 Tenant changes").await?;
    story.rounds(2).await?;
    story.runs("5").await?;
    assert_eq!(story.fake.status(&commit, "tenantry/applied/posted"), None);
    kit.merge(&Story::platform(), "tess", &only(Value::Null)).await?;
    story.runs("8").await?;
    story.says(&commit, "tenantry/applied/posted", "success", "applied").await
}

/// The token is nowhere, and nothing of a pull request was applied.
async fn told_nobody(story: &Story) -> Outcome {
    let kit = &story.kit;
    let platform = kit.the(&Story::platform()).await?;
    assert!(!platform.to_string().contains(TOKEN), "{}", condition(&platform, "PlansPosted"));
    assert!(!kit.world.logs().contains(TOKEN), "in the log");
    assert!(!story.bodies().concat().contains(TOKEN));
    let copies = kit.world.data()?;
    assert!(copies.join("pulls/posted/git").is_dir() && copies.join("sources/posted/git").is_dir());
    Ok(())
}
