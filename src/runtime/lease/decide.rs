//! What to do about the Lease, as a pure function.

use tokio::time::Instant;

use super::Settings;
use super::api::{Record, Stored};

/// A record, and when we first saw it say this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub stored: Stored,
    pub at: Instant,
}

impl Seen {
    /// What we know after a read at `now`. Only a *changed* record restarts the
    /// clock: a new label gives a new resourceVersion, but is no sign of life.
    pub(super) fn next(previous: Option<Self>, stored: Stored, now: Instant) -> Self {
        match previous {
            Some(seen) if seen.stored.record == stored.record => Self { stored, at: seen.at },
            _ => Self { stored, at: now },
        }
    }

    fn record(&self) -> &Record {
        &self.stored.record
    }
}

/// The next step of the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// There is no Lease: create it with this term.
    Create { term: i32 },
    /// It is free, expired, or ours from a term that we gave up: take it.
    Take { term: i32 },
    /// It is ours: renew it.
    Renew { term: i32 },
    /// Somebody else has it.
    StandBy { holder: String },
}

/// Decides by what was last seen and when; `now` is compared with nothing but
/// our own observation. `leading` is the term in which we lead, `last_term` the
/// highest that we know of.
pub(super) fn decide(
    settings: &Settings,
    leading: Option<i32>,
    last_term: i32,
    seen: Option<&Seen>,
    now: Instant,
) -> Action {
    let next_term = |record: i32| record.max(last_term).saturating_add(1);
    let Some(seen) = seen else { return Action::Create { term: next_term(0) } };
    let record = seen.record();
    match (&record.holder, leading) {
        (Some(holder), Some(term)) if *holder == settings.identity && record.transitions == term => {
            Action::Renew { term }
        }
        (Some(holder), _) if *holder != settings.identity => {
            let holds_for = record.duration.unwrap_or(settings.duration);
            if now.saturating_duration_since(seen.at) < holds_for {
                Action::StandBy { holder: holder.clone() }
            } else {
                Action::Take { term: next_term(record.transitions) }
            }
        }
        _ => Action::Take { term: next_term(record.transitions) },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn held(holder: Option<&str>, transitions: i32) -> Record {
        Record {
            holder: holder.map(str::to_owned),
            duration: Some(Duration::from_secs(15)),
            transitions,
            ..Record::default()
        }
    }

    fn after(seconds: u64, leading: Option<i32>, last_term: i32, record: Option<Record>) -> Action {
        let at = Instant::now();
        let seen = record.map(|record| Seen { stored: Stored { record, version: "1".into() }, at });
        let now = at + Duration::from_secs(seconds);
        decide(&Settings::new("me"), leading, last_term, seen.as_ref(), now)
    }

    #[test]
    fn a_missing_or_free_lease_is_ours_with_the_next_term() {
        assert_eq!(after(0, None, 0, None), Action::Create { term: 1 });
        assert_eq!(after(0, Some(4), 4, None), Action::Create { term: 5 });
        assert_eq!(after(0, None, 0, Some(held(None, 7))), Action::Take { term: 8 });
        assert_eq!(after(0, None, 9, Some(held(None, 7))), Action::Take { term: 10 });
    }

    #[test]
    fn somebody_elses_lease_is_respected_for_its_own_duration() {
        let waits = Action::StandBy { holder: "you".into() };
        assert_eq!(after(0, None, 3, Some(held(Some("you"), 3))), waits);
        assert_eq!(after(14, None, 3, Some(held(Some("you"), 3))), waits);
        assert_eq!(after(15, None, 3, Some(held(Some("you"), 3))), Action::Take { term: 4 });
        let longer = Record { duration: Some(Duration::from_secs(60)), ..held(Some("you"), 3) };
        assert_eq!(after(59, None, 3, Some(longer.clone())), waits);
        assert_eq!(after(60, None, 3, Some(longer)), Action::Take { term: 4 });
        let silent = Record { duration: None, ..held(Some("you"), 3) };
        assert_eq!(after(11, None, 3, Some(silent)), waits);
    }

    #[test]
    fn a_leader_renews_its_term_and_yields_to_another_holder() {
        assert_eq!(after(14, Some(3), 3, Some(held(Some("me"), 3))), Action::Renew { term: 3 });
        assert_eq!(
            after(0, Some(3), 3, Some(held(Some("you"), 4))),
            Action::StandBy { holder: "you".into() }
        );
    }

    #[test]
    fn a_record_of_ours_from_another_term_starts_a_new_one() {
        assert_eq!(after(0, None, 3, Some(held(Some("me"), 3))), Action::Take { term: 4 });
        assert_eq!(after(0, Some(3), 3, Some(held(Some("me"), 5))), Action::Take { term: 6 });
        assert_eq!(after(0, None, i32::MAX, None), Action::Create { term: i32::MAX });
    }

    #[test]
    fn only_a_changed_record_is_a_sign_of_life() {
        let first = Instant::now();
        let later = first + Duration::from_secs(9);
        let stored = |version: &str, transitions| Stored {
            record: held(Some("you"), transitions),
            version: version.into(),
        };
        let seen = Seen::next(None, stored("1", 3), first);
        let relabelled = Seen::next(Some(seen.clone()), stored("2", 3), later);
        assert_eq!((relabelled.at, relabelled.stored.version.as_str()), (first, "2"));
        assert_eq!(Seen::next(Some(seen), stored("2", 4), later).at, later);
    }
}
