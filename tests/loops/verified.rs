//! Which commits may change what runs: signed ones, that continue what was accepted.

use serde_json::{Value, json};

use crate::{
    source::{Source, file},
    support::{Outcome, at, objects::text, signed},
};

const PATH: &str = "tenants/one.yaml";

impl Source {
    /// A Platform that asks for signatures; the list is a ConfigMap of the same name.
    async fn start_signed(name: &'static str, mode: &str) -> Outcome<Option<Self>> {
        let signers = json!({"kind": "ConfigMap", "name": name});
        let asks = json!({"mode": mode, "signers": signers, "forgeSigners": ["forge@example.com"]});
        Self::start(name, &json!({"verification": asks})).await
    }

    /// Commits the one Tenant with this tag, signed or not, without pushing.
    pub(crate) fn change(&self, seed: Option<u8>, tag: &str) -> Outcome<String> {
        let tenant = format!("{}-one", self.name);
        signed::commit(&self.repo, seed, PATH, &file(&tenant, self.name, tag))
    }

    pub(crate) fn push(&self) -> Outcome {
        signed::push(&self.repo)
    }

    /// Waits until the Tenant in the cluster has this tag.
    pub(crate) async fn runs(&self, tag: &str) -> Outcome<Value> {
        let image = format!("registry.k8s.io/pause:{tag}");
        let path = at("tenants", "", &format!("{}-one", self.name));
        let right = |now: &Value| now["spec"]["services"][0]["image"] == image.as_str();
        self.kit.object(&path, &image, right).await
    }

    /// Waits until a head is held and says why; nothing of it is applied, and what is, is healed.
    pub(crate) async fn held(&self, head: &str, accepted: &str, tag: &str, words: &str) -> Outcome {
        let platform = self.synced("False", words).await?;
        let source = &platform["status"]["source"];
        assert_eq!((text(source, "/head"), text(source, "/accepted")), (head, accepted), "{source}");
        let path = at("tenants", "", &format!("{}-one", self.name));
        let edit = json!({"spec": {"lifecycle": "Suspended", "services": []}});
        self.kit.merge(&path, "mallory", &edit).await?;
        let healed = |now: &Value| now["spec"]["lifecycle"] == "Active";
        self.kit.object(&path, "healed", healed).await?;
        self.runs(tag).await?;
        let platform = self.kit.the(&self.platform()).await?;
        assert_eq!(text(&platform, "/status/source/accepted"), accepted);
        Ok(())
    }
}

#[tokio::test]
async fn every_commit_is_signed_or_the_head_is_held() -> Outcome {
    let Some(source) = Source::start_signed("signed", "EveryCommit").await? else { return Ok(()) };
    let first = source.change(Some(1), "1")?;
    source.push()?;
    source.synced("False", "InvalidSigners").await?;
    let kit = &source.kit;
    signed::list(kit, "signed", &[("tess@example.com", 1)]).await?;
    source.applied(&first).await?;
    source.runs("1").await?;
    source.synced("True", "").await?;

    // Unsigned; then below a signed one.
    let unsigned = source.change(None, "2")?;
    source.push()?;
    let said = format!("commit {unsigned} by Tess Bed <tess@example.com>: not signed");
    source.held(&unsigned, &first, "1", &said).await?;
    let above = source.change(Some(1), "3")?;
    source.push()?;
    source
        .kit
        .object(&source.platform(), &above, |one| one["status"]["source"]["head"] == above.as_str())
        .await?;
    source.held(&above, &first, "1", &said).await?;

    // Signed by somebody else; and by the right one.
    source.repo.git(["reset", "--quiet", "--hard", &first])?;
    let foreign = source.change(Some(2), "2")?;
    source.push()?;
    source.held(&foreign, &first, "1", "key not listed: SHA256:").await?;
    source.repo.git(["reset", "--quiet", "--hard", &first])?;
    let second = source.change(Some(1), "2")?;
    source.push()?;
    source.applied(&second).await?;
    source.runs("2").await?;

    // A key that is taken out, and one that comes: without a push.
    signed::list(kit, "signed", &[("else@example.com", 2)]).await?;
    let third = source.change(Some(1), "3")?;
    source.push()?;
    source.held(&third, &second, "2", "key not listed: SHA256:").await?;
    signed::list(kit, "signed", &[("tess@example.com", 1), ("else@example.com", 2)]).await?;
    source.applied(&third).await?;

    // With Head an unsigned commit below a signed one passes.
    let unsigned = source.change(None, "4")?;
    let head = source.change(Some(2), "5")?;
    source.push()?;
    source.held(&head, &third, "3", &format!("commit {unsigned} by")).await?;
    let mode = json!({"spec": {"source": {"git": {"verification": {"mode": "Head"}}}}});
    source.kit.merge(&source.platform(), "tess", &mode).await?;
    source.applied(&head).await?;
    source.runs("5").await?;
    source.clean_up(&["signed-one"]).await
}

