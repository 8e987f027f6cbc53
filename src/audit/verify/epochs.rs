//! Streams of one agent, one after the other: a whole epoch can't go unnoticed. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::layout;
use super::super::log::note::PublicKey;
use super::super::spool::names::Previous;
use super::report::{Fault, Reason, Stream};

/// Checks what each epoch says of the one before, and notes what is missing at the later one. An epoch that was over
/// before `since` may be gone.
pub fn check(streams: &mut [(layout::Stream, Option<Previous>, Stream)], since: Option<Timestamp>) {
    forks(streams);
    let had: Vec<(layout::Stream, u64)> =
        streams.iter().map(|(stream, _, found)| (stream.clone(), found.proven + found.unproven)).collect();
    for (stream, previous, found) in streams {
        let Some(previous) = previous else { continue };
        let before = layout::Stream { epoch: previous.epoch.clone(), ..stream.clone() };
        let left = had.iter().find(|(other, _)| *other == before).map(|(_, records)| *records);
        let begin = found.received.as_ref().and_then(|(first, _)| first.parse::<Timestamp>().ok());
        let message = match left {
            None if begin.zip(since).is_some_and(|(begin, since)| begin <= since) => continue,
            None => format!("epoch {} came before this one and isn't there", previous.epoch),
            Some(left) if left < previous.records => {
                format!("epoch {} had {} records and has {left}", previous.epoch, previous.records)
            }
            Some(_) => continue,
        };
        found.faults.push(Fault { reason: Reason::EpochMissing, index: left, path: String::new(), message });
    }
}

/// A log has one end: of two epochs that go on from the same one somebody else wrote the other.
fn forks(streams: &mut [(layout::Stream, Option<Previous>, Stream)]) {
    let mut next: BTreeMap<layout::Stream, String> = BTreeMap::new();
    for (stream, previous, found) in streams {
        let Some(previous) = previous else { continue };
        let before = layout::Stream { epoch: previous.epoch.clone(), ..stream.clone() };
        if let Some(other) = next.insert(before, stream.epoch.clone()) {
            let message = format!("epochs {other} and {} both go on from {}", stream.epoch, previous.epoch);
            found.faults.push(Fault {
                reason: Reason::EpochForked,
                index: Some(0),
                path: String::new(),
                message,
            });
        }
    }
}

/// What is said of agents whose keys are believed and that have no epoch in the archive.
#[must_use]
pub fn absent(keys: &[PublicKey], streams: &[layout::Stream]) -> Vec<Stream> {
    let has =
        |key: &&PublicKey| streams.iter().any(|one| layout::key_name(&one.cluster, &one.agent) == key.name());
    let gone = keys.iter().filter(|key| !has(key)).map(|key| {
        let message = format!("there is nothing of {}, whose key was given", key.name());
        let faults =
            vec![Fault { reason: Reason::StreamMissing, index: Some(0), path: String::new(), message }];
        Stream { stream: key.name().to_owned(), key: key.to_string(), faults, ..Stream::default() }
    });
    gone.collect()
}

/// What is said of an epoch that nobody gave the key of.
#[must_use]
pub fn unknown(stream: &layout::Stream) -> Stream {
    let name = layout::key_name(&stream.cluster, &stream.agent);
    let message = format!("nobody gave the key of {name}: who wrote this can't be said");
    let faults = vec![Fault { reason: Reason::KeyUnknown, index: None, path: String::new(), message }];
    Stream { stream: stream.to_string(), faults, ..Stream::default() }
}

