//! What a reader may believe of a status: nothing that an operator who has fallen silent left behind,
//! and nothing that was said of an older spec. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    api::{
        Tenant,
        backup_status::BackupStatus,
        conditions::{Condition, ConditionStatus, ConditionType, find, reasons},
        tenant_status::{ServiceStatus, TenantSummary},
    },
    validate::text::sanitize,
};

/// Age of the Lease's renewal from which on nobody knows what is true.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// The reason of a condition that is no longer believed. Never written, only shown.
pub const NOT_CURRENT: &str = "NotCurrent";

/// Longest message in a table.
const MESSAGE: usize = 2048;

/// Whether somebody keeps the statuses true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The Lease was renewed a moment ago.
    Running,
    /// It was not, and why that is thought.
    Silent(String),
}

/// What was read of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who leads; `None` when it was given up.
    pub holder: Option<String>,
    /// When it was renewed last.
    pub renewed: Option<Timestamp>,
}

impl Operator {
    /// Judges the Lease `name`: what was read of it, `None` when it isn't there, or why it can't be read.
    pub fn of(name: &str, lease: &Result<Option<Heartbeat>, String>, now: Timestamp) -> Self {
        let silent = |why: String| Self::Silent(format!("the operator is not running: {why}"));
        let beat = match lease {
            Ok(Some(beat)) => beat,
            Ok(None) => return silent(format!("there is no Lease {name}")),
            Err(error) => {
                return Self::Silent(format!(
                    "whether the operator runs is not known: Lease {name} can't be read: {error}"
                ));
            }
        };
        let Some(renewed) = beat.renewed.filter(|_| beat.holder.is_some()) else {
            return silent(format!("nobody holds Lease {name}"));
        };
        let age = now.duration_since(renewed);
        if age > SILENCE {
            return silent(format!("Lease {name} was renewed {} ago", for_people(age)));
        }
        if age < -SILENCE {
            // Clocks lie: a time that is yet to come says nothing about now.
            let ahead = for_people(-age);
            return Self::Silent(format!(
                "whether the operator runs is not known: Lease {name} was renewed {ahead} in the future"
            ));
        }
        Self::Running
    }
}

/// A Tenant as a reader may believe it. The names are those of `--output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its Platform.
    pub platform: String,
    /// Its workload namespace.
    pub namespace: String,
    /// What the spec says.
    pub lifecycle: String,
    /// True, False or Unknown.
    pub ready: ConditionStatus,
    /// Why.
    pub message: String,
    /// What the columns of `kubectl get` show.
    pub summary: TenantSummary,
    /// When it was made.
    pub created: Option<String>,
    /// What is believed.
    pub conditions: Vec<Condition>,
    /// Services and where their pods were.
    pub services: Vec<ServiceStatus>,
    /// Restore points, and the last words of runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<BackupStatus>,
}

/// What may be believed of a Tenant.
pub fn view(tenant: &Tenant, operator: &Operator) -> View {
    let status = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation.unwrap_or_default();
    let conditions: Vec<Condition> =
        status.conditions.into_iter().map(|one| believed(one, generation, operator)).collect();
    let (ready, message) = match (find(&conditions, ConditionType::Ready), operator) {
        (Some(ready), _) => (ready.status, ready.message.clone()),
        (None, Operator::Silent(why)) => (ConditionStatus::Unknown, why.clone()),
        (None, Operator::Running) => {
            (ConditionStatus::Unknown, "the operator has said nothing about it yet".to_owned())
        }
    };
    View {
        name: tenant.metadata.name.clone().unwrap_or_default(),
        platform: tenant.spec.platform_ref.name.clone(),
        namespace: tenant.namespace().to_owned(),
        lifecycle: format!("{:?}", tenant.spec.lifecycle),
        ready,
        message: sanitize(&message, MESSAGE),
        summary: status.summary,
        created: tenant.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        conditions,
        services: status.services,
        backups: status.backups,
    }
}

/// A Tenant that this version can't read.
pub fn unreadable(name: &str, error: &str) -> View {
    View {
        name: name.to_owned(),
        platform: String::new(),
        namespace: String::new(),
        lifecycle: String::new(),
        ready: ConditionStatus::Unknown,
        message: sanitize(&format!("this version can't read it: {error}"), MESSAGE),
        summary: TenantSummary::default(),
        created: None,
        conditions: Vec::new(),
        services: Vec::new(),
        backups: Vec::new(),
    }
}

fn believed(condition: Condition, generation: i64, operator: &Operator) -> Condition {
    let why = match operator {
        // The watchdog was here before us.
        Operator::Silent(_) if condition.reason == reasons::OPERATOR_NOT_RUNNING => {
            let message = sanitize(&condition.message, MESSAGE);
            return Condition { message, ..condition };
        }
        Operator::Silent(why) => why.clone(),
        Operator::Running if condition.observed_generation < generation => format!(
            "the operator has not seen the present spec yet: it speaks of generation {}, not {generation}",
            condition.observed_generation
        ),
        Operator::Running => {
            let message = sanitize(&condition.message, MESSAGE);
            return Condition { message, ..condition };
        }
    };
    let said = format!("{}, {}: {}", condition.status.as_str(), condition.reason, condition.message);
    Condition {
        status: ConditionStatus::Unknown,
        reason: NOT_CURRENT.to_owned(),
        message: sanitize(&format!("{why}; last said: {said}"), MESSAGE),
        ..condition
    }
}

