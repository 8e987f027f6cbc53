//! The part of the trust root that stands in `spec.backups`: where every Tenant's data goes, with whose credentials, what
//! its keys are wrapped with, and what keeps restore points from going early. Only the cluster says it; schedules,
//! deadlines, budgets and drills may come from Git.

use crate::api::{backup::Backups, conditions::reasons, platform::PlatformSpec};

use super::problem::Problem;

const BASE: &str = "/spec/backups";

/// What a file may not say of backups where the cluster says `live`. Longer retention and tighter brakes are nobody's
/// danger.
#[must_use]
pub fn held(live: &PlatformSpec, file: &PlatformSpec) -> Vec<Problem> {
    match (&live.backups, &file.backups) {
        // Left out is no instruction: the cluster's stay.
        (_, None) => Vec::new(),
        (None, Some(_)) => {
            vec![problem(
                "",
                "where backups go can't be said first by the repository of those who are backed up",
            )]
        }
        (Some(live), Some(file)) => changes(live, file),
    }
}

/// What a file may not change.
#[must_use]
pub fn changes(live: &Backups, file: &Backups) -> Vec<Problem> {
    let from = "can't be changed from the repository of those who are backed up";
    let looser = |field: &str, now: u32, then: u32| {
        problem(field, &format!("{then} instead of {now} {from}: restore points would be lost, or not made"))
    };
    let mut found = Vec::new();
    if live.store != file.store {
        found.push(problem(
            "/store",
            &format!("the store of backups (its address, account, credentials, role, lock) {from}"),
        ));
    }
    if live.key != file.key {
        found.push(problem("/key", &format!("what the keys of backups are wrapped with {from}")));
    }
    if file.retention_days < live.retention_days {
        found.push(looser("/retentionDays", live.retention_days, file.retention_days));
    }
    if file.max_deletions_per_hour > live.max_deletions_per_hour {
        found.push(looser("/maxDeletionsPerHour", live.max_deletions_per_hour, file.max_deletions_per_hour));
    }
    if file.least_percent < live.least_percent {
        found.push(looser("/leastPercent", live.least_percent, file.least_percent));
    }
    found
}

fn problem(field: &str, message: &str) -> Problem {
    Problem::new(format!("{BASE}{field}"), message)
        .reason(reasons::TRUST_ROOT_CHANGE)
        .hint("change it with kubectl first, and then say the same in the file")
}

/// Fills in what a file left out and the cluster says: the rules are then what is written, and nothing stops by silence.
pub fn fill(rules: &mut serde_json::Value, live: &PlatformSpec) {
    if let (Some(rules), Some(backups)) = (rules.as_object_mut(), &live.backups) {
        rules.entry("backups").or_insert_with(|| serde_json::json!(backups));
    }
}
