//! How often somebody may ask. Pure: the time comes as an argument.

use std::time::{Duration, Instant};

/// So many at once, and one more each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Most in a row.
    pub burst: u32,
    /// Time after which one more is allowed.
    pub every: Duration,
}

/// What was taken of a rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// When everything that was taken is paid for.
    paid: Option<Instant>,
}

impl Taken {
    /// Takes one, or says how long to wait for it.
    ///
    /// # Errors
    /// The time after which the next one is allowed.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let paid = self.paid.map_or(now, |paid| paid.max(now));
        let room = rate.every * rate.burst.saturating_sub(1);
        let ahead = paid.duration_since(now);
        if ahead > room {
            return Err(ahead.saturating_sub(room));
        }
        self.paid = Some(paid + rate.every);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(2) };

    #[test]
    fn a_burst_and_then_one_by_one() {
        let (start, mut taken) = (Instant::now(), Taken::default());
        for _ in 0..3 {
            assert_eq!(taken.take(RATE, start), Ok(()));
        }
        assert_eq!(taken.take(RATE, start), Err(Duration::from_secs(2)));
        let later = start + Duration::from_millis(1500);
        assert_eq!(taken.take(RATE, later), Err(Duration::from_millis(500)));
        let later = start + Duration::from_secs(2);
        assert_eq!(taken.take(RATE, later), Ok(()));
        assert_eq!(taken.take(RATE, later), Err(Duration::from_secs(2)));
        assert_eq!(taken.take(RATE, start + Duration::from_secs(60)), Ok(()));
    }

    proptest! {
        /// Whoever waits as told gets one; and over any time no more than burst and rate go through.
        #[test]
        fn no_more_than_the_rate(steps in prop::collection::vec(0u64..3000, 1..200)) {
            let (start, mut taken) = (Instant::now(), Taken::default());
            let (mut now, mut through) = (start, 0u128);
            for step in steps {
                now += Duration::from_millis(step);
                match taken.take(RATE, now) {
                    Ok(()) => through += 1,
                    Err(wait) => {
                        let mut copy = taken;
                        prop_assert_eq!(copy.take(RATE, now + wait), Ok(()));
                    }
                }
            }
            let most = u128::from(RATE.burst) + (now - start).as_millis() / RATE.every.as_millis();
            prop_assert!(through <= most, "{through} of {most}");
        }
    }
}
