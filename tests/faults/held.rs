//! A restart while a head is held: what was accepted is healed, and the head stays out.

use serde_json::{Value, json};
use tenantry_testbed::{Fault, Matcher, Repo, eventually};

use crate::{
    alone,
    support::{
        Kit, Outcome, at,
        kit::SOON,
        objects::{condition, text},
        signed,
    },
};

fn file(tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: held-one\nspec:\n  platformRef:\n    name: held\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    )
}

async fn change(repo: &Repo, seed: Option<u8>, tag: &str) -> Outcome<String> {
    let id = signed::commit(repo, seed, "tenants/one.yaml", &file(tag))?;
    signed::push(repo)?;
    Ok(id)
}

/// Somebody changes the Tenant; it is brought back to this tag, and the head is held still.
async fn is_healed(kit: &Kit, head: &str, tag: &str, words: &str) -> Outcome {
    let path = at("tenants", "", "held-one");
    kit.merge(&path, "mallory", &json!({"spec": {"lifecycle": "Suspended", "services": []}})).await?;
    let image = format!("registry.k8s.io/pause:{tag}");
    let right = |now: &Value| {
        now["spec"]["lifecycle"] == "Active" && now["spec"]["services"][0]["image"] == image.as_str()
    };
    kit.object(&path, &image, right).await?;
    let platform = kit.until_of(&at("platforms", "", "held"), "SourceSynced", "False", words).await?;
    assert_eq!(text(&platform, "/status/source/head"), head);
    Ok(())
}

#[tokio::test]
async fn a_restart_does_not_let_a_held_head_in() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    let repo = kit.world.git.create("held")?;
    signed::list(&kit, "held", &[("tess@example.com", 1)]).await?;
    let asks = json!({"mode": "EveryCommit", "signers": {"kind": "ConfigMap", "name": "held"}});
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s", "verification": asks});
    let first = change(&repo, Some(1), "1").await?;
    kit.own_platform("held", &json!({"source": {"git": git}})).await?;
    let path = at("platforms", "", "held");
    let applied = |commit: String| move |one: &Value| one["status"]["source"]["applied"] == commit.as_str();
    kit.object(&path, "the first", applied(first.clone())).await?;
    let unsigned = change(&repo, None, "2").await?;
    is_healed(&kit, &unsigned, "1", "UnverifiedCommit").await?;

    // Killed; and once more, without its copy of the repository, at a branch that no longer has what was accepted.
    kit.world.kill_operator();
    kit.world.start_operator(&[]).await?;
    is_healed(&kit, &unsigned, "1", &format!("commit {unsigned}")).await?;
    kit.world.kill_operator();
    let copy = kit.world.cluster.run().folder("operator")?.join("sources/held");
    std::fs::remove_dir_all(&copy)?;
    kit.world.start_operator(&[]).await?;
    is_healed(&kit, &unsigned, "1", &format!("commit {unsigned}")).await?;
    kit.world.kill_operator();
    std::fs::remove_dir_all(&copy)?;
    // As at a forge: a commit that no branch has is kept for a while, and given to who asks for it.
    std::process::Command::new("git")
        .args(["config", "uploadpack.allowAnySHA1InWant", "true"])
        .current_dir(repo.bare())
        .status()?;
    repo.rewrite("Other history")?;
    let other = signed::sign(&repo, Some(1))?;
    signed::push(&repo)?;
    kit.world.start_operator(&[]).await?;
    is_healed(&kit, &other, "1", "HistoryRewritten").await?;

    // What is signed and continues comes in.
    repo.git(["reset", "--quiet", "--hard", &first])?;
    let second = change(&repo, Some(1), "3").await?;
    kit.object(&path, "the second", applied(second)).await?;
    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("held-one").await
}

