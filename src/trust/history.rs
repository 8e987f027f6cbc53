//! The new commits of a branch → the first that must not pass.
//!
//! A forge (GitHub, GitLab, Gitea, …) signs the merges that it makes with a key of its own. Its principals are
//! listed apart (`forgeSigners`), and vouch for nothing but merges whose parents are verified themselves, and which
//! hold what merging these gives: [`Signed`] names them, for whoever can merge them again.
//!
//! What a forge makes of a squash or a rebase has one parent and nobody's signature but its own. It can't be held
//! against anything that somebody signed, so it doesn't pass: let the forge make merge commits, or fast-forward.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

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

/// Commits that are signed as asked, but for what these merges hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "merges that only a forge vouches for have to be merged again"]
pub struct Signed {
    /// Merges that only a forge vouches for, oldest first: full id and author.
    merges: Vec<(String, String)>,
}

impl Signed {
    /// The ids of merges that only a forge vouches for, oldest first.
    pub fn merges(&self) -> impl Iterator<Item = &str> {
        self.merges.iter().map(|(id, _)| id.as_str())
    }

    /// One of them holds something else than merging gives.
    #[must_use]
    pub fn refuse(&self, commit: &str, difference: Difference) -> Refused {
        let author = self.merges.iter().find(|(id, _)| id == commit).map(|(_, author)| author.as_str());
        refused(commit, author.unwrap_or_default(), Refusal::NotTheMerge(difference))
    }
}

/// What a merge holds that merging its parents doesn't give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Difference {
    /// Changes of its own.
    Own {
        /// The first few paths, made harmless.
        paths: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// Nobody can tell.
    Untold {
        /// Why, made harmless.
        why: String,
    },
}

/// Judges the commits that are not in the history of what was accepted before: `(id, raw bytes)`, newest first,
/// the head among them.
///
/// # Errors
/// The oldest commit that doesn't pass: the first one to repair.
pub fn judge(head: &str, new: &[(String, &[u8])], rules: &Rules<'_>) -> Result<Signed, Refused> {
    let raw: HashMap<&str, &[u8]> = new.iter().map(|(id, raw)| (id.as_str(), *raw)).collect();
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
    let mut merges: HashMap<String, String> = HashMap::new();
    while let Some(id) = waiting.pop() {
        // A commit that isn't new was judged before.
        let Some(bytes) = raw.get(id.as_str()) else { continue };
        match one(&id, bytes, rules) {
            Ok(None) => {}
            Ok(Some(Merge { author, parents })) => {
                waiting.extend(parents.into_iter().filter(|parent| seen.insert(parent.clone())));
                merges.insert(id, author);
            }
            Err(refused) => drop(wrong.insert(id, refused)),
        }
    }
    let more = wrong.len().saturating_sub(1);
    if let Some(oldest) = new.iter().rev().find_map(|(id, _)| wrong.remove(id)) {
        return Err(Refused { more, ..oldest });
    }
    let merges = new.iter().rev().filter_map(|(id, _)| merges.remove_entry(id)).collect();
    Ok(Signed { merges })
}

/// A merge that only a forge vouches for.
struct Merge {
    author: String,
    /// They must be verified for it to pass.
    parents: Vec<String>,
}

/// Judges one commit; returns what else must hold for it to pass.
fn one(id: &str, raw: &[u8], rules: &Rules<'_>) -> Result<Option<Merge>, Refused> {
    let commit = Commit::parse(id, raw).map_err(|problem| refused(id, "", Refusal::Malformed(problem)))?;
    let fail = |refusal| refused(id, &commit.author, refusal);
    let vouching = verify(&commit, rules.signers).map_err(fail)?;
    if vouching.iter().any(|entry| !is_forge(entry, rules.forge)) {
        return Ok(None);
    }
    if commit.parents.len() < 2 {
        let who = vouching.first().map(ToString::to_string).unwrap_or_default();
        return Err(fail(Refusal::NotAMerge(who)));
    }
    Ok(Some(Merge { author: commit.author, parents: commit.parents }))
}

fn is_forge(entry: &Entry, forge: &[String]) -> bool {
    entry.principals.iter().any(|principal| forge.contains(principal))
}

fn refused(id: &str, author: &str, refusal: Refusal) -> Refused {
    Refused { commit: id.to_owned(), author: author.to_owned(), refusal, more: 0 }
}

#[cfg(test)]
mod tests;
