#![allow(clippy::unwrap_used)] // a panic is a failed test

use super::*;
use crate::{
    api::finding::Finding,
    observe::{
        behind::{DeploymentFacts, Warning},
        slim::SlimCondition,
    },
};

fn now() -> Timestamp {
    "2026-05-04T10:00:00Z".parse().unwrap()
}

fn condition(type_: ConditionType, status: ConditionStatus, reason: &str) -> Condition {
    Condition {
        type_: type_.as_str().into(),
        status,
        observed_generation: 1,
        last_transition_time: "2026-05-04T09:55:00Z".into(),
        reason: reason.into(),
        message: format!("{reason} it is"),
    }
}

fn view(conditions: &[Condition]) -> View {
    let mut view = super::super::reader::unreadable("acme", "");
    view.namespace = "acme-prod".into();
    view.platform = "prod".into();
    view.conditions = conditions.to_vec();
    view
}

fn good() -> Vec<Condition> {
    use ConditionStatus::{True, Unknown};
    vec![
        condition(ConditionType::Ready, True, reasons::SUCCEEDED),
        condition(ConditionType::Isolated, Unknown, reasons::NOT_PROBED),
        condition(ConditionType::SourceSynced, True, reasons::SUCCEEDED),
        condition(ConditionType::WorkloadsAvailable, True, reasons::SUCCEEDED),
        condition(ConditionType::ZoneSpread, True, reasons::SUCCEEDED),
    ]
}

fn with(type_: ConditionType, status: ConditionStatus, reason: &str) -> Vec<Condition> {
    let mut all = good();
    all.retain(|one| one.type_ != type_.as_str());
    all.push(condition(type_, status, reason));
    all
}

fn first(conditions: &[Condition]) -> Option<String> {
    match first_unmet(&view(conditions), &Operator::Running)? {
        Unmet::Condition(condition, _) => Some(condition.type_),
        other => Some(format!("{other:?}")),
    }
}

fn answer(conditions: &[Condition], behind: &Behind) -> Answer {
    let view = view(conditions);
    let unmet = first_unmet(&view, &Operator::Running).unwrap();
    explain(&view, &unmet, behind, now())
}

#[test]
fn nothing_is_unmet_when_only_probes_are_missing() {
    assert_eq!(first(&good()), None);
    assert_eq!(open(&view(&good())), ["Isolated is Unknown: NotProbed it is"]);
}

#[test]
fn ready_comes_before_promises_and_they_in_the_order_of_the_table() {
    use ConditionStatus::{False, True, Unknown};
    let mut all = with(ConditionType::ZoneSpread, False, reasons::ZONE_SHORT);
    assert_eq!(first(&all).as_deref(), Some("ZoneSpread"));
    all.retain(|one| one.type_ != "SourceSynced");
    all.push(condition(ConditionType::SourceSynced, False, reasons::INVALID_FILE));
    assert_eq!(first(&all).as_deref(), Some("SourceSynced"));
    all.retain(|one| one.type_ != "Isolated");
    all.push(condition(ConditionType::Isolated, Unknown, reasons::NOT_APPLIED));
    assert_eq!(first(&all).as_deref(), Some("Isolated"));
    all.retain(|one| one.type_ != "Ready");
    all.push(condition(ConditionType::Ready, False, reasons::PROGRESSING));
    assert_eq!(first(&all).as_deref(), Some("Ready"));
    all.push(condition(ConditionType::Stalled, True, reasons::INVALID_SPEC));
    assert_eq!(first(&all).as_deref(), Some("Stalled"));
    assert_eq!(first(&[]).as_deref(), Some("Unseen"));
    let silent = Operator::Silent("the operator is not running: x".into());
    assert!(matches!(first_unmet(&view(&all), &silent), Some(Unmet::Operator(_))));
}

