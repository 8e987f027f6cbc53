use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(line: &str, zone: &str) -> Schedule {
    Schedule::parse(line, zone, &Seed::of(&["uid", "acme", "app"]))
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn slots(line: &str, zone: &str, from: &str, many: usize) -> Vec<String> {
    let schedule = schedule(line, zone);
    schedule.between(time(from), Timestamp::MAX, many).map(|slot| slot.to_string()).collect()
}

#[test]
fn plain_lines_mean_what_cron_says() {
    assert_eq!(
        slots("30 3 * * *", "UTC", "2026-11-22T03:30:00Z", 2),
        ["2026-11-23T03:30:00Z", "2026-11-24T03:30:00Z"]
    );
    assert_eq!(slots("*/15 4 * * *", "UTC", "2026-11-22T04:31:00Z", 1), ["2026-11-22T04:45:00Z"]);
    assert_eq!(slots("0 0 1 jan *", "UTC", "2026-11-22T00:00:00Z", 1), ["2027-01-01T00:00:00Z"]);
    assert_eq!(slots("0 6 * * MON-FRI", "UTC", "2026-11-21T00:00:00Z", 1), ["2026-11-23T06:00:00Z"]);
    assert_eq!(slots("0 6 * * 7", "UTC", "2026-11-23T00:00:00Z", 1), ["2026-11-29T06:00:00Z"]);
    assert_eq!(slots("0 6 * * */7", "UTC", "2026-11-23T00:00:00Z", 2).len(), 2);
}

#[test]
fn the_newest_slot_is_the_one_that_has_come() {
    let daily = schedule("30 3 * * *", "Europe/Berlin");
    let slot = time("2026-11-22T02:30:00Z");
    assert_eq!(daily.newest(slot), Some(slot));
    assert_eq!(daily.newest(slot + SignedDuration::from_millis(1)), Some(slot));
    assert_eq!(daily.newest(slot - SignedDuration::from_millis(1)), Some(time("2026-11-21T02:30:00Z")));
    assert_eq!(daily.next(slot), Some(time("2026-11-23T02:30:00Z")));
}

#[test]
fn summer_time_neither_drops_nor_doubles_a_day() {
    // 2026-03-29 02:30 doesn't exist in Berlin, and 2026-10-25 02:30 comes twice.
    assert_eq!(
        slots("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    let daily = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(daily.newest(time("2026-10-25T01:45:00Z")), Some(time("2026-10-25T00:30:00Z")));
    assert_eq!(daily.newest(time("2026-03-29T05:00:00Z")), Some(time("2026-03-29T01:00:00Z")));
}

#[test]
fn h_differs_between_names_and_stays_with_a_name() {
    let line = |tenant: &str| {
        let seed = Seed::of(&["uid", tenant, "app"]);
        Schedule::parse("H H(0-5) * * *", "UTC", &seed).unwrap().expanded().to_owned()
    };
    assert_eq!(line("acme"), line("acme"));
    let all: std::collections::BTreeSet<String> = (0..200).map(|n| line(&format!("t{n}"))).collect();
    assert!(all.len() > 120, "{} of 200 differ", all.len());
    // Words that run together are other words.
    assert_ne!(Seed::of(&["ab", "c"]), Seed::of(&["a", "bc"]));
}

#[test]
fn h_fills_its_window_evenly() {
    let mut hours = [0u32; 6];
    for n in 0..1200 {
        let seed = Seed::of(&["uid", &format!("t{n}"), "app"]);
        let schedule = Schedule::parse("H H(0-5) * * *", "UTC", &seed).unwrap();
        let hour: usize = schedule.expanded().split(' ').nth(1).unwrap().parse().unwrap();
        hours[hour] += 1;
    }
    assert!(hours.iter().all(|many| (150..250).contains(many)), "{hours:?}");
}

#[test]
fn rates_are_those_of_the_window() {
    let near = |line: &str, rate: f64| {
        let found = schedule(line, "UTC").rate();
        assert!((found - rate).abs() < 1e-9, "{line}: {found}");
    };
    near("H H(0-5) * * *", 1.0 / 360.0);
    near("0 3 * * *", 1.0 / 60.0);
    near("0 H(0-5) * * *", 1.0 / 360.0);
    near("H/15 * * * *", 1.0 / 15.0);
    near("*/15 * * * *", 1.0 / 15.0);
    near("* * * * *", 1.0);
    near("@daily", 1.0 / 1440.0);
}

#[test]
fn steps_of_h_keep_their_distance() {
    let text = schedule("H/15 H(8-10) * * *", "UTC").expanded().to_owned();
    let minutes: Vec<u32> =
        text.split(' ').next().unwrap().split(',').map(|one| one.parse().unwrap()).collect();
    assert_eq!(minutes.len(), 4, "{text}");
    assert!(minutes.windows(2).all(|pair| pair[1] - pair[0] == 15), "{text}");
}

#[test]
fn a_wrong_line_says_where() {
    let wrong = |line: &str| {
        let error = Schedule::parse(line, "UTC", &Seed::of(&[])).unwrap_err();
        let ScheduleError::Line(error) = error else { panic!("{error}") };
        (error.column, error.message)
    };
    assert_eq!(wrong("0 25 * * *").0, 3);
    assert!(wrong("0 25 * * *").1.contains("hour: can't read \"25\""), "{:?}", wrong("0 25 * * *"));
    assert_eq!(wrong("0  1,2,x * * *").0, 8);
    assert_eq!(wrong("0 3 * *").1, "4 fields, not 5: minute, hour, day of month, month, day of week");
    assert_eq!(wrong("0 0 3 * * *").0, 11);
    assert!(wrong("0 0 31 2 *").1.contains("no day that exists"));
    for bad in [
        "",
        "@fortnightly",
        "H(5-1) * * * *",
        "*/0 * * * *",
        "5/15 * * * *",
        "-1 * * * *",
        "0 0 L * *",
        "H(0-60) * * * *",
        "H( * * * *",
        "+1 0 * * *",
    ] {
        assert!(Schedule::parse(bad, "UTC", &Seed::of(&[])).is_err(), "{bad}");
    }
    let zone = Schedule::parse("0 3 * * *", "Mars/Olympus", &Seed::of(&[])).unwrap_err();
    assert!(zone.to_string().contains("Mars/Olympus"), "{zone}");
}

#[test]
fn a_leap_day_is_a_day() {
    assert_eq!(slots("0 0 29 2 *", "UTC", "2026-11-22T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
}

#[test]
fn gaps_and_places_in_the_row() {
    let weekly = schedule("0 6 * * 1", "UTC");
    let from = time("2026-06-01T00:00:00Z");
    assert_eq!(weekly.longest_gap(from), Some(SignedDuration::from_hours(168)));
    for line in ["0 6 * * 1", "0 6 3 * *", "0 6 * * *", "*/10 * * * *"] {
        let schedule = schedule(line, "UTC");
        let parity: Vec<u64> =
            schedule.between(from, Timestamp::MAX, 6).map(|slot| schedule.ordinal(slot) % 2).collect();
        assert!(parity.windows(2).all(|pair| pair[0] != pair[1]), "{line}: {parity:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn newest_and_next_agree(
        second in 1_700_000_000i64..1_900_000_000,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        line in prop::sample::select(vec!["H H(0-5) * * *", "H H * * H", "H/20 * * * *", "30 2 * * *", "H H H * *", "*/5 1-3 * * *"]),
        name in "[a-z]{1,8}",
    ) {
        let schedule = Schedule::parse(line, zone, &Seed::of(&[&name])).unwrap();
        let now = Timestamp::from_second(second).unwrap();
        let newest = schedule.newest(now).unwrap();
        let next = schedule.next(now).unwrap();
        prop_assert!(newest <= now && now < next);
        // No slot lies between, seen from either side.
        prop_assert_eq!(schedule.next(newest), Some(next), "newest {}", newest);
        prop_assert_eq!(schedule.newest(next), Some(next));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = Schedule::parse(&text, "UTC", &Seed::of(&[]));
    }

    #[test]
    fn no_line_of_the_right_letters_panics(text in "[0-9H*/,() -]{0,24}") {
        let _ = Schedule::parse(&text, "UTC", &Seed::of(&[]));
    }
}
