//! Why a head isn't taken over. The source stays at the last accepted revision: nothing of the head is
//! written, and what was accepted is healed as ever.

use crate::{
    api::conditions::reasons,
    forge::ForgeError,
    plan::brake::{Held, acknowledge},
    source::{CommitId, Settings},
    trust::{
        Refusal, Refused,
        approval::{RuleVerdict, Verdict},
    },
    validate::text::sanitize,
};

/// Names, rules and refused approvals that a message lists; the rest is counted.
const LISTED: usize = 5;

/// Longest message, in characters: a condition takes 4096, and others are put before it.
const MESSAGE: usize = 3000;

/// A head that isn't taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// Reason constant.
    pub(super) reason: &'static str,
    /// The head.
    pub(super) commit: CommitId,
    /// What is wrong, and the next step.
    pub(super) message: String,
}

impl Hold {
    /// A commit isn't signed as the Platform asks; `list` names the object with the signers.
    pub(super) fn unverified(head: CommitId, refused: &Refused, list: &str) -> Self {
        let Refused { commit, author, refusal, more } = refused;
        let by = if author.is_empty() { String::new() } else { format!(" by {author}") };
        let more = match more {
            0 => String::new(),
            1 => ", and 1 commit more doesn't pass".to_owned(),
            more => format!(", and {more} commits more don't pass"),
        };
        let next = match refusal {
            Refusal::NotListed(_) | Refusal::OutsideValidity(_) => {
                format!("list the key in {list}, or push the change again signed by a listed key")
            }
            Refusal::NotAMerge(_) => format!(
                "let the forge join branches by a merge commit, not by squash or rebase, or push the change again signed by a key of {list}"
            ),
            Refusal::NotTheMerge(_) => format!("merge it yourself, and push that signed by a key of {list}"),
            _ => format!("push the change again signed by a key of {list}"),
        };
        let message = format!(
            "commit {commit}{by}: {refusal}{more}; nothing since the last accepted revision is applied: {next}"
        );
        Self { reason: reasons::UNVERIFIED_COMMIT, commit: head, message }
    }

    /// The branch doesn't continue what was accepted.
    pub(super) fn rewritten(head: CommitId, accepted: CommitId, platform: &str) -> Self {
        let message = format!(
            "commit {head} does not continue the accepted revision {accepted}: the branch was rewound or force-pushed, or the source names other history now; bring the branch back, or accept this one commit: {}",
            acknowledge(platform, &head.to_string())
        );
        Self { reason: reasons::HISTORY_REWRITTEN, commit: head, message }
    }

    /// Commits between what was accepted and the head can't be had. `may` where they aren't needed once
    /// somebody has looked at the head.
    pub(super) fn incomplete(head: CommitId, missing: CommitId, platform: &str, may: bool) -> Self {
        let more = if may {
            format!(", or accept this one commit: {}", acknowledge(platform, &head.to_string()))
        } else {
            String::new()
        };
        let message = format!(
            "the history from the accepted revision to commit {head} can't be read: commit {missing} is missing; raise spec.source.git.limits.repositoryBytes so that the history fits{more}"
        );
        Self { reason: reasons::HISTORY_INCOMPLETE, commit: head, message }
    }

    /// Too few people approved it; `list` names the object with the signers, `unheard` is why the forge wasn't heard.
    pub(super) fn not_approved(
        head: CommitId,
        verdict: &Verdict,
        list: &str,
        unheard: Option<&ForgeError>,
    ) -> Self {
        let short: Vec<String> =
            verdict.rules.iter().filter(|rule| rule.have < rule.required).map(missing).collect();
        let refused: Vec<String> = verdict.refused.iter().map(ToString::to_string).collect();
        let refused = match refused.is_empty() {
            true => String::new(),
            false => format!("; not counted: {}", listed(&refused, ", ")),
        };
        let unheard = unheard.map(|error| format!("; the forge's approvals can't be read: {error}"));
        let unheard = unheard.unwrap_or_default();
        let message = format!(
            "commit {head} needs approvals: {}{refused}{unheard}; nothing since the last accepted revision is applied: an approver \
             whose key {list} has runs tenantry approve {head} --push",
            listed(&short, "; ")
        );
        Self { reason: reasons::APPROVALS_MISSING, commit: head, message: sanitize(&message, MESSAGE) }
    }

