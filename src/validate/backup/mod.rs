//! Backups: what a Platform says of them, and what a Tenant asks for within that.

mod platform;
mod tenant;
#[cfg(test)]
mod tests;

pub(super) use platform::check as check_platform;
pub(super) use tenant::check as check_tenant;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{platform::Environment, quantity::Quantity},
    backup::schedule::{Schedule, ScheduleError, Seed},
};

use super::problem::{Problem, at};

/// The longest time between two runs of a daily schedule: on the day that summer time ends it is an hour more.
const DAY: SignedDuration = SignedDuration::from_hours(25);
/// The shortest time between two runs, outside `environment: test`.
const OFTEN: SignedDuration = SignedDuration::from_mins(15);

/// Reads a line; what is wrong is said at `pointer`. Which tenant it is for doesn't matter: `H` has a value for each.
fn line(pointer: &str, text: &str, zone: &str, problems: &mut Vec<Problem>) -> Option<Schedule> {
    match Schedule::parse(text, zone, &Seed::of(&[])) {
        Ok(schedule) => Some(schedule),
        // The zone is one field of the Platform's, and said there once.
        Err(ScheduleError::Zone(_)) => None,
        Err(error @ ScheduleError::Line(_)) => {
            problems.push(Problem::new(pointer, error.to_string()).hint("as in \"H H(0-5) * * *\""));
            None
        }
    }
}

/// A schedule of backups comes once a day at least, and not all the time.
fn daily(
    pointer: &str,
    text: &str,
    zone: &str,
    environment: Environment,
    problems: &mut Vec<Problem>,
) -> Option<Schedule> {
    let schedule = line(pointer, text, zone, problems)?;
    let from = Timestamp::UNIX_EPOCH;
    if environment != Environment::Test {
        if schedule.longest_gap(from).is_none_or(|gap| gap > DAY) {
            problems.push(
                Problem::new(pointer, format!("\"{text}\" leaves out days: backups are promised daily"))
                    .hint("write * for day of month, month and day of week, as in \"H H(0-5) * * *\""),
            );
        }
        let slots: Vec<Timestamp> = schedule.between(from, Timestamp::MAX, 60).collect();
        if slots.windows(2).any(|pair| pair[1].duration_since(pair[0]) < OFTEN) {
            problems.push(
                Problem::new(pointer, format!("\"{text}\" runs more often than every 15 minutes"))
                    .hint("use fewer runs, or environment: test"),
            );
        }
    }
    Some(schedule)
}

/// Plain `http://` sends data and credentials in the clear.
fn encrypted(pointer: &str, url: Option<&String>, environment: Environment, problems: &mut Vec<Problem>) {
    if environment != Environment::Test && url.is_some_and(|url| url.starts_with("http://")) {
        let problem = Problem::new(pointer, "http:// sends restore points and credentials in the clear");
        problems.push(problem.hint("use https://, with spec.backups.store.ca for a certificate of your own"));
    }
}

/// Room for a drill.
fn room(pointer: &str, size: Option<&Quantity>, problems: &mut Vec<Problem>) {
    match size.map(Quantity::milli) {
        Some(Ok(amount)) if amount.0 < 1000 * (1 << 20) => {
            problems.push(
                Problem::new(pointer, "must be 1Mi or more")
                    .hint("give the database's size and half of it again"),
            );
        }
        Some(Err(message)) => problems.push(Problem::new(pointer, message)),
        _ => {}
    }
}

/// Names of a list that are there twice.
fn twice<'a>(base: &str, names: impl Iterator<Item = &'a str>, problems: &mut Vec<Problem>) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            problems.push(Problem::new(at(&at(base, index), "name"), format!("\"{name}\" is there already")));
        }
    }
}
