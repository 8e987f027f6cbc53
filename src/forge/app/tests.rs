use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::engine::general_purpose::STANDARD;

use super::*;

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

#[test]
fn a_statement_is_signed_and_short_lived() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    // Of a 2048-bit key, what PKCS#8 wraps begins at byte 26.
    let keys = [pem("PRIVATE KEY", der.as_ref()), pem("RSA PRIVATE KEY", &der.as_ref()[26..])];
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    for key in keys {
        let app = App::new(" 12345\n", "678", &key).expect("an App");
        assert!(!format!("{app:?}").contains("key"), "{app:?}");
        let statement = app.statement(now).expect("signed");
        let parts: Vec<&str> = statement.split('.').collect();
        let json = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
            serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON")
        };
        assert_eq!(json(parts[0]), json!({"alg": "RS256", "typ": "JWT"}));
        let second = now.as_second();
        assert_eq!(json(parts[1]), json!({"iat": second - 60, "exp": second + 480, "iss": "12345"}));
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("base64url");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).expect("its own signature");
    }
}

#[test]
fn what_is_wrong_with_an_app_is_said_without_its_key() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let good = pem("PRIVATE KEY", der.as_ref());
    let broken = pem("PRIVATE KEY", b"canary");
    for (id, installation, key, part) in [
        ("", "678", good.as_str(), "appId"),
        ("1 2", "678", &good, "appId"),
        ("1", "six", &good, "installationId"),
        ("1", "678", "canary", "privateKey is no private key in PEM"),
        ("1", "678", &broken, "privateKey is no RSA key"),
        ("1", "678", &pem("EC PRIVATE KEY", b"canary"), "privateKey is no RSA key"),
    ] {
        let problem = App::new(id, installation, key).expect_err(part);
        assert!(problem.starts_with(part) && !problem.contains("canary"), "{problem}");
    }
}
