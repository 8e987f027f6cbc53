use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// When it is.
const NOW: i64 = 1_767_225_600;

/// An issuer with a key of each kind.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

fn coded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            ed: Ed25519KeyPair::generate().expect("a key"),
        }
    }

    /// Of 2048 bits, the modulus begins at byte 9 of PKCS#1; the exponent is at the end.
    fn modulus(&self) -> &[u8] {
        &self.rsa.public_key().as_ref()[9..265]
    }

    fn trusted(&self) -> Trusted {
        let point = self.ec.public_key().as_ref();
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "n": coded(self.modulus()), "e": "AQAB", "alg": "RS256", "use": "sig"},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": coded(&point[1..33]), "y": coded(&point[33..])},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": coded(self.ed.public_key().as_ref())},
        ]});
        let oidc = json!({
            "issuer": "https://issuer.example.com", "audience": "https://hooks.example.com",
            "subject": "repo:acme/config", "claims": [{"name": "ref", "value": "refs/heads/main"}],
        });
        let oidc = serde_json::from_value(oidc).expect("settings");
        Trusted::new(oidc, Keys::parse(&set).expect("keys")).expect("closed")
    }

    /// Signs any text with the key of this id.
    fn sign(&self, kid: &str, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match kid {
            "ec" => self.ec.sign(&random, text.as_bytes()).expect("signed").as_ref().to_vec(),
            "ed" => self.ed.sign(text.as_bytes()).as_ref().to_vec(),
            _ => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).expect("signed");
                signature
            }
        }
    }

    /// A token of these texts, signed by the key of this id.
    fn token(&self, kid: &str, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", coded(header.as_bytes()), coded(claims.as_bytes()));
        let signature = coded(&self.sign(kid, &text));
        format!("{text}.{signature}")
    }
}

fn header(algorithm: &str, kid: &str) -> String {
    json!({"alg": algorithm, "kid": kid, "typ": "JWT"}).to_string()
}

