//! Which changes may run: those that enough others have approved.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use ssh_key::LineEnding;
use tenantry::source::APPROVALS;

use crate::{
    source::{Source, file},
    support::{Outcome, objects::text, signed},
    trail::history,
};

/// Tess commits; Ada, Bob and Cy approve; the forge merges.
const PEOPLE: [(&str, u8); 5] = [
    ("tess@example.com", 1),
    ("ada@example.com", 2),
    ("bob@example.com", 3),
    ("cy@example.com", 4),
    ("forge@example.com", 5),
];
const TESS: u8 = 1;
const ADA: u8 = 2;
const BOB: u8 = 3;
const CY: u8 = 4;
const FORGE: u8 = 5;

/// Two of four people for everything below `tenants`.
fn asks(name: &str) -> Value {
    let members: Vec<&str> = PEOPLE[..4].iter().map(|(who, _)| *who).collect();
    json!({
        "mode": "EveryCommit",
        "signers": {"kind": "ConfigMap", "name": name},
        "forgeSigners": ["forge@example.com"],
        "approvals": {
            "rules": [{"name": "two", "paths": ["tenants/**"], "groups": ["ops"], "required": 2}],
            "groups": [{"name": "ops", "members": members}],
        },
    })
}

impl Source {
    /// A Platform that asks for two approvals, and a first Tenant that has them.
    async fn start_approved(name: &'static str, git: &Value) -> Outcome<Option<(Self, String)>> {
        let mut git = git.clone();
        git["verification"] = asks(name);
        let Some(source) = Self::start(name, &git).await? else { return Ok(None) };
        signed::list(&source.kit, name, &PEOPLE).await?;
        let first = source.change(Some(TESS), "1")?;
        source.push()?;
        // The first revision, too.
        source.synced("False", "rule two has 0 of 2 for tenants/one.yaml").await?;
        signed::approve(&source.repo, &[ADA, BOB], &first)?;
        source.applied(&first).await?;
        source.runs("1").await?;
        Ok(Some((source, first)))
    }

    /// Waits until a head waits for approvals, and these words are said.
    async fn waits(&self, words: &str) -> Outcome<Value> {
        let platform = self.synced("False", words).await?;
        let said = platform["status"]["conditions"].to_string();
        assert!(said.contains("ApprovalsMissing"), "{said}");
        Ok(platform)
    }
}

#[tokio::test]
async fn a_change_runs_once_two_others_have_approved_it() -> Outcome {
    let Some((source, first)) = Source::start_approved("approved", &json!({})).await? else { return Ok(()) };
    let (repo, world) = (&source.repo, &source.kit.world);
    let second = source.change(Some(TESS), "2")?;
    source.push()?;
    source.held(&second, &first, "1", &format!("runs tenantry approve {second} --push")).await?;
    // Who wrote it doesn't count; a new note is seen without a new head.
    signed::approve(repo, &[TESS], &second)?;
    source.waits("not counted: tess@example.com on ").await?;
    signed::approve(repo, &[ADA], &second)?;
    source
        .waits(
            "rule two has 1 of 2 (ada@example.com) for tenants/one.yaml, bob@example.com, cy@example.com may",
        )
        .await?;
    source.held(&second, &first, "1", "1 of 2").await?;

    // With the program, beside somebody whose notes were pushed meanwhile.
    let folder = world.cluster.run().folder("approver")?;
    let (clone, secret) = (folder.join("clone"), folder.join("bob"));
    repo.git(["clone", "--quiet", &repo.bare().display().to_string(), &clone.display().to_string()])?;
    let git = |args: &[&str]| repo.git([&["-C", &clone.display().to_string()], args].concat());
    git(&["config", "user.name", "Bob"])?;
    git(&["config", "user.email", "bob@example.com"])?;
    std::fs::write(&secret, signed::key(BOB).to_openssh(LineEnding::LF)?.as_bytes())?;
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600))?;
    let (clone, secret) = (clone.display().to_string(), secret.display().to_string());
    let args = ["approve", &second, "--repo", &clone, "--key", &secret, "--push"];
    let (code, out, err) = world.program(&args)?;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with(&format!("approved commit {second} until ")), "{out}");
    assert!(out.ends_with(&format!("pushed {APPROVALS} to origin\n")), "{out}");
    source.applied(&second).await?;
    source.runs("2").await?;
    let record = history(&source, "approved-one", 2).await?.pop().unwrap_or_default();
    assert_eq!(record["commit"], second.as_str());
    assert_eq!(record["approvers"], json!(["ada@example.com", "bob@example.com"]), "{record}");

    // What no rule speaks of needs nobody.
    signed::commit(repo, Some(TESS), "README.md", "no Tenant")?;
    let readme = repo.head()?;
    source.push()?;
    source.applied(&readme).await?;
    source.clean_up(&["approved-one"]).await
}

