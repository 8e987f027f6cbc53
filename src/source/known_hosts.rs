//! Which keys an SSH server may have: OpenSSH's `known_hosts`, as ssh-keyscan and ssh-keygen -H write it. Pure.
//!
//! A server without a line is refused like one with another key: nothing is ever trusted on first use.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::trust;
use crate::validate::ssh_url;

/// The keys that lines for one server name, as the server sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostKeys {
    /// The host as certificates name it.
    pub host: String,
    /// Keys that it may have.
    pub accepted: Vec<Vec<u8>>,
    /// Keys that may sign its certificate (`@cert-authority`).
    pub authorities: Vec<Vec<u8>>,
    /// Keys that it must not have, nor its certificate's signer (`@revoked`).
    pub revoked: Vec<Vec<u8>>,
}

/// What is known of a key that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// It is one of those named.
    Pinned,
    /// There are others for this server.
    Changed,
    /// There is none for this server.
    Unknown,
    /// It is marked as revoked.
    Revoked,
}

impl HostKeys {
    /// Reads the lines that are for a server. `host` has no brackets.
    ///
    /// # Errors
    /// A line is damaged: a pin that silently does not count would be found out on the worst day.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Result<Self, String> {
        let host = host.to_ascii_lowercase();
        let name = if port == ssh_url::PORT { host.clone() } else { format!("[{host}]:{port}") };
        let mut keys = Self { host, ..Self::default() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let damaged = |problem: &str| format!("line {} of known_hosts {problem}", index + 1);
            let (marker, hosts, key) = parts(line).map_err(damaged)?;
            let list = match marker {
                None => &mut keys.accepted,
                Some("@revoked") => &mut keys.revoked,
                Some("@cert-authority") => &mut keys.authorities,
                Some(_) => return Err(damaged("has a marker other than @revoked and @cert-authority")),
            };
            if names(hosts, &name).map_err(damaged)? {
                list.push(key);
            }
        }
        Ok(keys)
    }

    /// Whether the server may have this key.
    pub(super) fn judge(&self, key: &[u8]) -> Verdict {
        let among = |keys: &[Vec<u8>]| keys.iter().any(|one| one == key);
        if among(&self.revoked) {
            Verdict::Revoked
        } else if among(&self.accepted) {
            Verdict::Pinned
        } else if self.accepted.is_empty() && self.authorities.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Changed
        }
    }
}

/// Marker, host patterns and key of a line.
fn parts(line: &str) -> Result<(Option<&str>, &str, Vec<u8>), &'static str> {
    let mut words = line.split_ascii_whitespace().peekable();
    let marker = words.next_if(|word| word.starts_with('@'));
    let (hosts, kind, coded) = (words.next(), words.next(), words.next());
    let (Some(hosts), Some(kind), Some(coded)) = (hosts, kind, coded) else {
        return Err("is not: hosts, key type, key; write it as ssh-keyscan does");
    };
    if kind.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is of SSH protocol 1; remove it");
    }
    let key = STANDARD.decode(coded).map_err(|_| "has a key that is not base64; copy the whole line")?;
    if algorithm(&key) != Some(kind) || !is_whole(&key) {
        return Err("has a key that is damaged, or of another type than it says; copy the whole line");
    }
    Ok((marker, hosts, key))
}

/// The type that a key says it has.
pub(super) fn algorithm(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(field(key)?.0).ok()
}

/// The first field of a key, and what follows it (RFC 4253, 6.6: fields after their lengths).
fn field(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Whether a key has all its bytes: one cut short would be pinned for ever and match nothing.
fn is_whole(key: &[u8]) -> bool {
    let mut rest = key;
    while let Some((_, next)) = field(rest) {
        rest = next;
    }
    rest.is_empty()
}

/// `SHA256:…`, as ssh-keygen -l and the pages of forges show it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// Whether the hosts of a line name a server.
fn names(hosts: &str, name: &str) -> Result<bool, &'static str> {
    let Some(hashed) = hosts.strip_prefix('|') else {
        return Ok(trust::admits(&hosts.to_ascii_lowercase(), name));
    };
    let unknown = "has a hashed host of an unknown form; |1|salt|hash is known";
    let (salt, hash) = hashed.strip_prefix("1|").and_then(|hashed| hashed.split_once('|')).ok_or(unknown)?;
    let decode = |coded: &str| STANDARD.decode(coded).map_err(|_| unknown);
    // OpenSSH's format; what it hides is a name that we know already.
    let salt = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &decode(salt)?);
    Ok(hmac::verify(&salt, name.as_bytes(), &decode(hash)?).is_ok())
}

#[cfg(test)]
mod tests;
