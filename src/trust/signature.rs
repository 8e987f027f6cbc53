//! One commit → who signed it, or why nobody did.
//!
//! **When a key holds** is judged at the committer's time, as Git does, and not at the time of the check: history
//! must stay valid after a key has run out, and a restart must not come to another answer. The committer's
//! time is part of what was signed, so only the holder of the key can choose it, and can choose it wrongly:
//! `valid-before` retires a key that was *not* stolen. A stolen key is revoked by taking its line out.

use std::fmt;

use ssh_key::{LineEnding, PublicKey, SshSig, public::KeyData};

use super::{
    commit::Commit,
    history::Difference,
    openpgp,
    signers::{Entry, Signers, Use, fingerprint},
};
use crate::validate::text::quote;

/// Longest armored signature: with RSA keys of 16 kbit it has 6 KiB.
const LONGEST: usize = 16 * 1024;

/// The one version of the format; the signature doesn't cover it, so nothing else may pass.
const VERSION: u32 = 1;

/// Bit of a security key's flags that says that somebody touched it.
const TOUCHED: u8 = 1;

/// Bytes after a security key's signature: flags and a counter.
const TRAILER: usize = 5;

/// Why a commit doesn't pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It isn't a sound commit.
    Malformed(&'static str),
    /// There is no signature.
    Unsigned,
    /// The signature is of a kind that isn't checked.
    Unsupported(&'static str),
    /// The signature isn't one of this commit, or is damaged.
    Bad(&'static str),
    /// It was made for something else.
    OtherUse {
        /// What it says.
        found: String,
        /// What it should say.
        wanted: &'static str,
    },
    /// No line has the key.
    NotListed(String),
    /// No line with the key holds at the commit's time.
    OutsideValidity(String),
    /// A forge's key signed something that isn't a merge.
    NotAMerge(String),
    /// A forge's key signed a merge that holds something else than merging its parents gives.
    NotTheMerge(Difference),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(problem) => write!(f, "malformed: {problem}"),
            Self::Unsigned => f.write_str("not signed"),
            Self::Unsupported(kind) => {
                write!(
                    f,
                    "UnsupportedSignature: {kind} signatures are not checked by this version; sign with an SSH or OpenPGP key"
                )
            }
            Self::Bad(problem) => write!(f, "bad signature: {problem}"),
            Self::OtherUse { found, wanted } => {
                write!(f, "bad signature: made for {}, not for \"{wanted}\"", quote(found))
            }
            Self::NotListed(key) => write!(f, "key not listed: {key}"),
            Self::OutsideValidity(who) => write!(f, "key outside its validity: {who}"),
            Self::NotAMerge(who) => write!(f, "signed by the forge ({who}), which may sign merges only"),
            Self::NotTheMerge(Difference::Own { paths, more }) => {
                let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
                let paths = paths.join(", ");
                write!(
                    f,
                    "only the forge signed this merge, and it holds changes of its own: merging its parents gives something else in {paths}{more}"
                )
            }
            Self::NotTheMerge(Difference::Untold { why }) => {
                write!(
                    f,
                    "only the forge signed this merge, and what merging its parents gives can't be told: {why}"
                )
            }
        }
    }
}

/// The lines that vouch for a commit: at least one, all with the same key.
///
/// # Errors
/// Why nobody vouches for it.
pub fn verify<'s>(commit: &Commit, signers: &'s Signers) -> Result<Vec<&'s Entry>, Refusal> {
    let armored = commit.signature.as_deref().ok_or(Refusal::Unsigned)?;
    if is_openpgp(armored) {
        return openpgp::verify(commit, armored, Some(commit.committed), signers.openpgp());
    }
    holding(made_by(armored, &commit.payload, Use::Commit, signers)?, commit.committed)
}

