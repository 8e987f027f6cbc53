//! What API servers counted, against the events that were received from them. Pure.
//!
//! A look is itself a request that is worth two events. What stands in the log before the first of them, and is older, was
//! counted by then; what has a later time than the second was not. So of each event it is known whether a look counted it, but of
//! those that happened while it was answered. Let a look have counted `c` events, of which `h` at most and `l` at least
//! were received. What was lost until then, and what was counted before anybody looked, together are `c - h` at least and
//! `c - l` at most. Both only grow. The largest of the former less the smallest of the latter, over all looks, is what
//! was lost since the first one, at least: a quiet moment makes it exact, and it is never too much.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::counters::Counted;
use crate::audit::leaf::Identity;

/// How far apart clocks may be where no event of a look says it, and what one may drift between two looks.
const SLACK: SignedDuration = SignedDuration::from_secs(2);
/// What may pass, beside that, between an event's own time and the moment in which it is counted: the time of
/// `RequestReceived` is that before the request's author is known, and a webhook may be asked for that.
const LAG: SignedDuration = SignedDuration::from_secs(10);
/// What an event may need on its way to a segment, and a sealed segment until it was read again.
const READ: SignedDuration = SignedDuration::from_secs(5);
/// Of three looks within this part of the time that events need, the second goes: twice so many are kept of a process, at
/// most, however often it is looked at.
const LOOKS: i32 = 8;
/// Processes whose events may still be on their way.
const PROCESSES: usize = 4;
/// How long it is known when events were, so that a process that began meanwhile is counted from its begin. A longer time
/// without a look is a clock that was set, or nobody was there.
const RECENT: SignedDuration = SignedDuration::from_mins(5);

/// The stage of a request's first event.
const BEGUN: &str = "RequestReceived";

/// When counters were asked for, by the asker's clock.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When the question began.
    pub began: Timestamp,
    /// When it was answered.
    pub ended: Timestamp,
    /// Its audit id; none where that says nothing, since several API servers have several clocks.
    pub audit_id: Option<String>,
}

/// An event that was received for the first time.
#[derive(Clone, Debug)]
pub struct Arrived<'a> {
    /// What names it.
    pub id: Identity<'a>,
    /// Its own time.
    pub at: Timestamp,
    /// Whether it comes behind all that were counted before it: from the API server's log. Its webhook sends several
    /// batches at once.
    pub in_order: bool,
}

/// Counters of API servers against what was received from them.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// Time after which an event has arrived, if it ever does.
    arrived: SignedDuration,
    /// How far the API server's clock is before ours, as the last look said.
    ahead: SignedDuration,
    processes: VecDeque<Process>,
    /// Lost by processes that are no longer kept.
    dropped: u64,
    /// Lost by all that are kept, as of the last look.
    settled: u64,
    /// Events of the last minutes by the second.
    recent: BTreeMap<i64, u64>,
}

/// One life of the API servers' counters.
#[derive(Clone, Debug)]
struct Process {
    started: f64,
    /// Earlier events are somebody else's.
    begin: Timestamp,
    /// Events that were received since.
    received: i64,
    /// The smallest of what looks that are gone say was lost and counted before at most, and until when events count.
    floor: Option<(i64, Timestamp)>,
    looks: VecDeque<Look>,
}

/// One look. Times but `at` are the API server's.
#[derive(Clone, Debug)]
struct Look {
    /// When it ended, by our clock.
    at: Timestamp,
    counted: i64,
    audit_id: Option<String>,
    /// Events that it has counted: they arrived before it, or are older than `from`.
    before: i64,
    /// When those were that are not, and not younger than `to`, as they arrived; whether in order.
    near: Vec<(Timestamp, bool)>,
    from: Timestamp,
    to: Timestamp,
    /// Its own first event: how many of `near` had arrived by then, and its time.
    first: Option<(usize, Timestamp)>,
    /// The time of its own last event.
    last: Option<Timestamp>,
}