#[tokio::test]
async fn approvals_that_do_not_hold_do_not_count() -> Outcome {
    let Some((source, first)) = Source::start_approved("unapproved", &json!({})).await? else {
        return Ok(());
    };
    let repo = &source.repo;
    // Amended after it was approved; and the note carried over, as notes.rewriteRef does.
    let second = source.change(Some(TESS), "2")?;
    signed::approve(repo, &[ADA, BOB], &second)?;
    repo.git(["commit", "--quiet", "--amend", "-m", "The same, amended"])?;
    let amended = signed::sign(repo, Some(TESS))?;
    assert_ne!(amended, second);
    source.push()?;
    source.held(&amended, &first, "1", "rule two has 0 of 2 for tenants/one.yaml").await?;
    repo.git(["notes", "--ref", APPROVALS, "copy", &second, &amended])?;
    repo.git(["push", "--quiet", "--force", "origin", APPROVALS])?;
    source.waits(&format!("OtherCommit: it is for commit \"{second}\"")).await?;
    signed::approve(repo, &[ADA, BOB], &amended)?;
    source.applied(&amended).await?;

    // Run out; and from tomorrow.
    let third = source.change(Some(TESS), "3")?;
    source.push()?;
    signed::note(repo, &third, &signed::approval(repo, ADA, &third, [-2, -1])?)?;
    signed::note(repo, &third, &signed::approval(repo, CY, &third, [24, 48])?)?;
    signed::approve(repo, &[BOB], &third)?;
    source.waits("ada@example.com on ").await?;
    let platform = source.waits("has 1 of 2 (bob@example.com)").await?;
    let said = platform["status"]["conditions"].to_string();
    assert!(
        said.contains("Expired: it counted until ") && said.contains("Early: it was given at "),
        "{said}"
    );
    signed::approve(repo, &[ADA], &third)?;
    source.applied(&third).await?;

    // An approver who was taken out of the list, and who comes back; without a push.
    signed::list(&source.kit, "unapproved", &[PEOPLE[0], PEOPLE[1], PEOPLE[3], PEOPLE[4]]).await?;
    let fourth = source.change(Some(TESS), "4")?;
    source.push()?;
    signed::approve(repo, &[ADA, BOB], &fourth)?;
    source.waits("has 1 of 2 (ada@example.com)").await?;
    source.waits("BadSignature: key not listed: SHA256:").await?;
    signed::list(&source.kit, "unapproved", &PEOPLE).await?;
    source.applied(&fourth).await?;

    // Rubbish, in a note and in all of them.
    let fifth = source.change(Some(TESS), "5")?;
    source.push()?;
    signed::note(repo, &fifth, &"tenantry.dev/approval/v1 rubbish\n".repeat(10_000))?;
    source.waits("Malformed: the note is too large").await?;
    source.held(&fifth, &fourth, "4", "0 of 2").await?;
    let whole = repo.git(["rev-parse", APPROVALS])?;
    let orphan = repo.git(["commit-tree", &format!("{fifth}^{{tree}}"), "-m", "No notes"])?;
    repo.git(["update-ref", APPROVALS, &orphan])?;
    repo.git(["push", "--quiet", "--force", "origin", APPROVALS])?;
    source.waits("rule two has 0 of 2 for tenants/one.yaml, ada@example.com, bob@example.com, cy@example.com may; nothing").await?;
    repo.git(["update-ref", APPROVALS, &whole])?;
    repo.git(["notes", "--ref", APPROVALS, "remove", &fifth])?;
    signed::approve(repo, &[ADA, BOB], &fifth)?;
    source.applied(&fifth).await?;
    source.runs("5").await?;
    source.clean_up(&["unapproved-one"]).await
}

