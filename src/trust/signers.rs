//! Who may sign: OpenSSH's allowed-signers format (`ssh-keygen(1)`, "ALLOWED SIGNERS").
//!
//! One wrong line refuses the whole list: a list that is read by half is a list that nobody wrote.

use std::fmt;

use jiff::Timestamp;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, public::KeyData};

use super::window;
use crate::validate::text::quote;

/// What a signature on a commit is for, in OpenSSH's words.
pub(super) const NAMESPACE: &str = "git";

/// Key types that signatures are checked of, for messages.
const TYPES: &str =
    "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ssh-rsa and the sk- types of the first two";

/// Sizes of RSA keys, in bits: smaller ones can be broken, larger ones cost too much to check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Wrong lines that an error lists.
const MOST_ERRORS: usize = 5;

/// Who may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signers {
    entries: Vec<Entry>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the line, from 1.
    pub line: usize,
    /// Whose key it is.
    pub principals: Vec<String>,
    pub(super) key: KeyData,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignersError(String);

impl Signers {
    /// Reads a list.
    ///
    /// # Errors
    /// The first wrong lines, by number.
    pub fn parse(text: &str) -> Result<Self, SignersError> {
        let (mut entries, mut wrong) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(line, index + 1) {
                Ok(entry) => entries.extend(entry),
                Err(problem) => wrong.push(format!("line {}: {problem}", index + 1)),
            }
        }
        let more = wrong.len().saturating_sub(MOST_ERRORS);
        wrong.truncate(MOST_ERRORS);
        if more > 0 {
            wrong.push(format!("{more} more lines are wrong"));
        }
        if wrong.is_empty() && entries.is_empty() {
            wrong.push("it lists no key for commits; write lines like: tess@example.com namespaces=\"git\" ssh-ed25519 AAAA…".to_owned());
        }
        if wrong.is_empty() { Ok(Self { entries }) } else { Err(SignersError(wrong.join("; "))) }
    }

    /// The lines with this key.
    pub(super) fn entries_of(&self, key: &KeyData) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.key == *key).collect()
    }
}

impl Entry {
    /// Whether the key holds at a time, in seconds since 1970. Both ends are inside, as in OpenSSH.
    pub(super) fn holds_at(&self, seconds: i64) -> bool {
        self.after.is_none_or(|after| seconds >= after.as_second())
            && self.before.is_none_or(|before| seconds <= before.as_second())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.principals.join(","))
    }
}

/// How a key is named: `SHA256:…`.
pub(super) fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// One line: `principals [options] type key [comment]`. `None` for a key that is not for commits.
fn entry(line: &str, number: usize) -> Result<Option<Entry>, String> {
    let (principals, rest) = word(line)?;
    let principals: Vec<String> =
        principals.trim_matches('"').split(',').map(|one| one.trim().to_owned()).collect();
    if principals.iter().any(String::is_empty) {
        return Err("the principals are empty; begin with whose key it is, like tess@example.com".to_owned());
    }
    let (options, rest) = if is_type(rest) { ("", rest) } else { word(rest)? };
    let options = Options::parse(options)?;
    let key = key(rest)?;
    if options.before.zip(options.after).is_some_and(|(before, after)| before <= after) {
        return Err("valid-before is not later than valid-after".to_owned());
    }
    let Options { after, before, namespaces } = options;
    let ours = namespaces.is_none_or(|patterns| admits(&patterns, NAMESPACE));
    Ok(ours.then_some(Entry { line: number, principals, key, after, before }))
}

/// The text up to the first blank outside quotes, and what follows.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    let problem = if quoted { "a quote is not closed" } else { "the key is missing" };
    Err(format!("{problem}; write: principals [options] type key"))
}

/// Whether the text begins with a key's type.
fn is_type(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| text.starts_with(prefix))
}

#[derive(Default)]
struct Options {
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    namespaces: Option<String>,
}

impl Options {
    /// Options with commas between them; commas inside quotes are part of a value.
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut quoted = false;
        let parts = text.split(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            options.set(&name.to_ascii_lowercase(), value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let unquoted = || format!("{name} needs a value in quotes, like {name}=\"…\"");
        let twice = || format!("{name} is given twice");
        let time = |value: Option<&str>| {
            let value = value.ok_or_else(unquoted)?;
            window::time(value).ok_or_else(|| {
                format!("{name} {} is no time; write YYYYMMDD or YYYYMMDDHHMMSSZ, in UTC", quote(value))
            })
        };
        let before = match name {
            "valid-after" => self.after.replace(time(value)?).is_some(),
            "valid-before" => self.before.replace(time(value)?).is_some(),
            "namespaces" => self.namespaces.replace(value.ok_or_else(unquoted)?.to_owned()).is_some(),
            "cert-authority" => {
                return Err(
                    "cert-authority is not supported: certificates are not checked; list each key itself"
                        .to_owned(),
                );
            }
            _ => {
                return Err(format!(
                    "option {} is not known; there are namespaces, valid-after and valid-before",
                    quote(name)
                ));
            }
        };
        if before { Err(twice()) } else { Ok(()) }
    }
}

/// A key of a type that signatures can be checked of.
fn key(text: &str) -> Result<KeyData, String> {
    let type_ = text.split_ascii_whitespace().next().unwrap_or_default();
    if type_.contains("-cert-") {
        return Err(format!("{} is a certificate; list the key itself", quote(type_)));
    }
    let key = PublicKey::from_openssh(text).map_err(|_| {
        format!("the key is damaged or of an unknown type {}; known are {TYPES}", quote(type_))
    })?;
    match key.algorithm() {
        Algorithm::Ed25519
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256
        | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384 } => {}
        Algorithm::Rsa { .. } => {
            let bits =
                key.key_data().rsa().and_then(|rsa| rsa.n.as_positive_bytes()).map_or(0, <[u8]>::len) * 8;
            if !RSA_BITS.contains(&bits) {
                let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
                return Err(format!("the RSA key has {bits} bits; from {least} to {most} are supported"));
            }
        }
        _ => return Err(format!("keys of type {} are not supported; supported are {TYPES}", quote(type_))),
    }
    Ok(key.key_data().clone())
}

/// OpenSSH's pattern lists: `*`, `?`, and `!` in front of what must not match.
pub(crate) fn admits(patterns: &str, name: &str) -> bool {
    let mut admitted = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => admitted |= matches(pattern.as_bytes(), name.as_bytes()),
        }
    }
    admitted
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        // A run of stars is one star: many of them must not cost more.
        (Some((b'*', rest)), _) if rest.first() == Some(&b'*') => matches(rest, name),
        (Some((b'*', rest)), _) => (0..=name.len()).any(|from| matches(rest, &name[from..])),
        (Some((b'?', rest)), Some((_, name))) => matches(rest, name),
        (Some((one, rest)), Some((other, name))) => one == other && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