#[tokio::test]
async fn rewritten_history_waits_for_an_acknowledgement_of_that_commit() -> Outcome {
    let Some(source) = Source::start("rewritten", &json!({})).await? else { return Ok(()) };
    let acknowledge = async |commit: &str| {
        let annotation = json!({"metadata": {"annotations": {"tenantry.dev/acknowledge": commit}}});
        source.kit.merge(&source.platform(), "tess", &annotation).await
    };
    let first = source.change(None, "1")?;
    source.push()?;
    source.applied(&first).await?;
    let second = source.change(None, "2")?;
    source.push()?;
    source.applied(&second).await?;

    // Rewound.
    source.repo.rewind(1)?;
    let said = format!("commit {first} does not continue the accepted revision {second}");
    source.held(&first, &second, "2", &said).await?;
    acknowledge(&first).await?;
    source.applied(&first).await?;
    source.runs("1").await?;

    // Other history; what was acknowledged was another commit.
    let third = source.repo.rewrite("All anew")?;
    source.held(&third, &first, "1", &format!("tenantry.dev/acknowledge={third}")).await?;
    acknowledge(&second).await?;
    let fourth = source.repo.rewrite("Once more")?;
    source.held(&fourth, &first, "1", &format!("commit {fourth} does not continue")).await?;
    // The one below it doesn't bring it in either.
    acknowledge(&third).await?;
    let fifth = source.change(None, "5")?;
    source.push()?;
    source.held(&fifth, &first, "1", &format!("commit {fifth} does not continue")).await?;
    acknowledge(&fifth).await?;
    source.applied(&fifth).await?;
    source.runs("5").await?;

    // From there on it goes as ever.
    let sixth = source.change(None, "6")?;
    source.push()?;
    source.applied(&sixth).await?;
    source.clean_up(&["rewritten-one"]).await
}

#[tokio::test]
async fn a_forge_may_merge_what_is_signed() -> Outcome {
    let Some(source) = Source::start_signed("forge", "EveryCommit").await? else { return Ok(()) };
    signed::list(&source.kit, "forge", &[("tess@example.com", 1), ("forge@example.com", 3)]).await?;
    let first = source.change(Some(1), "1")?;
    source.push()?;
    source.applied(&first).await?;
    let merge = |seed: Option<u8>, tag: &str| -> Outcome<String> {
        source.repo.git(["checkout", "--quiet", "-B", "topic"])?;
        source.change(seed, tag)?;
        source.repo.git(["checkout", "--quiet", "main"])?;
        source.repo.git(["merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic"])?;
        signed::sign(&source.repo, Some(3))
    };
    let merged = merge(Some(1), "2")?;
    source.push()?;
    source.applied(&merged).await?;
    source.runs("2").await?;
    let unsigned = merge(None, "3")?;
    source.push()?;
    source.held(&unsigned, &merged, "2", "not signed").await?;
    source.repo.git(["reset", "--quiet", "--hard", &merged])?;
    let edit = source.change(Some(3), "3")?;
    source.push()?;
    source.held(&edit, &merged, "2", "which may sign merges only").await?;

    // A merge of what is signed that holds more than that: whoever has the forge's key can't slip anything in.
    source.repo.git(["reset", "--quiet", "--hard", &merged])?;
    merge(Some(1), "3")?;
    let tenant = file("forge-one", "forge", "evil");
    std::fs::write(source.repo.work().join(PATH), tenant)?;
    source.repo.git(["commit", "--quiet", "--all", "--amend", "-m", "Merge topic"])?;
    let evil = signed::sign(&source.repo, Some(3))?;
    source.push()?;
    let said = format!("holds changes of its own: merging its parents gives something else in {PATH}");
    source.held(&evil, &merged, "2", &said).await?;
    source.repo.git(["reset", "--quiet", "--hard", &merged])?;
    let good = merge(Some(1), "4")?;
    source.push()?;
    source.applied(&good).await?;
    source.runs("4").await?;
    source.clean_up(&["forge-one"]).await
}
