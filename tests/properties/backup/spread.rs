//! The spread of starts.

use jiff::Timestamp;
use proptest::prelude::*;
use tenantry::backup::{
    known::Kind,
    schedule::{Schedule, Seed},
    spread::{Bid, Budget, Taken, admit, per_minute},
};

use super::known::{hours, time};
use crate::many;

#[path = "../../benches/spread/play.rs"]
mod play;

/// When each of so many tenants is due in the night of the first of December.
fn due(tenants: usize, line: &str) -> (Vec<(String, Timestamp)>, u32) {
    let schedules = (0..tenants).map(|n| {
        let tenant = format!("tenant-{n}");
        let schedule = Schedule::parse(line, "UTC", &Seed::of(&["uid", &tenant, "app"])).unwrap();
        (tenant, schedule)
    });
    let schedules: Vec<(String, Schedule)> = schedules.collect();
    let rate = per_minute(schedules.iter().map(|(_, schedule)| schedule.rate()));
    let midnight = time("2026-11-30T23:59:59Z");
    let due = schedules.into_iter().map(|(tenant, schedule)| (tenant, schedule.next(midnight).unwrap()));
    (due.collect(), rate)
}

#[test]
fn b16_a_thousand_tenants_on_one_line_are_spread() {
    let (due, rate) = due(1000, "H H(0-5) * * *");
    assert_eq!(rate, 3, "1000 in 360 minutes");
    let budget = Budget { concurrency: 1000, drills: 1, per_minute: rate };
    let start = time("2026-12-01T00:00:00Z");
    let histogram = play::play(&due, start, 360, &budget, 60);
    assert_eq!(histogram.minutes.iter().sum::<u32>(), 1000, "each begins, once");
    assert!(histogram.ratio() <= 1.01, "{}", histogram.ratio());
    let late = histogram.minutes.len() - 360;
    assert!(late < 30, "the last begins {late} minutes after the window");
    // Without tokens the hash alone has minutes of more than twice the mean: the test can fail.
    let free = Budget { per_minute: 1000, ..budget };
    assert!(play::play(&due, start, 360, &free, 60).ratio() > 2.0);
}

#[test]
fn b16_a_line_without_h_is_spread_as_well() {
    let (due, rate) = due(1000, "0 3 * * *");
    let budget = Budget { concurrency: 1000, drills: 1, per_minute: rate };
    let histogram = play::play(&due, time("2026-12-01T03:00:00Z"), 60, &budget, 60);
    assert_eq!(histogram.minutes.iter().sum::<u32>(), 1000);
    assert!(histogram.ratio() <= 1.01 && histogram.minutes.len() == 60, "{histogram:?}");
}

#[test]
fn drills_have_places_of_their_own_and_restores_wait_for_nobody() {
    let now = time("2026-12-01T03:00:30Z");
    let bids = [Kind::Restore, Kind::Backup, Kind::Drill].map(|kind| Bid {
        kind,
        due: now,
        tenant: "acme".into(),
        job: kind.word().into(),
    });
    let running = |kind| Taken { kind, created: now - hours(1), active: true };
    let ended = |kind| Taken { active: false, ..running(kind) };
    let admitted = |taken: &[Taken], per_minute| {
        let budget = Budget { concurrency: 1, drills: 1, per_minute };
        let admission = admit(&bids, taken, &budget, now);
        assert_eq!(admission.again.is_some(), admission.admitted.len() < bids.len());
        admission.admitted.into_iter().map(|index| bids[index].kind).collect::<Vec<_>>()
    };
    let all = [Kind::Restore, Kind::Backup, Kind::Drill];
    assert_eq!(admitted(&[], 9), all);
    assert_eq!(admitted(&[running(Kind::OldDrill)], 9), [Kind::Restore, Kind::Backup]);
    assert_eq!(admitted(&[running(Kind::Check)], 9), [Kind::Restore, Kind::Drill]);
    // A restore takes nobody's place, and what has ended has none.
    assert_eq!(admitted(&[running(Kind::Restore), ended(Kind::Backup), ended(Kind::Drill)], 9), all);
    let began = Taken { created: now, ..ended(Kind::Backup) };
    assert_eq!(admitted(&[began], 1), [Kind::Restore, Kind::Drill], "the minute's token is gone");
}

#[test]
fn after_downtime_the_oldest_begin_first() {
    let (mut due, _) = due(100, "H H(0-5) * * *");
    due.sort_by_key(|(_, time)| *time);
    let budget = Budget { concurrency: 4, drills: 1, per_minute: 2 };
    let start = time("2026-12-01T09:00:00Z");
    let begun = play::begin(&due, start, &budget, 120);
    let order: Vec<Timestamp> = begun.into_iter().map(|(_, due)| due).collect();
    let wanted: Vec<Timestamp> = due.iter().map(|(_, time)| *time).collect();
    assert_eq!(order, wanted);
}

proptest! {
    #![proptest_config(many(24))]

    #[test]
    fn no_minute_has_more_than_the_mean(tenants in 1usize..600, line in prop::sample::select(vec!["H H(0-5) * * *", "H H(1-2) * * *", "H 3 * * *", "0 H(0-3) * * *"])) {
        let (due, rate) = due(tenants, line);
        let budget = Budget { concurrency: 1000, drills: 1, per_minute: rate };
        let histogram = play::play(&due, time("2026-12-01T00:00:00Z"), 360, &budget, 60);
        prop_assert_eq!(histogram.minutes.iter().sum::<u32>() as usize, tenants);
        prop_assert!(histogram.most() <= rate);
    }

    #[test]
    fn never_more_at_once_than_there_are_places(places in 1u32..5, seconds in 30i64..400) {
        let (due, _) = due(40, "H H(0-5) * * *");
        let budget = Budget { concurrency: places, drills: 1, per_minute: 50 };
        let start = time("2026-12-01T06:00:00Z") + hours(1);
        let histogram = play::play(&due, start, 10, &budget, seconds);
        prop_assert_eq!(histogram.minutes.iter().sum::<u32>(), 40);
        let minutes = usize::try_from((seconds + 59) / 60).unwrap();
        for window in histogram.minutes.windows(minutes) {
            prop_assert!(window.iter().sum::<u32>() <= places, "{window:?}");
        }
    }
}