impl Reconciled {
    /// Of a log whose segments are sealed after that time at the latest. An event is given twice of it: what was sealed
    /// late is no loss.
    #[must_use]
    pub fn new(sealed_after: Duration) -> Self {
        let sealed = SignedDuration::try_from(sealed_after).unwrap_or(SignedDuration::MAX);
        Self {
            arrived: sealed.saturating_mul(2).saturating_add(READ),
            ahead: SignedDuration::ZERO,
            processes: VecDeque::new(),
            dropped: 0,
            settled: 0,
            recent: BTreeMap::new(),
        }
    }

    /// An event arrived; each once.
    pub fn received(&mut self, event: &Arrived<'_>) {
        *self.recent.entry(event.at.as_second()).or_default() += 1;
        for process in &mut self.processes {
            if let Some(ahead) = process.received(event) {
                self.ahead = ahead;
            }
        }
    }

    /// Takes a look in. `alone` is whether one API server was asked: then it is known where its counters began.
    pub fn look(&mut self, counted: &Counted, alone: bool, asked: Asked) {
        let at = asked.ended;
        if !self.is_steady(at) {
            self.forget();
        }
        let oldest = at.as_second() - RECENT.as_secs();
        self.recent.retain(|second, _| *second >= oldest);
        let same = self.processes.back().is_some_and(|one| (counted.started - one.started).abs() <= 1.0);
        if !same {
            self.begin(counted.started, alone, at);
        }
        let Some(process) = self.processes.back_mut() else { return };
        let events = i64::try_from(counted.events).unwrap_or(i64::MAX);
        process.keep(Look::new(events, process.received, self.ahead, asked), self.arrived);
        self.settled = self.missing(at);
    }

    /// Whether the last look was a while ago, and not more.
    fn is_steady(&self, now: Timestamp) -> bool {
        let last = self.processes.back().and_then(|process| process.looks.back());
        last.is_none_or(|look| (SignedDuration::ZERO..RECENT).contains(&now.duration_since(look.at)))
    }

    /// A clock was set: times of before and after say nothing of each other. What was lost before stays so.
    fn forget(&mut self) {
        self.dropped += self.settled;
        (self.settled, self.ahead) = (0, SignedDuration::ZERO);
        self.processes.clear();
        self.recent.clear();
    }

    /// Another process. The first one that is seen is counted from now on, a later one from its own begin.
    fn begin(&mut self, seconds: f64, alone: bool, at: Timestamp) {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
        let started = Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or(at);
        let is_known = alone
            && !self.processes.is_empty()
            && (SignedDuration::ZERO..RECENT).contains(&at.duration_since(started));
        // Of the process before, some of the last events may count here: they hide as many that are lost, at most. Where
        // it isn't known when this one began, its clock isn't known either, and none of them are told apart by it.
        let begin = is_known.then(|| moved(started, -SLACK));
        let since =
            |begin: Timestamp| self.recent.range(begin.as_second()..).map(|(_, count)| count).sum::<u64>();
        self.processes.push_back(Process {
            started: seconds,
            begin: begin.unwrap_or(Timestamp::MIN),
            received: begin.map_or(0, |begin| i64::try_from(since(begin)).unwrap_or(i64::MAX)),
            floor: begin.map(|begin| (0, begin)),
            looks: VecDeque::new(),
        });
        if self.processes.len() > PROCESSES {
            let old = self.processes.pop_front();
            self.dropped += old.map_or(0, |old| old.missing(at, self.arrived));
        }
    }

    fn missing(&self, now: Timestamp) -> u64 {
        self.processes.iter().map(|one| one.missing(now, self.arrived)).sum()
    }

    /// Events that the API servers made and nobody received, at least.
    #[must_use]
    pub fn dropped(&self, now: Timestamp) -> u64 {
        self.dropped + if self.is_steady(now) { self.missing(now) } else { self.settled }
    }
}

impl Process {
    /// Where the event is a look's, how far the API server's clock is before ours.
    fn received(&mut self, event: &Arrived<'_>) -> Option<SignedDuration> {
        if event.at < self.begin {
            return None;
        }
        self.received += 1;
        // It came late: what that look said was lost was not.
        if let Some((floor, _)) = self.floor.as_mut().filter(|(_, from)| event.at <= *from) {
            *floor -= 1;
        }
        let ahead = self.looks.iter_mut().map(|look| look.received(event));
        ahead.fold(None, |known, ahead| ahead.or(known))
    }