/// Checks that the newest epoch of each agent reaches a time: an end that was cut off leaves no trace in the log itself.
pub fn reach(streams: &mut [(layout::Stream, Option<Previous>, Stream)], time: Timestamp) {
    let mut newest: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (place, (stream, _, _)) in streams.iter().enumerate() {
        let agent = (stream.cluster.clone(), stream.agent.clone());
        let other = newest.get(&agent).map(|other| &streams[*other].0.epoch);
        if other.is_none_or(|other| *other < stream.epoch) {
            newest.insert(agent, place);
        }
    }
    for place in newest.into_values() {
        let found = &mut streams[place].2;
        let last = found.received.as_ref().and_then(|(_, last)| last.parse::<Timestamp>().ok());
        if last.is_none_or(|last| last < time) {
            let last = last.map_or_else(|| "nowhere".into(), |last| last.to_string());
            let message = format!("its last record was received at {last}, and it must reach {time}");
            let index = Some(found.proven + found.unproven);
            found.faults.push(Fault { reason: Reason::EndsEarly, index, path: String::new(), message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::log::note::{Kind, PrivateKey};

    #[test]
    fn two_epochs_that_go_on_from_one_and_agents_without_any_are_named() {
        let one = |epoch: &str| {
            let stream = layout::Stream { cluster: "c".into(), agent: "a".into(), epoch: epoch.into() };
            let previous = (epoch != "0").then(|| Previous { epoch: "0".into(), records: 1 });
            (stream, previous, Stream { proven: 1, ..Stream::default() })
        };
        let mut fine = [one("0"), one("1")];
        check(&mut fine, None);
        assert!(fine.iter().all(|(_, _, found)| found.is_whole()));
        let mut forked = [one("0"), one("1"), one("2")];
        check(&mut forked, None);
        assert_eq!(forked[2].2.faults[0].reason, Reason::EpochForked);
        let key = |agent| PrivateKey::of_seed(&layout::key_name("c", agent), Kind::Log, [1; 32]).unwrap();
        let keys = ["a", "b"].map(|agent| key(agent).public().clone());
        let gone = absent(&keys, &[one("0").0]);
        assert_eq!((gone.len(), gone[0].faults[0].reason), (1, Reason::StreamMissing));
        assert!(gone[0].stream.ends_with("/c/b"));
    }

    #[test]
    fn the_newest_epoch_of_each_agent_has_to_reach_the_time() {
        let at = |hour: i64| Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hour);
        let one = |agent: &str, epoch: &str, last: Option<i64>| {
            let stream = layout::Stream { cluster: "c".into(), agent: agent.into(), epoch: epoch.into() };
            let received = last.map(|last| (at(0).to_string(), at(last).to_string()));
            (stream, None, Stream { proven: 4, received, ..Stream::default() })
        };
        let mut all =
            [one("a", "1", Some(1)), one("a", "2", Some(5)), one("b", "1", Some(4)), one("c", "1", None)];
        reach(&mut all, at(5));
        let early: Vec<_> = all.iter().map(|(_, _, found)| found.faults.first()).collect();
        assert_eq!((early[0], early[1]), (None, None));
        for found in &early[2..] {
            assert_eq!(found.map(|one| (one.reason, one.index)), Some((Reason::EndsEarly, Some(4))));
        }
    }

    #[test]
    fn an_epoch_that_is_gone_or_shorter_is_named_by_the_next() {
        let one = |epoch: &str, records, previous: Option<(&str, u64)>| {
            let stream = layout::Stream { cluster: "c".into(), agent: "a".into(), epoch: epoch.into() };
            let previous = previous.map(|(epoch, records)| Previous { epoch: epoch.into(), records });
            (stream, previous, Stream { proven: records, ..Stream::default() })
        };
        let mut fine = [one("1", 10, None), one("2", 5, Some(("1", 10)))];
        check(&mut fine, None);
        assert!(fine.iter().all(|(_, _, found)| found.is_whole()));
        let mut shorter = [one("1", 9, None), one("2", 5, Some(("1", 10)))];
        check(&mut shorter, None);
        assert_eq!(shorter[1].2.faults[0].index, Some(9));
        let mut gone = [one("2", 5, Some(("1", 10)))];
        let begin: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        gone[0].2.received = Some((begin.to_string(), begin.to_string()));
        check(&mut gone, Some(begin));
        assert!(gone[0].2.is_whole(), "it ended before what must be kept");
        check(&mut gone, Some(begin - jiff::SignedDuration::from_secs(1)));
        assert_eq!(gone[0].2.faults[0].reason, Reason::EpochMissing);
    }
}
