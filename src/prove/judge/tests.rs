use serde_json::json;

use super::*;
use crate::api::Tenant;

fn questions() -> Questions {
    let tenant = |name: &str, members: serde_json::Value| -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name, "uid": name},
            "spec": {"platformRef": {"name": "p"}, "members": members},
        }))
        .unwrap()
    };
    let acme = tenant("acme", json!([{"kind": "Group", "name": "dev", "role": "Editor"}]));
    Questions::new(&acme, [tenant("globex", json!([]))].iter(), |_| Vec::new())
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn right(questions: &Questions) -> Found {
    Found {
        answers: Ok(questions.all().iter().map(|one| one.wanted).collect()),
        privileged_pod: Trial::Refused,
        level: Trial::Refused,
        marks: Trial::Refused,
    }
}

fn said(found: &Found) -> (ConditionStatus, String, String) {
    let proof = proof(&questions(), "s".into(), found, now());
    (proof.outcome, proof.reason, proof.message)
}

/// Every answer right but those whose question says so.
fn wrong(words: &str) -> Found {
    let asked = questions();
    let answers = asked.all().iter().map(|one| one.wanted != one.words().contains(words)).collect();
    Found { answers: Ok(answers), ..right(&asked) }
}

#[test]
fn only_if_all_is_right_it_is_proven() {
    let all = said(&right(&questions()));
    assert_eq!((all.0, all.1.as_str()), (ConditionStatus::True, reasons::SUCCEEDED));
    assert!(all.2.contains("access reviews over its own namespace, globex and the cluster"), "{}", all.2);
    for one in questions().all() {
        let (outcome, reason, message) = said(&wrong(&one.words()));
        let (status, word) = match one.wanted {
            true => (ConditionStatus::Unknown, reasons::REVIEW_FAILED),
            false => (ConditionStatus::False, reasons::ACCESS_TOO_WIDE),
        };
        assert_eq!((outcome, reason.as_str()), (status, word), "{}", one.words());
        assert!(message.contains(&one.words()), "{message}");
    }
}

#[test]
fn the_message_names_who_what_where_and_the_next_step() {
    let (_, _, message) = said(&wrong("get secrets in globex"));
    let begins =
        "Group dev may get secrets in globex, ServiceAccount default of its pods may get secrets in globex: ";
    assert!(message.starts_with(begins), "{message}");
    assert!(
        message.contains("kubectl auth can-i --list -n globex --as='tenantry:somebody' --as-group='dev'"),
        "{message}"
    );
    let (_, _, message) = said(&wrong("globex"));
    assert!(message.contains(", and 17 more: "), "{message}");
}

#[test]
fn what_cannot_be_had_is_no_proof() {
    let asked = questions();
    let good = right(&asked);
    let unclear = || Trial::Unclear("no such ServiceAccount".into());
    let unknown = |found: Found, word: &str| {
        let (outcome, reason, _) = said(&found);
        assert_eq!((outcome, reason.as_str()), (ConditionStatus::Unknown, word));
    };
    unknown(Found { answers: Err("forbidden".into()), ..good.clone() }, reasons::REVIEW_FAILED);
    unknown(Found { answers: Ok(vec![true]), ..good.clone() }, reasons::REVIEW_FAILED);
    unknown(Found { privileged_pod: unclear(), ..good.clone() }, reasons::TRIAL_FAILED);
    unknown(Found { marks: unclear(), ..good.clone() }, reasons::TRIAL_FAILED);
    let broken = |found: Found, word: &str| {
        let (outcome, reason, _) = said(&found);
        assert_eq!((outcome, reason.as_str()), (ConditionStatus::False, word));
    };
    broken(Found { privileged_pod: Trial::Done, ..good.clone() }, reasons::POD_SECURITY_NOT_ENFORCED);
    broken(Found { level: Trial::Done, ..good.clone() }, reasons::GUARDS_MISSING);
    // What is wrong goes before what isn't known.
    broken(Found { answers: Err("x".into()), marks: Trial::Done, ..good }, reasons::GUARDS_MISSING);
}

#[test]
fn only_the_right_refusal_counts() {
    let said = |words: &str| Err(words.to_owned());
    let privileged =
        "forbidden: pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": privileged";
    assert_eq!(by_pod_security(said(privileged)), Trial::Refused);
    assert_eq!(by_pod_security(Ok(())), Trial::Done);
    for other in
        ["exceeded quota: tenantry-quota", "ValidatingAdmissionPolicy 'tenantry-pods' with binding denied"]
    {
        assert_eq!(by_pod_security(said(other)), Trial::Unclear(other.into()));
    }
    let guarded = "refused: namespaces \"x\" is forbidden: ValidatingAdmissionPolicy 'tenantry-marks' with binding 'tenantry-marks' denied request";
    assert_eq!(by_guard(said(guarded), "tenantry-marks"), Trial::Refused);
    assert!(matches!(by_guard(said(guarded), "tenantry-namespaces"), Trial::Unclear(_)));
    assert_eq!(by_guard(Ok(()), "tenantry-marks"), Trial::Done);
}

#[test]
fn evidence_grows_old_and_speaks_of_one_subject() {
    let proof = proof(&questions(), "s".into(), &right(&questions()), now());
    assert!(is_valid(&proof, "s", now() + SignedDuration::from_hours(12)));
    assert!(!is_valid(&proof, "s", now() + SignedDuration::from_hours(13)));
    assert!(!is_valid(&proof, "another", now()));
    assert!(!is_valid(&proof, "s", now() - SignedDuration::from_hours(31 * 24)), "a clock went back");
}
