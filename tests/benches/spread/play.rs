//! Plays a window of starts, minute by minute.

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{
    known::Kind,
    spread::{self, Bid, Budget, Taken},
};

/// How one window's starts lie over its minutes.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Starts by minute; longer than the window where some begin after it.
    pub minutes: Vec<u32>,
    /// Minutes of the window.
    pub window: usize,
}

impl Histogram {
    /// Most starts in one minute.
    pub fn most(&self) -> u32 {
        self.minutes.iter().copied().max().unwrap_or_default()
    }

    /// The fullest minute over the mean of the window, rounded up: 1.0 is perfect.
    pub fn ratio(&self) -> f64 {
        let all: u32 = self.minutes.iter().sum();
        let window = u32::try_from(self.window).unwrap_or(u32::MAX).max(1);
        f64::from(self.most()) / f64::from(all.div_ceil(window).max(1))
    }
}

/// Plays one window of `minutes` from `start`: each run is due at its slot, and begins when it is let in. What finds no
/// token until the window's end begins after it. `seconds` is how long a run takes.
pub fn play(
    due: &[(String, Timestamp)],
    start: Timestamp,
    minutes: usize,
    budget: &Budget,
    seconds: i64,
) -> Histogram {
    let mut counts = vec![0; minutes];
    for (minute, _) in begin(due, start, budget, seconds) {
        if counts.len() <= minute {
            counts.resize(minute + 1, 0);
        }
        counts[minute] += 1;
    }
    Histogram { minutes: counts, window: minutes }
}

/// In which minute each begins, and its slot; in the order in which they begin.
pub fn begin(
    due: &[(String, Timestamp)],
    start: Timestamp,
    budget: &Budget,
    seconds: i64,
) -> Vec<(usize, Timestamp)> {
    let bid = |(tenant, due): &(String, Timestamp)| Bid {
        kind: Kind::Backup,
        due: *due,
        tenant: tenant.clone(),
        job: tenant.clone(),
    };
    let mut waiting: Vec<Bid> = due.iter().map(bid).collect();
    let mut taken: Vec<Taken> = Vec::new();
    let mut begun = Vec::new();
    let mut now = start;
    for minute in 0..100_000 {
        if waiting.is_empty() {
            break;
        }
        for one in &mut taken {
            one.active = now.duration_since(one.created).as_secs() < seconds;
        }
        taken.retain(|one| one.active);
        let ready: Vec<Bid> = waiting.iter().filter(|bid| bid.due <= now).cloned().collect();
        for index in spread::admit(&ready, &taken, budget, now).admitted {
            begun.push((minute, ready[index].due));
            taken.push(Taken { kind: Kind::Backup, created: now, active: true });
            waiting.retain(|bid| bid.job != ready[index].job);
        }
        now += SignedDuration::from_mins(1);
    }
    begun
}
