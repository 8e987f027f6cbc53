//! A run in the words of a status. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::api::backup_status::{DrillResult, RunResult};

use super::record::Record;

/// A drill or a restore from its record; `message` and `reason` are those of the pod where there is none.
#[must_use]
pub fn result(
    name: &str,
    result: RunResult,
    record: Option<&Record>,
    (reason, message): (&str, &str),
) -> DrillResult {
    let mut told = DrillResult { name: name.to_owned(), result, ..DrillResult::default() };
    let Some(record) = record else {
        told.reason = reason.to_owned();
        told.message = message.to_owned();
        return told;
    };
    told.started.clone_from(&record.started);
    told.reason.clone_from(&record.reason);
    told.message.clone_from(&record.message);
    told.log_line.clone_from(&record.log_line);
    if let Some(found) = &record.restored {
        told.snapshot = found.snapshot.chars().take(12).collect();
        told.rpo_seconds = record.succeeded.then_some(found.rpo_seconds);
        told.rto_seconds = record.succeeded.then_some(found.rto_seconds);
        told.checks = format!("{}/{}", found.passed, found.checks);
        let point = record.started.parse::<Timestamp>().ok();
        let point =
            point.and_then(|start| start.checked_sub(SignedDuration::from_secs(found.rpo_seconds)).ok());
        told.point = point.map(|point| point.to_string()).unwrap_or_default();
    }
    told
}

/// Seconds for people: the two largest units.
#[must_use]
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes, rest) =
        (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m{rest}s"),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in
            [(-3, "0s"), (42, "42s"), (125, "2m5s"), (3 * 3600 + 130, "3h2m"), (90_000, "1d1h")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
