//! Rules, changed paths and votes → what is missing.
//!
//! A rule is satisfied when each changed path that it matches is approved by as many people as it asks for. Votes only
//! ever add: without one of them nothing more passes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::{People, Refused, Vote, Why, people::Person};
use crate::{
    api::approvals::{ApprovalRule, Approvals, ForgeUser},
    validate::pattern::Pattern,
};

/// Paths that a verdict names of each rule; the rest is counted.
const PATHS: usize = 5;

/// The rules, ready for use.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    users: Vec<ForgeUser>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    /// `None` for what is no pattern: such a rule speaks of everything.
    paths: Vec<Option<Pattern>>,
    members: BTreeSet<String>,
    required: usize,
}

impl Rules {
    /// Rules as the Platform has them.
    #[must_use]
    pub fn of(approvals: &Approvals) -> Self {
        let rule = |rule: &ApprovalRule| {
            let groups = approvals.groups.iter().filter(|group| rule.groups.contains(&group.name));
            Rule {
                name: rule.name.clone(),
                paths: rule.paths.iter().map(|path| Pattern::parse(path).ok()).collect(),
                members: groups.flat_map(|group| group.members.clone()).collect(),
                // Nothing asked for would be no rule.
                required: usize::try_from(rule.required).unwrap_or(usize::MAX).max(1),
            }
        };
        Self { rules: approvals.rules.iter().map(rule).collect(), users: approvals.forge_users.clone() }
    }

    /// Accounts on a forge whose word counts.
    pub(super) fn users(&self) -> &[ForgeUser] {
        &self.users
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| pattern.as_ref().is_none_or(|pattern| pattern.matches(path)))
    }
}

/// A path that differs between what is accepted and the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path, from the top of the repository.
    pub path: String,
    /// New commits that changed it, by full id.
    pub writers: Vec<String>,
    /// New commits that show this very change, by full id: their approvals count for it.
    pub shown_by: Vec<String>,
}

/// What the rules say of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Each rule that matches a changed path.
    pub rules: Vec<RuleVerdict>,
    /// Approvals that don't count for any changed path of any rule, with the reason.
    pub refused: Vec<Refused>,
    /// Who approved each path, for the record.
    pub approvers: BTreeMap<String, Vec<String>>,
}

impl Verdict {
    /// Whether enough people approved everything.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.rules.iter().all(|rule| rule.have >= rule.required)
    }
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleVerdict {
    /// Its name.
    pub rule: String,
    /// How many approvals it asks for.
    pub required: usize,
    /// How many there are, for the path that has fewest.
    pub have: usize,
    /// Whose they are.
    pub by: Vec<String>,
    /// Who may still approve that path.
    pub may: Vec<String>,
    /// Paths that lack approvals; the first few.
    pub short: Vec<String>,
    /// How many lack approvals in all.
    pub short_count: usize,
}

/// Judges a change. `wrote` has the writers of each new commit; one that isn't there was written by everybody.
#[must_use]
pub fn judge(
    rules: &Rules,
    people: &People,
    changes: &[Change],
    votes: &[Vote],
    wrote: &HashMap<String, BTreeSet<Person>>,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut reasons: BTreeMap<&Vote, Option<Why>> = BTreeMap::new();
    let mut by_commit: HashMap<&str, Vec<&Vote>> = HashMap::new();
    votes.iter().for_each(|vote| by_commit.entry(&vote.commit).or_default().push(vote));
    for rule in &rules.rules {
        let mut worst: Option<RuleVerdict> = None;
        let (mut short, mut short_count) = (Vec::new(), 0);
        for change in changes.iter().filter(|change| rule.matches(&change.path)) {
            let path = Path { rule, people, change, wrote };
            let (by, may) = path.approvers(votes, &by_commit, &mut reasons);
            if by.len() < rule.required {
                short_count += 1;
                short.extend(Some(change.path.clone()).filter(|_| short.len() < PATHS));
            }
            let approvers = verdict.approvers.entry(change.path.clone()).or_default();
            approvers.extend(by.iter().filter(|name| !approvers.contains(name)).cloned().collect::<Vec<_>>());
            if worst.as_ref().is_none_or(|worst| by.len() < worst.have) {
                let (rule, required, have) = (rule.name.clone(), rule.required, by.len());
                worst =
                    Some(RuleVerdict { rule, required, have, by, may, short: Vec::new(), short_count: 0 });
            }
        }
        verdict.rules.extend(worst.map(|worst| RuleVerdict { short, short_count, ..worst }));
    }
    for (vote, why) in reasons {
        let Some(why) = why else { continue };
        let who = vote.principals.join(",");
        verdict.refused.push(Refused { commit: vote.commit.clone(), who, why });
    }
    verdict
}

/// One changed path under one rule.
struct Path<'a> {
    rule: &'a Rule,
    people: &'a People,
    change: &'a Change,
    wrote: &'a HashMap<String, BTreeSet<Person>>,
}

impl Path<'_> {
    /// Who approved it, and who still may. Notes for each vote why it doesn't count, until it does somewhere.
    fn approvers<'v>(
        &self,
        votes: &'v [Vote],
        by_commit: &HashMap<&str, Vec<&'v Vote>>,
        reasons: &mut BTreeMap<&'v Vote, Option<Why>>,
    ) -> (Vec<String>, Vec<String>) {
        let mut by: BTreeMap<Person, String> = BTreeMap::new();
        let shown = |vote: &Vote| self.change.shown_by.contains(&vote.commit);
        for commit in &self.change.shown_by {
            for vote in by_commit.get(commit.as_str()).into_iter().flatten() {
                match self.counts(vote) {
                    Ok((person, name)) => {
                        reasons.insert(vote, None);
                        // Of several names the first, whatever order the votes come in.
                        let known = by.entry(person).or_insert_with(|| name.clone());
                        *known = name.min(known.clone());
                    }
                    Err(why) => {
                        reasons.entry(vote).or_insert(Some(why));
                    }
                }
            }
        }
        for vote in votes.iter().filter(|vote| !shown(vote)) {
            let why = if self.member(vote).is_some() { Why::OtherChange } else { Why::NotAnApprover };
            reasons.entry(vote).or_insert(Some(why));
        }
        let mut may: BTreeMap<Person, &String> = BTreeMap::new();
        for name in &self.rule.members {
            let person = self.people.person(name);
            if !by.contains_key(&person) && !self.wrote_it(&person) {
                may.entry(person).or_insert(name);
            }
        }
        (by.into_values().collect(), may.into_values().cloned().collect())
    }

    fn counts(&self, vote: &Vote) -> Result<(Person, String), Why> {
        let name = self.member(vote).ok_or(Why::NotAnApprover)?;
        let person = self.people.person(name);
        // All names of theirs, not only the one that the group has.
        let theirs = vote.principals.iter().map(|name| self.people.person(name));
        if theirs.chain([person.clone()]).any(|person| self.wrote_it(&person)) {
            return Err(Why::SelfApproval);
        }
        Ok((person, name.clone()))
    }

    fn member<'v>(&self, vote: &'v Vote) -> Option<&'v String> {
        vote.principals.iter().find(|name| self.rule.members.contains(*name))
    }

    fn wrote_it(&self, person: &Person) -> bool {
        let wrote = |commit: &String| self.wrote.get(commit).is_none_or(|people| people.contains(person));
        self.change.writers.iter().any(wrote)
    }
}
