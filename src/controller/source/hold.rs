//! Why a head isn't taken over. The source stays at the last accepted revision: nothing of the head is
//! written, and what was accepted is healed as ever.

use crate::{
    api::conditions::reasons,
    plan::brake::{Held, acknowledge},
    source::{CommitId, Settings},
    trust::{Refusal, Refused},
};

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
