//! What a status says while no operator keeps it true: every condition is Unknown, and all else is as it was.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::conditions::{ConditionStatus, ConditionType, reasons};

use super::set::{shorten, whole_second};

/// The status of a Tenant or Platform with nothing in it that somebody could rely on; `None` where it is so
/// already. `lease` is named as where to look.
///
/// As plain JSON: fields that this version doesn't know stay, and an object that it can't read is no exception.
pub fn silenced(status: &Value, lease: &str, now: Timestamp) -> Option<Value> {
    let mut silenced = if status.is_object() { status.clone() } else { json!({}) };
    let why = why(lease);
    let mut conditions =
        silenced["conditions"].as_array_mut().map(std::mem::take).filter(|list| !list.is_empty());
    // Of something that nobody has looked at yet, tools say that it is fine.
    let conditions = conditions.get_or_insert_with(|| vec![json!({"type": ConditionType::Ready.as_str()})]);
    for condition in conditions.iter_mut() {
        silence(condition, &why, now);
    }
    silenced["conditions"] = json!(conditions);
    (silenced != *status).then_some(silenced)
}

fn why(lease: &str) -> String {
    let namespace = lease.split('/').next().unwrap_or_default();
    format!(
        "no operator renews Lease {lease}, so that nothing here can be relied on; look at it: kubectl -n {namespace} get pods,lease"
    )
}

fn silence(condition: &mut Value, why: &str, now: Timestamp) {
    let said = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let (status, reason) = (said("status"), said("reason"));
    let unknown = ConditionStatus::Unknown.as_str();
    if status == unknown && reason == reasons::OPERATOR_NOT_RUNNING {
        return;
    }
    let last = if status.is_empty() {
        String::new()
    } else {
        format!("; last said: {status}, {reason}: {}", said("message"))
    };
    condition["message"] = json!(shorten(format!("{why}{last}")));
    if status != unknown {
        condition["lastTransitionTime"] = json!(whole_second(now));
    }
    condition["status"] = json!(unknown);
    condition["reason"] = json!(reasons::OPERATOR_NOT_RUNNING);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;
    use crate::{
        api::{conditions::Condition, tenant_status::TenantStatus},
        status::set::Conditions,
    };

    const LEASE: &str = "tenantry-system/tenantry";

    fn now() -> Timestamp {
        "2026-05-04T10:00:00.25Z".parse().unwrap()
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "every service has its pods",
            "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    }

    #[test]
    fn every_condition_is_unknown_and_all_else_stays() {
        let status = json!({
            "observedGeneration": 3, "inventory": [{"kind": "Service"}], "ofANewerVersion": {"a": 1},
            "conditions": [
                condition("Isolated", "Unknown", "NotProbed"), condition("Ready", "True", "Succeeded"),
            ],
        });
        let after = silenced(&status, LEASE, now()).unwrap();
        let mut rest = after.clone();
        rest["conditions"] = status["conditions"].clone();
        assert_eq!(rest, status, "all else stays");
        let conditions: Vec<Condition> = serde_json::from_value(after["conditions"].clone()).unwrap();
        for one in &conditions {
            assert_eq!((one.status, one.reason.as_str()), (ConditionStatus::Unknown, "OperatorNotRunning"));
            assert_eq!(one.observed_generation, 3);
            assert!(one.message.contains("kubectl -n tenantry-system get pods,lease"), "{}", one.message);
        }
        let times: Vec<&str> = conditions.iter().map(|one| one.last_transition_time.as_str()).collect();
        assert_eq!(times, ["2026-01-01T00:00:00Z", "2026-05-04T10:00:00Z"], "it was Unknown before");
        let said = &conditions[1].message;
        assert!(said.ends_with("last said: True, Succeeded: every service has its pods"), "{said}");
        assert_eq!(silenced(&after, LEASE, now()), None, "said once");
    }

    #[test]
    fn what_nobody_has_looked_at_is_not_ready() {
        for status in [Value::Null, json!({}), json!({"conditions": []}), json!({"inventory": []})] {
            let after = silenced(&status, LEASE, now()).unwrap();
            let status: TenantStatus = serde_json::from_value(after.clone()).unwrap();
            assert_eq!(status.conditions.len(), 1);
            assert_eq!(status.conditions[0].type_, "Ready");
            assert!(!status.conditions[0].message.contains("last said"));
            assert_eq!(silenced(&after, LEASE, now()), None);
        }
    }

    /// Nothing of it stands once there is an operator, also where that has not looked yet.
    #[test]
    fn an_operator_that_is_back_keeps_no_word_of_it() {
        let after =
            silenced(&json!({"conditions": [condition("SourceSynced", "True", "Succeeded")]}), LEASE, now());
        let previous: Vec<Condition> = serde_json::from_value(after.unwrap()["conditions"].clone()).unwrap();
        let mut conditions = Conditions::new(&previous, 4, now());
        conditions.keep(ConditionType::SourceSynced);
        let kept = conditions.finish();
        assert_eq!((kept[0].status, kept[0].reason.as_str()), (ConditionStatus::Unknown, "InputUnreadable"));
        assert_eq!(kept[0].last_transition_time, previous[0].last_transition_time);
    }

    #[test]
    fn a_long_message_stays_within_its_bounds() {
        let mut one = condition("Ready", "False", "InvalidSpec");
        one["message"] = json!("é".repeat(2000));
        let after = silenced(&json!({"conditions": [one]}), LEASE, now()).unwrap();
        assert!(after["conditions"][0]["message"].as_str().unwrap().len() < 4096);
    }
}
