//! What a status says of a tenant's restore points: where they stand, whether they are as old as they may be, and whether
//! they have been restored. From the store as it was seen; where that was too long ago nobody knows.

mod coverage;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        backup_status::{BackupStatus, DrillResult, RunResult, RunStatus},
        data::DataKind,
        tenant::Lifecycle,
    },
    backup::{
        decide::{LOOK, missed},
        drills::p95,
        known::{Kind, Past, Point, RunState, Store},
        retention,
        view::View,
        volumes::name_of,
    },
    validate::{platform::ValidatedPlatform, tenant::ValidatedTenant, text::sanitize},
};

use super::set::{Verdict, whole_second};

/// How far back drills count for percentiles.
const DRILLS: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How old the time of the last look may grow in a status while nothing else changes; less than [`LOOK`].
const RETELL: SignedDuration = SignedDuration::from_mins(8);
/// Most restore points' owners that a status lists: its schema's bound.
const MOST: usize = 48;
/// Longest texts, as the schema has them.
const MESSAGE: usize = 2000;
const LINE: usize = 1000;

/// What a condition shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// What it said: the operator has just begun, and what was seen is young enough.
    AsBefore,
    /// This.
    Is(Verdict),
}

/// What there is to be said of a tenant's backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `status.backups`.
    pub backups: Vec<BackupStatus>,
    /// `BackupsCurrent`, where the spec asks for backups.
    pub current: Option<Said>,
    /// `RetentionExact`, where it asks for backups of databases or volumes.
    pub retention: Option<Said>,
    /// `RestoreVerified`, where it asks for backups of databases or volumes.
    pub verified: Option<Said>,
    /// `status.summary.lastBackup`.
    pub last_backup: Option<String>,
    /// `status.summary.lastDrill`.
    pub last_drill: Option<String>,
}

/// Tells. `claims` are those in the tenant's namespace, `previous` is `status.backups` as it was.
#[must_use]
pub fn tell(
    view: Option<&View>,
    (tenant, claims): (&ValidatedTenant, &BTreeSet<String>),
    platform: &ValidatedPlatform,
    previous: &[BackupStatus],
    now: Timestamp,
) -> Told {
    let seen =
        view.and_then(|view| Some((view, view.store.as_deref().filter(|store| is_young(store, now))?)));
    let backups = match seen {
        Some((view, store)) => {
            let mut list = statuses(view, store, now);
            list.iter_mut().for_each(|one| calm(one, previous, now));
            list
        }
        None => previous.to_vec(),
    };
    let mut told = Told { backups, ..Told::default() };
    let is_listed = |one: &&BackupStatus| match one.kind {
        DataKind::PersistentVolumeClaim => tenant.volumes.iter().any(|own| own.name == one.name),
        _ => tenant.databases.iter().any(|own| own.name == one.name),
    };
    let listed = || told.backups.iter().filter(is_listed);
    let oldest = |time: fn(&BackupStatus) -> &Option<String>| {
        let times: Option<Vec<&String>> = listed().map(|one| time(one).as_ref()).collect();
        times.and_then(|times| times.into_iter().min().cloned())
    };
    (told.last_backup, told.last_drill) = (oldest(|one| &one.newest), oldest(|one| &one.verified_at));
    let Some(backups) = &platform.backups else { return told };
    let uncovered = coverage::uncovered(tenant, claims, seen.map(|(_, store)| store));
    if tenant.lifecycle != Lifecycle::Active || !(asks(tenant) || uncovered.is_some()) {
        return told;
    }
    let max_age = SignedDuration::from_secs(backups.drills.max_age.whole_seconds());
    told.current = Some(match (seen, uncovered) {
        (Some((view, store)), uncovered) => Said::Is(verdicts::current(view, store, tenant, uncovered, now)),
        // The cluster alone says that: no look into the store could make it better.
        (None, Some(uncovered)) => Said::Is(uncovered),
        (None, None) => unseen(view, previous, now),
    });
    if tenant.databases.is_empty() && tenant.volumes.is_empty() {
        return told;
    }
    told.retention = Some(match seen {
        Some((view, store)) => Said::Is(verdicts::retention(view, store, now)),
        None => unseen(view, previous, now),
    });
    told.verified = Some(match seen {
        Some((view, store)) => Said::Is(verdicts::verified(view, store, max_age, now)),
        None => unseen(view, previous, now),
    });
    told
}

/// Whether anything is listed that has to be backed up.
fn asks(tenant: &ValidatedTenant) -> bool {
    !(tenant.databases.is_empty() && tenant.volumes.is_empty() && tenant.buckets.is_empty())
}

fn is_young(store: &Store, now: Timestamp) -> bool {
    now.duration_since(store.observed_at).abs() <= LOOK
}

/// Without a look: what was said stands as long as what it stands on is young enough.
fn unseen(view: Option<&View>, previous: &[BackupStatus], now: Timestamp) -> Said {
    let times = previous.iter().filter_map(|one| one.observed_at.parse::<Timestamp>().ok());
    if times.max().is_some_and(|seen| now.duration_since(seen).abs() <= LOOK) {
        return Said::AsBefore;
    }
    Said::Is(verdicts::unknown(view))
}

/// A look that found nothing new is news only when the last one that was told of grows old: a quiet cluster is written
/// little.
fn calm(one: &mut BackupStatus, previous: &[BackupStatus], now: Timestamp) {
    let Some(before) = previous.iter().find(|before| (&before.name, before.kind) == (&one.name, one.kind))
    else {
        return;
    };
    let age = before.observed_at.parse::<Timestamp>().map(|seen| now.duration_since(seen));
    let same = BackupStatus { observed_at: one.observed_at.clone(), ..before.clone() } == *one;
    if same && age.is_ok_and(|age| age.abs() <= RETELL) {
        one.observed_at.clone_from(&before.observed_at);
    }
}

