//! Runs that have ended, as records tell of them. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    known::Kind,
    record::{Neighbours, Record, reasons},
};

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its Job.
    pub id: String,
    /// What it was for.
    pub kind: Kind,
    /// The database, where it is about one.
    pub database: String,
    /// The slot that it filled, if any.
    pub slot: Option<Timestamp>,
    /// Generation of the repository.
    pub generation: u32,
    /// By the Job's clock.
    pub started: Timestamp,
    /// See `started`.
    pub ended: Timestamp,
    /// Whether it is good.
    pub succeeded: bool,
    /// `Succeeded`, or why not.
    pub reason: String,
    /// Snapshots that it removed.
    pub removed: u32,
    /// What people want to know of it; `None` where there is nothing to be said, or nobody asks any more.
    pub details: Option<Box<Details>>,
}

/// What people want to know of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Why it failed: what, where, the next step.
    pub message: String,
    /// The line of a program's output that matters.
    pub log_line: String,
    /// The snapshot that a drill restored.
    pub snapshot: String,
    /// Seconds between the time found in the restored data and the drill's start.
    pub rpo_seconds: Option<i64>,
    /// Seconds from the start to the end of the checks.
    pub rto_seconds: Option<i64>,
    /// Checks that held, of all.
    pub checks: (u32, u32),
    /// What else is on the server that was dumped.
    pub neighbours: Option<Neighbours>,
}

impl Past {
    /// From a record; `None` where its kind or times can't be read.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let restored = record.restored.as_ref();
        let details = Details {
            message: record.message.clone(),
            log_line: record.log_line.clone(),
            snapshot: restored.map(|one| one.snapshot.clone()).unwrap_or_default(),
            rpo_seconds: restored.map(|one| one.rpo_seconds),
            rto_seconds: restored.map(|one| one.rto_seconds),
            checks: restored.map(|one| (one.passed, one.checks)).unwrap_or_default(),
            neighbours: record.neighbours.clone(),
        };
        Some(Self {
            id: record.id.clone(),
            kind: Kind::of(&record.id).or_else(|| Kind::of(&record.kind))?,
            database: record.database.clone(),
            slot: record.slot.parse().ok(),
            generation: record.generation,
            started: record.started.parse().ok()?,
            ended: record.ended.parse().ok()?,
            succeeded: record.succeeded,
            reason: record.reason.clone(),
            removed: u32::try_from(record.removed.len()).unwrap_or(u32::MAX),
            details: Some(details).filter(|details| *details != Details::default()).map(Box::new),
        })
    }

    /// Sorts, the oldest first, and forgets the words of all but the newest run of each kind and database: thousands of
    /// records cost little. What drills measured stays, what the newest look at a server's databases found, and what
    /// names damage.
    pub fn thin(list: &mut [Self]) {
        list.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        let mut seen: BTreeSet<(Kind, String)> = BTreeSet::new();
        let mut servers: BTreeSet<String> = BTreeSet::new();
        for past in list.iter_mut().rev() {
            let newest = seen.insert((past.kind, past.database.clone()));
            let Some(details) = &mut past.details else { continue };
            let telling = details.neighbours.is_some() && servers.insert(past.database.clone());
            if !telling {
                details.neighbours = None;
            }
            if newest || past.reason == reasons::DAMAGED {
                continue;
            }
            details.message = String::new();
            details.log_line = String::new();
            if !telling && details.rto_seconds.is_none() {
                past.details = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_keep_their_words() {
        let record = |n: u32, kind: &str, restored: bool| Record {
            version: 1,
            kind: kind.into(),
            id: format!("{kind}-app-{n}"),
            install_id: "i".into(),
            platform: "shop".into(),
            tenant: "acme".into(),
            database: "app".into(),
            slot: String::new(),
            generation: 1,
            started: format!("2026-11-{n:02}T00:00:00Z"),
            ended: format!("2026-11-{n:02}T00:01:00Z"),
            store_clock_ahead_seconds: 0,
            succeeded: false,
            reason: "DumpFailed".into(),
            message: "the dump failed".into(),
            log_line: "pg_dump: error".into(),
            point: None,
            neighbours: None,
            restored: restored.then(crate::backup::record::Restored::default),
            removed: vec![],
            programs: vec![],
            phases: vec![],
        };
        let records = [record(2, "backup", false), record(3, "backup", false), record(1, "backup", false)];
        let drills = [record(4, "drill", true), record(5, "drill", true)];
        let mut list: Vec<Past> = records.iter().chain(&drills).filter_map(Past::of).collect();
        Past::thin(&mut list);
        let words: Vec<bool> = list
            .iter()
            .map(|past| past.details.as_ref().is_some_and(|one| !one.log_line.is_empty()))
            .collect();
        assert_eq!(words, [false, false, true, false, true], "{list:?}");
        assert_eq!(list[3].details.as_ref().unwrap().rto_seconds, Some(0), "measures stay");

        // Damage is named as long as it is there, whatever later looks at other parts say.
        let damaged = Record { reason: reasons::DAMAGED.into(), ..record(1, "check", false) };
        let mut list: Vec<Past> = [damaged, record(2, "check", false)].iter().filter_map(Past::of).collect();
        Past::thin(&mut list);
        assert_eq!(list[0].details.as_ref().map(|one| one.log_line.as_str()), Some("pg_dump: error"));

        // The newest run failed before it could look around; what the one before saw is still known.
        let beside = |n: u32| Neighbours::of("app".into(), vec![format!("shop{n}")]);
        let mut records =
            [record(1, "backup", false), record(2, "backup", false), record(3, "backup", false)];
        (records[0].neighbours, records[1].neighbours) = (Some(beside(1)), Some(beside(2)));
        let mut list: Vec<Past> = records.iter().filter_map(Past::of).collect();
        Past::thin(&mut list);
        let found: Vec<_> =
            list.iter().filter_map(|past| past.details.as_ref()?.neighbours.clone()).collect();
        assert_eq!(found, [beside(2)]);
    }
}
