//! An issuer's public keys, as its JSON Web Key Set (RFC 7517) lists them. Pure.
//!
//! What a key is for is the key's to say and never the token's: a key of RSA checks RS256 and nothing else. So a token
//! can't choose `none`, nor have the text of a public key taken for a shared secret (`HS256`): there are no such keys.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Keys of a set that are looked at.
const KEYS: usize = 64;
/// Longest id of a key, in bytes.
const KID: usize = 512;
/// Sizes of an RSA modulus, in bytes: smaller ones can be broken, larger ones cost too much to check.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// Bytes of an RSA exponent: 65537 has three, and a long one makes checking slow.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=4;
/// Bytes of a coordinate of P-256, and of a key of Ed25519.
const POINT: usize = 32;

/// The base point of P-256, uncompressed, and that of Ed25519: keys that are nobody's.
const P256_BASE: [u8; 65] = [
    4, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
    0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3,
    0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The keys of an issuer that we can use, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Reads a key set. Keys that are for something else, too small or too large, or of a kind that we don't check are
    /// passed over, as are keys that share an id: two readers may take different ones.
    ///
    /// # Errors
    /// It is no key set, or has no key that can be used.
    pub fn parse(set: &Value) -> Result<Self, &'static str> {
        let listed = set.get("keys").and_then(Value::as_array).ok_or("it is no JSON Web Key Set")?;
        let (mut keys, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for jwk in listed.iter().take(KEYS) {
            let Some(kid) = text(jwk, "kid").filter(|kid| !kid.is_empty() && kid.len() <= KID) else {
                continue;
            };
            if !seen.insert(kid) {
                keys.remove(kid);
                continue;
            }
            keys.extend(Key::read(jwk).map(|key| (kid.to_owned(), key)));
        }
        if keys.is_empty() {
            return Err(
                "it has no key with an id for RS256 (2048 to 4096 bits), ES256 or EdDSA; see what the issuer signs with",
            );
        }
        Ok(Self(keys))
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }
}

/// A public key, and with it the one algorithm that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// RS256.
    Rsa {
        /// The modulus, without zeros in front.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// ES256: an uncompressed point.
    P256(Vec<u8>),
    /// `EdDSA`.
    Ed25519(Vec<u8>),
}

impl Key {
    fn read(jwk: &Value) -> Option<Self> {
        let signs = |value: &Value| value == "sig";
        let verifies =
            |value: &Value| value.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
        if !jwk.get("use").is_none_or(signs) || !jwk.get("key_ops").is_none_or(verifies) {
            return None;
        }
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok();
        let key = match (text(jwk, "kty")?, text(jwk, "crv")) {
            ("RSA", _) => {
                let (n, e) = (unpadded(bytes("n")?), unpadded(bytes("e")?));
                let fits = MODULUS.contains(&n.len()) && EXPONENT.contains(&e.len());
                fits.then_some(Self::Rsa { n, e })?
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                let fits = x.len() == POINT && y.len() == POINT;
                fits.then(|| Self::P256([&[4][..], x.as_slice(), y.as_slice()].concat()))?
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x")?;
                (x.len() == POINT).then_some(Self::Ed25519(x))?
            }
            _ => return None,
        };
        // A key that says that it is for something else is for that.
        jwk.get("alg").is_none_or(|alg| alg.as_str().is_some_and(|alg| key.is_for(alg))).then_some(key)
    }

    /// A key for this algorithm that signs nothing: to check a token against nobody's key costs about as much as to
    /// check it against somebody's, and tells a stranger nothing.
    #[must_use]
    pub fn nobodys(algorithm: &str) -> Self {
        match algorithm {
            "ES256" => Self::P256(P256_BASE.to_vec()),
            "EdDSA" | "Ed25519" => Self::Ed25519([&[0x58_u8][..], &[0x66; 31]].concat()),
            _ => Self::Rsa { n: vec![0xff; *MODULUS.start()], e: vec![1, 0, 1] },
        }
    }

