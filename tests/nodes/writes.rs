//! The operator's writes, held against its promises: the API server's record is the witness.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::support::{Outcome, objects::text};

/// Time before the Lease's end in which nothing may be written any more.
const MARGIN: Duration = Duration::from_secs(2);
/// A write that was sent in time may reach a busy API server a moment later.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// A write, as the API server has recorded it.
pub struct Write<'e> {
    pub at: Timestamp,
    /// The Pod whose token it came with.
    pub pod: &'e str,
    pub verb: &'e str,
    pub uri: &'e str,
    resource: &'e str,
    body: &'e Value,
    taken: bool,
}

impl<'e> Write<'e> {
    fn of(event: &'e Value) -> Outcome<Self> {
        let pod = &event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0];
        Ok(Self {
            at: text(event, "/requestReceivedTimestamp").parse()?,
            pod: pod.as_str().unwrap_or_default(),
            verb: text(event, "/verb"),
            uri: text(event, "/requestURI"),
            resource: text(event, "/objectRef/resource"),
            body: &event["requestObject"],
            taken: event["responseStatus"]["code"].as_i64().is_some_and(|code| code < 300),
        })
    }
}

/// The writes of a record, in the order in which they came.
pub fn writes(events: &[Value]) -> Outcome<Vec<Write<'_>>> {
    let mut all: Vec<Write<'_>> = events.iter().map(Write::of).collect::<Outcome<_>>()?;
    all.sort_by_key(|write| write.at);
    Ok(all)
}

/// Deletions among them.
pub fn deletions<'w, 'e>(writes: &'w [Write<'e>]) -> impl Iterator<Item = &'w Write<'e>> {
    writes.iter().filter(|write| write.verb.starts_with("delete"))
}

/// Creations that change nothing: questions, and the token of somebody who may only try.
const QUESTIONS: [&str; 4] =
    ["subjectaccessreviews", "selfsubjectreviews", "tokenreviews", "serviceaccounts"];

/// What is wrong with them: a deletion without UID, a write of a Pod that doesn't lead, or leads by a Lease
/// that is about to end. Kubernetes Events are words, not deeds, and questions are none either.
pub fn judge(writes: &[Write<'_>]) -> Vec<String> {
    let mut leads: Option<(&str, Timestamp)> = None;
    let mut ends: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut wrong = Vec::new();
    for write in writes {
        let line = format!("{} {} {} by {}", write.at, write.verb, write.uri, write.pod);
        if write.pod.is_empty() {
            wrong.push(format!("{line}: from no Pod"));
        }
        if write.verb.starts_with("delete") && text(write.body, "/preconditions/uid").is_empty() {
            wrong.push(format!("{line}: a deletion without UID: {}", write.body));
        }
        match write.resource {
            "events" => {}
            // A ServiceAccount itself is patched, never created by POST: its subresource is.
            resource if QUESTIONS.contains(&resource) && write.verb == "create" => {}
            "leases" if write.taken && text(write.body, "/spec/holderIdentity").is_empty() => {
                ends.remove(write.pod);
            }
            "leases" if write.taken => {
                let seconds = write.body["spec"]["leaseDurationSeconds"].as_i64().unwrap_or_default();
                leads = Some((write.pod, write.at));
                ends.insert(write.pod, write.at + jiff::SignedDuration::from_secs(seconds));
            }
            "leases" => {}
            _ => {
                let last = ends.get(write.pod).map(|end| *end - MARGIN + ON_THE_WAY);
                if last.is_none_or(|last| write.at > last) {
                    wrong.push(format!("{line}: its Lease may be written under until {last:?}"));
                }
                if leads.is_some_and(|(leader, _)| leader != write.pod) {
                    wrong.push(format!("{line}: somebody else leads since {leads:?}"));
                }
            }
        }
    }
    wrong
}

#[test]
fn a_judge_finds_what_is_wrong() -> Outcome {
    let event = |second: u32, pod: &str, verb: &str, resource: &str, body: Value| {
        serde_json::json!({
            "requestReceivedTimestamp": format!("2026-01-01T00:00:{second:02}.000000Z"), "verb": verb,
            "user": {"extra": {"authentication.kubernetes.io/pod-name": [pod]}}, "requestURI": "/x",
            "objectRef": {"resource": resource}, "requestObject": body, "responseStatus": {"code": 200},
        })
    };
    let lease = |second, pod| {
        let spec = serde_json::json!({"spec": {"holderIdentity": pod, "leaseDurationSeconds": 12}});
        event(second, pod, "patch", "leases", spec)
    };
    let patch = |second, pod| event(second, pod, "patch", "services", Value::Null);
    let count = |events: Vec<Value>| -> Outcome<usize> { Ok(judge(&writes(&events)?).len()) };
    assert_eq!(count(vec![lease(0, "a"), patch(10, "a"), lease(20, "b"), patch(21, "b")])?, 0);
    assert_eq!(count(vec![lease(0, "a"), patch(12, "a")])?, 1, "its end is too near");
    assert_eq!(count(vec![lease(0, "a"), lease(1, "b"), patch(2, "a")])?, 1, "somebody else leads");
    assert_eq!(count(vec![patch(2, "a")])?, 1, "it never led");
    assert_eq!(count(vec![event(2, "a", "create", "subjectaccessreviews", Value::Null)])?, 0, "it only asks");
    let delete = event(1, "a", "delete", "services", serde_json::json!({"kind": "DeleteOptions"}));
    assert_eq!(count(vec![lease(0, "a"), delete])?, 1, "no UID");
    Ok(())
}
