//! How long to wait before the next try: exponential, capped, with jitter.

use std::time::Duration;

/// Exponential backoff. The wait after the n-th failure is between one half and
/// the whole of `base · 2ⁿ⁻¹`, and never above `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait at all.
    pub cap: Duration,
}

impl Backoff {
    /// 200 ms doubling up to 5 minutes: what a failing Tenant gets.
    pub const RECONCILE: Self = Self { base: Duration::from_millis(200), cap: Duration::from_secs(300) };

    /// 200 ms doubling up to 4 s: what a watch gets that fails. client-go and kube go up to 30 s, and a cluster
    /// whose API server was away for a minute stays unseen for up to another one. Some twenty watches that ask
    /// every 3 s on average are little, and one that is let in again has its place in a queue of the server's.
    pub const WATCH: Self = Self { base: Duration::from_millis(200), cap: Duration::from_secs(4) };

    /// The wait after `failures` failures in a row. `unit` in 0..=1 is the
    /// jitter, see [`unit`]; anything else counts as the nearer bound.
    #[must_use]
    pub fn delay(&self, failures: u32, unit: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.base.saturating_mul(1 << doublings).min(self.cap);
        let unit = if unit.is_nan() { 1.0 } else { unit.clamp(0.0, 1.0) };
        whole.mul_f64(0.5 + unit / 2.0)
    }
}

/// The waits of one caller, as kube's streams want them: each longer than the one before, until something
/// succeeds.
#[derive(Clone, Debug)]
pub struct Waits {
    backoff: Backoff,
    failures: u32,
}

impl From<Backoff> for Waits {
    fn from(backoff: Backoff) -> Self {
        Self { backoff, failures: 0 }
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(self.backoff.delay(self.failures, unit()))
    }
}

impl kube::runtime::utils::Backoff for Waits {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number in 0..1, for [`Backoff::delay`] and [`stretched`].
#[must_use]
pub fn unit() -> f64 {
    rand::random()
}

/// A period made up to a fifth longer, so that replicas and sources that
/// started together drift apart.
#[must_use]
pub fn stretched(period: Duration, unit: f64) -> Duration {
    period.saturating_add(period.mul_f64(unit.clamp(0.0, 1.0) / 5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_until_the_cap_and_stays_between_half_and_whole() {
        let seconds = |n, unit| Backoff::RECONCILE.delay(n, unit).as_secs_f64();
        assert_eq!(seconds(1, 1.0), 0.2);
        assert_eq!(seconds(1, 0.0), 0.1);
        assert_eq!(seconds(4, 1.0), 1.6);
        assert_eq!(seconds(12, 1.0), 300.0);
        assert_eq!(seconds(u32::MAX, 1.0), 300.0);
        assert_eq!(seconds(u32::MAX, 0.0), 150.0);
    }

    #[test]
    fn a_watch_never_waits_longer_than_four_seconds_and_begins_anew_after_a_success() {
        let mut waits = Waits::from(Backoff::WATCH);
        let all: Vec<Duration> = waits.by_ref().take(1000).collect();
        assert!(all[0] <= Duration::from_millis(200), "{:?}", all[0]);
        let long = &all[6..];
        assert!(long.iter().all(|wait| (2.0..=4.0).contains(&wait.as_secs_f64())), "{long:?}");
        assert!(long.windows(2).any(|pair| pair[0] != pair[1]), "no jitter");
        kube::runtime::utils::Backoff::reset(&mut waits);
        assert!(waits.next() <= Some(Duration::from_millis(200)));
    }

    #[test]
    fn odd_jitter_is_harmless() {
        for unit in [f64::NAN, f64::INFINITY, -1.0, 7.0] {
            assert!(Backoff::RECONCILE.delay(3, unit) <= Duration::from_millis(800));
        }
        assert_eq!(stretched(Duration::from_secs(10), 1.0), Duration::from_secs(12));
        assert_eq!(stretched(Duration::MAX, 0.0), Duration::MAX);
    }
}
