//! Repositories that are gone, slow, strange or locked: Tenants stay as they are, and the Platform says why.

use serde_json::json;
use tenantry_testbed::{Credentials, Fault, GitServer, Matcher, Proxy, eventually};

use crate::{
    source::{Source, file},
    support::{Kit, Outcome, at, kit::SOON, world::SYSTEM},
};

/// Commits a good change and waits until it has arrived.
async fn works(source: &Source, tag: &str) -> Outcome {
    let tenant = format!("{}-one", source.name);
    source.commit(&[("tenants/one.yaml", Some(&file(&tenant, source.name, tag)))]).await?;
    let image = format!("registry.k8s.io/pause:{tag}");
    source
        .kit
        .object(&at("tenants", "", &tenant), &image, |now| {
            now["spec"]["services"][0]["image"] == image.as_str()
        })
        .await?;
    source.synced("True", "").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_in_trouble_is_named_and_changes_nothing() -> Outcome {
    let Some(source) = Source::start("trouble", &json!({})).await? else { return Ok(()) };
    let proxy = Proxy::git(&source.kit.world.git)?;
    let through = |url: &str| json!({"spec": {"source": {"git": {"url": url}}}});
    source.kit.merge(&source.platform(), "tess", &through(&proxy.url(source.repo.url()))).await?;
    works(&source, "0").await?;
    let before = source.kit.ready("trouble-one").await?;
    let status = |code, body: &str| Fault::Status { code, headers: vec![], body: body.into() };
    let faults = [
        (status(401, ""), "AuthenticationFailed"),
        (status(403, ""), "AuthenticationFailed"),
        (status(404, ""), "RepositoryNotFound"),
        (status(500, "<html>oops"), "ServerError"),
        (Fault::too_many_requests(1), "RateLimited"),
        (status(200, "<html>Welcome to the sign-in page"), "NotAGitServer"),
        (Fault::Redirect("http://127.0.0.1:1/".into()), "Unreachable: 127.0.0.1:1"),
        (Fault::Reset, "Unreachable"),
    ];
    for (fault, reason) in faults {
        let id = proxy.fail(Matcher::any(), fault.clone());
        source.synced("False", reason).await.map_err(|error| format!("{fault:?}: {error}"))?;
        proxy.heal(id);
        source.synced("True", "").await?;
    }
    let after = source.kit.ready("trouble-one").await?;
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"], "not written");

    // Slow is not broken; and what hangs is given up, and others go on meanwhile.
    let id = proxy.fail(Matcher::any(), Fault::BytesPerSecond(400));
    works(&source, "1").await?;
    proxy.heal(id);
    let id = proxy.fail(Matcher::any(), Fault::Hang);
    let edit = json!({"spec": {"lifecycle": "Suspended"}});
    source.kit.merge(&at("tenants", "", "trouble-one"), "mallory", &edit).await?;
    source
        .kit
        .object(&at("tenants", "", "trouble-one"), "healed", |now| now["spec"]["lifecycle"] == "Active")
        .await?;
    proxy.heal(id);
    source.clean_up(&["trouble-one"]).await
}

#[tokio::test]
async fn a_repository_that_loses_its_content_ends_nothing() -> Outcome {
    let Some(source) = Source::start("losses", &json!({})).await? else { return Ok(()) };
    source.synced("False", "EmptyRepository").await?;
    works(&source, "0").await?;
    source.kit.ready("losses-one").await?;

    source.repo.delete_branch("main")?;
    source.synced("False", "").await?;
    source.kit.ready("losses-one").await?;
    source.repo.git(["push", "--quiet", "--force", "origin", "HEAD:main"])?;
    source.synced("True", "").await?;

    // History that is rewritten is followed.
    works(&source, "1").await?;
    source.repo.rewind(1)?;
    let back = |now: &serde_json::Value| now["spec"]["services"][0]["image"] == "registry.k8s.io/pause:0";
    source.kit.object(&at("tenants", "", "losses-one"), "what it was", back).await?;
    let head = source.repo.rewrite("All anew")?;
    source.applied(&head).await?;

    // The folder goes, and the repository.
    source.repo.git(["mv", "tenants", "moved"])?;
    source.repo.commit_all("Moved")?;
    source.synced("False", "PathNotFound").await?;
    source.repo.git(["mv", "moved", "tenants"])?;
    source.repo.commit_all("And back")?;
    source.synced("True", "").await?;
    let away = source.repo.bare().with_extension("away");
    std::fs::rename(source.repo.bare(), &away)?;
    source.synced("False", "RepositoryNotFound").await?;
    source.kit.ready("losses-one").await?;
    std::fs::rename(&away, source.repo.bare())?;
    source.synced("True", "").await?;

    // Links lead nowhere, and the rest goes on.
    source.repo.commit_symlink("tenants/link.yaml", "/etc/passwd", "A link")?;
    source.synced("False", "tenants/link.yaml").await?;
    source.repo.commit_submodule("tenants/sub", "https://example.com/x.git", "A submodule")?;
    let platform = source
        .kit
        .object(&source.platform(), "2 findings", |one| one["status"]["source"]["findingCount"] == 2)
        .await?;
    assert!(!platform.to_string().contains("root:"), "what a link points to is not read");
    source.clean_up(&["losses-one"]).await
}

/// Credentials open the repository, and are told to nobody; a wrong one is named by its Secret only.
#[tokio::test]
async fn credentials_are_used_and_never_told() -> Outcome {
    const PASSWORD: &str = "canary-git-5511ae";
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let credentials = Credentials { user: "robot".into(), password: PASSWORD.into() };
    let server = GitServer::start_in(kit.world.cluster.run(), Some(credentials)).await?;
    let repo = server.create("locked")?;
    repo.commit(&[("tenants/one.yaml", Some(&file("locked-one", "locked", "1")))], "One")?;
    let git = json!({"url": repo.url(), "path": "tenants", "interval": "1s", "credentials": {"name": "git-locked"}});
    kit.own_platform("locked", &json!({"source": {"git": git}})).await?;
    let path = at("platforms", "", "locked");
    kit.until_of(&path, "SourceSynced", "False", "InvalidSecret").await?;
    let secret = |password: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git-locked"},
            "stringData": {"username": "robot", "password": password},
        })
    };
    kit.apply(&at("secrets", SYSTEM, "git-locked"), "tess", &secret("canary-git-wrong")).await?;
    kit.until_of(&path, "SourceSynced", "False", "AuthenticationFailed").await?;
    kit.apply(&at("secrets", SYSTEM, "git-locked"), "tess", &secret(PASSWORD)).await?;
    kit.until_of(&path, "SourceSynced", "True", "unencrypted: use https in spec.source.git.url").await?;
    kit.ready("locked-one").await?;
    server.stop();
    kit.until_of(&path, "SourceSynced", "False", "Unreachable").await?;
    let mut texts = vec![("the log".to_owned(), kit.world.logs())];
    for plural in ["tenants", "platforms", "events"] {
        texts.push((plural.to_owned(), format!("{:?}", kit.list(&at(plural, "", "")).await?)));
    }
    for (place, text) in &texts {
        assert!(!text.contains("canary-git"), "a password is in {place}");
    }
    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("locked-one").await
}

/// A Platform goes: so does its copy of the repository, and nobody else's folder.
#[tokio::test]
async fn the_copy_of_a_repository_goes_with_its_platform() -> Outcome {
    let Some(source) = Source::start("swept", &json!({})).await? else { return Ok(()) };
    works(&source, "1").await?;
    let sources = source.kit.world.cluster.run().folder("operator")?.join("sources");
    let (copy, strange) = (sources.join("swept"), sources.join("strange"));
    assert!(copy.join("git/HEAD").exists());
    std::fs::create_dir(&strange)?;
    std::fs::write(strange.join("notes"), "not ours")?;
    source.clean_up(&["swept-one"]).await?;
    assert!(copy.exists(), "a Platform without a source may get one again");
    let path = source.platform();
    let allow = json!({"metadata": {"annotations": {"tenantry.dev/allow-delete": "test"}}});
    source.kit.merge(&path, "tess", &allow).await?;
    source.kit.delete(&path).await?;
    let gone = eventually(SOON, "the copy to be gone", || async {
        if copy.exists() { Err(format!("{} is there", copy.display())) } else { Ok(()) }
    });
    gone.await?;
    assert!(strange.join("notes").exists());
    Ok(())
}
