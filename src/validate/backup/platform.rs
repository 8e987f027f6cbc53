//! `Platform.spec.backups`.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        backup::{Backups, DrillPolicy},
        common::Duration,
        platform::{Environment, PlatformSpec},
    },
    backup::{generation, schedule::Schedule, zone},
    validate::{
        image, platform,
        problem::{Problem, at},
        resources,
    },
};

use super::{daily, encrypted, line, room};

const BASE: &str = "/spec/backups";
/// Days in which data has to be gone after a cancellation.
const ERASURE_DAYS: u32 = 30;
/// Shortest retention outside `environment: test`.
const RETENTION_FLOOR: u32 = 7;

pub(in crate::validate) fn check(spec: &PlatformSpec, problems: &mut Vec<Problem>) {
    let Some(backups) = &spec.backups else { return };
    let environment = spec.environment;
    check_store(backups, environment, problems);
    check_times(backups, environment, problems);
    check_erasure(backups, problems);
    let base = at(BASE, "postgresql");
    if let Some(text) = backups.postgresql.image.as_deref().filter(|text| !image::is_reference(text)) {
        let problem = Problem::new(at(&base, "image"), format!("\"{text}\" is not an image reference"));
        problems.push(problem.hint("write it like postgres:17 or registry.example.com/postgres@sha256:…"));
    }
    let given = &backups.postgresql.resources;
    resources::check(given, given, &at(&base, "resources"), problems);
    room(&at(&base, "scratch"), backups.postgresql.scratch.as_ref(), problems);
}

fn check_store(backups: &Backups, environment: Environment, problems: &mut Vec<Problem>) {
    let (store, base) = (&backups.store, at(BASE, "store"));
    encrypted(&at(&base, "endpoint"), store.endpoint.as_ref(), environment, problems);
    if store.credentials.is_none() && store.role.is_none() {
        let problem = Problem::new(&base, "has neither credentials nor a role");
        problems.push(problem.hint(
            "name a Secret with aws-access-key-id and aws-secret-access-key in credentials, or a role to assume",
        ));
    }
    if let Some(role) = &store.role {
        encrypted(&at(&at(&base, "role"), "stsEndpoint"), role.sts_endpoint.as_ref(), environment, problems);
    }
    if store.prefix.split('/').any(|part| part == "." || part == "..") {
        problems.push(Problem::new(at(&base, "prefix"), "has . or .. in it").hint("name a plain folder"));
    }
    platform::peers(&store.egress, &at(&base, "egress"), problems);
}

fn check_times(backups: &Backups, environment: Environment, problems: &mut Vec<Problem>) {
    if zone::find(&backups.time_zone).is_none() {
        let message = format!("there is no time zone \"{}\"", backups.time_zone);
        problems.push(
            Problem::new(at(BASE, "timeZone"), message).hint("write an IANA name, as Europe/Berlin or UTC"),
        );
    }
    daily(&at(BASE, "schedule"), &backups.schedule, &backups.time_zone, environment, problems);
    check_drills(&backups.drills, &backups.time_zone, problems);
    if environment == Environment::Test {
        return;
    }
    let erasure = at(BASE, "erasure");
    let drills = at(BASE, "drills");
    floor(&at(BASE, "startingDeadline"), backups.starting_deadline, 10 * 60, problems);
    floor(&at(BASE, "runDeadline"), backups.run_deadline, 10 * 60, problems);
    floor(&at(&drills, "maxAge"), backups.drills.max_age, 24 * 3600, problems);
    floor(&at(&drills, "rpo"), backups.drills.rpo, 3600, problems);
    floor(&at(&erasure, "undoGrace"), backups.erasure.undo_grace, 24 * 3600, problems);
    if backups.starting_deadline.whole_seconds() > 24 * 3600 {
        let problem =
            Problem::new(at(BASE, "startingDeadline"), "is more than a day: the next run is due by then");
        problems.push(problem.hint("write 24h or less"));
    }
    if backups.retention_days < RETENTION_FLOOR {
        let message = format!("{} is less than {RETENTION_FLOOR}", backups.retention_days);
        problems
            .push(Problem::new(at(BASE, "retentionDays"), message).hint("30 is what is promised to most"));
    }
}

/// A period that only `environment: test` may cut short.
fn floor(pointer: &str, period: Duration, seconds: i64, problems: &mut Vec<Problem>) {
    if period.whole_seconds() < seconds {
        let least = Duration::from_secs(seconds.unsigned_abs());
        problems.push(
            Problem::new(pointer, format!("{period} is less than {least}"))
                .hint("use a longer time, or environment: test"),
        );
    }
}

/// Drills come often enough that the newest can be young enough.
fn check_drills(drills: &DrillPolicy, zone: &str, problems: &mut Vec<Problem>) {
    let base = at(BASE, "drills");
    let schedule = line(&at(&base, "schedule"), &drills.schedule, zone, problems);
    line(&at(&base, "oldPoints"), &drills.old_points, zone, problems);
    let gap = schedule.as_ref().and_then(|schedule: &Schedule| schedule.longest_gap(Timestamp::UNIX_EPOCH));
    let max = SignedDuration::from_secs(drills.max_age.whole_seconds());
    if let Some(gap) = gap.filter(|gap| *gap > max) {
        let message = format!(
            "restore points are tried every {} h, so that the newest drill is older than that ({}) time and again",
            gap.as_hours(),
            drills.max_age
        );
        problems.push(
            Problem::new(at(&base, "maxAge"), message).hint("try them more often, or allow a longer time"),
        );
    }
}

/// What the API server's rules say too, for files that never saw it.
fn check_erasure(backups: &Backups, problems: &mut Vec<Problem>) {
    let lock = backups.store.object_lock.as_ref().map_or(0, |lock| lock.days);
    let time = |duration: Duration| SignedDuration::from_secs(duration.whole_seconds());
    let (grace, wait) = (time(backups.erasure.undo_grace), time(backups.erasure.key_wait));
    if !generation::erasure_fits(lock, grace, wait, ERASURE_DAYS) {
        let days = generation::erasure_days(lock, grace, wait);
        let message = format!(
            "erasure takes {days} days and {} for what goes wrong, more than the {ERASURE_DAYS} that are promised",
            generation::SLACK_DAYS
        );
        let (field, hint) = if lock == days {
            ("store/objectLock/days", "lock for 28 days or less")
        } else {
            ("erasure", "make undoGrace and keyWait 672h (28 days) or less together")
        };
        problems.push(Problem::new(format!("{BASE}/{field}"), message).hint(hint));
    }
    if lock.saturating_add(generation::SLACK_DAYS) > backups.retention_days && lock > 0 {
        let message = format!(
            "{lock} days of lock and {} more than retentionDays ({}): restore points couldn't be removed in time",
            generation::SLACK_DAYS,
            backups.retention_days
        );
        problems.push(
            Problem::new(format!("{BASE}/store/objectLock/days"), message)
                .hint("lock for less, or keep for longer"),
        );
    }
}