/// Killed between the verdict and the last write, the operator goes on: it doesn't judge again what is half done.
#[tokio::test]
async fn what_was_accepted_is_applied_to_its_end_whoever_is_taken_out_meanwhile() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    let repo = kit.world.git.create("begun")?;
    signed::list(&kit, "begun", &[("tess@example.com", 1), ("else@example.com", 2)]).await?;
    let asks = json!({"mode": "EveryCommit", "signers": {"kind": "ConfigMap", "name": "begun"}});
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s", "verification": asks});
    let commit = |seed: u8, tag: &str| -> Outcome<String> {
        let text = file(tag).replace("held-one", "begun-one").replace("name: held", "name: begun");
        let id = signed::commit(&repo, Some(seed), "tenants/one.yaml", &text)?;
        signed::push(&repo)?;
        Ok(id)
    };
    let first = commit(1, "1")?;
    kit.own_platform("begun", &json!({"source": {"git": git}})).await?;
    let path = at("platforms", "", "begun");
    let applied = |commit: String| move |one: &Value| one["status"]["source"]["applied"] == commit.as_str();
    kit.object(&path, "the first", applied(first)).await?;

    // The first write of the second revision doesn't come through.
    let proxy = &kit.world.proxy;
    let hang = proxy.fail(Matcher::call("apply", "tenants"), Fault::Hang);
    let second = commit(2, "2")?;
    let begun = eventually(SOON, "the first write", || async {
        if proxy.hits(hang) > 0 { Ok(()) } else { Err("none yet".to_owned()) }
    });
    begun.await?;
    let platform = kit.the(&path).await?;
    assert_eq!(text(&platform, "/status/source/accepted"), second, "said before it is done");
    kit.world.kill_operator();
    proxy.heal(hang);
    signed::list(&kit, "begun", &[("tess@example.com", 1)]).await?;
    kit.world.start_operator(&[]).await?;
    kit.object(&path, "the second", applied(second.clone())).await?;
    let tenant = kit.the(&at("tenants", "", "begun-one")).await?;
    assert_eq!(tenant["spec"]["services"][0]["image"], "registry.k8s.io/pause:2");

    // The next one is judged by who is left.
    let third = commit(2, "3")?;
    let platform = kit.until_of(&path, "SourceSynced", "False", "UnverifiedCommit").await?;
    assert_eq!(text(&platform, "/status/source/head"), third);
    assert_eq!(text(&platform, "/status/source/accepted"), second);
    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("begun-one").await
}

/// The brake, too: what was accepted is read again and healed, and what was seen before lets it pass.
#[tokio::test]
async fn a_restart_does_not_release_the_brake() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    let repo = kit.world.git.create("heavy")?;
    let names = ["heavy-a", "heavy-b", "heavy-c"];
    let commit = |lifecycle: &str| -> Outcome<String> {
        let files = names.map(|name| {
            let text = file("1").replace("held-one", name).replace("name: held", "name: heavy");
            let text = text
                .replace("spec:\n  platformRef", &format!("spec:\n  lifecycle: {lifecycle}\n  platformRef"));
            (format!("tenants/{name}.yaml"), text)
        });
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        Ok(repo.commit(&files, lifecycle)?)
    };
    let first = commit("Active")?;
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s"});
    kit.own_platform("heavy", &json!({"source": {"git": git}})).await?;
    let path = at("platforms", "", "heavy");
    let applied = |commit: String| move |one: &Value| one["status"]["source"]["applied"] == commit.as_str();
    kit.object(&path, "the first", applied(first.clone())).await?;
    let head = commit("Suspended")?;
    let said = |platform: &Value| {
        let message = text(&condition(platform, "SourceSynced"), "/message").to_owned();
        let rest = message.split("tenantry.dev/acknowledge=").nth(1).unwrap_or_default().to_owned();
        rest.split(';').next().unwrap_or_default().to_owned()
    };
    let before = said(&kit.until_of(&path, "SourceSynced", "False", "BrakeApplied").await?);

    kit.world.kill_operator();
    let tenant = at("tenants", "", "heavy-a");
    kit.merge(&tenant, "mallory", &json!({"spec": {"services": []}})).await?;
    kit.world.start_operator(&[]).await?;
    let is_healed =
        |now: &Value| now["spec"]["services"][0]["name"] == "web" && now["spec"]["lifecycle"] == "Active";
    kit.object(&tenant, "as accepted", is_healed).await?;
    let platform = kit.until_of(&path, "SourceSynced", "False", "BrakeApplied").await?;
    assert_eq!(text(&platform, "/status/source/accepted"), first);
    assert_eq!(said(&platform), before, "what it does is what it did");
    let annotation = json!({"metadata": {"annotations": {"tenantry.dev/acknowledge": before}}});
    kit.merge(&path, "tess", &annotation).await?;
    kit.object(&path, "released", applied(head)).await?;

    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    for name in names {
        kit.clean_up(name).await?;
    }
    // What goes after this test must not be told in another one that counts calls.
    for name in names {
        kit.gone(&at("namespaces", "", name)).await?;
    }
    kit.object(&path, "no orphans", |one| one["status"]["summary"]["orphans"] == 0).await.map(drop)
}