    /// The commit does more at once than the brake lets pass. `changed` where somebody acknowledged it when it
    /// did something else.
    pub(super) fn braked(
        head: CommitId,
        accepted: Option<CommitId>,
        held: &Held,
        settings: &Settings,
        changed: bool,
    ) -> Self {
        let see = accepted.map_or_else(String::new, |accepted| {
            let path = match settings.path.as_str() {
                "" => String::new(),
                path => format!(" --path {path}"),
            };
            let platforms = settings.platform_path.as_ref();
            let platforms = platforms.map_or_else(String::new, |path| format!(" --platform-path {path}"));
            format!("; see all of it: tenantry plan {accepted}..{head}{path}{platforms}")
        });
        let changed =
            if changed { "; what was acknowledged is not what it would do now: look again" } else { "" };
        let message = format!(
            "commit {head} is held: {}{changed}; revert it, or let it pass: {}{see}; it would do: {}",
            held.message(),
            held.acknowledge(&head.to_string()),
            held.summary()
        );
        Self { reason: held.reason, commit: head, message }
    }

    /// The list of signers can't be used.
    pub(super) fn no_signers(head: CommitId, problem: &str) -> Self {
        let message = format!("nobody's signature on commit {head} can be checked: {problem}");
        Self { reason: reasons::INVALID_SIGNERS, commit: head, message }
    }
}

/// What a rule lacks.
fn missing(rule: &RuleVerdict) -> String {
    let RuleVerdict { rule, required, have, by, may, short, short_count } = rule;
    let by = if by.is_empty() { String::new() } else { format!(" ({})", listed(by, ", ")) };
    let more = match short_count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let path = short.first().map(|path| format!(" for {path}{more}")).unwrap_or_default();
    let may =
        if may.is_empty() { "nobody else may".to_owned() } else { format!("{} may", listed(may, ", ")) };
    format!("rule {rule} has {have} of {required}{by}{path}, {may}")
}

fn listed(items: &[String], between: &str) -> String {
    let more = items.len().saturating_sub(LISTED);
    let mut text = items[..items.len() - more].join(between);
    if more > 0 {
        text += &format!("{between}{more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::approval;

    fn rule(have: usize, names: usize) -> RuleVerdict {
        let list = |what: &str| (0..names).map(|n| format!("{what}-{n}@example.com")).collect::<Vec<_>>();
        let short = vec!["tenants/one.yaml".to_owned()];
        RuleVerdict {
            rule: "two".to_owned(),
            required: 2,
            have,
            by: list("by"),
            may: list("may"),
            short,
            short_count: names + 1,
        }
    }

    #[test]
    fn missing_approvals_name_the_rule_the_people_and_the_next_step() {
        let head: CommitId = "1".repeat(40).parse().expect("an id");
        let said = |rules: Vec<RuleVerdict>, count: usize| {
            let (commit, who) = ("2".repeat(40), "tess@example.com".to_owned());
            let refused = approval::Refused { commit, who, why: approval::Why::SelfApproval };
            let verdict = Verdict { rules, refused: vec![refused; count], ..Verdict::default() };
            Hold::not_approved(head, &verdict, "ConfigMap tenantry-system/signers", None).message
        };
        assert_eq!(
            said(vec![rule(1, 1), rule(2, 1)], 1),
            format!(
                "commit {head} needs approvals: rule two has 1 of 2 (by-0@example.com) for tenants/one.yaml and 1 more, \
                 may-0@example.com may; not counted: tess@example.com on 2222222: SelfApproval: they wrote it; nothing \
                 since the last accepted revision is applied: an approver whose key ConfigMap tenantry-system/signers has \
                 runs tenantry approve {head} --push"
            )
        );
        let none = said(vec![rule(0, 0)], 0);
        assert!(
            none.contains("rule two has 0 of 2 for tenants/one.yaml, nobody else may; nothing since"),
            "{none}"
        );
        let many = said(vec![rule(1, 64); 16], 2000);
        assert!(many.chars().count() <= MESSAGE && many.contains(", 59 more may; "), "{many}");
    }
}