#[test]
fn pods_say_more_than_the_reason() {
    let conditions = with(ConditionType::Ready, ConditionStatus::False, reasons::PROGRESSING);
    let view = view(&conditions);
    let unmet = first_unmet(&view, &Operator::Running).unwrap();
    assert_eq!(need(&unmet), Need { workloads: true, ..Need::default() });
    let pod = |name: &str, reason: &str| crate::observe::behind::PodTrouble {
        name: name.into(),
        reason: reason.into(),
        message: "it\nwaits".into(),
    };
    let behind = Behind {
        deployments: vec![
            DeploymentFacts {
                kind: "Deployment",
                name: "good".into(),
                desired: 1,
                available: 1,
                complaints: Vec::new(),
            },
            DeploymentFacts {
                kind: "Deployment",
                name: "web".into(),
                desired: 3,
                available: 1,
                complaints: Vec::new(),
            },
        ],
        pods: (0..7)
            .map(|i| pod(&format!("web-{i}"), if i == 0 { "Pending" } else { "ImagePullBackOff" }))
            .collect(),
        events: vec![Warning {
            last: "2026-05-04T09:58:00Z".into(),
            object: "Pod web-1".into(),
            reason: "Failed".into(),
            message: "no such image".into(),
        }],
        ..Behind::default()
    };
    let answer = explain(&view, &unmet, &behind, now());
    assert_eq!(answer.headline, "Tenant acme: Ready is False (Progressing, for 5m)");
    assert_eq!(answer.behind[0], "Deployment acme-prod/web: 1 of 3 pods available");
    assert_eq!(answer.behind[1], "Pod acme-prod/web-0: Pending: it\\nwaits");
    assert_eq!(answer.behind[6], "and 2 more pods");
    assert_eq!(answer.behind[7], "Event 2m ago, Pod web-1: Failed: no such image");
    assert!(answer.next.starts_with("mend the service's image"), "{}", answer.next);
}

#[test]
fn a_quota_that_is_too_small_is_named() {
    let complaint = SlimCondition {
        type_: "ReplicaFailure".into(),
        status: "True".into(),
        reason: "FailedCreate".into(),
        message: "pods \"web-1\" is forbidden: exceeded quota: tenantry".into(),
    };
    let web = DeploymentFacts {
        kind: "Deployment",
        name: "web".into(),
        desired: 3,
        available: 1,
        complaints: vec![complaint],
    };
    let behind = Behind { deployments: vec![web], ..Behind::default() };
    let conditions = with(ConditionType::WorkloadsAvailable, ConditionStatus::False, reasons::UNAVAILABLE);
    let answer = answer(&conditions, &behind);
    assert!(answer.next.starts_with("raise spec.quota.hard"), "{}", answer.next);
    assert_eq!(answer.promise, Some("declared services run, and heal when somebody touches them"));
}

#[test]
fn foreign_objects_and_findings_lead_to_their_own_steps() {
    let conditions = with(ConditionType::Isolated, ConditionStatus::False, reasons::FOREIGN_POLICY);
    let behind = Behind { foreign: vec!["NetworkPolicy acme-prod/open".into()], ..Behind::default() };
    assert_eq!(
        answer(&conditions, &behind).next,
        "if nobody needs it: kubectl -n acme-prod delete networkpolicy open"
    );
    let conditions = with(ConditionType::SourceSynced, ConditionStatus::False, reasons::INVALID_FILE);
    let finding =
        Finding::of_file("tenants/acme.yaml", "unknown field `imge`").at(3, 4).hint("did you mean `image`?");
    let behind = Behind { findings: vec![finding], ..Behind::default() };
    let answer = answer(&conditions, &behind);
    assert_eq!(answer.behind, ["tenants/acme.yaml:3:4: unknown field `imge`; did you mean `image`?"]);
    assert!(answer.next.ends_with("tenantry validate tenants/acme.yaml"), "{}", answer.next);
}

#[test]
fn every_reason_of_the_table_has_a_step_of_its_own() {
    for promise in TABLE {
        for reason in promise.reasons {
            let step = of_reason(&view(&[]), reason);
            let general = step.starts_with("see everything");
            let own = [
                reasons::FOREIGN_POLICY,
                reasons::FOREIGN_BINDING,
                reasons::NOT_APPLIED,
                reasons::NOT_PROBED,
            ];
            assert!(!general || own.contains(reason), "{reason} has no next step");
        }
    }
}
