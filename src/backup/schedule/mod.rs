//! Cron lines with `H`: when runs are due. The same line, zone and seed give the same slots for ever, so that nothing
//! has to be remembered. Pure.
//!
//! A line without wildcards in minute and hour runs once a day whatever summer time does: a slot that doesn't exist is
//! the first moment after the gap, and one that comes twice is the first of the two.

mod line;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use croner::Cron;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use sha2::{Digest, Sha256};

pub use line::LineError;

use super::zone;

/// What `H` depends on: who runs, and what for. Two with the same words have the same slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Of the Platform's uid, the Tenant, what is run, and what it is run for.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for word in words {
            hasher.update(word.len().to_be_bytes());
            hasher.update(word.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// A number below `many`, another one for each `salt`; 0 where `many` is.
    #[must_use]
    pub fn pick(&self, salt: &[u8], many: u64) -> u64 {
        let digest: [u8; 32] = Sha256::new().chain_update(self.0).chain_update(salt).finalize().into();
        let number = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        number.checked_rem(many).unwrap_or_default()
    }
}

/// Why a schedule can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleError {
    /// The line is wrong.
    Line(LineError),
    /// There is no such time zone.
    Zone(String),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => error.fmt(f),
            Self::Zone(name) => {
                write!(f, "there is no time zone \"{name}\": write an IANA name, as Europe/Berlin or UTC")
            }
        }
    }
}

impl std::error::Error for ScheduleError {}

/// When something runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    rate: f64,
    expanded: String,
}

impl Schedule {
    /// Reads a line of five fields, or a word as `@daily`.
    ///
    /// # Errors
    /// A field that can't be read, with its column; a line that never comes; a zone that doesn't exist.
    pub fn parse(text: &str, zone: &str, seed: &Seed) -> Result<Self, ScheduleError> {
        let line = line::expand(text, seed).map_err(ScheduleError::Line)?;
        let zone = zone::find(zone).ok_or_else(|| ScheduleError::Zone(zone.to_owned()))?;
        let whole = |message: String| ScheduleError::Line(LineError { column: 1, message });
        let cron = Cron::from_str(&line.expanded).map_err(|error| whole(error.to_string()))?;
        let schedule = Self { cron, zone, rate: line.rate, expanded: line.expanded };
        // Five years hold a 29th of February; the search itself would go on for thousands.
        let start = Timestamp::UNIX_EPOCH;
        match schedule.next(start) {
            Some(first) if first.duration_since(start) < SignedDuration::from_hours(24 * 366 * 5) => {
                Ok(schedule)
            }
            _ => Err(whole(format!("\"{text}\" names no day that exists"))),
        }
    }

    /// The newest slot that isn't after `now`.
    #[must_use]
    pub fn newest(&self, now: Timestamp) -> Option<Timestamp> {
        // Croner looks back from whole seconds; a fraction would hide the slot of the same second.
        let now = Timestamp::from_second(now.as_second()).ok()?;
        let found = self.cron.find_previous_occurrence(&self.local(now), true).ok()?;
        Some(found.timestamp())
    }

    /// The first slot after `after`.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.local(after), false).ok()?.timestamp();
        Timestamp::from_second(found.as_second()).ok()
    }

    /// The slots after `from`, up to and with `to`; at most `most`.
    pub fn between(
        &self,
        from: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> impl Iterator<Item = Timestamp> + '_ {
        let slots = std::iter::successors(self.next(from), |slot| self.next(*slot));
        slots.take_while(move |slot| *slot <= to).take(most)
    }

    /// Starts per minute that one schedule of this line adds while its window is open: `H H(0-5) * * *` has 1/360. A
    /// minute or an hour that is fixed counts as if all starts of that hour could be spread over it.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The line with numbers in the place of each `H`.
    #[must_use]
    pub fn expanded(&self) -> &str {
        &self.expanded
    }

    /// The longest time between two slots of the 60 after `from`; `None` where there are fewer than two.
    #[must_use]
    pub fn longest_gap(&self, from: Timestamp) -> Option<SignedDuration> {
        let slots: Vec<Timestamp> = self.between(from, Timestamp::MAX, 60).collect();
        slots.windows(2).map(|pair| pair[1].duration_since(pair[0])).max()
    }

    /// A word that stands for the slot's place in its row: two slots that follow each other have different parity, but
    /// for the turn of a year.
    #[must_use]
    pub fn ordinal(&self, slot: Timestamp) -> u64 {
        let next = self.next(slot).unwrap_or(slot);
        let period = next.duration_since(slot).as_secs().max(60);
        if period < 2 * 86_400 {
            return u64::try_from(slot.as_second() / period).unwrap_or_default();
        }
        let local = self.local(slot);
        let first = local.first_of_year().and_then(|day| day.start_of_day());
        first.map_or(0, |first| self.between(first.timestamp(), slot, 366).count() as u64)
    }

    fn local(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone())
    }
}
