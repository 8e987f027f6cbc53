//! A server is who known_hosts says, or nobody.

use tenantry::source::{Class, Secret, resolve};

use super::{Ssh, keys, pin};

/// Refused for a reason, for good, in words that name the key that was offered; and before any login.
async fn refused(ssh: &Ssh, reason: &str, parts: &[&str]) {
    let error = resolve(&ssh.settings).await.expect_err(reason);
    eprintln!("{error}");
    assert_eq!((error.reason(), error.class()), (reason, Class::Rejected), "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
    ssh.nobody_logged_in();
}

/// `SHA256:…` of a key's public part, by another's hand.
fn fingerprint(name: &str) -> String {
    let key = ssh_key::PublicKey::read_openssh_file(&keys().join(name).with_extension("pub")).expect(name);
    key.fingerprint(ssh_key::HashAlg::Sha256).to_string()
}

#[tokio::test]
async fn a_host_that_is_not_known() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let offered = format!("ssh-ed25519 {}", fingerprint("host-ed25519"));
    let place = format!("127.0.0.1:{}", ssh.server.port());
    let parts = [offered.as_str(), place.as_str(), "nothing was sent to it", "ssh-keyscan"];
    ssh.known_hosts(&format!("git.example.com {}\n", pin("host-ed25519")));
    refused(&ssh, "HostKeyUnknown", &parts).await;
    // The same host at the usual port is another server.
    ssh.known_hosts(&format!("127.0.0.1 {}\n[127.0.0.1]:1 {0}\n", pin("host-ed25519")));
    refused(&ssh, "HostKeyUnknown", &parts).await;
    ssh.know(&pin("host-ed25519"));
    resolve(&ssh.settings).await.expect("pinned");
}

#[tokio::test]
async fn a_host_with_another_key() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let offered = fingerprint("host-ed25519");
    for known in ["other-host", "host-rsa"] {
        ssh.know(&pin(known));
        refused(&ssh, "HostKeyMismatch", &[&offered, "somebody may be between us"]).await;
    }
}

#[tokio::test]
async fn a_key_that_is_revoked() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let (port, key) = (ssh.server.port(), pin("host-ed25519"));
    ssh.known_hosts(&format!("[127.0.0.1]:{port} {key}\n@revoked * {key}\n"));
    refused(&ssh, "HostKeyRevoked", &[&fingerprint("host-ed25519"), "@revoked"]).await;
}

#[tokio::test]
async fn a_server_with_nothing_but_sha1() {
    let Some(ssh) = Ssh::with("sha1", &["host-rsa"]).await else { return };
    refused(&ssh, "SshFailed", &["only ssh-rsa", "ed25519"]).await;
}

#[tokio::test]
async fn a_line_that_is_damaged() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let good = format!("[127.0.0.1]:{} {}\n", ssh.server.port(), pin("host-ed25519"));
    ssh.known_hosts(&format!("{good}git.example.com ssh-ed25519 AAAA\n"));
    refused(&ssh, "InvalidSecret", &["line 2 of known_hosts"]).await;
}

#[tokio::test]
async fn a_key_that_the_server_does_not_take() {
    let Some(mut ssh) = Ssh::new().await else { return };
    ssh.log_in_with("stranger");
    refused(&ssh, "AuthenticationFailed", &[&fingerprint("stranger"), "deploy key"]).await;
    ssh.log_in_with("ed25519");
    ssh.settings.url = ssh.settings.url.replace("git@", "root@");
    refused(&ssh, "AuthenticationFailed", &["ssh://root@"]).await;
}

#[tokio::test]
async fn a_key_that_can_not_be_used() {
    let Some(mut ssh) = Ssh::new().await else { return };
    ssh.log_in_with("locked");
    refused(&ssh, "InvalidSecret", &["ssh-privatekey", "add the key passphrase"]).await;
    ssh.with_key(|key| key.passphrase = Some(Secret::new("wrong")));
    refused(&ssh, "InvalidSecret", &["passphrase is not the right one"]).await;
    let whole = std::fs::read_to_string(keys().join("ed25519")).expect("disk");
    for broken in ["canary-key", "", &whole[..200], &pin("ed25519")] {
        ssh.with_key(|key| {
            key.private_key = Secret::new(broken);
            key.passphrase = None;
        });
        let error = resolve(&ssh.settings).await.expect_err("no key");
        assert_eq!(error.reason(), "InvalidSecret", "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    ssh.nobody_logged_in();
}
