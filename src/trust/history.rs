//! The new commits of a branch → the first that must not pass.
//!
//! A forge (GitHub, GitLab, Gitea, …) signs the merges that it makes with a key of its own. Its principals are
//! listed apart (`forgeSigners`), and vouch for nothing but merges whose parents are verified themselves.
//! Whether such a merge holds what merging gives is not computed: the forge is trusted for that.

use std::collections::{HashMap, HashSet};

use super::{
    commit::Commit,
    signature::{Refusal, verify},
    signers::{Entry, Signers},
};

/// What must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The head; and the parents of merges that only the forge vouches for.
    Head,
    /// Every new commit, of merged branches too.
    EveryCommit,
}

/// What commits are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What must be signed.
    pub mode: Mode,
    /// Who may sign.
    pub signers: &'a Signers,
    /// Principals that may sign merges only.
    pub forge: &'a [String],
}

/// A commit that doesn't pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub commit: String,
    /// Its author, made harmless; empty when that can't be read.
    pub author: String,
    /// Why.
    pub refusal: Refusal,
    /// How many more don't pass.
    pub more: usize,
}

/// Judges the commits that are not in the history of what was accepted before: `(id, raw bytes)`, newest first,
/// the head among them.
///
/// # Errors
/// The oldest commit that doesn't pass: the first one to repair.
pub fn judge(head: &str, new: &[(String, Vec<u8>)], rules: &Rules<'_>) -> Result<(), Refused> {
    let raw: HashMap<&str, &[u8]> = new.iter().map(|(id, raw)| (id.as_str(), raw.as_slice())).collect();
    let mut waiting: Vec<String> = match rules.mode {
        Mode::Head => vec![head.to_owned()],
        Mode::EveryCommit => new.iter().map(|(id, _)| id.clone()).collect(),
    };
    // A head that isn't here would be judged by nobody.
    if !raw.contains_key(head) {
        return Err(refused(head, "", Refusal::Malformed("it can't be read")));
    }
    let mut seen: HashSet<String> = waiting.iter().cloned().collect();
    let mut wrong: HashMap<String, Refused> = HashMap::new();
    while let Some(id) = waiting.pop() {
        // A commit that isn't new was judged before.
        let Some(bytes) = raw.get(id.as_str()) else { continue };
        match one(&id, bytes, rules) {
            Ok(parents) => waiting.extend(parents.into_iter().filter(|parent| seen.insert(parent.clone()))),
            Err(refused) => drop(wrong.insert(id, refused)),
        }
    }
    let more = wrong.len().saturating_sub(1);
    let oldest = new.iter().rev().find_map(|(id, _)| wrong.remove(id));
    oldest.map_or(Ok(()), |oldest| Err(Refused { more, ..oldest }))
}

/// Judges one commit; returns the parents that must be verified for it to pass.
fn one(id: &str, raw: &[u8], rules: &Rules<'_>) -> Result<Vec<String>, Refused> {
    let commit = Commit::parse(id, raw).map_err(|problem| refused(id, "", Refusal::Malformed(problem)))?;
    let fail = |refusal| refused(id, &commit.author, refusal);
    let vouching = verify(&commit, rules.signers).map_err(fail)?;
    if vouching.iter().any(|entry| !is_forge(entry, rules.forge)) {
        return Ok(Vec::new());
    }
    if commit.parents.len() < 2 {
        let who = vouching.first().map(ToString::to_string).unwrap_or_default();
        return Err(fail(Refusal::NotAMerge(who)));
    }
    Ok(commit.parents)
}

fn is_forge(entry: &Entry, forge: &[String]) -> bool {
    entry.principals.iter().any(|principal| forge.contains(principal))
}

fn refused(id: &str, author: &str, refusal: Refusal) -> Refused {
    Refused { commit: id.to_owned(), author: author.to_owned(), refusal, more: 0 }
}

#[cfg(test)]
mod tests;
