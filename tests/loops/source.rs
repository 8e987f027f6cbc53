//! From a commit to Tenants: exactly what it changed, nobody else's, and nothing lost by a mistake.

use serde_json::{Value, json};
use tenantry_testbed::Repo;

use crate::support::{
    Kit, Outcome, at,
    kit::{SOON, service},
    objects::{condition, text},
};

/// A Platform with a repository of its own; both have the same name.
pub(crate) struct Source {
    pub kit: Kit,
    pub repo: Repo,
    pub name: &'static str,
}

impl Source {
    pub async fn start(name: &'static str, git: &Value) -> Outcome<Option<Self>> {
        let Some(mut kit) = Kit::new().await? else { return Ok(None) };
        let repo = kit.world.git.create(name)?;
        let mut source = json!({"url": repo.url(), "path": "tenants", "interval": "1s"});
        crate::support::kit::merge(&mut source, git);
        kit.own_platform(name, &json!({"source": {"git": source}})).await?;
        Ok(Some(Self { kit, repo, name }))
    }

    pub fn platform(&self) -> String {
        at("platforms", "", self.name)
    }

    /// Waits until the Platform's SourceSynced is so.
    pub async fn synced(&self, status: &str, words: &str) -> Outcome<Value> {
        self.kit.until_of(&self.platform(), "SourceSynced", status, words).await
    }

    /// Waits until a revision is applied.
    pub async fn applied(&self, commit: &str) -> Outcome<Value> {
        self.kit.object(&self.platform(), commit, |one| one["status"]["source"]["applied"] == commit).await
    }

    pub async fn commit(&self, files: &[(&str, Option<&str>)]) -> Outcome<String> {
        Ok(self.repo.commit(files, "A change")?)
    }

    pub async fn tenant(&self, tenant: &str) -> Outcome<Value> {
        self.kit.the(&at("tenants", "", tenant)).await
    }

    pub async fn clean_up(&self, tenants: &[&str]) -> Outcome {
        // Without a source first: or it brings them back.
        let without = json!({"spec": {"source": null}});
        self.kit.merge(&self.platform(), "tess", &without).await?;
        for tenant in tenants {
            self.kit.clean_up(tenant).await?;
        }
        Ok(())
    }
}

/// A Tenant's file: one service, whose image has this tag.
pub(crate) fn file(tenant: &str, platform: &str, tag: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {tenant}\n  labels:\n    team: red\nspec:\n  platformRef:\n    name: {platform}\n  services:\n    - name: web\n      image: registry.k8s.io/pause:{tag}\n      replicas:\n        min: 1\n"
    )
}

fn image(tenant: &Value) -> &str {
    text(tenant, "/spec/services/0/image")
}

fn version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

#[tokio::test]
async fn a_commit_writes_the_tenants_that_it_changed_and_no_other() -> Outcome {
    let Some(source) = Source::start("commits", &json!({})).await? else { return Ok(()) };
    let kit = &source.kit;
    let (one, two) = (file("commits-one", "commits", "1"), file("commits-two", "commits", "1"));
    let first =
        source.commit(&[("tenants/one.yaml", Some(&one)), ("tenants/deep/er/two.yaml", Some(&two))]).await?;
    source.applied(&first).await?;
    kit.ready("commits-one").await?;
    let two = kit.ready("commits-two").await?;
    assert_eq!(two["metadata"]["annotations"]["tenantry.dev/commit"], first.as_str());
    assert_eq!(two["metadata"]["annotations"]["tenantry.dev/source"], "commits/tenants/deep/er/two.yaml");
    kit.until("commits-two", "SourceSynced", "True", "").await?;
    let quiet = source.tenant("commits-two").await?;

    let one = file("commits-one", "commits", "2");
    let second = source.commit(&[("tenants/one.yaml", Some(&one)), ("README.md", Some("no Tenant"))]).await?;
    let platform = source.applied(&second).await?;
    assert_eq!(platform["status"]["source"]["tenants"], 2);
    let changed = kit.ready("commits-one").await?;
    assert_eq!(
        (image(&changed), &changed["status"]["summary"]["commit"]),
        ("registry.k8s.io/pause:2", &json!(&second[..8]))
    );
    assert_eq!(version(&source.tenant("commits-two").await?), version(&quiet), "not written");

    // What somebody does to a Tenant of Git is undone, what they add too.
    let edit = json!({
        "metadata": {"labels": {"team": "blue"}},
        "spec": {"lifecycle": "Cancelled", "quota": {"hard": {"pods": "1"}}, "services": []},
    });
    kit.merge(&at("tenants", "", "commits-one"), "kubectl-edit", &edit).await?;
    kit.object(&at("tenants", "", "commits-one"), "healed", |now| {
        now["spec"] == changed["spec"] && now["metadata"]["labels"]["team"] == "red"
    })
    .await?;
    let label = json!({"metadata": {"labels": {"team": "green"}}});
    kit.merge(&at("tenants", "", "commits-one"), "kubectl-edit", &label).await?;
    kit.object(&at("tenants", "", "commits-one"), "its label", |now| {
        now["metadata"]["labels"]["team"] == "red"
    })
    .await?;
    kit.ready("commits-one").await?;
    assert!(kit.get(&at("deployments", "commits-one", "web")).await?.is_some());
    source.clean_up(&["commits-one", "commits-two"]).await
}