/// `45s`, `12m`, `5h`, `3d`: as kubectl shows ages.
pub fn for_people(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// The age of something with an RFC 3339 time; nothing where there is none.
pub fn since(time: &str, now: Timestamp) -> String {
    time.parse::<Timestamp>().map(|time| for_people(now.duration_since(time))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is a failed test

    use super::*;
    use crate::api::{tenant::TenantSpec, tenant_status::TenantStatus};

    const LEASE: &str = "tenantry-system/tenantry";

    fn now() -> Timestamp {
        "2026-05-04T10:00:00Z".parse().unwrap()
    }

    fn operator(holder: Option<&str>, seconds: i64) -> Operator {
        let renewed = Timestamp::from_second(now().as_second() - seconds).ok();
        let beat = Heartbeat { holder: holder.map(str::to_owned), renewed };
        Operator::of(LEASE, &Ok(Some(beat)), now())
    }

    fn tenant(observed: i64, generation: i64) -> Tenant {
        let spec: TenantSpec =
            serde_json::from_value(serde_json::json!({"platformRef": {"name": "prod"}})).unwrap();
        let mut tenant = Tenant::new("acme", spec);
        tenant.metadata.generation = Some(generation);
        let ready = Condition {
            type_: "Ready".into(),
            status: ConditionStatus::True,
            observed_generation: observed,
            last_transition_time: "2026-05-04T09:00:00Z".into(),
            reason: "Succeeded".into(),
            message: "applied\u{202e}".into(),
        };
        tenant.status = Some(TenantStatus { conditions: vec![ready], ..TenantStatus::default() });
        tenant
    }

    #[test]
    fn a_fresh_lease_is_believed() {
        assert_eq!(operator(Some("me"), 0), Operator::Running);
        assert_eq!(operator(Some("me"), 60), Operator::Running);
        assert_eq!(operator(Some("me"), -60), Operator::Running);
        let view = view(&tenant(3, 3), &Operator::Running);
        assert_eq!((view.ready, view.message.as_str()), (ConditionStatus::True, "applied\\u{202e}"));
    }

    #[test]
    fn silence_makes_everything_unknown() {
        let words = |operator| match operator {
            Operator::Silent(why) => why,
            Operator::Running => "running".to_owned(),
        };
        assert_eq!(
            words(operator(Some("me"), 61)),
            format!("the operator is not running: Lease {LEASE} was renewed 61s ago")
        );
        assert_eq!(
            words(operator(None, 1)),
            format!("the operator is not running: nobody holds Lease {LEASE}")
        );
        assert!(words(operator(Some("me"), -61)).contains("in the future"));
        let silent = Operator::of(LEASE, &Ok(None), now());
        assert_eq!(words(silent.clone()), format!("the operator is not running: there is no Lease {LEASE}"));
        assert!(words(Operator::of(LEASE, &Err("forbidden".into()), now())).contains("not known"));
        let view = view(&tenant(3, 3), &silent);
        assert_eq!((view.ready, view.conditions[0].reason.as_str()), (ConditionStatus::Unknown, NOT_CURRENT));
        assert!(view.message.ends_with("last said: True, Succeeded: applied\\u{202e}"), "{}", view.message);
    }

    #[test]
    fn what_the_watchdog_said_is_not_said_twice() {
        let mut tenant = tenant(3, 3);
        let said = Condition {
            status: ConditionStatus::Unknown,
            reason: reasons::OPERATOR_NOT_RUNNING.to_owned(),
            message: "no operator".to_owned(),
            ..tenant.status.clone().unwrap().conditions[0].clone()
        };
        tenant.status.as_mut().unwrap().conditions = vec![said.clone()];
        assert_eq!(view(&tenant, &operator(Some("me"), 61)).conditions, [said]);
    }

    #[test]
    fn an_older_spec_says_nothing_of_the_present_one() {
        assert_eq!(view(&tenant(2, 3), &Operator::Running).ready, ConditionStatus::Unknown);
        let mut new = tenant(3, 3);
        new.status = None;
        assert_eq!(view(&new, &Operator::Running).ready, ConditionStatus::Unknown);
    }

    #[test]
    fn ages_read_as_in_kubectl() {
        let age = |seconds| for_people(SignedDuration::from_secs(seconds));
        assert_eq!([age(-5), age(59), age(119), age(120), age(7200)], ["0s", "59s", "119s", "2m", "2h"]);
        assert_eq!(age(14 * 86400), "14d");
        assert_eq!(since("2026-05-04T09:00:00Z", now()), "60m");
        assert_eq!(since("", now()), "");
    }
}
