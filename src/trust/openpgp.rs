//! OpenPGP keys and signatures (RFC 4880, RFC 9580): what `gpg` signs commits with, and what GitHub signs its
//! merges with.
//!
//! Keys are pinned by the list, so nobody's certification of a key counts but its own. What is judged:
//!
//! - a User ID names somebody when the key says so itself, and didn't take it back;
//! - a subkey may sign when the key says so, and the subkey says so too (else anybody's key could be bound);
//! - a key that is revoked counts for nothing, whenever it signed: whoever stole it chooses the time;
//! - one that has run out counts for what it signed before, like `valid-before`.

use std::fmt;

use pgp::{
    composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey},
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{Signature, SignatureType, SubpacketData},
    types::{KeyDetails, PublicParams, Tag},
};
use rsa::traits::PublicKeyParts;

use super::{commit::Commit, signature::Refusal};
use crate::validate::text::{quote, sanitize};

/// Longest list of keys, in bytes. GitHub's own has 5 KiB.
const LONGEST: usize = 256 * 1024;

/// Most keys in a list.
const MOST: usize = 256;

/// Longest principal, in characters.
const PRINCIPAL: usize = 253;

/// Size from which an RSA key can't be broken, in bits.
const RSA_BITS: usize = 2048;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// A key, with whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Addresses in its User IDs.
    pub(super) principals: Vec<String>,
    fingerprint: String,
    certificate: SignedPublicKey,
    primary: Option<Window>,
    /// Subkeys that may sign, by their place in the certificate.
    subkeys: Vec<(usize, Window)>,
}

/// From when to when a key holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: i64,
    until: Option<i64>,
}

impl Window {
    fn of(key: &impl KeyDetails, binding: Option<&Signature>) -> Self {
        let from = i64::from(key.created_at().as_secs());
        let lasts = binding.and_then(Signature::key_expiration_time).map(|time| i64::from(time.as_secs()));
        Self { from, until: lasts.filter(|lasts| *lasts > 0).map(|lasts| from + lasts) }
    }

    fn holds(self, seconds: i64) -> bool {
        seconds >= self.from && self.until.is_none_or(|until| seconds < until)
    }
}

impl Key {
    /// Its fingerprint, in hex.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (OpenPGP {})", self.principals.join(","), self.fingerprint)
    }
}

/// Reads armored public keys, one after the other.
///
/// # Errors
/// What is wrong, with the number of the block.
pub(super) fn keys(text: &str) -> Result<Vec<Key>, String> {
    if text.len() > LONGEST {
        return Err(format!("it has {} bytes; {LONGEST} are the most", text.len()));
    }
    let mut keys = Vec::new();
    for (index, block) in text.split_inclusive(END).filter(|block| block.contains(BEGIN)).enumerate() {
        let block = block.split_once(BEGIN).map(|(_, rest)| format!("{BEGIN}{rest}")).unwrap_or_default();
        let wrong = |problem: String| format!("key block {}: {problem}", index + 1);
        let unread = |_| wrong("it is no OpenPGP public key; write: gpg --armor --export ADDRESS".to_owned());
        let (certificates, _) = SignedPublicKey::from_armor_many(block.as_bytes()).map_err(unread)?;
        for certificate in certificates {
            keys.push(key(certificate.map_err(unread)?).map_err(wrong)?);
            if keys.len() > MOST {
                return Err(format!("it lists more than {MOST} keys"));
            }
        }
    }
    if keys.is_empty() {
        return Err(format!("it has no key block ({BEGIN}); write: gpg --armor --export ADDRESS"));
    }
    Ok(keys)
}

fn key(certificate: SignedPublicKey) -> Result<Key, String> {
    let fingerprint = format!("{:X}", certificate.fingerprint());
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|one| one.verify_key(primary).is_ok()) {
        return Err(format!("key {fingerprint} is revoked; take it out"));
    }
    let mut principals = Vec::new();
    let mut own: Vec<&Signature> =
        details.direct_signatures.iter().filter(|one| one.verify_key(primary).is_ok()).collect();
    for user in &details.users {
        let sound = |one: &&Signature| one.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let newest = newest(user.signatures.iter().filter(sound));
        let Some(newest) = newest.filter(|one| one.typ() != Some(SignatureType::CertRevocation)) else {
            continue;
        };
        own.push(newest);
        principals.extend(user.id.as_str().map(address));
    }
    if principals.is_empty() {
        return Err(format!("key {fingerprint} names nobody: it has no User ID that it signed itself"));
    }
    let binding = newest(own.into_iter());
    let window = Window::of(primary, binding);
    let may_sign = binding.is_some_and(|one| one.key_flags().sign()) && is_strong(primary);
    let subkeys = subkeys(&certificate, window);
    if !may_sign && subkeys.is_empty() {
        return Err(format!(
            "key {fingerprint} of {} has nothing to sign with: RSA from {RSA_BITS} bits, Ed25519 and ECDSA over NIST curves are supported",
            quote(&principals.join(","))
        ));
    }
    let primary = may_sign.then_some(window);
    Ok(Key { principals, fingerprint, certificate, primary, subkeys })
}

