//! The good weather.

use tenantry::source::{Credentials, Reference, Secret, fetch_since, lineage, read, resolve};

use super::{PASSPHRASE, Ssh};
use crate::repo::put;
use crate::text;

#[tokio::test]
async fn a_shallow_fetch_then_only_what_is_new() {
    let Some(ssh) = Ssh::new().await else { return };
    let first = ssh.repo.id("main");
    let fetched = ssh.fetch().await.expect("the first fetch");
    assert!(fetched.fresh && fetched.received > 0, "{fetched:?}");
    assert_eq!(fetched.commit.to_string(), first);
    let one = read(&ssh.settings, &fetched.commit, None).expect("content");
    assert_eq!(text(&one, "a.yaml"), "a: 1");
    assert_eq!(ssh.fetch().await.expect("nothing new").received, 0);

    for number in 2..5 {
        ssh.repo.commit("main", "more", &[put("b.yaml", format!("b: {number}"))]);
    }
    let fetched = ssh.fetch().await.expect("the second fetch");
    assert!(!fetched.fresh && fetched.received > 0, "{fetched:?}");
    let two = read(&ssh.settings, &fetched.commit, Some(&one)).expect("content");
    assert_eq!((text(&two, "a.yaml"), text(&two, "b.yaml")), ("a: 1", "b: 4"));
    let logs = ssh.server.logs();
    assert!(logs.contains("exec \"git-upload-pack '/config.git'\""), "{logs}");
}

#[tokio::test]
async fn history_back_to_the_accepted_commit() {
    let Some(ssh) = Ssh::new().await else { return };
    let base = ssh.repo.id("main").parse().expect("an id");
    for number in 0..100 {
        ssh.repo.commit("main", "more", &[put("a.yaml", format!("a: {number}"))]);
    }
    let head = resolve(&ssh.settings).await.expect("the list");
    fetch_since(&ssh.settings, &head, Some(base)).await.expect("a fetch that deepens");
    let history = lineage(&ssh.settings, Some(base), head).expect("history");
    assert!(history.descends && history.missing.is_none(), "{:?}", history.missing);
    assert_eq!(history.commits.len(), 100);
}

#[tokio::test]
async fn branches_tags_and_commits() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let first = ssh.repo.id("main");
    ssh.repo.git(&["tag", "-a", "v1", "-m", "one", "main"], b"");
    ssh.repo.commit("main", "two", &[put("a.yaml", "a: 2")]);
    ssh.settings.reference = Reference::Tag("v1".to_owned());
    assert_eq!(ssh.fetch().await.expect("the tag").commit.to_string(), first);
    ssh.settings.reference = Reference::Commit(first.clone());
    ssh.settings.repository = ssh.folder.path().join("pinned");
    assert_eq!(ssh.fetch().await.expect("the commit").commit.to_string(), first);
    ssh.repo.git(&["config", "uploadpack.allowReachableSHA1InWant", "false"], b"");
    ssh.settings.repository = ssh.folder.path().join("again");
    assert_eq!(ssh.fetch().await.expect("by way of all branches").commit.to_string(), first);
    ssh.settings.reference = Reference::Branch("mian".to_owned());
    let error = resolve(&ssh.settings).await.expect_err("no such branch");
    assert!(error.to_string().contains("it has main"), "{error}");
}

#[tokio::test]
async fn every_type_of_key_on_both_sides() {
    for host in ["host-ed25519", "host-ecdsa256", "host-ecdsa384", "host-rsa"] {
        let Some(ssh) = Ssh::with("", &[host]).await else { return };
        resolve(&ssh.settings).await.unwrap_or_else(|error| panic!("{host}: {error}"));
    }
    let Some(mut ssh) = Ssh::new().await else { return };
    for key in ["ed25519", "ecdsa256", "ecdsa384", "rsa"] {
        ssh.log_in_with(key);
        resolve(&ssh.settings).await.unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    ssh.log_in_with("locked");
    ssh.with_key(|key| key.passphrase = Some(Secret::new(PASSPHRASE)));
    resolve(&ssh.settings).await.expect("a key with a passphrase");
}

/// The server offers what is pinned, whatever it would rather offer.
#[tokio::test]
async fn the_pinned_type_is_asked_for_first() {
    for pinned in ["host-rsa", "host-ecdsa384", "host-ecdsa256", "host-ed25519"] {
        let hosts = [pinned, "host-ed25519", "host-ecdsa256", "host-ecdsa384", "host-rsa"];
        let mut all: Vec<&str> = hosts[1..].to_vec();
        all.retain(|host| *host != pinned);
        all.insert(0, pinned);
        let Some(ssh) = Ssh::with("", &all).await else { return };
        resolve(&ssh.settings).await.unwrap_or_else(|error| panic!("{pinned}: {error}"));
    }
}

#[tokio::test]
async fn urls_and_credentials_must_fit() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let refused = async |ssh: &Ssh, part: &str| {
        let error = resolve(&ssh.settings).await.expect_err("they do not fit");
        assert_eq!(error.reason(), "InvalidSecret");
        assert!(error.to_string().contains(part), "{error}");
    };
    let url = std::mem::replace(&mut ssh.settings.url, "http://127.0.0.1/x.git".to_owned());
    refused(&ssh, "https wants username and password").await;
    ssh.settings.url = url;
    ssh.settings.credentials = Some(Credentials::Bearer(Secret::new("token")));
    refused(&ssh, "wants the keys ssh-privatekey and known_hosts").await;
    ssh.settings.credentials = None;
    refused(&ssh, "wants the keys ssh-privatekey and known_hosts").await;
}
