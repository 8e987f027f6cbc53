//! Who signed a hook. Pure.
//!
//! | header | who sends it | what it holds |
//! |---|---|---|
//! | `X-Hub-Signature-256` | GitHub, and Gitea and Forgejo beside their own | `sha256=` and HMAC-SHA256 of the body, in hex |
//! | `X-Gitea-Signature`, `X-Forgejo-Signature` | Gitea, Forgejo | the same without `sha256=` |
//! | `X-Tenantry-Signature` | anybody | as GitHub's |
//! | `webhook-signature` | GitLab with a signing token, Standard Webhooks | `v1,` and HMAC-SHA256 of id, time and body, in base64 |
//! | `X-Gitlab-Token` | GitLab with a secret token | the token itself |
//!
//! One right header is enough: forges send several, and each needs the token. SHA-1 is not looked at. Every
//! comparison takes the same time whatever differs.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use jiff::Timestamp;

/// Headers with HMAC-SHA256 of the body in hex, and what stands before it.
const HEX: [(&str, &str); 4] = [
    ("x-hub-signature-256", "sha256="),
    ("x-gitea-signature", ""),
    ("x-forgejo-signature", ""),
    ("x-tenantry-signature", "sha256="),
];
/// The token itself.
const PLAIN: &str = "x-gitlab-token";
/// Standard Webhooks: signature, id of the message, its time.
const STANDARD_WEBHOOKS: [&str; 3] = ["webhook-signature", "webhook-id", "webhook-timestamp"];
/// How a token of Standard Webhooks begins; the key is the rest, in base64.
const STANDARD_TOKEN: &str = "whsec_";
/// How far the time of a message may be from ours.
const SKEW: i64 = 300;
/// Shortest token: a shorter one can be guessed.
const SHORTEST: usize = 16;

/// What a Platform's hooks are signed with. `Debug` never prints it.
pub struct Key {
    body: hmac::Key,
    standard: hmac::Key,
    token: [u8; 32],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// A key from a Secret's text; line breaks at its end are not part of it.
    ///
    /// # Errors
    /// What is wrong with it, without saying what it is.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let token = text.trim_end_matches(['\r', '\n']);
        if token.len() < SHORTEST {
            return Err("has a token shorter than 16 bytes; make one with openssl rand -hex 32");
        }
        let standard = match token.strip_prefix(STANDARD_TOKEN) {
            Some(coded) => STANDARD.decode(coded).map_err(|_| "has a token whsec_… that is not base64")?,
            None => token.as_bytes().to_vec(),
        };
        if standard.len() < SHORTEST {
            return Err("has a token whsec_… with a key shorter than 16 bytes");
        }
        Ok(Self {
            body: hmac::Key::new(HMAC_SHA256, token.as_bytes()),
            standard: hmac::Key::new(HMAC_SHA256, &standard),
            token: sha256(token.as_bytes()),
        })
    }
}

impl Key {
    /// The key for a Platform that has none: what it signs is refused whatever it is.
    #[must_use]
    pub fn nobodys() -> Self {
        let key = || hmac::Key::new(HMAC_SHA256, &[0; 32]);
        Self { body: key(), standard: key(), token: [0; 32] }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Whether a hook carries a signature in a form that we know; not whether it is right.
#[must_use]
pub fn is_signed(headers: &HeaderMap) -> bool {
    let known = HEX.iter().map(|(name, _)| *name).chain([PLAIN, STANDARD_WEBHOOKS[0]]);
    known.into_iter().any(|name| headers.contains_key(name))
}

/// A hook's signatures, checked while its body comes in: the body is never kept.
pub struct Check {
    body: hmac::Context,
    hex: Vec<[u8; 32]>,
    standard: Option<(hmac::Context, Vec<Vec<u8>>)>,
    token: bool,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").finish_non_exhaustive()
    }
}

impl Check {
    /// Begins with the headers.
    #[must_use]
    pub fn begin(key: &Key, headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let hex = |(name, prefix): &(&str, &str)| from_hex(text(name)?.strip_prefix(prefix)?);
        let token = headers.get(PLAIN).is_some_and(|given| same(&sha256(given.as_bytes()), &key.token));
        Self {
            body: hmac::Context::with_key(&key.body),
            hex: HEX.iter().filter_map(hex).collect(),
            standard: standard(key, STANDARD_WEBHOOKS.map(text), now),
            token,
        }
    }

    /// The next piece of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.body.update(bytes);
        if let Some((context, _)) = &mut self.standard {
            context.update(bytes);
        }
    }

    /// Whether the whole body is signed with the key.
    #[must_use]
    pub fn passes(self) -> bool {
        let tag = self.body.sign();
        let hex = self.hex.iter().any(|given| same(given, tag.as_ref()));
        let standard = self.standard.is_some_and(|(context, given)| {
            let tag = context.sign();
            given.iter().any(|given| same(given, tag.as_ref()))
        });
        self.token || hex || standard
    }
}

fn same(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

/// The signatures of Standard Webhooks, and the beginning of what they sign; `None` when the message is too
/// old or too new.
fn standard(
    key: &Key,
    [signature, id, time]: [Option<&str>; 3],
    now: Timestamp,
) -> Option<(hmac::Context, Vec<Vec<u8>>)> {
    let (signature, id, time) = (signature?, id?, time?);
    let seconds: i64 = time.parse().ok()?;
    if now.as_second().abs_diff(seconds) > SKEW.unsigned_abs() {
        return None;
    }
    let given = signature.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let mut context = hmac::Context::with_key(&key.standard);
    context.update(format!("{id}.{time}.").as_bytes());
    Some((context, given.collect()))
}

/// 64 digits in lower case, as every forge writes them.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    let mut out = [0; 32];
    if bytes.len() != 2 * out.len() {
        return None;
    }
    for (to, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *to = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
