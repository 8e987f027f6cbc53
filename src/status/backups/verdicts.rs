//! Whether the promises of backups are kept.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        conditions::{ConditionType, reasons},
        promises::TABLE,
    },
    backup::{
        decide::Due,
        drills::{self, Verified},
        hold::{self, Hold},
        known::{Database, Kind, Past, Store},
        record::reasons as runs,
        retention,
        view::View,
    },
    validate::tenant::ValidatedTenant,
};

use crate::status::set::Verdict;

/// How late a restore point may be: a run has to wait for its turn, and takes its time.
const LATE: SignedDuration = SignedDuration::from_hours(2);

/// How old a look at a bucket of files may be: three are missed then.
const FILES_LAST: SignedDuration = SignedDuration::from_hours(3);

/// Nobody has looked into the store lately.
pub(super) fn unknown(view: Option<&View>) -> Verdict {
    let seen = view.and_then(|view| view.store.as_ref()).map(|store| store.observed_at);
    let problem = view.map(|view| view.problem.as_str()).filter(|problem| !problem.is_empty());
    let message = Hold::StoreUnknown { seen }.to_string();
    let message = problem.map_or_else(|| message.clone(), |problem| format!("{message}; {problem}"));
    Verdict::unknown(hold::reasons::STORE_UNKNOWN, message)
}

/// Whether everything is backed up, as often as it has to be and for as long.
pub(super) fn current(
    view: &View,
    store: &Store,
    tenant: &ValidatedTenant,
    uncovered: Option<Verdict>,
    now: Timestamp,
) -> Verdict {
    let mut wrong: Vec<Verdict> = uncovered.into_iter().collect();
    for database in &view.settings.databases {
        if let Some(why) = &database.unsupported {
            let message = format!(
                "{}: {why}; or leave its claim out in spec.backupExclusions with a reason",
                database.words()
            );
            wrong.push(Verdict::no(reasons::VOLUME_NOT_SUPPORTED, message));
            continue;
        }
        let due = view.decision.databases.iter().find(|due| due.database == database.name);
        wrong.extend(one(view, store, database, due, now));
    }
    if !view.left.is_empty() {
        let message = format!(
            "runs of volumes left behind: {}; nobody needs them any more, and they cost room: see why they can't be removed (kubectl describe)",
            view.left.join(", ")
        );
        wrong.push(Verdict::no(reasons::SNAPSHOTS_LEFT, message));
    }
    wrong.extend(drills::damaged(store).into_iter().take(3).map(|past| damaged(view, past)));
    // What holds up expiry is about retention, and said there.
    let about = |hold: &&Hold| !matches!(hold, Hold::ClockUnproven { .. } | Hold::MassDeletion { .. });
    let held = view.decision.holds.iter().filter(about);
    wrong.extend(held.map(|hold| Verdict::no(hold.reason(), hold.to_string())));
    wrong.extend(tenant.buckets.iter().filter_map(|bucket| files(view, &bucket.name, now)));
    sum(wrong).unwrap_or_else(|| good(view, store))
}

/// Whether restore points stay as long as they have to, and no longer: as the store has them.
pub(super) fn retention(view: &View, store: &Store, now: Timestamp) -> Verdict {
    let days = view.settings.retention_days;
    let mut wrong = Vec::new();
    let gone: u32 = view.gone_early.values().sum();
    if gone > 0 {
        let of: Vec<String> =
            view.gone_early.iter().map(|(name, many)| format!("{many} of {name}")).collect();
        wrong.push(Verdict::no(reasons::RETENTION_NOT_EXACT, format!(
            "{gone} restore points are gone from the store that are younger than {days} days ({}): nobody may remove them; see the store's own log for who did, and bring older versions of their objects back",
            of.join(", ")
        )));
    }
    let held = view.decision.holds.iter().find(|hold| matches!(hold, Hold::MassDeletion { .. }));
    wrong.extend(held.map(|hold| Verdict::no(hold.reason(), hold.to_string())));
    let overdue = retention::overdue(&view.settings, store, now);
    if overdue > 0 && held.is_none() {
        let why = view.decision.holds.first().map_or_else(
            || "kubectl get jobs in its backup namespace shows what removes them".to_owned(),
            ToString::to_string,
        );
        wrong.push(Verdict::no(
            reasons::RETENTION_NOT_EXACT,
            format!("{overdue} restore points are older than {days} days; {why}"),
        ));
    }
    sum(wrong).unwrap_or_else(|| match store.points.iter().map(|point| point.stored).min() {
        None => Verdict::unknown(reasons::NO_BACKUP_YET, "there is no restore point yet that could be kept"),
        Some(oldest) => Verdict::yes(
            reasons::SUCCEEDED,
            format!(
                "by the store's clock no restore point is gone that is younger than {days} days, and none is overdue; the oldest is of {}",
                super::whole_second(oldest)
            ),
        ),
    })
}