/// The lines whose key signed a commit, whether they hold or not; none where nobody listed did.
pub(super) fn signed_by<'s>(commit: &Commit, signers: &'s Signers) -> Vec<&'s Entry> {
    let Some(armored) = commit.signature.as_deref() else { return Vec::new() };
    let made = if is_openpgp(armored) {
        openpgp::verify(commit, armored, None, signers.openpgp())
    } else {
        made_by(armored, &commit.payload, Use::Commit, signers)
    };
    made.unwrap_or_default()
}

fn is_openpgp(armored: &[u8]) -> bool {
    armored.starts_with(b"-----BEGIN PGP ")
}

/// The lines whose key made a signature of these bytes, whether they hold now or not: at least one, all with the
/// same key.
///
/// # Errors
/// Why it is nobody's.
pub(super) fn made_by<'s>(
    armored: &[u8],
    payload: &[u8],
    purpose: Use,
    signers: &'s Signers,
) -> Result<Vec<&'s Entry>, Refusal> {
    let (signature, wanted) = (read(armored)?, purpose.namespace());
    if signature.namespace() != wanted {
        return Err(Refusal::OtherUse { found: signature.namespace().to_owned(), wanted });
    }
    let key = signature.public_key();
    let listed = signers.entries_of(key, purpose);
    if listed.is_empty() {
        return Err(Refusal::NotListed(fingerprint(key)));
    }
    present(&signature)?;
    PublicKey::from(key.clone()).verify(wanted, payload, &signature).map_err(|_| {
        Refusal::Bad(match purpose {
            Use::Commit => "it does not fit the commit",
            Use::Approval => "it does not fit what the approval says",
        })
    })?;
    Ok(listed)
}

/// Those of the lines that hold at a time, in seconds since 1970.
///
/// # Errors
/// None does.
pub(super) fn holding(listed: Vec<&Entry>, seconds: i64) -> Result<Vec<&Entry>, Refusal> {
    let (holding, outside): (Vec<&Entry>, Vec<&Entry>) =
        listed.into_iter().partition(|entry| entry.holds_at(seconds));
    match outside.first() {
        Some(first) if holding.is_empty() => Err(Refusal::OutsideValidity(outside_words(first, seconds))),
        _ => Ok(holding),
    }
}

fn read(armored: &[u8]) -> Result<SshSig, Refusal> {
    if armored.starts_with(b"-----BEGIN SIGNED MESSAGE-----") {
        return Err(Refusal::Unsupported("X.509"));
    }
    let signature = Some(armored).filter(|armored| armored.len() <= LONGEST);
    let signature = signature.and_then(|armored| SshSig::from_pem(armored).ok());
    let signature =
        signature.filter(|signature| signature.version() == VERSION && is_exact(signature, armored));
    signature.ok_or(Refusal::Bad("it is damaged, or no SSH signature"))
}

/// Whether the signature was written in the one right way. The crate's reader passes over lengths that don't
/// fit, so that other bytes would be read as the same signature.
fn is_exact(signature: &SshSig, armored: &[u8]) -> bool {
    // The crate can't write these back.
    if matches!(signature.public_key(), KeyData::SkEcdsaSha2NistP256(_)) {
        return true;
    }
    // Lines may be of any length.
    let text = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<u8>>();
    signature.to_pem(LineEnding::LF).is_ok_and(|again| text(again.as_bytes()) == text(armored))
}

/// A security key says whether somebody touched it. Without that, malware on the machine could sign alone.
fn present(signature: &SshSig) -> Result<(), Refusal> {
    if !matches!(signature.public_key(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)) {
        return Ok(());
    }
    let bytes = signature.signature_bytes();
    let flags = bytes.len().checked_sub(TRAILER).and_then(|at| bytes.get(at));
    if flags.is_some_and(|flags| flags & TOUCHED != 0) {
        return Ok(());
    }
    Err(Refusal::Bad("the security key was not touched"))
}

fn outside_words(entry: &Entry, committed: i64) -> String {
    let time = jiff::Timestamp::from_second(committed)
        .map_or_else(|_| committed.to_string(), |time| time.to_string());
    format!("{entry} (line {}) at {time}", entry.line)
}

#[cfg(test)]
mod tests;
