//! What is asked of a forge, and what it says. Pure.

use super::call::Ask;

/// An open pull request (GitLab: merge request).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Full id of its newest commit.
    pub head: String,
    /// The branch that it wants to change.
    pub base: String,
}

/// A pull request that brought a commit to a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its number.
    pub number: u64,
    /// The branch that it changed.
    pub base: String,
    /// Who opened it.
    pub author: String,
    /// Full id of its newest commit when it was merged.
    pub head: String,
}

/// A pull request that brought a commit, with who stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The pull request.
    pub pull: Merged,
    /// Approvals that nobody took back, one a user.
    pub approvals: Vec<ForgeApproval>,
}

/// Somebody's approval of a pull request, as the forge tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeApproval {
    /// The user's name on the forge.
    pub user: String,
    /// Full id of the commit that was approved; `None` where the forge doesn't say: then it proves nothing.
    pub commit: Option<String>,
    /// When, RFC 3339; `None` where the forge doesn't say.
    pub at: Option<String>,
}

/// What a user said of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Approved.
    Yes,
    /// Changes are asked for, or the approval was dismissed.
    No,
    /// Neither: a comment.
    Nothing,
}

/// One review, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// What was said.
    pub word: Word,
    /// By whom, on what, when.
    pub approval: ForgeApproval,
}

/// A pull request's head at a time: GitLab tells when somebody approved, not what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Full id of the commit.
    pub head: String,
    /// Since when, RFC 3339.
    pub at: String,
}

/// A comment on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
}

/// What a commit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum State {
    Success,
    Failure,
    Pending,
}

/// A commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name, such as `tenantry/plan/prod`.
    pub context: String,
    /// What it says; `None` for a word of the forge that is none of ours.
    pub state: Option<State>,
    /// In words.
    pub description: String,
}

/// Most characters of a status's description: GitHub refuses more than 140, the others take more.
pub const DESCRIPTION: usize = 140;

/// How one kind of forge spells what we ask. Every method only builds a call; pages count from 1.
pub trait Forge: Send + Sync + std::fmt::Debug {
    /// What its users call a pull request's number: `#7`, `!7`.
    fn sign(&self) -> char {
        '#'
    }

    /// The `Authorization` header for a token.
    fn authorization(&self, token: &str) -> String;

    /// The name of whoever the token belongs to.
    fn me(&self) -> Ask<String>;

    /// Open pull requests into a branch.
    fn open(&self, branch: &str, page: u32) -> Ask<Vec<Pull>>;

    /// Merged pull requests that a commit came with.
    fn brought(&self, commit: &str, page: u32) -> Ask<Vec<Merged>>;

    /// What users said of a pull request, oldest first.
    fn reviews(&self, pull: u64, page: u32) -> Ask<Vec<Review>>;

    /// The heads that a pull request had; `None` where reviews name their commit.
    fn versions(&self, _pull: u64, _page: u32) -> Option<Ask<Vec<Version>>> {
        None
    }

    /// Comments of a pull request.
    fn comments(&self, pull: u64, page: u32) -> Ask<Vec<Comment>>;

    /// Writes a new comment, or changes the one with this id.
    fn comment(&self, pull: u64, id: Option<u64>, body: &str) -> Ask<u64>;

    /// Statuses of a commit, the newest of each context.
    fn statuses(&self, commit: &str, context: &str, page: u32) -> Ask<Vec<Status>>;

    /// Sets a commit's status.
    fn set_status(&self, commit: &str, status: &Status) -> Ask<()>;
}

/// Approvals that stand: of each user the last word counts, and comments are none.
pub fn standing(reviews: &[Review]) -> Vec<ForgeApproval> {
    let said: Vec<&Review> = reviews.iter().filter(|one| one.word != Word::Nothing).collect();
    let mut approvals = Vec::new();
    for (index, review) in said.iter().enumerate() {
        let again = said[index + 1..].iter().any(|later| later.approval.user == review.approval.user);
        if review.word == Word::Yes && !again {
            approvals.push(review.approval.clone());
        }
    }
    approvals
}

/// Fills in what was approved, by when: the newest head that was there at that time.
pub fn located(approvals: Vec<ForgeApproval>, versions: &[Version]) -> Vec<ForgeApproval> {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let head = |at: &str| {
        let at = time(at)?;
        let before = versions.iter().filter_map(|one| Some((time(&one.at)?, &one.head)));
        before.filter(|(since, _)| *since <= at).max_by_key(|(since, _)| *since).map(|(_, head)| head.clone())
    };
    let locate =
        |approval: ForgeApproval| ForgeApproval { commit: approval.at.as_deref().and_then(head), ..approval };
    approvals.into_iter().map(locate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(user: &str, word: Word, commit: &str) -> Review {
        let approval = ForgeApproval { user: user.into(), commit: Some(commit.into()), at: None };
        Review { word, approval }
    }

    #[test]
    fn the_last_word_of_each_user_counts() {
        let reviews = [
            review("ann", Word::Yes, "1"),
            review("bob", Word::Yes, "1"),
            review("ann", Word::No, "1"),
            review("bob", Word::Nothing, "2"),
            review("cat", Word::No, "1"),
            review("cat", Word::Yes, "2"),
        ];
        let names: Vec<_> = standing(&reviews).into_iter().map(|one| (one.user, one.commit)).collect();
        assert_eq!(names, [("bob".into(), Some("1".into())), ("cat".into(), Some("2".into()))]);
    }

    #[test]
    fn an_approval_is_of_the_head_that_was_there() {
        let version = |head: &str, at: &str| Version { head: head.into(), at: at.into() };
        let versions = [version("b", "2026-01-02T00:00:00Z"), version("a", "2026-01-01T01:00:00+01:00")];
        let commit = |at: Option<&str>| {
            let approval = ForgeApproval { user: "ann".into(), commit: None, at: at.map(str::to_owned) };
            located(vec![approval], &versions).remove(0).commit
        };
        assert_eq!(commit(Some("2026-01-01T23:59:59.5Z")).as_deref(), Some("a"));
        assert_eq!(commit(Some("2026-01-02T00:00:00Z")).as_deref(), Some("b"));
        assert_eq!(commit(Some("2025-12-31T00:00:00Z")), None, "before there was anything");
        assert_eq!(commit(Some("yesterday")), None);
        assert_eq!(commit(None), None);
    }
}
