//! The bad weather: each fault has an error of its own and a class, and ends before the deadline.

use std::time::{Duration, Instant};

use tenantry::source::{Class, SourceError, fetch, read, resolve};

use super::Ssh;

fn outcome<T: std::fmt::Debug>(result: Result<T, SourceError>) -> (&'static str, Class, String) {
    let error = result.expect_err("this must fail");
    eprintln!("{error}");
    let text = error.to_string();
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    assert!(text.len() < 1000, "{text}");
    (error.reason(), error.class(), text)
}

#[tokio::test]
async fn servers_that_break_before_git_begins() {
    let Some(mut ssh) = Ssh::new().await else { return };
    for (fault, reason, class, part) in [
        ("close", "Unreachable", Class::Transient, ""),
        ("garbage", "Unreachable", Class::Transient, ""),
        ("endless-banner", "SshFailed", Class::Rejected, "does not speak SSH"),
        ("banner-lines", "SshFailed", Class::Rejected, "does not speak SSH"),
        ("noise", "Unreachable", Class::Transient, ""),
        ("no-session", "SshFailed", Class::Rejected, "opens no session"),
        ("no-exec", "SshFailed", Class::Rejected, "starts no git-upload-pack"),
    ] {
        ssh.fault(fault, 0).await;
        let (found, what, text) = outcome(resolve(&ssh.settings).await);
        assert_eq!((found, what), (reason, class), "{fault}");
        assert!(text.contains(part), "{fault}: {text}");
    }
    ssh.fault("login-banner", 1000).await;
    resolve(&ssh.settings).await.expect("a long greeting harms nobody");
    ssh.fault("login-banner", 20_000).await;
    let (reason, class, _) = outcome(resolve(&ssh.settings).await);
    assert_eq!((reason, class), ("Unreachable", Class::Transient), "one that fits in no packet ends it");
}

#[tokio::test]
async fn git_that_ends_with_words() {
    let Some(mut ssh) = Ssh::new().await else { return };
    for (fault, reason, class, part) in [
        (
            "github",
            "RepositoryNotFound",
            Class::Rejected,
            "ERROR: Repository not found. fatal: \\u{1b}[31mCould",
        ),
        ("sick", "ServerError", Class::Transient, "internal error: \\u{1b}]0;pwned\\u{7} try again later"),
        ("mute", "Unreachable", Class::Transient, "ended with status 3"),
        ("flood", "TooLarge", Class::Rejected, "what the server says besides its answer"),
    ] {
        ssh.fault(fault, 0).await;
        let (found, what, text) = outcome(resolve(&ssh.settings).await);
        assert_eq!((found, what), (reason, class), "{fault}");
        assert!(text.contains(part), "{fault}: {text}");
    }
    ssh.fault("", 0).await;
    ssh.settings.url = ssh.settings.url.replace("config.git", "no-such.git");
    let (reason, class, text) = outcome(resolve(&ssh.settings).await);
    assert_eq!((reason, class), ("RepositoryNotFound", Class::Rejected));
    assert!(text.contains("does not appear to be a git repository"), "{text}");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let commit = resolve(&ssh.settings).await.expect("the list is served");
    ssh.settings.deadline = Duration::from_millis(2500);
    // The list has some hundred bytes, what follows is the pack.
    for (fault, after) in
        [("silent", 0), ("hang-session", 0), ("hang", 0), ("slow", 0), ("stall", 20), ("stall", 700)]
    {
        ssh.fault(fault, after).await;
        let begun = Instant::now();
        let (reason, class, _) = outcome(fetch(&ssh.settings, &commit).await);
        assert_eq!((reason, class), ("Timeout", Class::Transient), "{fault}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(6), "{fault}: {took:?}");
    }
}

#[tokio::test]
async fn what_is_cut_or_damaged_is_never_taken_for_a_commit() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let good = ssh.sync(None).await.expect("the good content");
    ssh.settings.deadline = Duration::from_secs(5);
    let mut refused = 0;
    for after in (0..1000).step_by(110) {
        for fault in ["cut", "flip"] {
            ssh.fault(fault, after).await;
            ssh.settings.repository = ssh.folder.path().join(format!("{fault}-{after}"));
            match fetch(&ssh.settings, &good.revision).await {
                Err(error) => {
                    eprintln!("{fault} {after}: {error}");
                    assert_ne!(error.reason(), "FetchProcessFailed", "{error}");
                    refused += 1;
                }
                Ok(fetched) => {
                    let found = read(&ssh.settings, &fetched.commit, None).expect("whole");
                    assert_eq!(found.files, good.files, "{fault} {after}");
                }
            }
        }
    }
    assert!(refused > 8, "only {refused} of 20 damaged answers were refused");
}

#[tokio::test]
async fn lists_and_packs_are_bounded() {
    let Some(mut ssh) = Ssh::new().await else { return };
    ssh.fault("endless", 0).await;
    ssh.settings.limits.advertisement_bytes = 200_000;
    let (reason, class, text) = outcome(resolve(&ssh.settings).await);
    assert_eq!((reason, class), ("TooLarge", Class::Rejected));
    assert!(text.contains("list of branches"), "{text}");
    ssh.fault("", 0).await;
    ssh.settings.limits.repository_bytes = 400_000;
    ssh.repo.commit("main", "big", &[crate::repo::put("big.txt", crate::repo::noise())]);
    let (reason, class, _) = outcome(ssh.fetch().await);
    assert_eq!((reason, class), ("TooLarge", Class::Rejected));
}

#[tokio::test]
async fn nobody_there() {
    let Some(mut ssh) = Ssh::new().await else { return };
    let port = ssh.server.port();
    for (place, part) in [
        ("127.0.0.1:1", "127.0.0.1:1 can't be reached"),
        ("no-such-host.invalid", "no-such-host.invalid"),
        ("169.254.169.254", "link-local"),
    ] {
        ssh.settings.url = format!("ssh://git@{place}/config.git");
        let (reason, class, text) = outcome(resolve(&ssh.settings).await);
        assert_eq!((reason, class), ("Unreachable", Class::Transient));
        assert!(text.contains(part), "{text}");
    }
    // A web server, asked for SSH.
    let web = crate::server::Server::start(ssh.folder.path());
    ssh.settings.url = format!("ssh://git@{}/config.git", web.address);
    ssh.settings.deadline = Duration::from_secs(5);
    let (reason, ..) = outcome(resolve(&ssh.settings).await);
    assert!(["SshFailed", "Unreachable"].contains(&reason), "{reason}");
    ssh.settings.url = format!("ssh://git@127.0.0.1:{port}/config.git");
    ssh.sync(None).await.expect("it recovers by itself");
}
