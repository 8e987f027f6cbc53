//! A forge's word for who approved what → votes. Who trusts it trusts the forge, and each account on it: so a Platform
//! lists the accounts that count, and whose they are.

use jiff::Timestamp;

use super::{By, Origin, Refused, Vote, Why};
use crate::{api::approvals::ForgeUser, trust::signature::Refusal};

/// What a forge says of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The account.
    pub user: String,
    /// Full id of the commit that was approved.
    pub commit: String,
    /// When.
    pub at: Timestamp,
}

/// Holds a forge's words against the list of accounts. Those of other accounts are no approvals: on a forge everybody
/// may review.
#[must_use]
pub fn words(words: &[Word], users: &[ForgeUser], by: &By<'_>) -> (Vec<Vote>, Vec<Refused>) {
    let (mut votes, mut refused) = (Vec::new(), Vec::new());
    for word in words {
        let known = users.iter().find(|one| one.user.eq_ignore_ascii_case(&word.user));
        let Some(ForgeUser { principal, .. }) = known else { continue };
        match judge(word, principal, by) {
            Ok(()) => votes.push(Vote {
                commit: word.commit.clone(),
                principals: vec![principal.clone()],
                origin: Origin::Forge,
            }),
            Err(why) => {
                refused.push(Refused { commit: word.commit.clone(), who: principal.clone(), why });
            }
        }
    }
    (votes, refused)
}

/// Whoever lost the line, lost the say: also on the forge.
fn judge(word: &Word, principal: &String, by: &By<'_>) -> Result<(), Why> {
    let lines = || by.signers.entries().iter().filter(|entry| entry.principals.contains(principal));
    if by.forge.contains(principal) {
        return Err(Why::Forge);
    }
    if lines().next().is_none() {
        return Err(Refusal::NotListed(principal.clone()).into());
    }
    if !lines().any(|entry| entry.holds_at(by.now.as_second())) {
        return Err(Refusal::OutsideValidity(principal.clone()).into());
    }
    by.counts_now(word.at, Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trust::{
        Signers,
        kit::{key, line},
    };

    #[test]
    fn a_forges_word_counts_for_listed_accounts_of_people_with_a_line() {
        let text = [
            line("ada@example.com", "", &key(1)),
            line("old@example.com", "valid-before=\"20200101\"", &key(2)),
            line("forge@example.com", "", &key(3)),
        ];
        let signers = Signers::parse(&text.concat()).expect("a list");
        let forge = ["forge@example.com".to_owned()];
        let now: Timestamp = "2026-01-08T00:00:00Z".parse().expect("a time");
        let by = By { signers: &signers, forge: &forge, max_age: Duration::from_secs(7 * 24 * 3600), now };
        let users = ["ada", "old", "gone", "forge"]
            .map(|name| ForgeUser { user: format!("{name}-1"), principal: format!("{name}@example.com") });
        let said = |user: &str, at: &str| {
            let word = Word { user: user.into(), commit: "c".into(), at: at.parse().expect("a time") };
            let (votes, refused) = words(&[word], &users, &by);
            let who = votes.into_iter().flat_map(|vote| vote.principals).next();
            (who, refused.into_iter().next().map(|one| one.why.to_string()))
        };
        let (fresh, ada) = ("2026-01-02T00:00:00Z", Some("ada@example.com".to_owned()));
        assert_eq!(said("ada-1", fresh), (ada.clone(), None));
        assert_eq!(said("Ada-1", fresh), (ada, None), "accounts have no capitals");
        assert_eq!(said("eve-1", fresh), (None, None), "everybody may review");
        for (user, at) in [
            ("old-1", fresh),
            ("gone-1", fresh),
            ("forge-1", fresh),
            ("ada-1", "2026-01-01T00:00:00Z"),
            ("ada-1", "2026-01-09T00:00:00Z"),
        ] {
            let (who, why) = said(user, at);
            assert!(who.is_none() && why.is_some(), "{user} {at}: {who:?} {why:?}");
        }
    }
}
