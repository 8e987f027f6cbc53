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

/// What turned between two states of an object. A message that changed is no turn.
#[must_use]
pub fn transitions(
    object: &Object,
    before: &[Condition],
    after: &[Condition],
    now: Timestamp,
) -> Vec<Transition> {
    let find = |list: &[Condition], type_: &str| list.iter().find(|one| one.type_ == type_).cloned();
    let turn = |type_: &str, from: Option<Condition>, to: Option<Condition>| {
        let said = |one: &Option<Condition>| one.as_ref().map(|one| (one.status, one.reason.clone()));
        if said(&from) == said(&to) {
            return None;
        }
        let status = |one: &Option<Condition>| one.as_ref().map(|one| one.status.as_str().to_owned());
        Some(Transition {
            time: now.to_string(),
            object: object.clone(),
            type_: type_.to_owned(),
            from: status(&from),
            to: status(&to),
            reason: to.or(from).map(|one| one.reason).unwrap_or_default(),
        })
    };
    let now_there = after.iter().map(|to| turn(&to.type_, find(before, &to.type_), Some(to.clone())));
    let gone = before.iter().filter(|one| find(after, &one.type_).is_none());
    let gone = gone.map(|from| turn(&from.type_, Some(from.clone()), None));
    now_there.chain(gone).flatten().collect()
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