#[tokio::test]
async fn a_bad_file_keeps_its_last_good_state_and_stops_nobody() -> Outcome {
    let Some(source) = Source::start("mistakes", &json!({})).await? else { return Ok(()) };
    let (one, two) = (file("mistakes-one", "mistakes", "1"), file("mistakes-two", "mistakes", "1"));
    source.commit(&[("tenants/one.yaml", Some(&one)), ("tenants/two.yaml", Some(&two))]).await?;
    source.kit.ready("mistakes-one").await?;
    let good = source.kit.ready("mistakes-two").await?;
    bad_content(&source, &good).await?;
    wrong_place(&source, &good).await?;

    // A file that is gone ends nothing.
    source
        .commit(&[("tenants/two.yaml", None), ("tenants/dup.yaml", None), ("tenants/strange.yaml", None)])
        .await?;
    source.kit.until("mistakes-two", "SourceSynced", "False", "MissingFromSource: tenants/two.yaml").await?;
    let stays = source.kit.ready("mistakes-two").await?;
    assert_eq!(stays["spec"], good["spec"]);
    source.synced("True", "").await?;
    source.clean_up(&["mistakes-one", "mistakes-two"]).await
}

/// A wrong field in one file; the other file's change goes through.
async fn bad_content(source: &Source, good: &Value) -> Outcome {
    let one = file("mistakes-one", "mistakes", "2");
    let two = file("mistakes-two", "mistakes", "2").replace("min: 1", "min: one");
    source.commit(&[("tenants/one.yaml", Some(&one)), ("tenants/two.yaml", Some(&two))]).await?;
    let platform = source.synced("False", "tenants/two.yaml:14:14: ").await?;
    assert_eq!(platform["status"]["source"]["findingCount"], 1);
    let finding = &platform["status"]["source"]["findings"][0];
    assert_eq!(
        (&finding["file"], &finding["line"], &finding["column"]),
        (&json!("tenants/two.yaml"), &json!(14), &json!(14))
    );
    source.kit.until("mistakes-two", "SourceSynced", "False", "InvalidFile").await?;
    let kept = source.kit.ready("mistakes-two").await?;
    assert_eq!(kept["spec"], good["spec"], "the last good content stays");
    let moved = source.kit.ready("mistakes-one").await?;
    assert_eq!(image(&moved), "registry.k8s.io/pause:2");

    source.commit(&[("tenants/two.yaml", Some("kind: Tenant\n  broken: [\n"))]).await?;
    source.synced("False", "tenants/two.yaml:2:").await?;
    source.kit.until("mistakes-two", "SourceSynced", "False", "InvalidFile").await?;
    source.commit(&[("tenants/two.yaml", Some(&file("mistakes-two", "mistakes", "1")))]).await?;
    source.kit.until("mistakes-two", "SourceSynced", "True", "").await?;
    source.synced("True", "").await?;
    Ok(())
}

