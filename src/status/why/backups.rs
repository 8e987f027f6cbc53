//! Why restore points can't be relied on: the run, the line of its log that matters, the next step.

use crate::{
    api::{
        backup_status::RunResult,
        conditions::{Condition, ConditionType, reasons},
    },
    backup::{hold::reasons as held, record::reasons as runs},
    status::reader::View,
    validate::text::sanitize,
};

use super::LINE;

/// The runs behind it, each with its last words.
pub(super) fn behind(view: &View, condition: &Condition) -> Vec<String> {
    let line = |what: &str, name: &str, reason: &str, message: &str, log: &str| {
        let told = [message, log].into_iter().filter(|text| !text.is_empty());
        let told: String = told.map(|text| format!(": {text}")).collect();
        sanitize(&format!("{what} {name}: {reason}{told}"), LINE)
    };
    let mut lines = Vec::new();
    for one in &view.backups {
        let run = one.last_run.as_ref().filter(|run| run.result == RunResult::Failed);
        let drill = one.last_drill.as_ref().filter(|drill| drill.result == RunResult::Failed);
        if let Some(run) = run.filter(|_| condition.type_ == ConditionType::BackupsCurrent.as_str()) {
            lines.push(line("Backup", &run.name, &run.reason, &run.message, &run.log_line));
        }
        if let Some(drill) = drill.filter(|_| condition.type_ == ConditionType::RestoreVerified.as_str()) {
            lines.push(line("Drill", &drill.name, &drill.reason, &drill.message, &drill.log_line));
        }
    }
    lines.truncate(super::MOST);
    lines
}

/// The next step of a reason of backups.
pub(super) fn step(name: &str, space: &str, reason: &str) -> Option<String> {
    let jobs = format!("kubectl -n {space}-backup get jobs,pods");
    Some(match reason {
        reasons::UNCOVERED | reasons::VOLUME_NOT_SUPPORTED => {
            "list it in the Tenant's spec, or leave it out in spec.backupExclusions with a reason".to_owned()
        }
        reasons::NO_BACKUP_YET | reasons::NOT_DRILLED_YET => format!("watch the runs: {jobs} -w"),
        reasons::BACKUP_OVERDUE
        | reasons::BACKUP_FAILED
        | reasons::RETENTION_NOT_EXACT
        | runs::INTERRUPTED
        | runs::DEADLINE_EXCEEDED
        | runs::DUMP_FAILED
        | runs::SNAPSHOT_FAILED
        | runs::PARTIAL_READ
        | runs::LOCK_HELD
        | runs::NOT_DURABLE => format!("see the runs and their logs: {jobs}"),
        reasons::SNAPSHOTS_LEFT => {
            format!(
                "see why they stay: kubectl get volumesnapshots,pvc -n {space}-backup; kubectl get volumesnapshots -n {space}"
            )
        }
        reasons::BUCKETS_NOT_VERIFIED => {
            "see what the message names: the operator sets a bucket's rules where its credentials may"
                .to_owned()
        }
        held::STORE_UNKNOWN | runs::STORE_UNREACHABLE | runs::CREDENTIALS_EXPIRED => {
            "see what the Platform says of its store: kubectl get platforms -o yaml | grep -A6 StoreReady"
                .to_owned()
        }
        held::MASS_DELETION_HELD => {
            "if that is meant, annotate the Tenant as the message says; nothing is removed until then"
                .to_owned()
        }
        runs::CLOCK_SKEW => {
            "compare the clocks: date -u on the operator's node, and the Date that the store answers with"
                .to_owned()
        }
        reasons::DRILL_LEAK => "end what is left of the drill, as the message says".to_owned(),
        runs::OUT_OF_MEMORY => "raise Platform.spec.backups.postgresql.resources.limits.memory".to_owned(),
        runs::NO_SPACE => {
            "see which node or volume is full: kubectl describe nodes | grep -A3 DiskPressure".to_owned()
        }
        runs::EMPTY_SOURCE | runs::SHRUNKEN => {
            format!(
                "if the data is rightly so small, name the run in acceptShrunken: kubectl edit tenant {name}"
            )
        }
        runs::SOURCE_UNREACHABLE => {
            "check the Secret that connectionSecretRef names, and that server names who answers".to_owned()
        }
        runs::KEY_MISMATCH | runs::REPOSITORY_MISSING | runs::DAMAGED => {
            "touch nothing in the bucket; the README says how older versions are brought back".to_owned()
        }
        runs::ENGINE_VERSION_MISMATCH => {
            "name an image of the server's major version in databases[].image".to_owned()
        }
        _ => return of_drills(name, space, reason),
    })
}

fn of_drills(name: &str, space: &str, reason: &str) -> Option<String> {
    Some(match reason {
        reasons::DRILL_TOO_OLD | reasons::NEVER_DRILLED | reasons::DRILL_FAILED => {
            format!("see the drills: kubectl get restoredrills; kubectl -n {space}-drill get jobs,pods")
        }
        runs::TARGET_TOO_SMALL => "give drills more room: databases[].scratch".to_owned(),
        runs::CHECK_FAILED | runs::RPO_EXCEEDED | runs::RESTORE_FAILED => {
            format!("see what was found: kubectl get tenant {name} -o jsonpath='{{.status.backups}}'")
        }
        runs::KEY_NOT_ALONE | runs::CREDENTIALS_TOO_WIDE => {
            "treat the key or the credentials as known to others: change them, and see who has them"
                .to_owned()
        }
        _ => return None,
    })
}