/// What the rotating check found.
fn damaged(view: &View, past: &Past) -> Verdict {
    let (message, line) = super::words(view, past);
    let at = super::whole_second(past.started);
    let message = format!(
        "the check {} of {at} read a part of repository g{:04} and found damage: {message}: {line}",
        past.id, past.generation
    );
    Verdict::no(runs::DAMAGED, message)
}

/// A bucket of files that isn't as it should be, or of which nobody knows.
fn files(view: &View, name: &str, now: Timestamp) -> Option<Verdict> {
    let reason = reasons::BUCKETS_NOT_VERIFIED;
    let Some((found, at)) = view.buckets.get(name) else {
        let message =
            format!("bucket {name} of spec.buckets: nobody has looked at its versions and rules yet");
        return Some(Verdict::unknown(reason, message));
    };
    if now.duration_since(*at) > FILES_LAST {
        let message =
            format!("bucket {name} of spec.buckets was last looked at at {}", super::whole_second(*at));
        return Some(Verdict::unknown(reason, message));
    }
    let message = || format!("bucket {name} of spec.buckets ({}): {}", found.reason, found.message);
    (!found.fit).then(|| Verdict::no(reason, message()))
}

/// What is wrong before what nobody knows; all messages of that kind.
fn sum(mut wrong: Vec<Verdict>) -> Option<Verdict> {
    // False sorts before Unknown, and the order of what was found stays.
    wrong.sort_by_key(|one| one.status == crate::api::conditions::ConditionStatus::Unknown);
    let first = wrong.first()?.clone();
    let all: Vec<String> =
        wrong.into_iter().filter(|one| one.status == first.status).map(|one| one.message).collect();
    Some(Verdict { message: all.join("; "), ..first })
}

/// What there is to be backed up, for people.
fn everything(view: &View) -> &'static str {
    let volumes = view.settings.databases.iter().filter(|one| one.claim.is_some()).count();
    match (volumes, view.settings.databases.len() - volumes) {
        (0, _) => "database",
        (_, 0) => "volume",
        _ => "database and volume",
    }
}

fn good(view: &View, store: &Store) -> Verdict {
    let what = everything(view);
    let newest = |database: &Database| store.points_of(&database.name).last().map(|point| point.time);
    let oldest = view.settings.databases.iter().filter_map(newest).min();
    let since =
        oldest.map(|time| format!(", the last of them at {}", super::whole_second(time))).unwrap_or_default();
    let message = format!(
        "every {what} is backed up{since}; restore points stay {} days",
        view.settings.retention_days
    );
    if view.shared_credentials {
        let message = format!(
            "{message}; every run has the Platform's own credentials: what keeps Tenants' restore points apart is their keys alone; spec.backups.store.role gives each its own"
        );
        return Verdict::yes(reasons::SHARED_CREDENTIALS, message);
    }
    Verdict::yes(reasons::SUCCEEDED, message)
}

/// One database whose restore points aren't as they should be.
fn one(
    view: &View,
    store: &Store,
    database: &Database,
    due: Option<&Due>,
    now: Timestamp,
) -> Option<Verdict> {
    let (name, what) = (&database.name, database.words());
    let last = last(view, store, name);
    let failed = last.as_ref().filter(|past| !past.succeeded);
    let failure = |past: &Past| {
        let (message, line) = super::words(view, past);
        let told: Vec<String> = [message, line].into_iter().filter(|text| !text.is_empty()).collect();
        let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(": ")) };
        format!("{} failed with {}{told}", past.id, past.reason)
    };
    if let (Some(Hold::GivenUp { .. }), Some(past)) = (due.and_then(|due| due.hold.as_ref()), failed) {
        let message = format!("{what}: {}; {}", failure(past), step(&past.reason, database, past));
        return Some(Verdict::no(word(&past.reason, ConditionType::BackupsCurrent), message));
    }
    let problem = if view.problem.is_empty() { String::new() } else { format!("; {}", view.problem) };
    let Some(newest) = store.points_of(name).last().map(|point| point.stored) else {
        let message = format!("{what} has no restore point yet");
        return Some(match failed {
            Some(past) => Verdict::no(
                word(&past.reason, ConditionType::BackupsCurrent),
                format!("{message}; {}; it is tried again", failure(past)),
            ),
            None if view.problem.is_empty() => {
                Verdict::unknown(reasons::NO_BACKUP_YET, format!("{message}; its first run is on its way"))
            }
            None => Verdict::no(reasons::BACKUP_OVERDUE, format!("{message}{problem}")),
        });
    };
    let missed = database.schedule.next(newest)?;
    let late = LATE.min(database.schedule.next(missed)?.duration_since(missed));
    if now.duration_since(missed) <= late {
        return None;
    }
    let message = format!(
        "{what}: the newest restore point is of {}, and one was due at {missed}",
        super::whole_second(newest)
    );
    Some(match failed {
        Some(past) => Verdict::no(
            word(&past.reason, ConditionType::BackupsCurrent),
            format!("{message}; {}; it is tried again", failure(past)),
        ),
        None => Verdict::no(reasons::BACKUP_OVERDUE, format!("{message}{problem}")),
    })
}

