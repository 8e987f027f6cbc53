//! Approvals: fewer of them never pass more, and nobody counts twice or for their own work.

use std::collections::{BTreeSet, HashMap};

use proptest::{prelude::*, sample::subsequence};
use serde_json::json;
use ssh_key::{PrivateKey, private::Ed25519Keypair};
use tenantry::trust::{
    Commit, Signers,
    approval::{Change, Origin, People, Rules, Verdict, Vote, judge, note::writers, people::Person},
};

use crate::many;

/// Names in play; each has a line with a key of these seeds, so that some share a key, and some have two.
const LINES: [(&str, u8); 7] =
    [("ada", 1), ("bob", 2), ("bob", 3), ("cy", 3), ("dee", 4), ("eve", 5), ("eve,fay", 6)];
const NAMES: [&str; 7] = ["ada", "bob", "cy", "dee", "eve", "fay", "gus"];
const PATHS: [&str; 4] = ["tenants/a.yaml", "tenants/b/c.yaml", "platform/p.yaml", "README.md"];
const PATTERNS: [&str; 5] = ["**", "tenants/**", "**/*.yaml", "platform/*", "tenants/?.yaml"];

fn people() -> People {
    People::of(&signers())
}

fn signers() -> Signers {
    let line = |(who, seed): &(&str, u8)| {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[*seed; 32]));
        format!("{who} {}\n", key.public_key().to_openssh().expect("a key"))
    };
    Signers::parse(&LINES.iter().map(line).collect::<String>()).expect("a list")
}

/// A commit by gus, with these co-authors.
fn by_pairs(number: usize, co_authors: &[&str]) -> Commit {
    let named: String = co_authors
        .iter()
        .map(|name| format!("Co-Authored-By: {} <{}>\n", name.to_uppercase(), name))
        .collect();
    let (tree, who) = ("4b825dc642cb6eb9a060e54bf8d69288fbee4904", "gus <gus> 1767225600 +0000");
    let raw = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nA change\n\n{named}");
    Commit::parse(&commit(number), raw.as_bytes()).expect("a commit")
}

fn commit(number: usize) -> String {
    format!("{number:040x}")
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: &[T]) -> impl Strategy<Value = Vec<T>> + use<T> {
    subsequence(of.to_vec(), 0..=of.len())
}

fn rules() -> impl Strategy<Value = Rules> {
    let rule = (some(&PATTERNS[1..]), some(&NAMES), 1..4u32);
    prop::collection::vec(rule, 1..4).prop_map(|all| {
        let named = |n: usize| format!("rule-{n}");
        let groups: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(n, (_, members, _))| json!({"name": named(n), "members": members}))
            .collect();
        let rules = all.iter().enumerate().map(|(n, (paths, _, required))| {
            let paths = if paths.is_empty() { vec!["**"] } else { paths.clone() };
            json!({"name": named(n), "paths": paths, "groups": [named(n)], "required": required})
        });
        let approvals = json!({"rules": rules.collect::<Vec<_>>(), "groups": groups});
        Rules::of(&serde_json::from_value(approvals).expect("rules"))
    })
}

#[derive(Clone, Debug)]
struct Case {
    rules: Rules,
    changes: Vec<Change>,
    votes: Vec<Vote>,
    wrote: HashMap<String, BTreeSet<Person>>,
}

fn cases() -> impl Strategy<Value = Case> {
    let commits: Vec<String> = (0..4).map(commit).collect();
    let change = (some(&commits), some(&commits));
    let vote = (0..4usize, 0..NAMES.len(), any::<bool>()).prop_map(|(number, name, forge)| Vote {
        commit: commit(number),
        principals: vec![NAMES[name].to_owned()],
        origin: if forge { Origin::Forge } else { Origin::Signed },
    });
    let wrote = prop::collection::vec(some(&NAMES), 4);
    let parts = (rules(), prop::collection::vec(change, 1..=4), prop::collection::vec(vote, 0..12), wrote);
    parts.prop_map(|(rules, changes, votes, wrote)| {
        let people = people();
        let of = |(path, (writers, shown_by)): (&str, (Vec<String>, Vec<String>))| Change {
            path: path.to_owned(),
            writers,
            shown_by,
        };
        let changes = PATHS.into_iter().zip(changes).map(of).collect();
        let persons = |names: Vec<&str>| names.into_iter().map(|name| people.person(name)).collect();
        let wrote = wrote.into_iter().enumerate().map(|(n, names)| (commit(n), persons(names))).collect();
        Case { rules, changes, votes, wrote }
    })
}