#[tokio::test]
async fn a_merge_needs_approvals_only_for_what_it_adds() -> Outcome {
    let Some((source, first)) = Source::start_approved("merging", &json!({})).await? else { return Ok(()) };
    let repo = &source.repo;
    let topic = |tag: &str| -> Outcome<String> {
        repo.git(["checkout", "--quiet", "-B", "topic"])?;
        source.change(Some(TESS), tag)
    };
    let merge = |message: &str| -> Outcome<String> {
        repo.git(["checkout", "--quiet", "main"])?;
        repo.git(["merge", "--quiet", "--no-ff", "-m", message, "topic"])?;
        signed::sign(repo, Some(FORGE))
    };
    // Approved on the pull request, merged by the forge.
    let second = topic("2")?;
    signed::approve(repo, &[ADA, BOB], &second)?;
    let merged = merge("Merge topic")?;
    source.push()?;
    source.applied(&merged).await?;
    source.runs("2").await?;

    // The merge says something else than what was approved. Signed by the forge it would come no further than signatures.
    let third = topic("3")?;
    signed::approve(repo, &[ADA, BOB], &third)?;
    merge("Merge topic")?;
    std::fs::write(repo.work().join("tenants/one.yaml"), file("merging-one", "merging", "9"))?;
    repo.git(["commit", "--quiet", "--all", "--amend", "-m", "Merge topic"])?;
    let evil = signed::sign(repo, Some(TESS))?;
    source.push()?;
    source.held(&evil, &merged, "2", "rule two has 0 of 2 for tenants/one.yaml").await?;
    source.waits("OtherChange: what they approved is not this change of the path").await?;
    repo.git(["reset", "--quiet", "--hard", &merged])?;
    let honest = merge("Merge topic")?;
    source.push()?;
    source.applied(&honest).await?;
    source.runs("3").await?;

    // An old branch, approved for something else, brings old content back.
    repo.git(["checkout", "--quiet", "-B", "topic", &first])?;
    let stale = signed::commit(repo, Some(TESS), "tenants/two.yaml", &file("merging-two", "merging", "1"))?;
    signed::approve(repo, &[ADA, BOB], &stale)?;
    repo.git(["checkout", "--quiet", "main"])?;
    repo.git(["merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic"])?;
    repo.git(["checkout", "--quiet", &first, "--", "tenants/one.yaml"])?;
    repo.git(["commit", "--quiet", "--amend", "-m", "Merge topic"])?;
    let back = signed::sign(repo, Some(TESS))?;
    source.push()?;
    source.held(&back, &honest, "3", "rule two has 0 of 2 for tenants/one.yaml, ").await?;
    signed::approve(repo, &[ADA, CY], &back)?;
    source.applied(&back).await?;
    source.runs("1").await?;
    source.clean_up(&["merging-one", "merging-two"]).await
}

#[tokio::test]
async fn a_commit_cannot_loosen_the_rules() -> Outcome {
    let git = json!({"platformPath": "platform"});
    let Some((source, _)) = Source::start_approved("loosened", &git).await? else { return Ok(()) };
    let repo = &source.repo;
    let mut own = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "loosened"},
    });
    let platform = source.kit.the(&source.platform()).await?;
    own["spec"] = platform["spec"].clone();
    own["spec"]["source"]["git"]["verification"]["approvals"]["rules"][0]["required"] = json!(1);
    signed::commit(repo, Some(TESS), "platform/loosened.yaml", &own.to_string())?;
    let loose = source.change(Some(TESS), "2")?;
    source.push()?;
    // By the rules of now two have to approve, whatever the commit says.
    signed::approve(repo, &[ADA], &loose)?;
    source.waits("rule two has 1 of 2 (ada@example.com)").await?;
    signed::approve(repo, &[BOB], &loose)?;
    source.runs("2").await?;
    // And even then the rules stay: they come from the cluster alone.
    let words = "the trust root of a Platform can't be changed from the repository that it protects";
    let found = |one: &Value| one["status"]["source"]["findings"].to_string().contains(words);
    let platform = source.kit.object(&source.platform(), words, found).await?;
    let rule = &platform["spec"]["source"]["git"]["verification"]["approvals"]["rules"][0];
    assert_eq!(rule["required"], 2);
    let next = source.change(Some(TESS), "3")?;
    source.push()?;
    signed::approve(repo, &[ADA], &next)?;
    let platform = source.waits("rule two has 1 of 2 (ada@example.com)").await?;
    assert_eq!(text(&platform, "/status/source/accepted"), loose);
    // With kubectl they change, for who may write Platforms; and at once.
    let rules = json!([{"name": "two", "paths": ["tenants/**"], "groups": ["ops"], "required": 1}]);
    let change = json!({"spec": {"source": {"git": {"verification": {"approvals": {"rules": rules}}}}}});
    source.kit.merge(&source.platform(), "tess", &change).await?;
    source.runs("3").await?;
    source.clean_up(&["loosened-one"]).await
}