    /// Whether it is for the algorithm that a token names.
    #[must_use]
    pub fn is_for(&self, algorithm: &str) -> bool {
        match self {
            Self::Rsa { .. } => algorithm == "RS256",
            Self::P256(_) => algorithm == "ES256",
            // RFC 9864 gives it the second name.
            Self::Ed25519(_) => matches!(algorithm, "EdDSA" | "Ed25519"),
        }
    }

    /// Whether it signed this.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match self {
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        checked.is_ok()
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// Without zeros in front, which some issuers write.
fn unpadded(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn coded(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn rsa(kid: &str, bytes: usize) -> Value {
        json!({"kty": "RSA", "kid": kid, "n": coded(&vec![0xff; bytes]), "e": "AQAB"})
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn only_keys_that_can_be_used_are_taken() {
        let point = coded(&[7; 32]);
        let ec = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": point, "y": point});
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": point});
        let padded = with(rsa("padded", 256), "n", json!(coded(&[&[0_u8][..], &[0xff; 256]].concat())));
        let good = [rsa("rsa", 256), rsa("large", 512), padded, ec.clone(), ed.clone()];
        let keys = Keys::parse(&json!({"keys": good})).expect("keys");
        assert_eq!(keys.0.keys().collect::<Vec<_>>(), ["ec", "ed", "large", "padded", "rsa"]);
        let fine = with(with(rsa("a", 256), "use", json!("sig")), "alg", json!("RS256"));
        assert!(Keys::parse(&json!({"keys": [with(fine, "key_ops", json!(["verify"]))]})).is_ok());
        for bad in [
            rsa("", 256),
            rsa("small", 255),
            rsa("oversized", 513),
            with(rsa("slow", 256), "e", json!(coded(&[0xff; 5]))),
            with(rsa("none", 256), "e", json!("AA")),
            with(rsa("broken", 256), "n", json!("not base64!")),
            with(rsa("encrypts", 256), "use", json!("enc")),
            with(rsa("wraps", 256), "key_ops", json!(["wrapKey"])),
            with(rsa("other", 256), "alg", json!("RS512")),
            with(rsa("mixed", 256), "alg", json!("HS256")),
            with(rsa("odd", 256), "alg", json!(1)),
            json!({"kty": "oct", "kid": "secret", "k": point}),
            with(ec.clone(), "crv", json!("P-384")),
            with(ec, "x", json!(coded(&[7; 31]))),
            with(ed, "crv", json!("X25519")),
            json!("x"),
        ] {
            assert!(Keys::parse(&json!({"keys": [bad]})).is_err(), "{bad}");
        }
        for no_set in [json!({}), json!([]), json!({"keys": {}}), json!({"keys": []})] {
            assert!(Keys::parse(&no_set).is_err(), "{no_set}");
        }
    }

    #[test]
    fn keys_that_share_an_id_are_nobodys() {
        let set = json!({"keys": [rsa("a", 256), rsa("b", 256), rsa("a", 300), rsa("a", 256)]});
        let keys = Keys::parse(&set).expect("keys");
        assert_eq!(keys.0.keys().collect::<Vec<_>>(), ["b"]);
        let many: Vec<Value> = (0..KEYS + 9).map(|index| rsa(&format!("{index}"), 256)).collect();
        assert_eq!(Keys::parse(&json!({"keys": many})).expect("keys").0.len(), KEYS);
    }

    #[test]
    fn nobodys_keys_sign_nothing() {
        for (algorithm, bytes) in [("RS256", 256), ("ES256", 64), ("EdDSA", 64), ("none", 256)] {
            let key = Key::nobodys(algorithm);
            assert!(algorithm == "none" || key.is_for(algorithm));
            for signature in [vec![0; bytes], vec![1; bytes], Vec::new()] {
                assert!(!key.signed(b"message", &signature), "{algorithm}");
            }
        }
    }
}
