//! Requests of our own that must show up in the archive. Pure.

use std::collections::VecDeque;

use jiff::Timestamp;

/// A request that an API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    audit_id: String,
    at: Timestamp,
    /// Its record's number, when it was received.
    seq: Option<u64>,
}

/// Canaries of one API server that are waited for.
const MOST: usize = 64;

/// Canaries of one API server.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    sent: VecDeque<Sent>,
    /// When the newest one that came all the way was sent.
    arrived: Option<Timestamp>,
}

impl Canaries {
    /// A request was answered with this `Audit-Id`.
    pub fn sent(&mut self, audit_id: String, at: Timestamp) {
        if self.sent.len() == MOST {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { audit_id, at, seq: None });
    }

    /// Whether any is waited for in records.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.sent.iter().any(|one| one.seq.is_none())
    }

    /// A record with this id was acknowledged.
    pub fn received(&mut self, audit_id: &str, seq: u64) {
        for one in self.sent.iter_mut().filter(|one| one.seq.is_none() && one.audit_id == audit_id) {
            one.seq = Some(seq);
        }
    }

    /// The witness vouches for all records below `verified`.
    pub fn verified(&mut self, verified: u64) {
        let done = |one: &Sent| one.seq.is_some_and(|seq| seq < verified);
        let newest = self.sent.iter().filter(|one| done(one)).map(|one| one.at).max();
        self.arrived = self.arrived.max(newest);
        // One that never came stays, until a later one came: then it is its own kind of loss, which counters tell.
        let arrived = self.arrived;
        self.sent.retain(|one| arrived.is_none_or(|arrived| one.at > arrived));
    }

    /// When the newest one that came all the way was sent.
    #[must_use]
    pub fn arrived(&self) -> Option<Timestamp> {
        self.arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_come_when_the_witness_has_seen_its_record() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut all = Canaries::default();
        all.sent("a".into(), at(1));
        all.sent("b".into(), at(2));
        all.verified(100);
        assert_eq!(all.arrived(), None);
        all.received("a", 7);
        all.received("x", 8);
        all.verified(7);
        assert_eq!(all.arrived(), None);
        all.verified(8);
        assert_eq!(all.arrived(), Some(at(1)));
        assert!(all.waits());
        all.received("b", 9);
        assert!(!all.waits());
        all.verified(10);
        assert_eq!(all.arrived(), Some(at(2)));
        for second in 0..1000 {
            all.sent(format!("c{second}"), at(second));
        }
        assert_eq!(all.sent.len(), MOST);
    }
}
