use super::*;
use crate::api::kinds::ObjectId;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn proof(outcome: ConditionStatus, reason: &str) -> ProofStatus {
    let (subject, message) = ("s".into(), format!("{reason} it is"));
    ProofStatus {
        at: now().to_string(),
        subject,
        outcome,
        reason: reason.into(),
        message,
        ..ProofStatus::default()
    }
}

fn seen(doors: Doors) -> Observed {
    Observed { subject: "s".into(), doors, ..Observed::default() }
}

fn said(observed: &Observed, proof: Option<&ProofStatus>) -> (ConditionStatus, &'static str) {
    let verdict = isolated(true, observed, proof, now());
    (verdict.status, verdict.reason)
}

#[test]
fn true_stands_on_both_halves_of_the_evidence() {
    use ConditionStatus::{False, True, Unknown};
    let good = proof(True, reasons::SUCCEEDED);
    let closed = || seen(Doors::Closed { at: now() });
    let open = || seen(Doors::Open { at: now(), door: "pod".into() });
    assert_eq!(said(&closed(), Some(&good)), (True, reasons::SUCCEEDED));
    assert_eq!(said(&closed(), None), (Unknown, reasons::NOT_PROBED));
    assert_eq!(said(&seen(Doors::default()), Some(&good)), (Unknown, reasons::NOT_PROBED));
    assert_eq!(said(&seen(Doors::default()), None), (Unknown, reasons::NOT_PROBED));
    assert_eq!(said(&open(), Some(&good)), (False, reasons::NETWORK_POLICY_NOT_ENFORCED));
    assert_eq!(said(&open(), None), (False, reasons::NETWORK_POLICY_NOT_ENFORCED));
    let later = now() + jiff::SignedDuration::from_hours(13);
    let verdict = isolated(true, &closed(), Some(&good), later);
    assert_eq!((verdict.status, verdict.reason), (Unknown, reasons::NOT_PROBED), "old evidence is none");
    let others = Observed { subject: "new members".into(), ..closed() };
    assert_eq!(said(&others, Some(&good)), (Unknown, reasons::NOT_PROBED));
    let verdict = isolated(false, &closed(), Some(&good), now());
    assert_eq!((verdict.status, verdict.reason), (Unknown, reasons::NOT_APPLIED));
}

#[test]
fn what_is_wrong_goes_before_what_is_not_known() {
    use ConditionStatus::{False, Unknown};
    let wide = proof(False, reasons::ACCESS_TOO_WIDE);
    assert_eq!(said(&seen(Doors::default()), Some(&wide)), (False, reasons::ACCESS_TOO_WIDE));
    let failed = proof(Unknown, reasons::REVIEW_FAILED);
    let open = seen(Doors::Open { at: now(), door: "pod".into() });
    assert_eq!(said(&open, Some(&failed)), (False, reasons::NETWORK_POLICY_NOT_ENFORCED));
    assert_eq!(said(&seen(Doors::Closed { at: now() }), Some(&failed)), (Unknown, reasons::REVIEW_FAILED));
    let policy = ObjectId { kind: Kind::NetworkPolicy, namespace: "acme".into(), name: "open".into() };
    let foreign = Observed { foreign: vec![policy], ..open };
    assert_eq!(said(&foreign, Some(&wide)), (False, reasons::FOREIGN_POLICY));
}

#[test]
fn every_reason_is_of_the_promise() {
    let promise = crate::api::promises::TABLE.iter().find(|one| one.id == "isolation").unwrap();
    for reason in REASONS {
        assert!(promise.reasons.contains(&reason), "{reason}");
        assert_eq!(of(&proof(ConditionStatus::False, reason)).reason, reason);
    }
}