/// Subkeys that may sign, as long as the primary key holds too.
fn subkeys(certificate: &SignedPublicKey, primary: Window) -> Vec<(usize, Window)> {
    let one = |(index, subkey): (usize, &SignedPublicSubKey)| {
        let sound =
            |one: &&Signature| one.verify_subkey_binding(&certificate.primary_key, &subkey.key).is_ok();
        let mut own: Vec<&Signature> = subkey.signatures.iter().filter(sound).collect();
        if own.iter().any(|one| one.typ() == Some(SignatureType::SubkeyRevocation)) {
            return None;
        }
        own.retain(|one| one.typ() == Some(SignatureType::SubkeyBinding));
        let binding = newest(own.into_iter()).filter(|one| one.key_flags().sign())?;
        let back = binding.embedded_signature()?;
        back.verify_primary_key_binding(&subkey.key, &certificate.primary_key).ok()?;
        let window = Window::of(&subkey.key, Some(binding));
        let until = [window.until, primary.until].into_iter().flatten().min();
        is_strong(&subkey.key).then_some((index, Window { from: window.from.max(primary.from), until }))
    };
    certificate.public_subkeys.iter().enumerate().filter_map(one).collect()
}

fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|one| one.created())
}

/// The address of `Name <address>`, or else the whole.
fn address(user: &str) -> String {
    let inside = user.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    sanitize(inside.unwrap_or(user).trim(), PRINCIPAL)
}

fn is_strong(key: &impl KeyDetails) -> bool {
    match key.public_params() {
        PublicParams::RSA(rsa) => rsa.key.size() * 8 >= RSA_BITS,
        PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) => true,
        PublicParams::ECDSA(_) => key.algorithm() == PublicKeyAlgorithm::ECDSA,
        _ => false,
    }
}

/// The entries of the list whose keys signed a commit, and held at a time, in seconds since 1970, where one is
/// asked for: at least one.
///
/// # Errors
/// Why nobody vouches for it.
pub(super) fn verify<'s, E>(
    commit: &Commit,
    armored: &[u8],
    at: Option<i64>,
    listed: impl Iterator<Item = (&'s E, &'s Key)>,
) -> Result<Vec<&'s E>, Refusal> {
    let signature = read(armored)?;
    let mut outside = None;
    let mut holding = Vec::new();
    for (entry, key) in listed {
        let Some(window) = signed_by(key, &signature, &commit.payload) else { continue };
        if at.is_none_or(|at| window.holds(at)) {
            holding.push(entry);
        } else {
            outside = Some(Refusal::OutsideValidity(format!("{key} at {}", time(commit.committed))));
        }
    }
    match (holding.is_empty(), outside) {
        (false, _) => Ok(holding),
        (true, Some(outside)) => Err(outside),
        (true, None) => Err(unknown(&signature)),
    }
}

/// Nobody's, or somebody's that doesn't fit: without the key nobody can tell.
fn unknown(signature: &DetachedSignature) -> Refusal {
    let signature = &signature.signature;
    let fingerprint = signature.issuer_fingerprint().first().map(|one| format!("{one:X}"));
    let issuer =
        fingerprint.or_else(|| signature.issuer_key_id().first().map(|one| one.to_string().to_uppercase()));
    Refusal::NotListed(format!(
        "OpenPGP {}, or the signature does not fit the commit",
        issuer.unwrap_or_default()
    ))
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// When the part of the key holds that made the signature.
fn signed_by(key: &Key, signature: &DetachedSignature, payload: &[u8]) -> Option<Window> {
    if let Some(window) =
        key.primary.filter(|_| signature.verify(&key.certificate.primary_key, payload).is_ok())
    {
        return Some(window);
    }
    let made = |(index, _): &&(usize, Window)| {
        let subkey = key.certificate.public_subkeys.get(*index);
        subkey.is_some_and(|subkey| signature.verify(&subkey.key, payload).is_ok())
    };
    key.subkeys.iter().find(made).map(|(_, window)| *window)
}

fn read(armored: &[u8]) -> Result<DetachedSignature, Refusal> {
    let damaged = || Refusal::Bad("it is damaged, or no OpenPGP signature");
    let (mut all, _) = DetachedSignature::from_armor_many(armored).map_err(|_| damaged())?;
    let signature = all.next().and_then(Result::ok).ok_or_else(damaged)?;
    if all.next().is_some() {
        return Err(Refusal::Bad("it holds several signatures"));
    }
    let config = signature.signature.config().ok_or_else(damaged)?;
    if config.typ != SignatureType::Binary {
        return Err(Refusal::Bad("it is none over the commit's bytes"));
    }
    if !matches!(config.hash_alg, HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512) {
        return Err(Refusal::Bad("its hash is too weak; sign with SHA-256 or SHA-512"));
    }
    // RFC 9580 5.2.3.7: what is critical and not understood makes the signature wrong.
    let strange = config.hashed_subpackets.iter().any(|one| {
        one.is_critical
            && matches!(
                one.data,
                SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
            )
    });
    if strange {
        Err(Refusal::Bad("it holds something critical that is not understood"))
    } else {
        Ok(signature)
    }
}

#[cfg(test)]
mod tests;
