//! Archives that forget what is old.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::audit::evidence::{Evidence, consistency, inclusion};
use crate::audit::log::tile;

const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// Records of the segments of each day. A bundle ends with the first day; tiles of three levels are begun in it.
const DAYS: [&[u64]; 5] = [&[66_000, 48], &[100, 40], &[7, 300], &[1], &[256, 5]];

/// A log of so many days, and on which day each object was written.
fn days(count: usize) -> (Folder, BTreeMap<String, usize>) {
    let (mut writer, mut born) = (Writer::default(), BTreeMap::new());
    for (day, counts) in DAYS[..count].iter().enumerate() {
        writer.passed = DAY * i64::try_from(day).unwrap();
        for count in *counts {
            let first = writer.next;
            let segment = writer.events(*count);
            writer.seal(first, &segment);
        }
        for path in writer.files.0.keys() {
            born.entry(path.clone()).or_insert(day);
        }
    }
    writer.cosign();
    (writer.files, born)
}

/// What is left when everything before a day is gone.
fn from_day(files: &Folder, born: &BTreeMap<String, usize>, day: usize) -> Folder {
    let mut left = files.clone();
    left.0.retain(|path, _| born.get(path).is_none_or(|born| *born >= day));
    left
}

/// An hour before the first record of a day was received.
fn before(day: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGIN + day * DAY - HOUR).unwrap()
}

fn look_since(files: &mut Folder, since: Timestamp) -> Stream {
    let keys = Keys { since: Some(since), ..keys() };
    verify(files, &stream(), &keys, &mut |_| {}).unwrap().0
}

fn records(days: &[&[u64]]) -> u64 {
    days.concat().iter().sum()
}

#[test]
fn what_is_left_is_proved_and_nothing_younger_may_be_gone() {
    let (files, born) = days(5);
    let whole = look_since(&mut files.clone(), before(4));
    assert!(whole.is_whole() && whole.expired.is_none() && whole.strangers.is_empty(), "{whole:?}");
    for day in 1..DAYS.len() {
        let left = from_day(&files, &born, day);
        assert!(!look(&mut left.clone()).is_whole(), "day {day}: nobody said that anything may be gone");
        let begin = i64::try_from(day).unwrap();
        // Where a bundle begins with the day its first record is the only one that tells the time.
        let dawn = Timestamp::from_millisecond(BEGIN + DAY + 66_048).unwrap();
        let since = if day == 1 { dawn } else { before(begin) };
        let found = look_since(&mut left.clone(), since);
        assert!(
            found.is_whole() && found.strangers.is_empty(),
            "day {day}: {:?} {:?}",
            found.faults,
            found.strangers
        );
        assert_eq!(found.proven, records(&DAYS));
        assert_eq!(found.expired.as_ref().map(|gone| gone.before), Some(records(&DAYS[..day])));
        // It was received within what must be kept.
        let younger = before(begin - 1) - SignedDuration::from_mins(1);
        assert!(!look_since(&mut left.clone(), younger).is_whole(), "day {day}");
        for path in left.0.keys().filter(|path| born.contains_key(*path)) {
            let mut bad = left.clone();
            bad.0.remove(path);
            let found = look_since(&mut bad, since);
            assert!(!found.is_whole(), "day {day}: {path} is gone and nothing is said");
        }
    }
}

/// Objects of one day go one after the other, in any order.
#[test]
fn a_day_that_is_going_spoils_nothing() {
    let (files, born) = days(5);
    let left = from_day(&files, &born, 1);
    for path in left.0.keys().filter(|path| born.get(*path) == Some(&1)) {
        let mut going = left.clone();
        going.0.remove(path);
        let found = look_since(&mut going, before(2));
        assert!(found.is_whole() && found.strangers.is_empty(), "{path}: {:?}", found.faults);
        assert!(found.expired.is_some(), "{path}");
    }
    // Changed is not gone.
    let (mut bad, segment) = (files, layout::segment(66_000, 66_047));
    bad.0.remove(&tile::bundle_path(258, 100));
    bad.0.get_mut(&segment).unwrap()[60] ^= 1;
    let found = look_since(&mut bad, before(2));
    assert!(found.expired.is_some(), "{found:?}");
    assert!(found.faults.iter().any(|fault| fault.path == segment), "{:?}", found.faults);
}

#[test]
fn an_edge_or_a_bundle_that_was_forged_makes_nothing_older() {
    let (files, born) = days(5);
    let left = from_day(&files, &born, 2);
    let flip = |path: &str, at: usize| {
        let mut bad = left.clone();
        bad.0.get_mut(path).unwrap()[at] ^= 1;
        look_since(&mut bad, before(2)).faults.len()
    };
    let edge = layout::edge(records(&DAYS[..2]));
    for at in (0..left.0[&edge].len()).step_by(61) {
        assert!(flip(&edge, at) > 0, "byte {at}");
    }
}

/// Where a bundle begins with the day only its own first entry tells the time, and who may add objects may add a longer one.
#[test]
fn a_bundle_that_was_planted_makes_nothing_older() {
    let (files, born) = days(2);
    let left = from_day(&files, &born, 1);
    assert!(look_since(&mut left.clone(), before(2)).is_whole());
    let since = before(1);
    assert!(
        !look_since(&mut left.clone(), since).is_whole(),
        "nothing older than the day itself is proved to be gone"
    );
    let time = |day: i64| (BEGIN + day * DAY + 66_048).to_string();
    let (mut bundle, mut changed) = (Vec::new(), 0);
    for entry in tile::entries(&left.0[&tile::bundle_path(258, 140)]).unwrap() {
        let text = String::from_utf8_lossy(entry);
        let older = text.replace(&time(1), &time(0));
        changed += usize::from(older != text);
        tile::append(&mut bundle, older.as_bytes());
    }
    assert_eq!(changed, 1);
    tile::append(&mut bundle, b"one more");
    let mut planted = left;
    planted.0.insert(tile::bundle_path(258, 141), bundle);
    let found = look_since(&mut planted, since);
    assert!(found.expired.is_some() && !found.is_whole(), "{found:?}");
}

#[test]
fn what_is_left_is_proved_without_what_expired() {
    let (files, born) = days(5);
    let mut left = from_day(&files, &born, 2);
    assert!(!left.0.contains_key("tile/2/000.p/1"), "the tile of the highest level is as old as the log");
    let log = key(Kind::Log);
    for seq in [66_188, 66_300, 66_494, 66_756] {
        let found = inclusion(&mut left, &stream(), log.public(), &format!("id-{seq}")).unwrap();
        assert_eq!((found.found.len(), found.gone), (1, 258 * 256), "{seq}");
        assert!(found.found[0].check(log.public(), None).is_ok(), "{seq}");
    }
    let found = inclusion(&mut left, &stream(), log.public(), "id-5").unwrap();
    assert_eq!((found.found.len(), found.gone), (0, 258 * 256));
    let proved = consistency(&mut left, &stream(), log.public(), (before(3), before(4))).unwrap();
    assert!(matches!(proved, Evidence::Consistency { .. }) && proved.check(log.public(), None).is_ok());
}
