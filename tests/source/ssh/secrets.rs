//! A private key and its passphrase in everything that could leak them.

use std::process::Command;

use tenantry::source::{Secret, SourceError, resolve};

use super::{PASSPHRASE, Ssh, keys};
use crate::secrets::{Log, logged};

/// What of the key must be nowhere: the passphrase, and each line between the first and the last.
fn canaries() -> Vec<String> {
    let key = std::fs::read_to_string(keys().join("locked")).expect("disk");
    let lines = key.lines().filter(|line| !line.starts_with("-----") && !line.is_empty());
    lines.map(str::to_owned).chain([PASSPHRASE.to_owned()]).collect()
}

fn clean(what: &str, text: &str) {
    for canary in canaries() {
        assert!(!text.contains(&canary), "{what} leaks: {text}");
    }
}

fn check(what: &str, error: &SourceError) {
    clean(what, &format!("{error} {error:?}"));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        clean(what, &format!("{cause} {cause:?}"));
        source = cause.source();
    }
}

#[tokio::test]
async fn a_deploy_key_never_leaves() {
    let log = Log::default();
    let _guard = logged(&log);
    let Some(mut ssh) = Ssh::new().await else { return };
    ssh.log_in_with("locked");
    ssh.with_key(|key| key.passphrase = Some(Secret::new(PASSPHRASE)));
    clean("settings", &format!("{:?}", ssh.settings));
    ssh.fetch().await.expect("it works");

    // A server that refuses, one that is not who it should be, and a key that does not fit.
    for fault in ["github", "sick", "no-exec", "close"] {
        ssh.fault(fault, 0).await;
        ssh.with_key(|key| key.passphrase = Some(Secret::new(PASSPHRASE)));
        check(fault, &resolve(&ssh.settings).await.expect_err(fault));
    }
    let mut settings = ssh.settings.clone();
    settings.url = "https://127.0.0.1:1/x.git".to_owned();
    check("another scheme", &resolve(&settings).await.expect_err("refused"));

    // A process that dies talking: what reached it came by its input, and only there.
    let script = ssh.folder.path().join("dying");
    std::fs::write(&script, "#!/bin/sh\ncat >&2\nenv >&2\necho \"$@\" >&2\nexit 3\n").expect("disk");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("disk");
    let mut settings = ssh.settings.clone();
    settings.program = Some(script);
    check("a dying child", &resolve(&settings).await.expect_err("no answer"));

    for canary in canaries() {
        let found =
            Command::new("grep").args(["-r", "-l", "-F", "-e", &canary]).arg(ssh.folder.path()).output();
        let found = found.expect("grep");
        assert!(found.stdout.is_empty(), "on disk: {}", String::from_utf8_lossy(&found.stdout));
    }
    let text = log.text();
    assert!(text.contains("fetch process"), "the log was captured: {text}");
    clean("log", &text);
}