fn verdict(case: &Case, votes: &[Vote]) -> Verdict {
    judge(&case.rules, &people(), &case.changes, votes, &case.wrote)
}

proptest! {
    #![proptest_config(many(512))]

    #[test]
    fn fewer_approvals_never_pass_more(case in cases(), kept in any::<u16>()) {
        let keep = |(n, _): &(usize, &Vote)| kept & (1 << (n % 16)) != 0;
        let fewer: Vec<Vote> = case.votes.iter().enumerate().filter(keep).map(|(_, vote)| vote.clone()).collect();
        let (less, more) = (verdict(&case, &fewer), verdict(&case, &case.votes));
        prop_assert!(more.passes() || !less.passes());
        prop_assert_eq!(less.rules.len(), more.rules.len(), "which rules matter is not theirs to say");
        for (less, more) in less.rules.iter().zip(&more.rules) {
            prop_assert!(less.have <= more.have && less.short_count >= more.short_count, "{:?} {:?}", less, more);
        }
    }

    #[test]
    fn order_and_repetition_change_nothing(case in cases()) {
        let twice: Vec<Vote> = case.votes.iter().rev().chain(&case.votes).cloned().collect();
        let (one, two) = (verdict(&case, &case.votes), verdict(&case, &twice));
        prop_assert_eq!(one.passes(), two.passes());
        prop_assert_eq!(one.approvers, two.approvers);
    }

    /// Naming one more co-author never makes more pass, and nobody who is named counts for what they are named on.
    #[test]
    fn co_authors_are_authors(case in cases(), named in prop::collection::vec(some(&NAMES), 4), more in 0..NAMES.len()) {
        let (people, signers) = (people(), signers());
        let wrote = |named: &[Vec<&str>]| {
            let commits: Vec<Commit> = named.iter().enumerate().map(|(n, names)| by_pairs(n, names)).collect();
            writers(&commits, &signers, &people)
        };
        let mut named = named;
        let before = Case { wrote: wrote(&named), ..case };
        named.iter_mut().for_each(|names| names.push(NAMES[more]));
        let after = Case { wrote: wrote(&named), ..before.clone() };
        let (one, two) = (verdict(&before, &before.votes), verdict(&after, &after.votes));
        prop_assert!(one.passes() || !two.passes());
        let person = people.person(NAMES[more]);
        let writes = |change: &&Change| !change.writers.is_empty();
        for change in after.changes.iter().filter(writes) {
            for name in two.approvers.get(&change.path).into_iter().flatten() {
                prop_assert!(people.person(name) != person, "{} of {}", name, change.path);
            }
        }
    }

    /// What a rule has is the number of different people who may approve, did, and wrote nothing of it: counted here in
    /// another way.
    #[test]
    fn what_counts_is_people_who_did_not_write_it(case in cases()) {
        let people = people();
        let judged = verdict(&case, &case.votes);
        for change in &case.changes {
            let wrote: BTreeSet<Person> =
                change.writers.iter().flat_map(|commit| case.wrote[commit].iter().cloned()).collect();
            let voted: BTreeSet<Person> = case
                .votes
                .iter()
                .filter(|vote| change.shown_by.contains(&vote.commit))
                .map(|vote| people.person(&vote.principals[0]))
                .filter(|person| !wrote.contains(person))
                .collect();
            for rule in judged.rules.iter().filter(|rule| rule.short.contains(&change.path)) {
                prop_assert!(rule.have <= voted.len() && rule.have < rule.required, "{:?}", rule);
            }
            let named = judged.approvers.get(&change.path).cloned().unwrap_or_default();
            for name in named {
                prop_assert!(voted.contains(&people.person(&name)), "{} of {:?}", name, voted);
            }
        }
    }
}