fn good() -> Value {
    json!({
        "iss": "https://issuer.example.com", "aud": "https://hooks.example.com", "sub": "repo:acme/config",
        "ref": "refs/heads/main", "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 300, "jti": "1",
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn each_algorithm_is_understood() {
    let issuer = Issuer::new();
    let trusted = issuer.trusted();
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed"), ("Ed25519", "ed")] {
        let token = issuer.token(kid, &header(algorithm, kid), &good().to_string());
        assert_eq!(trusted.judge(&token, at(NOW)), Ok(()), "{algorithm}");
        assert_eq!(Trusted::nobody().judge(&token, at(NOW)), Err(Refusal::UnknownKey));
        let other = Issuer::new().trusted();
        assert_eq!(other.judge(&token, at(NOW)), Err(Refusal::Signature), "another issuer's key of that id");
    }
    let mut several = good();
    several["aud"] = json!(["https://other.example.com", "https://hooks.example.com"]);
    several["exp"] = json!(NOW as f64 + 300.5);
    let token = issuer.token("ec", &header("ES256", "ec"), &several.to_string());
    assert_eq!(trusted.judge(&token, at(NOW)), Ok(()));
    let plain = json!({"alg": "ES256", "kid": "ec"}).to_string();
    assert_eq!(trusted.judge(&issuer.token("ec", &plain, &good().to_string()), at(NOW)), Ok(()));
}

#[test]
fn a_token_does_not_choose_its_algorithm() {
    let issuer = Issuer::new();
    let trusted = issuer.trusted();
    let judge = |token: &str| trusted.judge(token, at(NOW));
    for kid in ["rsa", "ec", "ed"] {
        for algorithm in ["none", "None", "HS256", "RS384", "RS512", "PS256", "ES384", "ES256K", ""] {
            let text = format!(
                "{}.{}",
                coded(header(algorithm, kid).as_bytes()),
                coded(good().to_string().as_bytes())
            );
            assert_eq!(judge(&format!("{text}.")), Err(Refusal::OtherAlgorithm), "{algorithm} {kid}");
            let signed = format!("{text}.{}", coded(&issuer.sign(kid, &text)));
            assert_eq!(judge(&signed), Err(Refusal::OtherAlgorithm), "{algorithm} {kid}");
        }
    }
    // The public key, known to everybody, as a shared secret.
    let text =
        format!("{}.{}", coded(header("HS256", "rsa").as_bytes()), coded(good().to_string().as_bytes()));
    for secret in [issuer.modulus(), issuer.rsa.public_key().as_ref()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        assert_eq!(judge(&format!("{text}.{}", coded(tag.as_ref()))), Err(Refusal::OtherAlgorithm));
    }
    // One key's algorithm with another's id.
    let mixed = issuer.token("ec", &header("ES256", "rsa"), &good().to_string());
    assert_eq!(judge(&mixed), Err(Refusal::OtherAlgorithm));
    let wrong = issuer.token("ed", &header("RS256", "rsa"), &good().to_string());
    assert_eq!(judge(&wrong), Err(Refusal::Signature));
    let unknown = issuer.token("rsa", &header("RS256", "new"), &good().to_string());
    assert_eq!(judge(&unknown), Err(Refusal::UnknownKey));
}

#[test]
fn what_a_token_says_must_be_exactly_that() {
    let issuer = Issuer::new();
    let trusted = issuer.trusted();
    let judged = |name: &str, value: Value| {
        let mut claims = good();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value;
        }
        trusted.judge(&issuer.token("ec", &header("ES256", "ec"), &claims.to_string()), at(NOW))
    };
    for (name, refusal, values) in [
        (
            "iss",
            Refusal::Issuer,
            [json!(null), json!("https://issuer.example.com/"), json!(["https://issuer.example.com"])],
        ),
        ("aud", Refusal::Audience, [json!(null), json!("https://hooks.example.com/x"), json!(["x", 1])]),
        ("sub", Refusal::Subject, [json!(null), json!("repo:acme/config2"), json!(1)]),
        ("ref", Refusal::Claim, [json!(null), json!("refs/heads/maim"), json!(["refs/heads/main"])]),
    ] {
        for value in values {
            assert_eq!(judged(name, value.clone()), Err(refusal), "{name} {value}");
        }
    }
    for (name, value, wanted) in [
        ("exp", json!(NOW - 59), Ok(())),
        ("exp", json!(NOW - 60), Err(Refusal::Expired)),
        ("exp", json!(-1), Err(Refusal::Expired)),
        ("exp", json!(i64::MAX), Ok(())),
        ("nbf", json!(NOW + 60), Ok(())),
        ("nbf", json!(NOW + 61), Err(Refusal::Early)),
        ("nbf", json!(null), Ok(())),
        ("iat", json!(NOW + 61), Err(Refusal::Early)),
    ] {
        assert_eq!(judged(name, value.clone()), wanted, "{name} {value}");
    }
    for (name, value) in [
        ("exp", json!(null)),
        ("iat", json!(null)),
        ("exp", json!("soon")),
        ("exp", json!(1e300)),
        ("nbf", json!({})),
    ] {
        assert!(matches!(judged(name, value.clone()), Err(Refusal::Malformed(_))), "{name} {value}");
    }
}

#[test]
fn what_two_readers_may_take_differently_is_refused() {
    let issuer = Issuer::new();
    let trusted = issuer.trusted();
    let judge = |header: &str, claims: &str| trusted.judge(&issuer.token("ec", header, claims), at(NOW));
    let (head, claims) = (header("ES256", "ec"), good().to_string());
    let twice = claims.replacen('{', "{\"sub\":\"repo:mallory/x\",", 1);
    let extended = json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false}).to_string();
    for (head, claims) in [
        (head.as_str(), twice.as_str()),
        (&head.replacen('{', "{\"kid\":\"rsa\",", 1), &claims),
        (&extended, &claims),
        (&json!({"alg": "ES256", "kid": "ec", "typ": "logout+jwt"}).to_string(), &claims),
        (&json!({"alg": "ES256"}).to_string(), &claims),
        (&json!({"kid": "ec"}).to_string(), &claims),
        ("[]", &claims),
        ("{", &claims),
        (&head, "[]"),
        (&head, "null"),
        (&head, &"[".repeat(5000)),
        (&head, ""),
    ] {
        assert!(matches!(judge(head, claims), Err(Refusal::Malformed(_))), "{head} {claims}");
    }
    assert_eq!(judge(&head, &claims), Ok(()));
    // Keys that the token brings along are not looked at.
    let brought =
        json!({"alg": "ES256", "kid": "mine", "jwk": {"kty": "EC"}, "jku": "https://mallory.example"});
    assert_eq!(judge(&brought.to_string(), &claims), Err(Refusal::UnknownKey));
    let whole = issuer.token("ec", &head, &claims);
    let (text, signature) = whole.rsplit_once('.').expect("parts");
    for broken in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        text.to_owned(),
        format!("{whole}."),
        format!("{whole}.x"),
        format!("{whole}="),
        format!("{whole}\n"),
        format!(" {whole}"),
        format!("{text}.{signature}!"),
        whole.replace('-', "+").replace('_', "/") + "+",
        "\u{0}\u{fffd}.x.y".to_owned(),
    ] {
        assert!(matches!(trusted.judge(&broken, at(NOW)), Err(Refusal::Malformed(_))), "{broken}");
    }
    let mut huge = good();
    huge["pad"] = json!("x".repeat(LONGEST));
    assert_eq!(judge(&head, &huge.to_string()), Err(Refusal::TooLong));
}

#[test]
fn a_request_carries_one_token() {
    let with = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
        });
        bearer(&headers).map(str::to_owned)
    };
    assert_eq!(with(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
    assert_eq!(with(&["bearer  a.b.c"]).as_deref(), Some("a.b.c"));
    for none in [&[][..], &["Basic a"], &["Bearer"], &["Bearer a", "Bearer a"], &["BearerX a"]] {
        assert_eq!(with(none), None, "{none:?}");
    }
}

#[test]
fn settings_that_are_open_to_everybody_are_not_trusted() {
    let oidc = json!({"issuer": "https://issuer.example.com", "audience": "x"});
    let oidc: Oidc = serde_json::from_value(oidc).expect("settings");
    assert!(Trusted::new(oidc, Keys::default()).is_err());
}

proptest! {
    /// Whatever bit is flipped: refused.
    #[test]
    fn any_flipped_bit_is_refused(at_byte in any::<prop::sample::Index>(), bit in 0u8..7) {
        static ISSUER: std::sync::LazyLock<(Trusted, String)> = std::sync::LazyLock::new(|| {
            let issuer = Issuer::new();
            let token = issuer.token("ec", &header("ES256", "ec"), &good().to_string());
            (issuer.trusted(), token)
        });
        let (trusted, token) = &*ISSUER;
        let mut bytes = token.clone().into_bytes();
        let place = at_byte.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(trusted.judge(&text, at(NOW)).is_err(), "{}", text);
        }
    }

    #[test]
    fn nothing_that_anybody_sends_ends_the_thread(text in "[A-Za-z0-9_.=-]{0,200}|.{0,60}") {
        prop_assert!(Trusted::nobody().judge(&text, at(NOW)).is_err());
    }
}
