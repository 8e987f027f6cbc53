//! The bad weather: every fault of a server or network has an error of its own,
//! a class that tells the caller what to do, and ends before the deadline.

use std::time::{Duration, Instant};

use tenantry::source::{Class, Reference, Settings, SourceError, fetch, resolve};

use crate::repo::put;
use crate::server::{Answer, Server};
use crate::{World, settings};

const LIST: &str = "application/x-git-upload-pack-advertisement";

fn small() -> World {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world
}

fn outcome<T: std::fmt::Debug>(result: Result<T, SourceError>) -> (&'static str, Class) {
    let error = result.expect_err("this must fail");
    eprintln!("{error}");
    (error.reason(), error.class())
}

#[tokio::test]
async fn statuses() {
    let world = small();
    let waiting = |seconds| Class::Waiting { retry_after: Duration::from_secs(seconds) };
    for (status, header, reason, class) in [
        (401, None, "AuthenticationFailed", Class::Rejected),
        (403, None, "AuthenticationFailed", Class::Rejected),
        (403, Some("17"), "RateLimited", waiting(17)),
        (404, None, "RepositoryNotFound", Class::Rejected),
        (429, Some("7"), "RateLimited", waiting(7)),
        (429, None, "RateLimited", waiting(60)),
        (429, Some("Sun, 06 Nov 1994 08:49:37 GMT"), "RateLimited", waiting(1)),
        (500, None, "ServerError", Class::Transient),
        (502, None, "ServerError", Class::Transient),
        (503, Some("30"), "RateLimited", waiting(30)),
        (418, None, "ServerError", Class::Rejected),
    ] {
        let headers: Vec<_> = header.iter().map(|value| ("Retry-After", (*value).to_owned())).collect();
        world.server.answer(move |_| Answer::Status(status, headers.clone()));
        assert_eq!(outcome(world.resolve().await), (reason, class), "status {status} {header:?}");
    }
}

#[tokio::test]
async fn a_fault_in_the_second_half_of_a_fetch_has_the_same_errors() {
    let world = small();
    let commit = world.resolve().await.expect("the list is served");
    for (status, reason) in [(401, "AuthenticationFailed"), (404, "RepositoryNotFound"), (500, "ServerError")]
    {
        world.server.answer(move |asked| match asked.is_pack() {
            true => Answer::Status(status, Vec::new()),
            false => Answer::Git,
        });
        assert_eq!(outcome(fetch(&world.settings, &commit).await).0, reason);
    }
}