/// What each database has, those that are no longer listed too: their restore points stay.
fn statuses(view: &View, store: &Store, now: Timestamp) -> Vec<BackupStatus> {
    let listed = view.settings.databases.iter().map(|one| one.name.as_str());
    let had = store.points.iter().map(|point| point.database.as_str());
    let names: BTreeSet<&str> = listed.chain(had).collect();
    names.into_iter().take(MOST).map(|name| status(view, store, name, now)).collect()
}

fn status(view: &View, store: &Store, name: &str, now: Timestamp) -> BackupStatus {
    let points = store.points_of(name);
    let time = |point: Option<&&Point>| point.map(|point| whole_second(point.time));
    let settings = view.settings.databases.iter().find(|one| one.name == name);
    let due = view.decision.databases.iter().find(|one| one.database == name);
    let drills = drills(store, name);
    let passed = || drills.iter().filter(|past| past.succeeded);
    let recent = || passed().filter(|past| now.duration_since(past.started) <= DRILLS);
    let measure = |of: fn(&Past) -> Option<i64>| p95(recent().filter_map(|past| of(past)).collect());
    let volume = name_of(name);
    BackupStatus {
        name: volume.unwrap_or(name).to_owned(),
        kind: if volume.is_some() { DataKind::PersistentVolumeClaim } else { DataKind::Database },
        observed_at: whole_second(store.observed_at),
        newest: time(points.last()),
        oldest: time(points.first()),
        points: count(points.len()),
        bytes: points.last().map_or(0, |point| i64::try_from(point.size.bytes).unwrap_or(i64::MAX)),
        future_dated: count(points.iter().filter(|one| one.is_future_dated()).count()),
        overdue: count(
            view.settings
                .databases
                .iter()
                .filter(|one| one.name == name)
                .map(|_| retention::overdue_of(&view.settings, store, name, now))
                .sum(),
        ),
        gone_early: view.gone_early.get(name).copied().unwrap_or_default(),
        locked_percent: points.last().and_then(|point| view.locked.get(&point.generation).copied()),
        next_run: settings.and(due).and_then(|due| due.next).map(whole_second),
        missed: settings
            .map_or(0, |one| count(missed(&one.schedule, name, store, view.settings.retention_days, now))),
        last_run: last_run(view, store, name),
        last_drill: drills.last().map(|past| drill(view, past)),
        verified_at: passed().map(|past| past.started).max().map(whole_second),
        rto_p95_seconds: measure(|past| past.details.as_ref()?.rto_seconds),
        rpo_p95_seconds: measure(|past| {
            past.details.as_ref()?.rpo_seconds.filter(|_| past.kind == Kind::Drill)
        }),
    }
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// Drills of one database that have ended, the oldest first.
fn drills<'a>(store: &'a Store, database: &str) -> Vec<&'a Past> {
    let all = store.past.iter().filter(|past| past.kind.is_drill() && past.database == database);
    let mut all: Vec<&Past> = all.collect();
    all.sort_by_key(|past| past.started);
    all
}

/// The run that goes on, or the last that ended: from the store, or, where a killed one left nothing there, from its Job.
fn last_run(view: &View, store: &Store, database: &str) -> Option<RunStatus> {
    let runs = || view.runs.iter().filter(|run| run.kind == Kind::Backup && run.database == database);
    if let Some(run) = runs().find(|run| run.state == RunState::Active) {
        return Some(RunStatus {
            name: run.job.clone(),
            slot: run.slot.map(whole_second).unwrap_or_default(),
            result: RunResult::Running,
            ..RunStatus::default()
        });
    }
    let told = store.past_of(Kind::Backup, database).cloned();
    let past = told.chain(runs().filter_map(crate::backup::known::Run::past)).max_by_key(|past| {
        // The same run in both: the store's word counts more.
        (past.started, past.details.is_some())
    })?;
    let (message, log_line) = words(view, &past);
    Some(RunStatus {
        slot: past.slot.map(whole_second).unwrap_or_default(),
        result: if past.succeeded { RunResult::Succeeded } else { RunResult::Failed },
        ended: Some(whole_second(past.ended)),
        seconds: Some(past.ended.duration_since(past.started).as_secs()),
        reason: past.reason.clone(),
        name: past.id,
        message,
        log_line,
    })
}

/// Why it failed, and the line of the log.
fn words(view: &View, past: &Past) -> (String, String) {
    let told = past.details.as_ref().map(|details| (&details.message, &details.log_line));
    let told = told.or_else(|| view.words.get(&past.id).map(|(message, line)| (message, line)));
    told.map(|(message, line)| (sanitize(message, MESSAGE), sanitize(line, LINE))).unwrap_or_default()
}

fn drill(view: &View, past: &Past) -> DrillResult {
    let (message, log_line) = words(view, past);
    let details = past.details.as_deref();
    let rpo = details.and_then(|one| one.rpo_seconds);
    let point = rpo.and_then(|rpo| past.started.checked_sub(SignedDuration::from_secs(rpo)).ok());
    DrillResult {
        name: past.id.clone(),
        result: if past.succeeded { RunResult::Succeeded } else { RunResult::Failed },
        started: whole_second(past.started),
        snapshot: details.map(|one| one.snapshot.chars().take(12).collect()).unwrap_or_default(),
        point: point.map(whole_second).unwrap_or_default(),
        rpo_seconds: rpo,
        rto_seconds: details.and_then(|one| one.rto_seconds),
        checks: details.map(|one| format!("{}/{}", one.checks.0, one.checks.1)).unwrap_or_default(),
        reason: past.reason.clone(),
        message,
        log_line,
    }
}