    /// Keeps the newest look, those whose events may be on their way, and one whose events must have arrived.
    fn keep(&mut self, look: Look, arrived: SignedDuration) {
        let at = look.at;
        let before = self.looks.len().checked_sub(2).and_then(|before| self.looks.get(before));
        if before.is_some_and(|before| at.duration_since(before.at) < arrived / LOOKS) {
            self.looks.pop_back();
        }
        self.looks.push_back(look);
        while self.looks.get(1).is_some_and(|next| at.duration_since(next.at) >= arrived) {
            let most = self.looks.pop_front().and_then(|old| old.most());
            self.floor = least(self.floor, most);
        }
    }

    /// What was lost, by looks whose events must have arrived.
    fn missing(&self, now: Timestamp, arrived: SignedDuration) -> u64 {
        let is_old = |look: &&Look| now.duration_since(look.at) >= arrived;
        let lost = self.looks.iter().filter(is_old).filter_map(Look::least).max();
        let told = self.looks.iter().filter(|look| look.is_told() || is_old(look));
        let before = told.map(Look::most).fold(self.floor, least);
        let missing = lost.zip(before).map_or(0, |(lost, (before, _))| lost.saturating_sub(before));
        u64::try_from(missing).unwrap_or(0)
    }
}

fn least(one: Option<(i64, Timestamp)>, other: Option<(i64, Timestamp)>) -> Option<(i64, Timestamp)> {
    [one, other].into_iter().flatten().min_by_key(|(value, _)| *value)
}

fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

impl Look {
    fn new(counted: i64, received: i64, ahead: SignedDuration, asked: Asked) -> Self {
        Self {
            at: asked.ended,
            counted,
            audit_id: asked.audit_id,
            before: received,
            near: Vec::new(),
            from: moved(moved(asked.began, ahead), -(SLACK + LAG)),
            to: moved(moved(asked.ended, ahead), SLACK),
            first: None,
            last: None,
        }
    }

    /// Where the event is its own, how far the API server's clock is before ours.
    fn received(&mut self, event: &Arrived<'_>) -> Option<SignedDuration> {
        let Arrived { id, at, in_order } = event;
        if *at <= self.from {
            self.before += 1;
        } else if *at <= self.to {
            self.near.push((*at, *in_order));
        }
        self.audit_id.as_ref().filter(|own| **own == id.audit_id)?;
        if id.stage != BEGUN {
            self.last = Some(*at);
        } else if *in_order {
            self.first = Some((self.near.len(), *at));
        }
        Some(at.duration_since(self.at))
    }

    /// Events counted, and not received if those are all.
    fn without(&self, near: impl Iterator) -> i64 {
        let near = i64::try_from(near.count()).unwrap_or(i64::MAX);
        self.counted.saturating_sub(self.before.saturating_add(near))
    }

    /// Whether what has this time is known: beyond these the clock went elsewhere since the last look.
    fn knows(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// Whether it is known by its own events what time it was there, or never will be.
    fn is_told(&self) -> bool {
        self.audit_id.is_none() || self.last.is_some()
    }

    /// What was lost until this look and what was counted before the first one, at least.
    fn least(&self) -> Option<i64> {
        let last = self.last.unwrap_or(self.to);
        self.knows(last).then(|| self.without(self.near.iter().filter(|(at, _)| *at < last)))
    }

    /// The same at most, and from when on it says nothing of events that are still to come.
    fn most(&self) -> Option<(i64, Timestamp)> {
        let (arrived, first) = self.first.unwrap_or((0, self.from));
        let near = self.near.iter().take(arrived);
        let near = near.filter(|(at, in_order)| *in_order && *at <= first);
        let known = self.knows(first) && self.last.is_none_or(|last| self.knows(last));
        known.then(|| (self.without(near), self.from))
    }
}

#[cfg(test)]
mod tests;
