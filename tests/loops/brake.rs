//! The brake: a commit that does too much at once is held until somebody acknowledges exactly what it does.

use serde_json::{Value, json};

use crate::{
    source::{Source, file},
    support::{
        Outcome, at,
        objects::{condition, text},
    },
};

const TENANTS: [&str; 5] = ["brake-a", "brake-b", "brake-c", "brake-d", "brake-e"];

impl Source {
    /// Commits the Tenants with these names, changed as `change` says.
    async fn commit_all(&self, names: &[&str], change: impl Fn(&str) -> String) -> Outcome<String> {
        let files: Vec<(String, String)> = names
            .iter()
            .map(|name| (format!("tenants/{name}.yaml"), change(&file(name, self.name, "1"))))
            .collect();
        let files: Vec<(&str, Option<&str>)> =
            files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        self.commit(&files).await
    }

    async fn acknowledge(&self, said: &str) -> Outcome {
        let annotation = json!({"metadata": {"annotations": {"tenantry.dev/acknowledge": said}}});
        self.kit.merge(&self.platform(), "tess", &annotation).await?;
        Ok(())
    }

    /// Waits until this head is held with these words; returns the acknowledgement that its message names.
    async fn braked(&self, head: &str, words: &str) -> Outcome<String> {
        let platform = self.synced("False", &format!("BrakeApplied: commit {head} is held: {words}")).await?;
        assert_eq!(text(&platform, "/status/source/head"), head);
        let message = text(&condition(&platform, "SourceSynced"), "/message").to_owned();
        let line = message.split("tenantry.dev/acknowledge=").nth(1).expect("it says how to let it pass");
        Ok(line.split(';').next().unwrap_or_default().to_owned())
    }

    async fn lifecycle(&self, tenant: &str, lifecycle: &str) -> Outcome {
        let right = |now: &Value| now["spec"]["lifecycle"] == lifecycle;
        self.kit.object(&at("tenants", "", tenant), lifecycle, right).await.map(drop)
    }
}

fn asleep(file: &str) -> String {
    file.replace("spec:\n  platformRef", "spec:\n  lifecycle: Suspended\n  platformRef")
}

#[tokio::test]
async fn a_commit_that_does_too_much_waits_for_who_has_seen_what_it_does() -> Outcome {
    let Some(source) = Source::start("brake", &json!({})).await? else { return Ok(()) };
    let kit = &source.kit;
    // New Tenants are no effect, however many.
    let first = source.commit_all(&TENANTS, str::to_owned).await?;
    source.applied(&first).await?;
    for tenant in TENANTS {
        kit.ready(tenant).await?;
    }
    // One alone passes.
    let one = source.commit_all(&TENANTS[..1], |text| text.replace("pause:1", "pause:2")).await?;
    source.applied(&one).await?;

    let head = source.commit_all(&TENANTS[1..4], asleep).await?;
    let said = source.braked(&head, "3 of 5 Tenants touched, and the brake lets 25 % pass").await?;
    assert!(said.starts_with(&format!("{head}@")), "{said}");
    let platform = source.synced("False", "3 suspensions (brake-b, brake-c, brake-d)").await?;
    let message = text(&condition(&platform, "SourceSynced"), "/message").to_owned();
    assert!(message.contains(&format!("tenantry plan {one}..{head} --path tenants")), "{message}");
    assert_eq!(text(&platform, "/status/source/accepted"), one);
    // Nothing of it is applied; what was accepted is healed.
    let edit = json!({"spec": {"lifecycle": "Suspended"}});
    kit.merge(&at("tenants", "", "brake-a"), "mallory", &edit).await?;
    source.lifecycle("brake-a", "Active").await?;
    for tenant in TENANTS {
        assert_eq!(source.tenant(tenant).await?["spec"]["lifecycle"], "Active", "{tenant}");
    }

    // A commit alone says nothing of what it does, and another digest is another plan.
    source.acknowledge(&head).await?;
    source.braked(&head, "").await?;
    source.acknowledge(&format!("{head}@000000000000000000000000")).await?;
    source
        .braked(&head, "3 of 5 Tenants touched, and the brake lets 25 % pass; what was acknowledged is not")
        .await?;
    changed_since(&source, &head, &said).await?;
    other_commit(&source, &head).await?;
    source.clean_up(&TENANTS).await
}

/// The plan was looked at; then the cluster became another one, and the same commit would do something else.
async fn changed_since(source: &Source, head: &str, said: &str) -> Outcome {
    let kit = &source.kit;
    let door = |door: Value| json!({"metadata": {"annotations": {"tenantry.dev/source": door}}});
    kit.merge(&at("tenants", "", "brake-d"), "tess", &door(json!(null))).await?;
    source.acknowledge(&format!("{head}@111111111111111111111111")).await?;
    let now = source.braked(head, "2 of 5 Tenants touched").await?;
    assert_ne!(now, said);
    source.acknowledge(said).await?;
    source
        .braked(head, "2 of 5 Tenants touched, and the brake lets 25 % pass; what was acknowledged is not")
        .await?;
    assert_eq!(source.tenant("brake-b").await?["spec"]["lifecycle"], "Active");
    // As it was: what was looked at is what happens.
    kit.merge(&at("tenants", "", "brake-d"), "tess", &door(json!("brake"))).await?;
    source.applied(head).await?;
    for tenant in &TENANTS[1..4] {
        source.lifecycle(tenant, "Suspended").await?;
    }
    source.synced("True", "").await.map(drop)
}

/// An acknowledgement is of one commit; a Platform whose brake allows more needs none.
async fn other_commit(source: &Source, before: &str) -> Outcome {
    let head = source.commit_all(&TENANTS[1..4], str::to_owned).await?;
    let said = source.braked(&head, "3 of 5 Tenants touched").await?;
    let hash = said.split_once('@').map(|(_, hash)| hash.to_owned()).expect("it has a digest");
    source.acknowledge(&format!("{before}@{hash}")).await?;
    source.braked(&head, "3 of 5 Tenants touched").await?;
    let lets = json!({"spec": {"source": {"brake": {"maxPercent": 60}}}});
    source.kit.merge(&source.platform(), "tess", &lets).await?;
    source.applied(&head).await?;
    for tenant in &TENANTS[1..4] {
        source.lifecycle(tenant, "Active").await?;
    }
    Ok(())
}
