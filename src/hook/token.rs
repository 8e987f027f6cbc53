//! Tokens of OpenID Connect in place of a signature: who vouches for the caller, for whom, about whom, and until when.
//! Pure.
//!
//! Everything is bounded and read strictly: three parts of unpadded base64url, JSON whose names stand once, a key by its
//! id. Nothing that the header offers in the way of keys (`jwk`, `jku`, `x5c`, `x5u`) is looked at, and whatever it says
//! must be understood (`crit`) is refused.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::{api::hook::Oidc, validate::hook::open};

use super::keys::{Key, Keys};

/// Longest token, in bytes; GitHub's and GitLab's have two thousand.
const LONGEST: usize = 8192;
/// How far the issuer's clock may be from ours, in seconds.
const SKEW: i64 = 60;

/// Whose tokens a Platform takes, and the keys that they are signed with.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// `None` for nobody.
    oidc: Option<Oidc>,
    keys: Keys,
}

/// Why a token isn't taken. Who sent it is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it, and `Display` in words
pub enum Refusal {
    TooLong,
    Malformed(&'static str),
    UnknownKey,
    OtherAlgorithm,
    Signature,
    Issuer,
    Audience,
    Subject,
    Claim,
    Expired,
    Early,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it is too long",
            Self::Malformed(problem) => problem,
            Self::UnknownKey => "the issuer has no key of that id",
            Self::OtherAlgorithm => "it names another algorithm than its key is for",
            Self::Signature => "the signature is not the key's",
            Self::Issuer => "it is another issuer's",
            Self::Audience => "it is for another audience",
            Self::Subject => "it is about another subject",
            Self::Claim => "a claim is missing, or says something else",
            Self::Expired => "it has run out",
            Self::Early => "it is from the future",
        })
    }
}

/// The token that a request carries; none where it carries several.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let one = all.next().filter(|_| all.next().is_none())?;
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl Trusted {
    /// Trusts an issuer, with its keys.
    ///
    /// # Errors
    /// Anybody could get such a token.
    pub fn new(oidc: Oidc, keys: Keys) -> Result<Self, &'static str> {
        match open(&oidc) {
            Some(problem) => Err(problem),
            None => Ok(Self { oidc: Some(oidc), keys }),
        }
    }

    /// What a Platform trusts that names no issuer, and one that isn't there.
    #[must_use]
    pub fn nobody() -> Self {
        Self { oidc: None, keys: Keys::default() }
    }

    /// Judges a token.
    ///
    /// # Errors
    /// Why it isn't taken.
    pub fn judge(&self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        let token = Token::parse(token)?;
        let known = self.keys.get(&token.kid);
        let nobodys = Key::nobodys(&token.algorithm);
        // Also where the key isn't known: the answer takes as long.
        let signed = known.unwrap_or(&nobodys).signed(token.signed.as_bytes(), &token.signature);
        match (known, &self.oidc) {
            (Some(key), _) if !key.is_for(&token.algorithm) => Err(Refusal::OtherAlgorithm),
            (Some(_), Some(oidc)) if signed => claims(&token.claims, oidc, now.as_second()),
            (Some(_), _) => Err(Refusal::Signature),
            (None, _) => Err(Refusal::UnknownKey),
        }
    }
}

/// A token, taken apart. Nothing of it is checked but its form.
struct Token<'t> {
    kid: String,
    algorithm: String,
    /// The bytes that were signed.
    signed: &'t str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl<'t> Token<'t> {
    fn parse(text: &'t str) -> Result<Self, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal::TooLong);
        }
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(Refusal::Malformed("it has not three parts"));
        };
        let decoded = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed("a part is no base64url"))
        };
        let object = |part: &str| {
            let object = serde_json::from_slice::<Once>(&decoded(part)?);
            object
                .map(|object| object.0)
                .map_err(|_| Refusal::Malformed("a part is no JSON object of names once each"))
        };
        let (head, claims) = (object(header)?, object(payload)?);
        if head.contains_key("crit") {
            return Err(Refusal::Malformed("it asks for an extension"));
        }
        let word = |name: &str| head.get(name).map(|value| value.as_str().unwrap_or_default());
        if word("typ").is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
            return Err(Refusal::Malformed("it is another kind of token"));
        }
        let (Some(algorithm), Some(kid)) = (word("alg"), word("kid")) else {
            return Err(Refusal::Malformed("it names no algorithm or no key"));
        };
        Ok(Self {
            kid: kid.to_owned(),
            algorithm: algorithm.to_owned(),
            signed: &text[..header.len() + 1 + payload.len()],
            signature: decoded(signature)?,
            claims,
        })
    }
}

/// What a signed token says, held against what it must say.
fn claims(claims: &Map<String, Value>, oidc: &Oidc, now: i64) -> Result<(), Refusal> {
    let is = |name: &str, wanted: &str| claims.get(name).and_then(Value::as_str) == Some(wanted);
    if !is("iss", &oidc.issuer) {
        return Err(Refusal::Issuer);
    }
    let wanted = oidc.audience.as_str();
    let listed = || claims.get("aud").and_then(Value::as_array);
    if !is("aud", wanted) && !listed().is_some_and(|all| all.iter().any(|one| one == wanted)) {
        return Err(Refusal::Audience);
    }
    let exp = seconds(claims, "exp")?.ok_or(Refusal::Malformed("it never runs out"))?;
    let iat = seconds(claims, "iat")?.ok_or(Refusal::Malformed("it says not when it was made"))?;
    let nbf = seconds(claims, "nbf")?.unwrap_or(iat);
    if now >= exp.saturating_add(SKEW) {
        return Err(Refusal::Expired);
    }
    if iat.max(nbf) > now.saturating_add(SKEW) {
        return Err(Refusal::Early);
    }
    if oidc.subject.as_ref().is_some_and(|wanted| !is("sub", wanted)) {
        return Err(Refusal::Subject);
    }
    if oidc.claims.iter().any(|claim| !is(&claim.name, &claim.value)) {
        return Err(Refusal::Claim);
    }
    Ok(())
}

/// A time in seconds since 1970, which may have a fraction; `None` where there is none.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| {
        // 2^53: beyond it a fraction has no meaning, and no token a purpose.
        let number = value.as_f64().filter(|number| number.abs() < 9_007_199_254_740_992.0)?;
        Some(number.floor() as i64)
    });
    whole.map(Some).ok_or(Refusal::Malformed("a time is none"))
}

/// An object whose names stand once: of two, two readers may take different ones.
struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Once, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Once(map))
    }
}

#[cfg(test)]
mod tests;
