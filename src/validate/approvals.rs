//! The rules of who approves what, checked: what can never be satisfied, or never matches, is found here.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{
    approvals::{ApprovalRule, Approvals},
    platform::Environment,
    verification::Verification,
};

use super::{
    pattern::Pattern,
    problem::{Problem, at},
    text::quote,
};

const BASE: &str = "/spec/source/git/verification/approvals";

/// Floor of `maxAge` outside `environment: test`, in seconds.
const AGE_FLOOR: u64 = 3600;

/// Adds what is wrong with the rules.
pub fn check(verification: &Verification, environment: Environment, problems: &mut Vec<Problem>) {
    let Some(approvals) = &verification.approvals else { return };
    let age = approvals.max_age;
    if age.0.is_zero() || (environment != Environment::Test && age.0.as_secs() < AGE_FLOOR) {
        problems.push(
            Problem::new(at(BASE, "maxAge"), format!("{age} is less than {AGE_FLOOR}s"))
                .hint("let approvals count for longer, or write environment: test"),
        );
    }
    let groups = groups(approvals, &verification.forge_signers, problems);
    for (index, rule) in approvals.rules.iter().enumerate() {
        check_rule(rule, &at(&at(BASE, "rules"), index), &groups, problems);
    }
}

/// The members of each group; a principal of the forge approves nothing.
fn groups<'a>(
    approvals: &'a Approvals,
    forge: &[String],
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut groups = BTreeMap::new();
    for (index, group) in approvals.groups.iter().enumerate() {
        let base = at(&at(BASE, "groups"), index);
        for (place, member) in group.members.iter().enumerate().filter(|(_, member)| forge.contains(member)) {
            problems.push(
                Problem::new(
                    at(&at(&base, "members"), place),
                    format!("{} is one of forgeSigners, who sign merges and nothing else", quote(member)),
                )
                .hint("name people"),
            );
        }
        groups.insert(group.name.as_str(), group.members.iter().map(String::as_str).collect());
    }
    groups
}

fn check_rule(
    rule: &ApprovalRule,
    base: &str,
    groups: &BTreeMap<&str, BTreeSet<&str>>,
    problems: &mut Vec<Problem>,
) {
    for (index, path) in rule.paths.iter().enumerate() {
        if let Err(problem) = Pattern::parse(path) {
            let message = format!("{} is no pattern of paths: {problem}", quote(path));
            problems.push(
                Problem::new(at(&at(base, "paths"), index), message)
                    .hint("write it like tenants/** or **/*.yaml"),
            );
        }
    }
    let mut members: BTreeSet<&str> = BTreeSet::new();
    for (index, name) in rule.groups.iter().enumerate() {
        match groups.get(name.as_str()) {
            Some(group) => members.extend(group.iter().copied()),
            None => problems.push(
                Problem::new(at(&at(base, "groups"), index), format!("there is no group {}", quote(name)))
                    .hint("name one of approvals.groups"),
            ),
        }
    }
    let required = usize::try_from(rule.required).unwrap_or(usize::MAX);
    if !members.is_empty() && required > members.len() {
        let message = format!("{required} approvals are asked for, and the groups have {}", members.len());
        problems.push(
            Problem::new(at(base, "required"), message)
                .hint("nothing would ever pass; add members, or ask for fewer"),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(approvals: &Value, environment: Environment) -> Vec<String> {
        let verification = json!({
            "mode": "EveryCommit", "signers": {"kind": "ConfigMap", "name": "x"},
            "forgeSigners": ["forge@example.com"], "approvals": approvals,
        });
        let verification = serde_json::from_value(verification).expect("a verification");
        let mut problems = Vec::new();
        check(&verification, environment, &mut problems);
        problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
    }

    fn rules(path: &str, group: &str, required: u32) -> Value {
        json!({
            "rules": [{"name": "two", "paths": ["tenants/**", path], "groups": [group], "required": required}],
            "groups": [{"name": "ops", "members": ["ada@example.com", "bob@example.com"]}],
        })
    }

    #[test]
    fn rules_that_can_be_satisfied_pass() {
        assert_eq!(found(&rules("**", "ops", 2), Environment::Production), Vec::<String>::new());
    }

    #[test]
    fn what_could_never_pass_or_never_match_is_found() {
        let production = |approvals: &Value| found(approvals, Environment::Production).join("\n");
        let said = production(&rules("/tenants", "ops", 2));
        assert!(said.starts_with(&format!("{BASE}/rules/0/paths/1: \"/tenants\" is no pattern")), "{said}");
        assert!(production(&rules("**", "dev", 2)).contains("/rules/0/groups/0: there is no group \"dev\""));
        assert!(
            production(&rules("**", "ops", 3)).contains("3 approvals are asked for, and the groups have 2")
        );
        let mut forge = rules("**", "ops", 2);
        forge["groups"][0]["members"][1] = json!("forge@example.com");
        assert!(
            production(&forge).contains("/groups/0/members/1: \"forge@example.com\" is one of forgeSigners")
        );
        let mut short = rules("**", "ops", 2);
        short["maxAge"] = json!("1m");
        assert!(production(&short).contains("/maxAge: 1m0s is less than 3600s"));
        assert_eq!(found(&short, Environment::Test), Vec::<String>::new());
        short["maxAge"] = json!("0s");
        assert_eq!(found(&short, Environment::Test).len(), 1);
    }
}
