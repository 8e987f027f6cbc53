//! The lines on a commit → votes, and what is refused.
//!
//! Whoever may push to the repository may write anything there. What they write can never make a change pass, for
//! every line is checked by itself; a flood can hide lines past the bounds, and then the change is held.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    super::{
        commit::Commit,
        signature::{holding, made_by, signed_by},
        signers::{Entry, Signers, Use},
    },
    Approval, Origin, People, Refused, Vote, Why,
    people::Person,
    statement::FORMAT,
};

/// Lines of approvals that are looked at of one note, and of all.
const LINES: usize = 256;
const ALL_LINES: usize = 2048;

/// How far an approver's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(300);

/// What stands on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Full id of the commit.
    pub commit: String,
    /// Any bytes; `None` for a note that is too large to be read.
    pub content: Option<Vec<u8>>,
}

/// What approvals are judged by.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Who may sign.
    pub signers: &'a Signers,
    /// Principals that may sign merges only.
    pub forge: &'a [String],
    /// How long an approval counts.
    pub max_age: Duration,
    /// Now.
    pub now: Timestamp,
}

impl By<'_> {
    /// Whether an approval of this time counts now.
    pub(super) fn counts_now(&self, made: Timestamp, expires: Timestamp) -> Result<(), Why> {
        if made.duration_since(self.now) > jiff::SignedDuration::try_from(AHEAD).unwrap_or_default() {
            return Err(Why::Early(made));
        }
        // What can't be added to is far in the future.
        let oldest = jiff::SignedDuration::try_from(self.max_age).unwrap_or(jiff::SignedDuration::MAX);
        let end = made.checked_add(oldest).unwrap_or(Timestamp::MAX).min(expires);
        if self.now >= end { Err(Why::Expired(end)) } else { Ok(()) }
    }
}

/// Reads the notes on commits; `trees` has the tree of each.
#[must_use]
pub fn votes(notes: &[Note], trees: &HashMap<String, String>, by: &By<'_>) -> (Vec<Vote>, Vec<Refused>) {
    let (mut votes, mut refused) = (BTreeSet::new(), Vec::new());
    let mut left = ALL_LINES;
    for note in notes {
        let (commit, tree) = (note.commit.as_str(), trees.get(&note.commit).map(String::as_str));
        let mut say = |who: String, why| refused.push(Refused { commit: commit.to_owned(), who, why });
        let Some(content) = &note.content else {
            say(String::new(), Why::Malformed("the note is too large"));
            continue;
        };
        let text = String::from_utf8_lossy(content);
        let lines: BTreeSet<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let (ours, others): (Vec<&str>, Vec<&str>) =
            lines.into_iter().partition(|line| line.starts_with(FORMAT));
        if !others.is_empty() {
            say(String::new(), Why::Malformed("the note has lines that are no approvals of version 1"));
        }
        let most = LINES.min(left);
        left -= ours.len().min(most);
        if ours.len() > most {
            say(String::new(), Why::Malformed("there are too many lines; not all of them were looked at"));
        }
        for line in ours.into_iter().take(most) {
            match vote(line, commit, tree, by) {
                Ok(vote) => {
                    votes.insert(vote);
                }
                Err((who, why)) => say(who, why),
            }
        }
    }
    (votes.into_iter().collect(), refused)
}

/// One line; or who made it, as far as that is known, and why it doesn't count.
fn vote(line: &str, commit: &str, tree: Option<&str>, by: &By<'_>) -> Result<Vote, (String, Why)> {
    let Approval { statement, armored } =
        Approval::parse(line).map_err(|problem| (String::new(), Why::Malformed(problem)))?;
    let payload = statement.text();
    let listed = made_by(armored.as_bytes(), payload.as_bytes(), Use::Approval, by.signers)
        .map_err(|refusal| (String::new(), refusal.into()))?;
    let who = listed.first().map(ToString::to_string).unwrap_or_default();
    let fail = |why| Err((who.clone(), why));
    if statement.commit != commit {
        return fail(Why::OtherCommit(statement.commit));
    }
    if tree != Some(statement.tree.as_str()) {
        return fail(Why::OtherTree);
    }
    let is_forge = |entry: &&Entry| entry.principals.iter().any(|one| by.forge.contains(one));
    if listed.iter().any(is_forge) {
        return fail(Why::Forge);
    }
    let holding = match holding(listed, by.now.as_second()) {
        Ok(holding) => holding,
        Err(refusal) => return fail(refusal.into()),
    };
    if let Err(why) = by.counts_now(statement.made, statement.expires) {
        return fail(why);
    }
    let principals: BTreeSet<&String> = holding.iter().flat_map(|entry| &entry.principals).collect();
    let principals = principals.into_iter().cloned().collect();
    Ok(Vote { commit: commit.to_owned(), principals, origin: Origin::Signed })
}

/// Who wrote each commit: author, committer, co-authors, and whose key signed it, whether that holds or not.
#[must_use]
pub fn writers(commits: &[Commit], signers: &Signers, people: &People) -> HashMap<String, BTreeSet<Person>> {
    let of = |commit: &Commit| {
        let named = commit.addresses.iter().chain(&commit.co_authors);
        let mut names: BTreeSet<Person> = named.map(|name| people.person(name)).collect();
        let principals = signed_by(commit, signers).into_iter().flat_map(|entry| &entry.principals);
        names.extend(principals.map(|name| people.person(name)));
        (commit.id.clone(), names)
    };
    commits.iter().map(of).collect()
}
