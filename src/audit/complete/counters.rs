//! What an API server counts, and how that fits what was received. Pure.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

/// What `/metrics` of an API server says of its audit log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// When the process began, seconds since 1970: counters begin again with it.
    pub started: f64,
    /// `apiserver_audit_event_total`: events that were made.
    pub events: u64,
    /// `apiserver_audit_error_total`: events that a backend lost, by plugin.
    pub errors: BTreeMap<String, u64>,
}

impl Counted {
    /// What several API servers count together. `started` is another one when any of them began anew.
    #[must_use]
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, one| Self {
            started: sum.started + one.started,
            events: sum.events + one.events,
            errors: BTreeMap::new(),
        })
    }
}

impl Counted {
    /// Reads the text form of Prometheus; `None` when it has no count of events.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        let mut has_events = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                "process_start_time_seconds" => found.started = value,
                "apiserver_audit_event_total" => {
                    has_events = true;
                    found.events += whole(value);
                }
                "apiserver_audit_error_total" => {
                    let plugin = labels.split("plugin=\"").nth(1).and_then(|rest| rest.split('"').next());
                    *found.errors.entry(plugin.unwrap_or_default().to_owned()).or_default() += whole(value);
                }
                _ => {}
            }
        }
        has_events.then_some(found)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter; beyond 2^53 it is rounded anyway"
)]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

/// How far apart an event's own time and that at which it was counted may be: the time of a request for the counters,
/// and clocks of two machines.
const SLACK: SignedDuration = SignedDuration::from_secs(2);
/// Time after which an event has arrived and was read again, if it ever does: a segment is sealed after 20 s.
const ARRIVED: SignedDuration = SignedDuration::from_secs(45);
/// Looks that are kept of a process.
const LOOKS: usize = 8;
/// Processes whose events may still be on their way.
const PROCESSES: usize = 4;
/// How long it is known when events were, so that a process that began meanwhile is counted from its begin.
const RECENT: SignedDuration = SignedDuration::from_mins(5);

/// Counters of API servers against what was received from them.
///
/// An event has a time of its own. Those until a look must arrive, however many come after it, and however late: what
/// never does is missing for good. What it says is never too much; events of [`SLACK`] before and after a look may hide as
/// many that are lost.
#[derive(Clone, Debug, Default)]
pub struct Reconciled {
    processes: VecDeque<Process>,
    /// Of those that are no longer kept.
    dropped: u64,
    /// Events of the last minutes by the second.
    recent: BTreeMap<i64, u64>,
}

/// One life of the API servers' counters.
#[derive(Clone, Debug)]
struct Process {
    started: f64,
    /// Events from here on must arrive, and what was counted then.
    begin: Timestamp,
    counted: u64,
    /// Events that were received since.
    received: u64,
    looks: VecDeque<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Timestamp,
    /// Events that were counted since the begin.
    counted: u64,
    /// Of those until then, received since the begin.
    received: u64,
}

impl Reconciled {
    /// An event arrived that happened then; each once.
    pub fn received(&mut self, at: Timestamp) {
        *self.recent.entry(at.as_second()).or_default() += 1;
        for process in &mut self.processes {
            if at.duration_since(process.begin) > -SLACK {
                process.received += 1;
                let until = |look: &&mut Look| at.duration_since(look.at) <= SLACK;
                process.looks.iter_mut().filter(until).for_each(|look| look.received += 1);
            }
        }
    }

    /// Takes a look in. `alone` is whether one API server was asked: then it is known where its counters began.
    pub fn look(&mut self, counted: &Counted, alone: bool, at: Timestamp) {
        let oldest = at.as_second() - RECENT.as_secs();
        self.recent.retain(|second, _| *second >= oldest);
        let same = self.processes.back().is_some_and(|one| (counted.started - one.started).abs() <= 1.0);
        if !same {
            self.begin(counted, alone, at);
        }
        let Some(process) = self.processes.back_mut() else { return };
        let events = counted.events.saturating_sub(process.counted);
        process.looks.push_back(Look { at, counted: events, received: process.received });
        if process.looks.len() > LOOKS {
            process.looks.pop_front();
        }
    }

    /// Another process. The first one that is seen is counted from now on, a later one from its own begin.
    fn begin(&mut self, counted: &Counted, alone: bool, at: Timestamp) {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
        let started = Timestamp::from_millisecond((counted.started * 1000.0) as i64).unwrap_or(at);
        let is_known = alone
            && !self.processes.is_empty()
            && (SignedDuration::ZERO..RECENT).contains(&at.duration_since(started));
        let (begin, before) = if is_known { (started, 0) } else { (at, counted.events) };
        // An event in the second of the begin may be of the process before: it hides one that is lost, at most.
        let from = begin.as_second() - SLACK.as_secs();
        let received = self.recent.range(from..).map(|(_, count)| count).sum();
        self.processes.push_back(Process {
            started: counted.started,
            begin,
            counted: before,
            received,
            looks: VecDeque::new(),
        });
        if self.processes.len() > PROCESSES {
            let old = self.processes.pop_front();
            self.dropped += old.map_or(0, |old| old.missing(at));
        }
    }

    /// Events that the API servers made and nobody received, at least.
    #[must_use]
    pub fn dropped(&self, now: Timestamp) -> u64 {
        self.dropped + self.processes.iter().map(|one| one.missing(now)).sum::<u64>()
    }
}

impl Process {
    /// By the newest look whose events must have arrived.
    fn missing(&self, now: Timestamp) -> u64 {
        let old = |look: &&Look| now.duration_since(look.at) >= ARRIVED;
        let look = self.looks.iter().rev().find(old);
        look.map_or(0, |look| look.counted.saturating_sub(look.received))
    }
}

/// What one API server says that it lost itself.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    started: f64,
    errors: Option<BTreeMap<String, u64>>,
    failed: BTreeMap<String, u64>,
}

impl Failures {
    /// Takes a look in.
    pub fn look(&mut self, counted: &Counted) {
        if (counted.started - self.started).abs() > 1.0 {
            // Counters begin again with the process; those of the first one are of a time that nothing is claimed of.
            let again = self.errors.is_some();
            (self.started, self.errors) = (counted.started, again.then(BTreeMap::new));
        }
        let before = self.errors.replace(counted.errors.clone());
        for (plugin, errors) in &counted.errors {
            let known = before.as_ref().map_or(*errors, |before| before.get(plugin).copied().unwrap_or(0));
            let more = errors.saturating_sub(known);
            if more > 0 {
                *self.failed.entry(plugin.clone()).or_default() += more;
            }
        }
    }

    /// Events that it says it lost, by plugin, since the first look.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<String, u64> {
        &self.failed
    }
}

#[cfg(test)]
mod tests;
