//! GitHub Apps: a signed statement for an installation's token, kept while it is good.

use std::collections::BTreeMap;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::RsaKeyPair,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use tenantry::forge::{
    Client, Wrote,
    http::Http,
    place::dialect,
    tokens::{Credentials, Tokens},
};

use crate::{
    fake::{Fake, Kind, REPOSITORY},
    spoken,
};

fn secret() -> BTreeMap<String, String> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let values = [("appId", "12345"), ("installationId", "678"), ("privateKey", pem.as_str())];
    values.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// As GitHub checks it, by its own clock: here an hour and a half ahead of ours.
const AHEAD: i64 = 5400;

fn holds(statement: &str, now: i64) -> bool {
    let Some(claims) = statement.split('.').nth(1) else { return false };
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap_or_default();
    let (from, until) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
    claims["iss"] == "12345" && from <= now && now < until && until <= now + 600
}

fn in_time(statement: &str) -> bool {
    holds(statement, jiff::Timestamp::now().as_second())
}

fn in_another_time(statement: &str) -> bool {
    holds(statement, jiff::Timestamp::now().as_second() + AHEAD)
}

#[tokio::test]
async fn an_app_gets_a_token_once_and_acts_as_its_bot() {
    let fake = Fake::start(Kind::GitHub).await.expect("a forge");
    fake.state().app = Some(in_time);
    let (http, tokens) = (Http::new(&fake.base, None).expect("a base"), Tokens::default());
    let values = secret();
    let credentials = Credentials::parse(&values).expect("an App");
    // Two at once get the same.
    let (access, same) = tokio::join!(tokens.access(&http, &credentials), tokens.access(&http, &credentials));
    let access = access.expect("a token");
    assert_eq!(same.expect("a token").token, access.token);
    assert_eq!(access.me.as_deref(), Some("tenantry-app[bot]"));
    assert!(!format!("{access:?} {credentials:?} {tokens:?}").contains("canary"));
    let client = Client::new(http.clone(), dialect(spoken(Kind::GitHub), REPOSITORY.into()), access.clone());
    assert_eq!(client.comment(1, "prod", "plan").await.expect("posted"), Wrote::Created);
    // Its own bot's comment; an App may not ask for /user.
    fake.state().comments[0].author = "tenantry-app[bot]".into();
    assert_eq!(client.comment(1, "prod", "plan").await.expect("posted"), Wrote::Same);
    let again = tokens.access(&http, &credentials).await.expect("a token");
    assert_eq!(again.token, access.token);
    let calls = std::mem::take(&mut fake.state().calls);
    let count = |part: &str| calls.iter().filter(|call| call.contains(part)).count();
    assert_eq!((count("access_tokens"), count("/user")), (1, 0), "{calls:?}");
    // Who has another key gets no token of this one's.
    let other = Credentials::parse(&secret()).expect("an App");
    let other = tokens.access(&http, &other).await.expect("its own token");
    assert_ne!(other.token, access.token);
}

#[tokio::test]
async fn a_wrong_clock_of_ours_is_found_out() {
    let fake = Fake::start(Kind::GitHub).await.expect("a forge");
    {
        let mut state = fake.state();
        state.ahead = AHEAD;
        state.app = Some(in_another_time);
    }
    let (http, tokens) = (Http::new(&fake.base, None).expect("a base"), Tokens::default());
    let credentials = Credentials::parse(&secret()).expect("an App");
    let access = tokens.access(&http, &credentials).await.expect("a token at the second try");
    let again = tokens.access(&http, &credentials).await.expect("a token");
    assert_eq!(access.token, again.token, "its life is counted by the forge's clock");
}

#[tokio::test]
async fn a_refused_app_is_refused() {
    let fake = Fake::start(Kind::GitHub).await.expect("a forge");
    fake.state().app = Some(|_| false);
    let http = Http::new(&fake.base, None).expect("a base");
    let credentials = Credentials::parse(&secret()).expect("an App");
    let error = Tokens::default().access(&http, &credentials).await.expect_err("refused");
    assert_eq!(error.label(), "refused", "{error}");
    let statement = "eyJ";
    assert!(!format!("{error} {error:?}").contains(statement), "{error}");
}

#[test]
fn what_a_secret_needs() {
    let parse = |pairs: &[(&str, &str)]| {
        let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Credentials::parse(&values).map(drop)
    };
    assert_eq!(parse(&[("token", " abc\n")]), Ok(()));
    for wrong in [&[("token", "")][..], &[("token", "a b")], &[("token", "a\nb")], &[("password", "x")], &[]]
    {
        parse(wrong).expect_err("wrong");
    }
}
