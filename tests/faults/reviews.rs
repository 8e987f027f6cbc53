//! Approvals on the forge: its word counts for listed accounts, and nobody asks it where signed approvals are enough.

use serde_json::{Value, json};
use tenantry_testbed::{Repo, eventually};

use crate::{
    alone,
    fake_forge::{Fake, Kind, Pull, TOKEN},
    support::{Kit, Outcome, at, kit::SOON, signed, world::SYSTEM},
};

const NAME: &str = "reviewed";

fn commit(repo: &Repo, tag: &str) -> Outcome<String> {
    let text = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: reviewed-one\nspec:\n  platformRef:\n    name: {NAME}\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    );
    let id = signed::commit(repo, Some(1), "tenants/one.yaml", &text)?;
    signed::push(repo)?;
    Ok(id)
}

async fn start(kit: &mut Kit) -> Outcome<(Fake, Repo)> {
    let fake = Fake::start(Kind::GitHub).await?;
    let repo = kit.world.git.create(NAME)?;
    signed::list(kit, NAME, &[("tess@example.com", 1), ("bob@example.com", 2)]).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "forge-reviewed"}, "stringData": {"token": TOKEN},
    });
    kit.apply(&at("secrets", SYSTEM, "forge-reviewed"), "tess", &secret).await?;
    let forge = json!({
        "kind": "GitHub", "url": fake.base, "repository": "acme/config", "credentials": {"name": "forge-reviewed"},
        "post": {"comment": false, "status": false},
    });
    let asks = json!({
        "mode": "EveryCommit", "signers": {"kind": "ConfigMap", "name": NAME},
        "approvals": {
            "rules": [{"name": "one", "paths": ["tenants/**"], "groups": ["ops"], "required": 1}],
            "groups": [{"name": "ops", "members": ["tess@example.com", "bob@example.com"]}],
            "forgeUsers": [{"user": "bob-1", "principal": "bob@example.com"}],
        },
    });
    let git = json!({
        "url": repo.url(), "path": "tenants", "interval": "1s", "forge": forge, "verification": asks,
    });
    kit.own_platform(NAME, &json!({"source": {"git": git}})).await?;
    Ok((fake, repo))
}

/// Who asked what a commit came with, and who approved that.
fn asked(fake: &Fake) -> Vec<String> {
    let state = fake.state();
    state
        .calls
        .iter()
        .filter(|call| call.contains("/commits/") || call.contains("/reviews"))
        .cloned()
        .collect()
}

#[tokio::test]
async fn a_forge_is_asked_only_where_signed_approvals_are_not_enough() -> Outcome {
    let Some((_turn, mut kit)) = alone().await? else { return Ok(()) };
    let (fake, repo) = start(&mut kit).await?;
    let path = at("platforms", "", NAME);
    let applied = |commit: String| move |one: &Value| one["status"]["source"]["applied"] == commit.as_str();

    // Nobody signed an approval: the forge is asked, and knows of none, or only of a stranger's.
    let first = commit(&repo, "1")?;
    kit.until_of(&path, "SourceSynced", "False", "rule one has 0 of 1").await?;
    assert!(asked(&fake).iter().any(|call| call.contains(&format!("/commits/{first}/pulls"))));
    let pull = |head: &str, user: &str| Pull {
        number: 3,
        head: head.to_owned(),
        base: "main".to_owned(),
        author: "tess-1".to_owned(),
        merged: true,
        reviews: vec![(
            user.to_owned(),
            "APPROVED".to_owned(),
            head.to_owned(),
            jiff::Timestamp::now().to_string(),
        )],
        ..Pull::default()
    };
    fake.state().pulls = vec![pull(&first, "stranger")];
    let heard = eventually(SOON, "the stranger's review", || async {
        if asked(&fake).iter().any(|call| call.contains("/reviews")) {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    heard.await?;
    kit.until_of(&path, "SourceSynced", "False", "rule one has 0 of 1").await?;
    fake.state().pulls = vec![pull(&first, "bob-1")];
    kit.object(&path, "bob's word", applied(first)).await?;

    // It is away: that holds nothing that is approved by a signature, and is said of what isn't.
    fake.state().down = true;
    let second = commit(&repo, "2")?;
    kit.until_of(&path, "SourceSynced", "False", "the forge's approvals can't be read").await?;
    signed::approve(&repo, &[2], &second)?;
    kit.object(&path, "bob's signature", applied(second)).await?;
    fake.state().down = false;
    fake.state().calls.clear();
    // Approved before it is pushed: no look finds it without.
    let third = signed::commit(&repo, Some(1), "tenants/two.md", "no Tenant")?;
    signed::approve(&repo, &[2], &third)?;
    signed::push(&repo)?;
    kit.object(&path, "approved from the start", applied(third)).await?;
    assert_eq!(asked(&fake), [] as [&str; 0], "nobody asked the forge");
    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("reviewed-one").await
}