/// The last run of a database that ended, by whoever tells of it.
fn last(view: &View, store: &Store, database: &str) -> Option<Past> {
    let runs = view.runs.iter().filter(|run| run.kind == Kind::Backup && run.database == database);
    let told = store.past_of(Kind::Backup, database).cloned();
    told.chain(runs.filter_map(crate::backup::known::Run::past))
        .max_by_key(|past| (past.started, past.details.is_some()))
}

/// What a person can do about a failure that no retry mends.
fn step(reason: &str, database: &Database, past: &Past) -> String {
    use crate::backup::record::reasons;
    match reason {
        reasons::SHRUNKEN | reasons::EMPTY_SOURCE => {
            format!("if that is meant, set acceptShrunken: {} on {}", past.id, database.words())
        }
        reasons::KEY_MISMATCH => "give the operator the Secret with the key of then".to_owned(),
        reasons::REPOSITORY_MISSING => {
            "bring the repository back from the bucket's older versions; none is made anew".to_owned()
        }
        _ => "it is tried again in the next slot".to_owned(),
    }
}

/// Whether every database's restore points were restored lately.
pub(super) fn verified(view: &View, store: &Store, max_age: SignedDuration, now: Timestamp) -> Verdict {
    let mut wrong = Vec::new();
    let mut oldest: Option<Timestamp> = None;
    let days = max_age.as_hours() / 24;
    if !view.leak.is_empty() {
        wrong.push(Verdict::no(reasons::DRILL_LEAK, view.leak.clone()));
    }
    for database in &view.settings.databases {
        let what = database.words();
        let at = |time: Timestamp| super::whole_second(time);
        wrong.push(match drills::verified(database, store, max_age, now) {
            Verified::Yes { at } => {
                oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
                continue;
            }
            Verified::Failed { run, reason } => {
                let past = store.past.iter().find(|past| past.id == run);
                let (message, line) = past.map(|past| super::words(view, past)).unwrap_or_default();
                let told: Vec<String> = [message, line].into_iter().filter(|text| !text.is_empty()).collect();
                let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(": ")) };
                Verdict::no(
                    word(&reason, ConditionType::RestoreVerified),
                    format!("{what}: drill {run} failed with {reason}{told}"),
                )
            }
            Verified::TooOld { at: time } => Verdict::no(
                reasons::DRILL_TOO_OLD,
                format!("{what}: the newest drill that passed is of {}, more than {days} days ago; make a RestoreDrill to try it now", at(time)),
            ),
            Verified::Never => Verdict::no(
                reasons::NEVER_DRILLED,
                format!("{what}: none of its restore points was ever restored; make a RestoreDrill to try one now"),
            ),
            Verified::NotYet => Verdict::unknown(
                reasons::NOT_DRILLED_YET,
                format!("{what}: its first drill comes after its first restore point"),
            ),
        });
    }
    sum(wrong).unwrap_or_else(|| {
        let since = oldest
            .map(|time| format!(", the last of them at {}", super::whole_second(time)))
            .unwrap_or_default();
        let what = everything(view);
        Verdict::yes(reasons::SUCCEEDED, format!("every {what} was restored and looked into{since}"))
    })
}

/// The constant of a reason that a record has: one of the promise's, or that it failed at all.
fn word(reason: &str, condition: ConditionType) -> &'static str {
    let promise = TABLE.iter().find(|promise| promise.condition == Some(condition));
    let known = promise.and_then(|promise| promise.reasons.iter().find(|one| **one == reason));
    let other = match condition {
        ConditionType::RestoreVerified => reasons::DRILL_FAILED,
        _ => reasons::BACKUP_FAILED,
    };
    known.copied().unwrap_or(other)
}
