//! The Git server is a real one, and the proxy before it does what it is told.

use std::process::Command;
use std::time::{Duration, Instant};

use tenantry_testbed::{Credentials, Fault, GitServer, Matcher, Proxy};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// `git ls-remote`, as any client would: the ids and names, or what git says.
fn ls_remote(url: &str) -> Result<String, String> {
    let output = Command::new("git")
        .args(["ls-remote", url])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_served_and_have_the_same_ids_every_time() -> Outcome {
    let git = GitServer::start(None).await?;
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        let repo = git.create(name)?;
        repo.commit(&[("tenants/acme.yaml", Some("kind: Tenant\n")), ("x", Some("y"))], "first")?;
        let id = repo.commit(&[("x", None)], "second")?;
        let seen = ls_remote(repo.url())?;
        assert!(seen.contains(&format!("{id}\trefs/heads/main")), "{seen}");
        ids.push(id);
    }
    assert_eq!(ids[0], ids[1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_content_and_rewritten_history() -> Outcome {
    let git = GitServer::start(None).await?;
    let repo = git.create("odd")?;
    let first = repo.commit_bytes(&[("bad.yaml", Some(&[0xff, 0xfe][..]))], "not UTF-8")?;
    repo.commit_symlink("tenants/link.yaml", "/etc/passwd", "a symlink")?;
    repo.commit_submodule("vendored", "http://127.0.0.1:1/x.git", "a submodule")?;
    let tree = repo.git(["ls-tree", "-r", "HEAD"])?;
    assert!(tree.contains("120000 blob") && tree.contains("160000 commit"), "{tree}");
    assert_eq!(repo.rewind(2)?, first);
    assert!(ls_remote(repo.url())?.contains(&first));
    let rewritten = repo.rewrite("everything anew")?;
    assert!(ls_remote(repo.url())?.contains(&rewritten));
    repo.push_to("refs/tags/v1")?;
    repo.push_to("other")?;
    repo.delete_branch("main")?;
    let seen = ls_remote(repo.url())?;
    assert!(
        seen.contains("refs/tags/v1") && seen.contains("heads/other") && !seen.contains("heads/main"),
        "{seen}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_stops_and_pushes_over_http() -> Outcome {
    let credentials = Credentials { user: "bot".into(), password: "s3cret".into() };
    let git = GitServer::start(Some(credentials)).await?;
    let repo = git.create("private")?;
    repo.commit(&[("a", Some("b"))], "first")?;
    assert!(ls_remote(repo.url()).is_err());
    let with = repo.url().replace("http://", "http://bot:s3cret@");
    assert!(ls_remote(&with)?.contains("refs/heads/main"));
    repo.git(["push", &with, "HEAD:refs/heads/by-http"])?;
    assert!(ls_remote(&with)?.contains("by-http"));
    git.stop();
    assert!(ls_remote(&with).is_err());
    git.start_again().await?;
    assert!(ls_remote(&with).is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_hit_git_clients() -> Outcome {
    let git = GitServer::start(None).await?;
    let repo = git.create("faulty")?;
    repo.commit(&[("a", Some("b"))], "first")?;
    let proxy = Proxy::git(&git)?;
    let url = proxy.url(repo.url());
    assert!(ls_remote(&url)?.contains("refs/heads/main"));

    let once = proxy.fail_next(1, Matcher::path("info/refs"), Fault::status(500));
    assert!(ls_remote(&url).is_err_and(|error| error.contains("500")));
    assert!(ls_remote(&url).is_ok(), "only the next one fails");
    assert_eq!(proxy.hits(once), 1);

    let reset = proxy.fail(Matcher::any(), Fault::Reset);
    assert!(ls_remote(&url).is_err_and(|error| error.contains("reset by peer")));
    proxy.heal(reset);

    proxy.fail(Matcher::any(), Fault::CutAfter(30));
    assert!(ls_remote(&url).is_err());
    proxy.heal_all();

    proxy.fail(Matcher::any(), Fault::Delay(Duration::from_millis(700)));
    let start = Instant::now();
    assert!(ls_remote(&url).is_ok() && start.elapsed() > Duration::from_millis(700));
    proxy.heal_all();

    proxy.fail(Matcher::path("info/refs"), Fault::BytesPerSecond(400));
    let start = Instant::now();
    assert!(ls_remote(&url).is_ok() && start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    proxy.heal_all();

    proxy.fail(Matcher::any(), Fault::Redirect("http://127.0.0.1:1".into()));
    assert!(ls_remote(&url).is_err_and(|error| error.contains("127.0.0.1 port 1")));
    proxy.heal_all();

    proxy.refuse(true);
    assert!(ls_remote(&url).is_err());
    proxy.heal_all();
    assert!(ls_remote(&url).is_ok());
    Ok(())
}
