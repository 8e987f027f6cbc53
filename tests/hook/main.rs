//! The hook room against a real issuer of tokens over HTTPS, in good weather and bad.

#![allow(missing_docs, reason = "the names of tests are their documentation")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/issuer.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]
mod issuer;

use std::time::{Duration, Instant};

use issuer::{CONFIGURATION, Fault, Issuer, KEYS};
use jiff::Timestamp;
use serde_json::json;
use tenantry::{
    api::hook::Oidc,
    hook::{
        issuer::{DEADLINE, IssuerError, keys},
        token::{Refusal, Trusted},
    },
};

const AUDIENCE: &str = "https://hooks.example.com";

fn oidc(issuer: &Issuer) -> Oidc {
    let oidc = json!({"issuer": issuer.url, "audience": AUDIENCE, "subject": "repo:acme/config"});
    serde_json::from_value(oidc).unwrap()
}

async fn refused(oidc: &Oidc, issuer: &Issuer) -> String {
    keys(oidc, Some(issuer.ca.clone())).await.expect_err("refused").to_string()
}

fn json(value: serde_json::Value) -> Fault {
    Fault::Says(200, String::new(), value.to_string().into_bytes())
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_check_tokens() {
    let issuer = Issuer::start();
    let oidc = oidc(&issuer);
    let found = keys(&oidc, Some(issuer.ca.clone())).await.unwrap();
    assert_eq!(issuer.asked(), [CONFIGURATION, KEYS]);
    let trusted = Trusted::new(oidc.clone(), found).unwrap();
    let token = issuer.token(AUDIENCE, &json!({"sub": "repo:acme/config"}));
    assert_eq!(trusted.judge(&token, Timestamp::now()), Ok(()));
    let other = issuer.token(AUDIENCE, &json!({"sub": "repo:mallory/config"}));
    assert_eq!(trusted.judge(&other, Timestamp::now()), Err(Refusal::Subject));
    // Another key of another id: not known until the keys are read again.
    issuer.change_key("second");
    let token = issuer.token(AUDIENCE, &json!({"sub": "repo:acme/config"}));
    assert_eq!(trusted.judge(&token, Timestamp::now()), Err(Refusal::UnknownKey));
    let found = keys(&oidc, Some(issuer.ca.clone())).await.unwrap();
    assert_eq!(Trusted::new(oidc.clone(), found).unwrap().judge(&token, Timestamp::now()), Ok(()));
    // Where the Platform names the place, nobody is asked for it.
    issuer.asked();
    let named = Oidc { jwks_uri: Some(format!("{}{KEYS}", issuer.url)), ..oidc };
    assert!(keys(&named, Some(issuer.ca.clone())).await.is_ok());
    assert_eq!(issuer.asked(), [KEYS]);
}

#[tokio::test]
async fn only_a_trusted_issuer_over_https_is_heard() {
    let issuer = Issuer::start();
    let oidc = oidc(&issuer);
    let unknown = keys(&oidc, None).await.expect_err("an unknown authority");
    assert!(matches!(unknown, IssuerError::Unreachable { .. }), "{unknown}");
    let other = Issuer::start();
    let unknown = keys(&oidc, Some(other.ca.clone())).await.expect_err("another authority");
    assert!(matches!(unknown, IssuerError::Unreachable { .. }), "{unknown}");
    assert!(matches!(keys(&oidc, Some("none".into())).await, Err(IssuerError::Ca(_))));
    assert_eq!(issuer.asked(), [] as [&str; 0], "nothing was sent to it");
    for address in ["http://127.0.0.1:1", "https://user:canary@127.0.0.1:1", "ftp://x", "x"] {
        let plain = Oidc { issuer: address.into(), ..oidc.clone() };
        let said = refused(&plain, &issuer).await;
        assert!(said.contains("no address of HTTPS") && !said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn what_an_issuer_may_not_say_is_refused() {
    let issuer = Issuer::start();
    let oidc = oidc(&issuer);
    let url = issuer.url.clone();
    let redirect = || Fault::Says(302, "Location: https://127.0.0.1:1/\r\n".into(), Vec::new());
    for (path, fault, words) in [
        (CONFIGURATION, redirect(), "status 302"),
        (KEYS, redirect(), "status 302"),
        (KEYS, Fault::Says(500, String::new(), b"{}".to_vec()), "status 500"),
        (CONFIGURATION, Fault::Says(200, String::new(), b"<html>".to_vec()), "not JSON"),
        (KEYS, Fault::Says(200, String::new(), vec![b' '; 300 * 1024]), "larger than 256 KiB"),
        (
            CONFIGURATION,
            json(json!({"issuer": "https://other.example", "jwks_uri": format!("{url}{KEYS}")})),
            "https://other.example",
        ),
        (
            CONFIGURATION,
            json(json!({"issuer": format!("{url}/"), "jwks_uri": format!("{url}{KEYS}")})),
            "exactly",
        ),
        (CONFIGURATION, json(json!({"issuer": url})), "no jwks_uri"),
        (CONFIGURATION, json(json!({"issuer": url, "jwks_uri": "https://127.0.0.1:1/keys"})), "another host"),
        (CONFIGURATION, json(json!({"issuer": url, "jwks_uri": "https://localhost/keys"})), "another host"),
        (
            CONFIGURATION,
            json(json!({"issuer": url, "jwks_uri": url.replace("https", "http")})),
            "no address of HTTPS",
        ),
        (
            CONFIGURATION,
            json(json!({"issuer": url, "jwks_uri": "file:///etc/passwd"})),
            "no address of HTTPS",
        ),
        (KEYS, json(json!({"keys": []})), "no key with an id"),
        (KEYS, json(json!({"keys": [{"kty": "oct", "kid": "x", "k": "AAAA"}]})), "no key with an id"),
        (KEYS, json(json!([])), "no JSON Web Key Set"),
    ] {
        issuer.fault(path, fault);
        let said = refused(&oidc, &issuer).await;
        assert!(said.contains(words), "{path} {words}: {said}");
        issuer.mend();
    }
    assert!(keys(&oidc, Some(issuer.ca.clone())).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_hangs_is_given_up() {
    let issuer = Issuer::start();
    let oidc = oidc(&issuer);
    issuer.fault(KEYS, Fault::Hangs(Duration::from_secs(60)));
    let start = Instant::now();
    let said = refused(&oidc, &issuer).await;
    assert!(start.elapsed() < DEADLINE + Duration::from_secs(5), "{said}");
    let gone = Oidc { issuer: "https://127.0.0.1:1".into(), ..oidc };
    assert!(refused(&gone, &issuer).await.starts_with("GET https://127.0.0.1:1/.well-known/"));
}
