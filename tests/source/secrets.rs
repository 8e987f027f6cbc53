//! Canary secrets in everything that could leak them.

use std::sync::{Arc, Mutex};

use tenantry::source::{Credentials, Secret, SourceError, fetch, resolve};

use crate::World;
use crate::repo::put;
use crate::server::Answer;

const CANARY: &str = "canary-3f9a";

/// Basic credentials as they travel.
const CODED: &str = "YWRhOmNhbmFyeS0zZjlh";

fn clean(what: &str, text: &str) {
    assert!(!text.contains(CANARY) && !text.contains(CODED), "{what} leaks: {text}");
}

fn check(what: &str, error: &SourceError) {
    clean(what, &error.to_string());
    clean(what, &format!("{error:?}"));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        clean(what, &format!("{cause} {cause:?}"));
        source = cause.source();
    }
}

/// Everything that was logged, at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic under the lock")).into_owned()
    }
}

/// Everything that this thread logs goes there until the guard is dropped.
pub(crate) fn logged(log: &Log) -> tracing::subscriber::DefaultGuard {
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic under the lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_leaves_in_errors_debug_or_logs() {
    let log = Log::default();
    let _guard = logged(&log);

    let mut world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.settings.credentials =
        Some(Credentials::Basic { username: "ada".to_owned(), password: Secret::new(CANARY) });
    clean("settings", &format!("{:?}", world.settings));
    resolve(&world.settings).await.expect("it works");
    let sent = world.server.asked();
    assert_eq!(
        sent[0].authorization.as_deref(),
        Some(format!("Basic {CODED}").as_str()),
        "the server does get it"
    );

    a_server_that_says_back_what_it_was_told(&world).await;
    secrets_where_they_do_not_belong(&world).await;
    a_child_that_dies_talking(&world).await;

    // At rest.
    let commit = resolve(&world.settings).await.expect("it works");
    fetch(&world.settings, &commit).await.expect("it works");
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", "-e", CANARY, "-e", CODED])
        .arg(&world.settings.repository)
        .output()
        .expect("grep");
    assert!(found.stdout.is_empty(), "on disk: {}", String::from_utf8_lossy(&found.stdout));
    let text = log.text();
    assert!(text.contains("fetch process"), "the log was captured: {text}");
    clean("log", &text);
}

async fn a_server_that_says_back_what_it_was_told(world: &World) {
    let echo = format!("you are {CANARY} {CODED}");
    let packet = format!("ERR {echo}");
    let list = format!("001e# service=git-upload-pack\n0000{:04x}{packet}", packet.len() + 4);
    let location = format!("http://ada:{CANARY}@127.0.0.1/x?token={CANARY}");
    for answer in [
        Answer::Status(401, vec![("WWW-Authenticate", echo.clone())]),
        Answer::Status(302, vec![("Location", location)]),
        Answer::Status(500, Vec::new()),
        Answer::Body("text/html", echo.clone().into_bytes()),
        Answer::Body("application/x-git-upload-pack-advertisement", list.into_bytes()),
        Answer::Status(200, vec![("Content-Type", format!("x/{CANARY}"))]),
    ] {
        world.server.answer(move |_| answer.clone());
        check("resolve", &resolve(&world.settings).await.expect_err("bad answers"));
    }
    world.server.answer(|_| Answer::Git);
}

async fn secrets_where_they_do_not_belong(world: &World) {
    let mut settings = world.settings.clone();
    settings.url = format!("https://ada:{CANARY}@example.com/x.git");
    clean("settings", &format!("{settings:?}"));
    let error = resolve(&settings).await.expect_err("refused");
    assert_eq!(error.reason(), "CredentialsInUrl");
    assert!(error.to_string().contains("Secret"), "{error}");
    check("url", &error);
    settings.url = format!("https://example.com/x.git?private_token={CANARY}");
    check("query", &resolve(&settings).await.expect_err("refused"));

    // A token that can't be sent.
    settings = world.settings.clone();
    settings.credentials = Some(Credentials::Bearer(Secret::new(format!("{CANARY}\nX-Evil: 1"))));
    let error = resolve(&settings).await.expect_err("refused");
    assert_eq!(error.reason(), "InvalidSecret");
    check("token", &error);
}

async fn a_child_that_dies_talking(world: &World) {
    let script = world.folder.path().join("dying");
    std::fs::write(&script, "#!/bin/sh\ncat >&2\nexit 3\n").expect("disk");
    #[cfg(unix)]
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("disk");
    let mut settings = world.settings.clone();
    settings.program = Some(script);
    let commit = resolve(&world.settings).await.expect("it works");
    check("dying child", &fetch(&settings, &commit).await.expect_err("no answer"));
}