/// The same Tenant twice, another Platform's, kinds that are not ours.
async fn wrong_place(source: &Source, good: &Value) -> Outcome {
    let dup = file("mistakes-two", "mistakes", "9");
    source.commit(&[("tenants/dup.yaml", Some(&dup))]).await?;
    source.kit.until("mistakes-two", "SourceSynced", "False", "Duplicate").await?;
    assert_eq!(source.kit.ready("mistakes-two").await?["spec"], good["spec"], "taken from neither place");
    let strange = format!(
        "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n---\napiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: mistakes\nspec: {{}}\n",
        file("mistakes-three", "base", "1")
    );
    source.commit(&[("tenants/strange.yaml", Some(&strange))]).await?;
    let platform = source
        .kit
        .object(&source.platform(), "5 findings", |one| one["status"]["source"]["findingCount"] == 5)
        .await?;
    let said = platform["status"]["source"]["findings"].to_string();
    for words in ["names Platform \\\"base\\\"", "ConfigMap", "platformPath"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(source.kit.get(&at("tenants", "", "mistakes-three")).await?.is_none());
    Ok(())
}

/// A Tenant of kubectl is not taken over by Git; it is handed over.
#[tokio::test]
async fn nobody_takes_a_tenant_through_another_door() -> Outcome {
    let Some(source) = Source::start("doors", &json!({})).await? else { return Ok(()) };
    let kit = &source.kit;
    let own = kit.ready_tenant("doors", json!({"services": [service("mine")]})).await?;
    source.commit(&[("tenants/doors.yaml", Some(&file("doors", "doors", "1")))]).await?;
    let platform = source.synced("False", "Tenant doors belongs to kubectl already").await?;
    assert!(platform["status"]["source"]["findings"].to_string().contains("kubectl annotate"), "{platform}");
    assert_eq!(kit.ready("doors").await?["spec"], own["spec"]);

    let hand_over = json!({"metadata": {"annotations": {"tenantry.dev/source": "doors"}}});
    kit.merge(&at("tenants", "", "doors"), "tess", &hand_over).await?;
    let taken = kit
        .object(&at("tenants", "", "doors"), "Git's", |now| now["spec"]["services"][0]["name"] == "web")
        .await?;
    assert_eq!(taken["metadata"]["annotations"]["tenantry.dev/source"], "doors/tenants/doors.yaml");
    assert_eq!(taken["spec"]["services"].as_array().map(Vec::len), Some(1), "what kubectl had is gone");
    source.synced("True", "").await?;
    kit.ready("doors").await?;
    kit.gone(&at("deployments", "doors", "mine")).await?;
    source.clean_up(&["doors"]).await
}

/// The API server has the last word, and its answer is a finding.
#[tokio::test]
async fn a_tenant_that_the_api_server_refuses_is_a_finding() -> Outcome {
    let Some(source) = Source::start("immutable", &json!({})).await? else { return Ok(()) };
    let kit = &source.kit;
    let (one, two) = (file("immutable-one", "immutable", "1"), file("immutable-two", "immutable", "1"));
    source.commit(&[("tenants/one.yaml", Some(&one)), ("tenants/two.yaml", Some(&two))]).await?;
    kit.ready("immutable-one").await?;
    kit.ready("immutable-two").await?;
    let moved = one.replace("  platformRef", "  namespace: elsewhere\n  platformRef");
    let two = file("immutable-two", "immutable", "2");
    let head = source.commit(&[("tenants/one.yaml", Some(&moved)), ("tenants/two.yaml", Some(&two))]).await?;
    let platform =
        source.synced("False", "tenants/one.yaml:4:1: the API server refuses Tenant immutable-one").await?;
    assert_eq!(platform["status"]["source"]["head"], head.as_str());
    assert_ne!(platform["status"]["source"]["applied"], head.as_str(), "not all of it");
    kit.until("immutable-one", "SourceSynced", "False", "ApplyRefused: ").await?;
    kit.object(&at("tenants", "", "immutable-two"), "written", |now| image(now) == "registry.k8s.io/pause:2")
        .await?;
    let tenant = kit.ready("immutable-one").await?;
    assert!(tenant["spec"]["namespace"].is_null());

    let head = source.commit(&[("tenants/one.yaml", Some(&one))]).await?;
    source.applied(&head).await?;
    kit.until("immutable-one", "SourceSynced", "True", "").await?;
    source.clean_up(&["immutable-one", "immutable-two"]).await
}

/// A Platform's rules may come from Git; what guards it may not.
#[tokio::test]
async fn rules_come_from_the_platform_path_and_the_trust_root_does_not() -> Outcome {
    let Some(source) = Source::start("rules", &json!({"platformPath": "platform"})).await? else {
        return Ok(());
    };
    let kit = &source.kit;
    let rules = |spec: &str| {
        format!("apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: rules\nspec:\n{spec}")
    };
    let before = kit.the(&source.platform()).await?["spec"]["source"].clone();
    let tenant = file("rules-one", "rules", "1");
    source
        .commit(&[
            ("tenants/one.yaml", Some(&tenant)),
            ("platform/rules.yaml", Some(&rules("  environment: test\n  limits:\n    replicas: 2\n"))),
        ])
        .await?;
    let platform = kit
        .object(&source.platform(), "the rules of Git", |one| one["spec"]["limits"]["replicas"] == 2)
        .await?;
    assert_eq!(platform["spec"]["source"], before);
    kit.object(&source.platform(), "what the file doesn't have is gone", |one| {
        one["spec"]["limits"]["egress"].as_array().is_none_or(Vec::is_empty)
            && one["spec"]["source"] == before
    })
    .await?;
    kit.ready("rules-one").await?;

    // A looser rule beside another repository: held as a whole.
    let evil = rules(
        "  environment: test\n  source:\n    git:\n      url: https://evil.example.com/x.git\n  limits:\n    replicas: 500\n",
    );
    let head = source.commit(&[("platform/rules.yaml", Some(&evil))]).await?;
    source.synced("False", "platform/rules.yaml:").await?;
    let platform = kit
        .object(&source.platform(), "seen", |one| one["status"]["source"]["head"] == head.as_str())
        .await?;
    let said = platform["status"]["source"]["findings"].to_string();
    assert!(said.contains("trust root"), "{said}");
    assert_eq!((&platform["spec"]["source"], &platform["spec"]["limits"]["replicas"]), (&before, &json!(2)));

    // And healed, when somebody changes them by hand.
    source
        .commit(&[("platform/rules.yaml", Some(&rules("  environment: test\n  limits:\n    replicas: 3\n")))])
        .await?;
    kit.object(&source.platform(), "3", |one| one["spec"]["limits"]["replicas"] == 3).await?;
    kit.merge(&source.platform(), "mallory", &json!({"spec": {"limits": {"replicas": 99}}})).await?;
    kit.object(&source.platform(), "3 again", |one| one["spec"]["limits"]["replicas"] == 3).await?;
    let synced = condition(&source.synced("True", "").await?, "SourceSynced");
    assert_eq!(synced["reason"], "Succeeded");
    tokio::time::timeout(SOON, source.clean_up(&["rules-one"])).await?
}
