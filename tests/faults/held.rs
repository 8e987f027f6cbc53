//! A restart while a head is held: what was accepted is healed, and the head stays out.

use serde_json::{Value, json};
use tenantry_testbed::Repo;

use crate::{
    alone,
    support::{Kit, Outcome, at, objects::text, signed},
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
