use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
/// GitHub's documentation, "Validating webhook deliveries": this token and body give this.
const GITHUB: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().expect("a header's name");
        (name, HeaderValue::from_str(value).expect("a header's value"))
    };
    pairs.iter().map(pair).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn passes_at(token: &str, pairs: &[(&str, &str)], body: &[u8], now: Timestamp) -> bool {
    let key = Key::new(token).expect("a key");
    let mut check = Check::begin(&key, &headers(pairs), now);
    body.chunks(5).for_each(|piece| check.update(piece));
    check.passes()
}

fn passes(token: &str, pairs: &[(&str, &str)], body: &[u8]) -> bool {
    passes_at(token, pairs, body, at(0))
}

#[test]
fn each_form_is_understood() {
    let prefixed = format!("sha256={GITHUB}");
    for (name, value) in [
        ("X-Hub-Signature-256", prefixed.as_str()),
        ("X-Tenantry-Signature", &prefixed),
        ("X-Gitea-Signature", GITHUB),
        ("X-Forgejo-Signature", GITHUB),
        ("X-Gitlab-Token", TOKEN),
    ] {
        assert!(is_signed(&headers(&[(name, value)])), "{name}");
        assert!(passes(TOKEN, &[(name, value)], BODY), "{name}");
        assert!(passes(&format!("{TOKEN}\n"), &[(name, value)], BODY), "a line break at the end: {name}");
        assert!(!passes("another token, as long", &[(name, value)], BODY), "{name}");
    }
    // Gitea sends all of these, and SHA-1, which counts for nothing.
    let all =
        [("X-Hub-Signature", "sha1=00"), ("X-Hub-Signature-256", &prefixed), ("X-Gitea-Signature", GITHUB)];
    assert!(passes(TOKEN, &all, BODY));
    assert!(!is_signed(&headers(&[("X-Hub-Signature", "sha1=00"), ("X-Gogs-Signature", GITHUB)])));
}

/// RFC 4231, test case 4: the one whose key may be a token.
#[test]
fn a_vector_of_the_rfc() {
    let token: String = (1u8..=25).map(char::from).collect();
    let given = "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b";
    assert!(passes(&token, &[("X-Gitea-Signature", given)], &[0xcd; 50]));
}

/// The example of the Standard Webhooks specification.
#[test]
fn gitlabs_signing_token_is_understood() {
    const TOKEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    let good = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    let then = 1_614_265_330;
    assert!(is_signed(&headers(&good)));
    assert!(passes_at(TOKEN, &good, BODY, at(then)));
    assert!(passes_at(TOKEN, &good, BODY, at(then + 300)) && passes_at(TOKEN, &good, BODY, at(then - 300)));
    assert!(!passes_at(TOKEN, &good, BODY, at(then + 301)), "sent again later");
    assert!(!passes_at(TOKEN, &good, BODY, at(then - 301)));
    assert!(!passes_at(TOKEN, &good, b"{}", at(then)));
    for index in 0..3 {
        let mut other = good;
        other[index].1 =
            ["msg_x", "1614265331", "v1,AAAA v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="][index];
        assert!(!passes_at(TOKEN, &other, BODY, at(then)), "{other:?}");
    }
    let mut several = good;
    several[2].1 = "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= nonsense";
    assert!(passes_at(TOKEN, &several, BODY, at(then)));
}

#[test]
fn keys_that_can_be_guessed_are_refused() {
    for weak in ["", "\n", "short", "whsec_", "whsec_AAAA", "whsec_not base64 at all"] {
        assert!(Key::new(weak).is_err(), "{weak:?}");
    }
    assert_eq!(format!("{:?}", Key::new(TOKEN)), "Ok(***)");
}

proptest! {
    /// Whatever bit is flipped, in body, signature or token: refused.
    #[test]
    fn any_flipped_bit_is_refused(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0u8..7) {
        let key = hmac::Key::new(HMAC_SHA256, TOKEN.as_bytes());
        let tag = hmac::sign(&key, &body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = "X-Gitea-Signature";
        prop_assert!(passes(TOKEN, &[(name, &hex)], &body));
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes
        };
        prop_assert!(!passes(TOKEN, &[(name, &hex)], &flip(&body)));
        let refused = |name: &'static str, value: &[u8], body: &[u8]| {
            let Ok(value) = HeaderValue::from_bytes(value) else { return true };
            let key = Key::new(TOKEN).expect("a key");
            let mut check = Check::begin(&key, &HeaderMap::from_iter([(HeaderName::from_static(name), value)]), Timestamp::UNIX_EPOCH);
            check.update(body);
            !check.passes()
        };
        prop_assert!(refused("x-gitea-signature", &flip(hex.as_bytes()), &body));
        prop_assert!(refused("x-gitlab-token", &flip(TOKEN.as_bytes()), &body));
        if let Ok(other) = String::from_utf8(flip(TOKEN.as_bytes())) {
            prop_assert!(other.trim_end() != TOKEN && !passes(&other, &[(name, &hex)], &body));
        }
    }
}
