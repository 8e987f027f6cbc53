//! Conditions that turned. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Object;
use crate::api::conditions::Condition;

/// A condition that came, went, or says something else than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When it was written down, RFC 3339.
    pub time: String,
    /// Whose condition.
    pub object: Object,
    /// Which one.
    #[serde(rename = "type")]
    pub type_: String,
    /// What it was: `True`, `False` or `Unknown`; none when there was none.
    pub from: Option<String>,
    /// What it is; none when it is gone.
    pub to: Option<String>,
    /// Why: its reason, or the last one that it had.
    pub reason: String,
}

fn of_type<'a>(list: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    list.iter().find(|one| one.type_ == type_)
}

/// What turned between two states of an object. A message that changed is no turn.
#[must_use]
pub fn transitions(
    object: &Object,
    before: &[Condition],
    after: &[Condition],
    now: Timestamp,
) -> Vec<Transition> {
    // Asked at each pass, of which most turn nothing: what is copied is what turned.
    let turn = |from: Option<&Condition>, to: Option<&Condition>| {
        let last = to.or(from)?;
        if from.zip(to).is_some_and(|(from, to)| (from.status, &from.reason) == (to.status, &to.reason)) {
            return None;
        }
        let status = |one: Option<&Condition>| one.map(|one| one.status.as_str().to_owned());
        Some(Transition {
            time: now.to_string(),
            object: object.clone(),
            type_: last.type_.clone(),
            from: status(from),
            to: status(to),
            reason: last.reason.clone(),
        })
    };
    let now_there = after.iter().map(|to| turn(of_type(before, &to.type_), Some(to)));
    let gone = before.iter().filter(|one| of_type(after, &one.type_).is_none());
    now_there.chain(gone.map(|from| turn(Some(from), None))).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::ConditionStatus;

    fn condition(type_: &str, status: ConditionStatus, reason: &str, message: &str) -> Condition {
        Condition {
            type_: type_.into(),
            status,
            observed_generation: 1,
            last_transition_time: "2026-01-01T00:00:00Z".into(),
            reason: reason.into(),
            message: message.into(),
        }
    }

    #[test]
    fn what_turned_is_told_and_nothing_else() {
        use ConditionStatus::{False, True, Unknown};
        let object = Object { kind: "Tenant".into(), name: "acme".into(), uid: "u".into() };
        let before = [
            condition("Ready", True, "Succeeded", "2 of 2"),
            condition("Isolated", True, "Proven", ""),
            condition("Stalled", False, "None", ""),
            condition("Gone", Unknown, "Stale", ""),
        ];
        let after = [
            condition("Ready", True, "Succeeded", "3 of 3"),
            condition("Isolated", False, "Reachable", ""),
            condition("Stalled", False, "Paused", ""),
            condition("New", Unknown, "Waiting", ""),
        ];
        let turns = transitions(&object, &before, &after, Timestamp::UNIX_EPOCH);
        let said: Vec<_> = turns
            .iter()
            .map(|one| (one.type_.as_str(), one.from.as_deref(), one.to.as_deref(), one.reason.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("Isolated", Some("True"), Some("False"), "Reachable"),
                ("Stalled", Some("False"), Some("False"), "Paused"),
                ("New", None, Some("Unknown"), "Waiting"),
                ("Gone", Some("Unknown"), None, "Stale"),
            ]
        );
        assert_eq!(transitions(&object, &after, &after, Timestamp::UNIX_EPOCH), []);
    }
}
