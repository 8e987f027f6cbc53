//! Streams of one agent, one after the other: a whole epoch can't go unnoticed. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::layout;
use super::super::spool::names::Previous;
use super::report::{Fault, Reason, Stream};

/// Checks what each epoch says of the one before, and notes what is missing at the later one.
pub fn check(streams: &mut [(layout::Stream, Option<Previous>, Stream)]) {
    let had: Vec<(layout::Stream, u64)> =
        streams.iter().map(|(stream, _, found)| (stream.clone(), found.proven + found.unproven)).collect();
    for (stream, previous, found) in streams {
        let Some(previous) = previous else { continue };
        let before = layout::Stream { epoch: previous.epoch.clone(), ..stream.clone() };
        let left = had.iter().find(|(other, _)| *other == before).map(|(_, records)| *records);
        let message = match left {
            None => format!("epoch {} came before this one and isn't there", previous.epoch),
            Some(left) if left < previous.records => {
                format!("epoch {} had {} records and has {left}", previous.epoch, previous.records)
            }
            Some(_) => continue,
        };
        found.faults.push(Fault { reason: Reason::EpochMissing, index: left, path: String::new(), message });
    }
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

    #[test]
    fn an_epoch_that_is_gone_or_shorter_is_named_by_the_next() {
        let one = |epoch: &str, records, previous: Option<(&str, u64)>| {
            let stream = layout::Stream { cluster: "c".into(), agent: "a".into(), epoch: epoch.into() };
            let previous = previous.map(|(epoch, records)| Previous { epoch: epoch.into(), records });
            (stream, previous, Stream { proven: records, ..Stream::default() })
        };
        let mut fine = [one("1", 10, None), one("2", 5, Some(("1", 10)))];
        check(&mut fine);
        assert!(fine.iter().all(|(_, _, found)| found.is_whole()));
        let mut shorter = [one("1", 9, None), one("2", 5, Some(("1", 10)))];
        check(&mut shorter);
        assert_eq!(shorter[1].2.faults[0].index, Some(9));
        let mut gone = [one("2", 5, Some(("1", 10)))];
        check(&mut gone);
        assert_eq!(gone[0].2.faults[0].reason, Reason::EpochMissing);
    }
}