#[tokio::test]
async fn what_is_not_git_is_said_so() {
    let world = small();
    let page = b"<html>Please sign in</html>".to_vec();
    world.server.answer(move |_| Answer::Body("text/html; charset=utf-8", page.clone()));
    let error = world.resolve().await.expect_err("a web page");
    assert_eq!((error.reason(), error.class()), ("NotAGitServer", Class::Rejected));
    assert!(error.to_string().contains("text/html"), "{error}");
    for garbage in [&b"garbage"[..], b"", b"zzzz", b"001e# service=git-upload-pack\n0000", b"0000"] {
        world.server.answer(move |_| Answer::Body(LIST, garbage.to_vec()));
        let error = world.resolve().await.expect_err("garbage");
        assert_ne!(error.reason(), "FetchProcessFailed", "{garbage:?}: {error}");
    }
    let says = "ERR no such thing\u{1b}[31m here";
    let packet = format!("001e# service=git-upload-pack\n0000{:04x}{says}", says.len() + 4);
    world.server.answer(move |_| Answer::Body(LIST, packet.clone().into_bytes()));
    let error = world.resolve().await.expect_err("an error packet").to_string();
    assert!(error.contains("no such thing") && !error.contains('\u{1b}'), "{error}");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let mut world = small();
    world.settings.deadline = Duration::from_millis(1500);
    let list = |answer: Answer| {
        move |asked: &crate::server::Asked| if asked.is_pack() { Answer::Git } else { answer.clone() }
    };
    let pack = |answer: Answer| {
        move |asked: &crate::server::Asked| if asked.is_pack() { answer.clone() } else { Answer::Git }
    };
    let commit = world.resolve().await.expect("the list is served");
    let slow = Answer::Slow(Duration::from_millis(200));
    for (answer, packs) in [(Answer::Hang, false), (slow.clone(), false), (Answer::Hang, true), (slow, true)]
    {
        match packs {
            true => world.server.answer(pack(answer)),
            false => world.server.answer(list(answer)),
        }
        let begun = Instant::now();
        assert_eq!(outcome(fetch(&world.settings, &commit).await), ("Timeout", Class::Transient));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_cut_or_damaged_pack_is_never_taken_for_a_commit() {
    let mut world = small();
    let good = world.sync(None).await.expect("the good content");
    world.settings.repository = world.folder.path().join("again");
    world.settings.deadline = Duration::from_secs(3);
    let commit = good.revision;
    let mut refused = 0;
    // The answer has about 570 bytes: the server's progress, then the pack.
    for at in (0..620).step_by(20) {
        for answer in [Answer::Cut(at), Answer::Flip(at)] {
            world.server.answer(move |asked| if asked.is_pack() { answer.clone() } else { Answer::Git });
            match fetch(&world.settings, &commit).await {
                Err(error) => {
                    assert_eq!(error.class(), Class::Transient, "{error}");
                    refused += 1;
                }
                // A flipped letter in the progress harms nobody; a flipped bit in the pack would.
                Ok(fetched) => {
                    let read = tenantry::source::read(&world.settings, &fetched.commit, None).expect("whole");
                    assert_eq!(read.files, good.files, "byte {at}");
                    std::fs::remove_dir_all(&world.settings.repository).expect("disk");
                }
            }
        }
    }
    assert!(refused > 30, "only {refused} of 62 damaged answers were refused");
    world.server.answer(|_| Answer::Git);
    world.sync(None).await.expect("it recovers by itself");
}

#[tokio::test]
async fn nobody_there() {
    let world = small();
    let closed = settings("http://127.0.0.1:1/x.git", &world.settings.repository);
    assert_eq!(outcome(resolve(&closed).await), ("Unreachable", Class::Transient));
    let nameless = settings("http://no-such-host.invalid/x.git", &world.settings.repository);
    let error = resolve(&nameless).await.expect_err("no such name");
    assert_eq!(error.reason(), "Unreachable");
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    let metadata = settings("http://169.254.169.254/x.git", &world.settings.repository);
    assert!(resolve(&metadata).await.expect_err("refused").to_string().contains("link-local"));
}

#[tokio::test]
async fn missing_things_are_named() {
    let mut world = World::new();
    assert_eq!(outcome(world.resolve().await), ("EmptyRepository", Class::Rejected));
    for branch in ["main", "a", "b", "c", "d", "e", "f"] {
        world.repo.commit(branch, "one", &[put("a.yaml", "a: 1")]);
    }
    world.settings.reference = Reference::Branch("mian".to_owned());
    let error = world.resolve().await.expect_err("no such branch");
    assert_eq!(error.reason(), "ReferenceNotFound");
    assert!(error.to_string().contains("it has main, a, b, c, d and 2 more"), "{error}");
    world.settings.reference = Reference::Tag("v9".to_owned());
    assert_eq!(outcome(world.resolve().await).0, "ReferenceNotFound");
    world.settings.reference = Reference::Commit("1".repeat(40));
    assert_eq!(outcome(world.fetch().await), ("ReferenceNotFound", Class::Rejected));
    world.repo.git(&["config", "uploadpack.allowReachableSHA1InWant", "false"], b"");
    assert_eq!(outcome(world.fetch().await), ("ReferenceNotFound", Class::Rejected));
}

#[tokio::test]
async fn a_deleted_branch_is_an_error_and_the_copy_stays() {
    let world = small();
    world.repo.commit("other", "one", &[put("a.yaml", "a: 1")]);
    let before = world.sync(None).await.expect("it works at first");
    world.repo.git(&["update-ref", "-d", "refs/heads/main"], b"");
    assert_eq!(outcome(world.fetch().await), ("ReferenceNotFound", Class::Rejected));
    tenantry::source::read(&world.settings, &before.revision, None)
        .expect("the last good commit can still be read");
}

#[tokio::test]
async fn lists_and_packs_are_bounded_on_the_wire() {
    let mut world = small();
    world.settings.limits.advertisement_bytes = 100_000;
    let line = format!("{} refs/pull/1/head\n", "a".repeat(40));
    let piece = format!("{:04x}{line}", line.len() + 4).into_bytes();
    let first = b"001e# service=git-upload-pack\n0000".to_vec();
    let list = [first, piece.repeat(10_000)].concat();
    world.server.answer(move |_| Answer::Endless(LIST, list.clone()));
    assert_eq!(outcome(world.resolve().await), ("TooLarge", Class::Rejected));
    world.server.answer(|_| Answer::Git);
    world.settings.limits.repository_bytes = 400_000;
    world.repo.commit("main", "big", &[put("big.txt", crate::repo::noise())]);
    assert_eq!(outcome(world.fetch().await), ("TooLarge", Class::Rejected));
    let left = std::fs::metadata(world.settings.repository.join("git/objects/pack")).is_ok();
    world.repo.replace("main", "small again", &[put("a.yaml", "a: 2")]);
    world.sync(None).await.unwrap_or_else(|error| panic!("{error} (packs left: {left})"));
}

#[tokio::test]
async fn redirects_are_followed_but_credentials_are_not_carried_away() {
    use tenantry::source::{Credentials, Secret};
    let mut world = small();
    let credentials = Credentials::Basic { username: "ada".to_owned(), password: Secret::new("canary-7777") };
    world.settings.credentials = Some(credentials);
    let other = Server::start(world.folder.path());
    let to = |base: String| {
        move |asked: &crate::server::Asked| {
            Answer::Status(
                302,
                vec![("Location", format!("{base}{}", asked.target.replace("/moved.git", "/config.git")))],
            )
        }
    };
    world.server.answer(to(format!("http://{}", other.address)));
    world.sync(None).await.expect("the other server has it");
    assert!(
        world.server.asked().iter().all(|asked| asked.authorization.is_some()),
        "ours gets the credentials"
    );
    let asked = other.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");

    // Within one origin the credentials go along.
    world.settings.url = world.server.url("moved");
    world.server.answer(|asked| match asked.target.strip_prefix("/moved.git") {
        Some(rest) => Answer::Status(301, vec![("Location", format!("/config.git{rest}"))]),
        None => Answer::Git,
    });
    world.sync(None).await.expect("renamed on the same server");
    let asked = world.server.asked();
    assert!(asked.iter().all(|asked| asked.authorization.is_some()), "{asked:?}");
}

#[tokio::test]
async fn redirects_end() {
    let world = small();
    let address = world.server.address;
    for (location, text) in [
        (format!("http://{address}/config.git/info/refs?service=git-upload-pack"), "fourth redirect"),
        (format!("http://{address}/users/sign_in"), "not the address of a repository"),
        ("file:///etc/passwd".to_owned(), "not the address of a repository"),
        ("http://169.254.169.254/x/info/refs?service=git-upload-pack".to_owned(), "link-local"),
        (String::new(), "not the address of a repository"),
    ] {
        let headers = vec![("Location", location.clone())];
        world.server.answer(move |_| Answer::Status(302, headers.clone()));
        let error = world.resolve().await.expect_err(&location).to_string();
        assert!(error.contains(text), "{location}: {error}");
    }
}

#[tokio::test]
async fn a_program_that_is_none_is_an_error() {
    let world = small();
    let with = |program: &str| Settings { program: Some(program.into()), ..world.settings.clone() };
    assert_eq!(outcome(resolve(&with("/no/such/program")).await), ("FetchProcessFailed", Class::Transient));
    assert_eq!(outcome(resolve(&with("/bin/true")).await).0, "FetchProcessFailed");
    assert_eq!(outcome(resolve(&with("/bin/false")).await).0, "FetchProcessFailed");
}

#[tokio::test]
#[cfg(unix)]
async fn a_fetch_process_that_ignores_its_deadline_is_killed() {
    let mut world = small();
    let (script, pid) = (world.folder.path().join("stuck"), world.folder.path().join("pid"));
    std::fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 60\n", pid.display()))
        .expect("disk");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("disk");
    world.settings.program = Some(script);
    world.settings.deadline = Duration::from_millis(700);
    let begun = Instant::now();
    assert_eq!(outcome(world.resolve().await), ("Timeout", Class::Transient));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let pid = std::fs::read_to_string(pid).expect("it was started");
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "process {pid} lives on");
}
