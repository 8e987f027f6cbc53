//! Streams of one agent, one after the other: a whole epoch can't go unnoticed. Pure.

use super::super::layout;
use super::gaps::Previous;
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
