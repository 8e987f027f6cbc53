//! Who approved a change, and whether that is enough.
//!
//! - [`statement`]: what an approval says, and how it stands in a line
//! - [`note`]: the lines on a commit → votes, and what is refused
//! - [`word`]: a forge's word for who approved what → votes
//! - [`people`]: which principals are one person
//! - [`judge`]: rules, changed paths and votes → what is missing
//!
//! **What is approved is a commit**: its id and tree, with all that is below it. An approval counts for a changed path
//! only where it shows *this very change*: where the approved commit's history left the accepted one, the path was as
//! it is accepted now, and in the approved commit it is as in the head. The approved commit must be new (in the head's
//! history and not in the accepted one's), so an amended, rebased or squashed commit has to be approved again, while
//! a merge that takes an approved branch as it is needs no more. The head's own approvals count for every path.
//!
//! **Who wrote a path** approves nothing of it: author, committer, co-authors (`Co-authored-by:`) and signer of every new
//! commit that changed it; of merges only those that changed it themselves. Without signed commits these are what the
//! commits say of themselves.
//!
//! **One person counts once**, however many keys and names they have: lines of the list of signers that share a key or
//! a name are one person.
//!
//! **Time** is the time of the check: an approval that has run out, or that was given in the future, doesn't count, nor
//! does one by a key outside its validity. What was accepted stays accepted.

pub mod judge;
pub mod note;
pub mod people;
pub mod statement;
pub mod word;

pub use judge::{Change, RuleVerdict, Rules, Verdict, judge};
pub use note::{By, Note, votes};
pub use people::People;
pub use statement::{Approval, Statement};
pub use word::{Word, words};

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use serde::Serialize;

use super::{Commit, signature::Refusal};
use crate::validate::text::quote;

/// Where an approval came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Origin {
    /// A signature in the repository's notes.
    Signed,
    /// A forge's word for it.
    Forge,
}

/// What a change is judged by.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// The new commits: ids and raw bytes.
    pub commits: Vec<(String, Vec<u8>)>,
    /// What stands on some of them.
    pub notes: Vec<Note>,
    /// The paths that differ.
    pub changes: Vec<Change>,
    /// What a forge says of approvals.
    pub words: Vec<Word>,
}

/// Judges a change: reads the notes, and holds them against the rules.
#[must_use]
pub fn review(rules: &Rules, by: &By<'_>, material: &Material) -> Verdict {
    let Material { commits, notes, changes, words: said } = material;
    // One that can't be read has no tree that an approval could name, and everybody may have written it.
    let commits: Vec<Commit> = commits.iter().filter_map(|(id, raw)| Commit::parse(id, raw).ok()).collect();
    let trees: HashMap<String, String> =
        commits.iter().map(|commit| (commit.id.clone(), commit.tree.clone())).collect();
    let (mut all, mut refused) = votes(notes, &trees, by);
    let (vouched, unheard) = words(said, rules.users(), by);
    all.extend(vouched);
    refused.extend(unheard);
    let people = People::of(by.signers);
    let wrote = note::writers(&commits, by.signers, &people);
    let mut verdict = judge(rules, &people, changes, &all, &wrote);
    refused.append(&mut verdict.refused);
    Verdict { refused, ..verdict }
}

/// An approval that holds: of which commit, by whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// Full id of the commit.
    pub commit: String,
    /// Principals of the one who approved; at least one.
    pub principals: Vec<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// An approval that doesn't count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// Full id of the commit that it is said to be for.
    pub commit: String,
    /// Who made it, as far as that is known; empty when not.
    pub who: String,
    /// Why.
    pub why: Why,
}

/// Why an approval doesn't count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is none.
    Malformed(&'static str),
    /// The signature is nobody's.
    Signature(String),
    /// It is for another commit than the one that it was put on: of an amended commit, say.
    OtherCommit(String),
    /// It names another tree than the commit has.
    OtherTree,
    /// It is by a forge's key.
    Forge,
    /// It was given later than now.
    Early(Timestamp),
    /// It has run out.
    Expired(Timestamp),
    /// No rule that matters here lets them approve.
    NotAnApprover,
    /// They wrote what they approve.
    SelfApproval,
    /// The path was changed since, or isn't changed by what they approved.
    OtherChange,
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        Self::Signature(refusal.to_string())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(problem) => write!(f, "Malformed: {problem}"),
            Self::Signature(problem) => write!(f, "BadSignature: {problem}"),
            Self::OtherCommit(commit) => {
                write!(f, "OtherCommit: it is for commit {}; an amended commit is another one", quote(commit))
            }
            Self::OtherTree => f.write_str("OtherTree: it names another tree than the commit has"),
            Self::Forge => f.write_str("Forge: a forge's key approves nothing"),
            Self::Early(made) => write!(f, "Early: it was given at {made}, which is later than now"),
            Self::Expired(end) => write!(f, "Expired: it counted until {end}"),
            Self::NotAnApprover => f.write_str("NotAnApprover: no group of the rule names them"),
            Self::SelfApproval => f.write_str("SelfApproval: they wrote it"),
            Self::OtherChange => {
                f.write_str("OtherChange: what they approved is not this change of the path")
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.commit.chars().take(7).collect();
        let who = if self.who.is_empty() { "somebody" } else { &self.who };
        write!(f, "{who} on {short}: {}", self.why)
    }
}

#[cfg(test)]
mod tests;
