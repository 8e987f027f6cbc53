//! A repository behind SSH: the server is the one in known_hosts, or nothing moves.

use std::path::Path;

use serde_json::{Value, json};
use tenantry_testbed::{SshOptions, SshServer, ssh_key};

use crate::{
    source::file,
    support::{Kit, Outcome, at, objects::text, world::SYSTEM},
};

const PATH: &str = "tenants/one.yaml";

fn public(key: &Path) -> Outcome<String> {
    Ok(std::fs::read_to_string(key.with_extension("pub"))?)
}

#[tokio::test]
async fn tenants_come_over_ssh_from_the_pinned_host_only() -> Outcome {
    let Some(mut kit) = Kit::new().await? else { return Ok(()) };
    let repo = kit.world.git.create("shell")?;
    repo.commit(&[(PATH, Some(&file("shell-one", "shell", "1")))], "One")?;
    let run = kit.world.cluster.run().clone();
    let folder = run.folder("ssh")?;
    let [host, other, deploy] = ["host", "other", "deploy"].map(|name| folder.join(name));
    for key in [&host, &other, &deploy] {
        ssh_key(key, "ed25519", "")?;
    }
    let authorized = deploy.with_extension("pub");
    let options = SshOptions { host_keys: vec![host.clone()], authorized, ..SshOptions::default() };
    let root = repo.bare().parent().unwrap_or(repo.bare());
    let server = SshServer::start(&run, root, &options).await?;
    let place = format!("[127.0.0.1]:{}", server.port());
    let private = std::fs::read_to_string(&deploy)?;
    let secret = |known: Option<String>| {
        let mut data = json!({"ssh-privatekey": private});
        data["known_hosts"] = known.map_or(Value::Null, Value::String);
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git-shell"},
            "type": "kubernetes.io/ssh-auth", "stringData": data,
        })
    };
    let knows = |key: &Path| -> Outcome<Option<String>> { Ok(Some(format!("{place} {}", public(key)?))) };

    let url = format!("ssh://git@127.0.0.1:{}/shell.git", server.port());
    let git = json!({"url": url, "path": "tenants", "interval": "1s", "credentials": {"name": "git-shell"}});
    kit.own_platform("shell", &json!({"source": {"git": git}})).await?;
    let (path, key) = (at("platforms", "", "shell"), at("secrets", SYSTEM, "git-shell"));
    kit.apply(&key, "tess", &secret(None)).await?;
    kit.until_of(&path, "SourceSynced", "False", "git-shell needs the key known_hosts too").await?;
    kit.apply(&key, "tess", &secret(Some(format!("git.example.com {}", public(&host)?)))).await?;
    kit.until_of(&path, "SourceSynced", "False", "HostKeyUnknown").await?;
    assert!(!server.logs().contains("login"), "{}", server.logs());
    kit.apply(&key, "tess", &secret(knows(&host)?)).await?;
    kit.until_of(&path, "SourceSynced", "True", "").await?;
    kit.ready("shell-one").await?;

    let tenant = at("tenants", "", "shell-one");
    let second = repo.commit(&[(PATH, Some(&file("shell-one", "shell", "2")))], "Two")?;
    kit.object(&path, &second, |one| one["status"]["source"]["applied"] == second.as_str()).await?;
    let runs = |tag: &'static str| move |now: &Value| now["spec"]["services"][0]["image"] == tag;
    kit.object(&tenant, "the second image", runs("registry.k8s.io/pause:2")).await?;

    // The host is no longer who it was: what it serves is not taken, and what there is stays.
    kit.apply(&key, "tess", &secret(knows(&other)?)).await?;
    repo.commit(&[(PATH, Some(&file("shell-one", "shell", "3")))], "Three")?;
    let platform = kit.until_of(&path, "SourceSynced", "False", "HostKeyMismatch").await?;
    assert_eq!(text(&platform, "/status/source/applied"), second);
    let stays = kit.ready("shell-one").await?;
    assert!(runs("registry.k8s.io/pause:2")(&stays), "{stays}");

    let mut texts =
        vec![("the log".to_owned(), kit.world.logs()), ("a Platform".to_owned(), platform.to_string())];
    texts.push(("events".to_owned(), format!("{:?}", kit.list(&at("events", "", "")).await?)));
    for line in private.lines().filter(|line| !line.starts_with("-----") && !line.is_empty()) {
        for (place, text) in &texts {
            assert!(!text.contains(line), "a part of the key is in {place}");
        }
    }
    kit.merge(&path, "tess", &json!({"spec": {"source": null}})).await?;
    kit.clean_up("shell-one").await
}
