//! Which news can wait: a roll-out's figures change with every pod, and nobody reads them that often.

use crate::api::tenant_status::TenantStatus;

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
}
