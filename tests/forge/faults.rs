//! What a server can do instead of answering.

use std::time::Duration;

use tenantry::forge::{ForgeError, State, Status, http::Http};

use crate::{
    KINDS, client,
    fake::{Fake, Kind, TOKEN, Trouble},
    pair,
};

fn answer(status: u16, header: &'static str, value: &str, body: &str) -> Trouble {
    Trouble::Answer(status, (header, value.into()), body.into())
}

async fn fails(trouble: Trouble) -> ForgeError {
    let (fake, client) = pair(Kind::GitHub).await;
    fake.state().troubles.push(trouble);
    client.open_pulls("main").await.expect_err("a trouble")
}

#[tokio::test]
async fn each_refusal_has_its_meaning_and_no_token_in_it() {
    let body = format!("{{\"message\": \"Bad credentials {TOKEN}\\u0007\"}}");
    let reset = (jiff::Timestamp::now().as_second() + 90).to_string();
    for (trouble, label, wait) in [
        (answer(401, "x", "", &body), "refused", None),
        (answer(403, "x", "", &body), "refused", None),
        (answer(404, "x", "", &body), "not_found", None),
        (answer(422, "x", "", &body), "invalid", None),
        (answer(429, "retry-after", "7", &body), "busy", Some(7..8)),
        (answer(429, "x", "", &body), "busy", Some(60..61)),
        (answer(429, "retry-after", "999999999", &body), "busy", Some(3600..3601)),
        (answer(403, "retry-after", "30", &body), "busy", Some(30..31)),
        (answer(503, "retry-after", "5", &body), "busy", Some(5..6)),
        (answer(500, "x", "", &body), "server", None),
        (answer(502, "x", "", "<html>"), "server", None),
        (answer(301, "location", "https://elsewhere.example/repositories/1?token=x", ""), "redirected", None),
        (answer(200, "content-type", "text/html", "<html>sign in</html>"), "unexpected", None),
        (answer(200, "x", "", "{\"login\": \"mallory\"}"), "unexpected", None),
        (answer(200, "x", "", "[{\"number\": 1}]"), "unexpected", None),
        (Trouble::Huge(17 * 1024 * 1024), "unexpected", None),
    ] {
        let shown = format!("{trouble:?}").chars().take(60).collect::<String>();
        let error = fails(trouble).await;
        assert_eq!(error.label(), label, "{shown}: {error}");
        assert_eq!(error.wait().is_some(), wait.is_some(), "{shown}");
        if let (Some(found), Some(wait)) = (error.wait(), wait) {
            assert!(wait.contains(&found.as_secs()), "{shown}: {found:?}");
        }
        let said = format!("{error} {error:?}");
        assert!(!said.contains(TOKEN) && !said.contains("token=") && !said.contains('\u{7}'), "{said}");
    }
    // A limit that is used up, in GitHub's own words.
    let (fake, client) = pair(Kind::GitHub).await;
    let limit = "{\"message\": \"API rate limit exceeded\"}";
    fake.state().troubles.push(Trouble::Answer(403, ("x-ratelimit-remaining", "0".into()), limit.into()));
    let error = client.open_pulls("main").await.expect_err("a limit");
    assert_eq!(error.label(), "refused", "without a reset nobody knows how long: {error} {reset}");
}

#[tokio::test]
async fn the_token_goes_to_nobody_else() {
    let other = Fake::start(Kind::GitHub).await.expect("a forge");
    let (fake, client) = pair(Kind::GitHub).await;
    let location = format!("{}/repos/acme/config/pulls", other.base);
    for status in [301, 302, 307, 308] {
        fake.state().troubles.push(answer(status, "location", &location, ""));
        let error = client.open_pulls("main").await.expect_err("a redirect");
        assert_eq!(error.label(), "redirected", "{error}");
    }
    assert!(other.state().calls.is_empty(), "nobody followed");
}

#[tokio::test]
async fn a_slow_forge_is_not_waited_for() {
    let fake = Fake::start(Kind::GitLab).await.expect("a forge");
    let http = Http::new(&fake.base, None).expect("a base").with_deadline(Duration::from_millis(300));
    let client = client(Kind::GitLab, http, TOKEN);
    fake.state().troubles.push(Trouble::Slow(Duration::from_secs(60)));
    let error = client.open_pulls("main").await.expect_err("too slow");
    assert_eq!(error.label(), "timeout", "{error}");
    assert!(client.open_pulls("main").await.expect("the next one").is_empty());
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let base = format!("http://{}/api", listener.local_addr().expect("an address"));
    drop(listener);
    let client = client(Kind::Gitea, Http::new(&base, None).expect("a base"), TOKEN);
    let error = client.open_pulls("main").await.expect_err("nobody");
    assert_eq!(error.label(), "unreachable", "{error}");
    assert!(error.to_string().starts_with("GET http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_write_that_failed_half_way_is_not_made_twice() {
    for kind in KINDS {
        let (fake, client) = pair(kind).await;
        let status = Status {
            context: "tenantry/plan/prod".into(),
            state: Some(State::Success),
            description: "x".into(),
        };
        client.comment(1, "prod", "plan").await.expect("posted");
        client.status("5", &status).await.expect("posted");
        // The answer was lost, and the operator with it: the next one starts from what is there.
        let http = Http::new(&fake.base, None).expect("a base");
        let again = crate::client(kind, http, TOKEN);
        again.comment(1, "prod", "plan").await.expect("posted");
        again.status("5", &status).await.expect("posted");
        assert_eq!(fake.writes().len(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_no_list() {
    let (fake, client) = pair(Kind::GitHub).await;
    {
        let mut state = fake.state();
        state.page = 1;
        for id in 0..30 {
            let (author, body) = ("ann".into(), "hello".into());
            state.comments.push(crate::fake::Comment { id, pull: 1, author, body });
        }
    }
    let error = client.comment(1, "prod", "plan").await.expect_err("too many pages");
    assert_eq!(error.label(), "unexpected", "{error}");
    assert!(fake.writes().is_empty(), "and nothing is written beside it");
}
