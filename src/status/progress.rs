//! Which news can wait: a roll-out's figures change with every pod, and nobody reads them that often.

use crate::api::{
    conditions::{ConditionStatus, ConditionType, find, reasons},
    tenant_status::{InventoryEntry, TenantStatus},
};

/// Whether a status differs from the one before in figures and words only: no verdict, no reason, nothing
/// of what was made. Such a status may be written a moment later, together with what comes then.
pub fn can_wait(before: &TenantStatus, after: &TenantStatus) -> bool {
    let verdicts = |status: &TenantStatus| -> Vec<_> {
        let of = status.conditions.iter();
        of.map(|one| (one.type_.clone(), one.status, one.reason.clone(), one.observed_generation)).collect()
    };
    before.observed_generation == after.observed_generation
        && before.inventory == after.inventory
        && before.namespaces == after.namespaces
        && before.applied == after.applied
        && before.last_drift == after.last_drift
        && before.summary.commit == after.summary.commit
        && verdicts(before) == verdicts(after)
}

/// Whether a status is the first word about a Tenant whose objects are all made, and says that its pods come
/// up. What is made was announced, so that nothing is lost when the word comes together with the next.
pub fn is_first_word(before: &TenantStatus, after: &TenantStatus) -> bool {
    let comes_up = find(&after.conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.status == ConditionStatus::False && ready.reason == reasons::PROGRESSING);
    before.conditions.is_empty()
        && !after.inventory.is_empty()
        && comes_up
        && InventoryEntry::are_of_the_same(&before.inventory, &after.inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::{Condition, ConditionStatus};

    fn status(verdict: ConditionStatus, services: &str, message: &str) -> TenantStatus {
        let ready = Condition {
            type_: "Ready".into(),
            status: verdict,
            observed_generation: 1,
            last_transition_time: "2026-01-01T00:00:00Z".into(),
            reason: "Progressing".into(),
            message: message.into(),
        };
        let mut status = TenantStatus { conditions: vec![ready], ..TenantStatus::default() };
        status.summary.services = services.into();
        status
    }

    #[test]
    fn figures_can_wait_and_verdicts_never() {
        let before = status(ConditionStatus::False, "0/2", "web has 1 of 3 pods");
        let more = status(ConditionStatus::False, "1/2", "web has 2 of 3 pods");
        assert!(can_wait(&before, &more));
        assert!(!can_wait(&before, &status(ConditionStatus::True, "2/2", "all there")));
        let grown = TenantStatus { observed_generation: Some(2), ..more.clone() };
        assert!(!can_wait(&before, &grown));
        let drifted = TenantStatus {
            last_drift: Some(crate::api::tenant_status::DriftStatus {
                object: "a".into(),
                change: "b".into(),
            }),
            ..more
        };
        assert!(!can_wait(&before, &drifted));
    }

    #[test]
    fn the_first_word_can_wait_only_when_all_is_made_and_comes_up() {
        let entry = |name: &str, uid: &str| InventoryEntry {
            group: String::new(),
            kind: "Service".into(),
            namespace: "a".into(),
            name: name.into(),
            uid: uid.into(),
            hash: String::new(),
            digest: String::new(),
        };
        let announced = TenantStatus { inventory: vec![entry("web", "")], ..TenantStatus::default() };
        let made = vec![entry("web", "u")];
        let up = TenantStatus { inventory: made.clone(), ..status(ConditionStatus::False, "0/1", "0 of 3") };
        assert!(is_first_word(&announced, &up));
        let ready = TenantStatus { inventory: made.clone(), ..status(ConditionStatus::True, "1/1", "") };
        assert!(!is_first_word(&announced, &ready), "good news never waits");
        let mut failed = up.clone();
        failed.conditions[0].reason = "ApplyFailed".into();
        assert!(!is_first_word(&announced, &failed), "nor does bad news");
        assert!(!is_first_word(&up, &up), "something was said before");
        let other = TenantStatus { inventory: vec![entry("api", "u")], ..up };
        assert!(!is_first_word(&announced, &other), "what isn't announced is written at once");
    }
}
