//! Requests that began and never ended. Pure.

use std::collections::HashMap;

/// Requests that are open at once, at most; more are not followed, and that is counted.
const MOST: usize = 50_000;
/// Milliseconds after which a request must have ended: watches end within an hour (`--min-request-timeout` is half an
/// hour, and twice that the longest).
const LONGEST: i64 = 2 * 60 * 60 * 1000;

/// Requests by their stages. Says something only where a policy keeps `RequestReceived`.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    open: HashMap<String, i64>,
    unended: u64,
    unfollowed: u64,
}

impl Pairs {
    /// Takes an event in, received at `now` milliseconds.
    pub fn event(&mut self, audit_id: &str, stage: &str, now: i64) {
        match stage {
            "RequestReceived" if self.open.len() >= MOST => self.unfollowed += 1,
            "RequestReceived" => {
                self.open.insert(audit_id.to_owned(), now);
            }
            "ResponseComplete" | "Panic" => {
                self.open.remove(audit_id);
            }
            _ => {}
        }
    }

    /// Counts those that are open for too long, and forgets them.
    pub fn age(&mut self, now: i64) {
        let before = self.open.len();
        self.open.retain(|_, began| now - *began < LONGEST);
        self.unended += (before - self.open.len()) as u64;
    }

    /// Requests whose end was never received. Those of an API server that died are among them.
    #[must_use]
    pub fn unended(&self) -> u64 {
        self.unended
    }

    /// Requests that could not be followed.
    #[must_use]
    pub fn unfollowed(&self) -> u64 {
        self.unfollowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_end_is_counted_after_the_longest_one() {
        let mut pairs = Pairs::default();
        pairs.event("a", "RequestReceived", 0);
        pairs.event("b", "RequestReceived", 0);
        pairs.event("b", "ResponseStarted", 1);
        pairs.event("b", "ResponseComplete", 2);
        pairs.event("c", "ResponseComplete", 2);
        pairs.age(LONGEST - 1);
        assert_eq!(pairs.unended(), 0);
        pairs.age(LONGEST);
        assert_eq!((pairs.unended(), pairs.unfollowed()), (1, 0));
    }
}
