//! Sixty days: restarts, two leaders, hours and days of downtime, summer time, failing runs, clocks that lie.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tenantry::backup::{known::Kind, record::reasons, retention};

use super::{
    known::{database, hours, settings, time},
    world::{End, View, World},
};

/// Berlin's clocks go back on 2026-10-25, inside the sixty days.
const START: &str = "2026-09-10T00:00:00Z";
const DAYS: i64 = 60;
const ZONE: &str = "Europe/Berlin";

/// What happens to whom, in hours from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Down,
    TwoLeaders,
    OurClock(i64),
    StoresClock(i64),
}

/// What happens, and the hours without an operator that can do anything.
struct Calendar {
    troubles: Vec<(i64, i64, Trouble)>,
    idle: BTreeSet<i64>,
}

impl Calendar {
    fn of(world: &World) -> Self {
        let troubles = troubles(world);
        let idle = troubles.iter().filter(|(_, _, one)| *one != Trouble::TwoLeaders);
        let idle = idle.flat_map(|(at, long, _)| *at..at + long).collect();
        Self { troubles, idle }
    }

    /// Hours without an operator between two true times.
    fn down(&self, from: Timestamp, to: Timestamp) -> i64 {
        let start = time(START);
        let hour = |time: Timestamp| time.duration_since(start).as_hours();
        let (from, to) = (hour(from), hour(to));
        if from > to { 0 } else { i64::try_from(self.idle.range(from..=to).count()).unwrap() }
    }
}

fn troubles(world: &World) -> Vec<(i64, i64, Trouble)> {
    let some = |salt: &str, many: u64| i64::try_from(world.seed.pick(salt.as_bytes(), many)).unwrap();
    vec![
        (24 * 5 + some("a", 20), 4, Trouble::Down),
        (24 * 9 + some("b", 20), 30, Trouble::TwoLeaders),
        (24 * 14 + some("c", 20), 72, Trouble::Down),
        (24 * 22 + some("d", 20), 3, Trouble::OurClock(24 * 31)),
        (24 * 34 + some("e", 20), 3, Trouble::StoresClock(24 * 31)),
        (24 * 38 + some("f", 20), 3, Trouble::OurClock(-24 * 31)),
        (24 * 41 + some("g", 20), 3, Trouble::StoresClock(-24 * 31)),
        (24 * 50 + some("h", 20), 9, Trouble::Down),
    ]
}

fn fate(want: &tenantry::backup::decide::Want, luck: u64) -> End {
    match (want.kind, luck) {
        (Kind::Backup, 0..40) => End::Killed,
        (Kind::Backup, 40..80) => End::Bad(reasons::DUMP_FAILED),
        (Kind::Backup, 80..100) if want.memory_times == 1 => End::Bad(reasons::OUT_OF_MEMORY),
        (Kind::Expire | Kind::Prune, 0..60) => End::Bad(reasons::STORE_UNREACHABLE),
        _ => End::Good,
    }
}

fn world(seed: u64) -> World {
    let tenants = [("acme", 1), ("birch", 2), ("cedar", 1)];
    let all = tenants.iter().map(|(tenant, many)| {
        let databases =
            (0..*many).map(|n| database(tenant, &format!("db{n}"), "H H(0-5) * * *", ZONE)).collect();
        settings(tenant, databases, ZONE)
    });
    let mut world = World::new(time(START), all.collect(), seed);
    world.fate = fate;
    world
}

/// Plays all of it; `daily` looks at the world at the end of each day.
fn play(world: &mut World, calendar: &Calendar, mut daily: impl FnMut(&World, i64)) {
    let troubles = &calendar.troubles;
    let start = world.now;
    let mut second: Option<View> = None;
    for hour in 0..DAYS * 24 {
        let from = start + hours(hour);
        let is = |trouble: fn(&Trouble) -> bool| {
            troubles.iter().any(|(at, long, one)| trouble(one) && (*at..at + long).contains(&hour))
        };
        let (down, two) = (is(|one| *one == Trouble::Down), is(|one| *one == Trouble::TwoLeaders));
        world.ours_ahead = SignedDuration::ZERO;
        world.stores_ahead = SignedDuration::ZERO;
        for (at, long, one) in troubles {
            match one {
                Trouble::OurClock(by) if (*at..at + long).contains(&hour) => world.ours_ahead = hours(*by),
                Trouble::StoresClock(by) if (*at..at + long).contains(&hour) => {
                    world.stores_ahead = hours(*by)
                }
                _ => {}
            }
        }
        let until = from + hours(1);
        while world.now < until {
            let mut next = until;
            if !down {
                let view = world.look();
                next = next.min(world.pass(&view).unwrap_or(until));
                // The other leader sees what was there a while ago.
                if let Some(old) = second.replace(view).filter(|_| two) {
                    world.pass(&old);
                }
            }
            let next = world.next_end().into_iter().chain([next]).min().unwrap_or(until);
            world.go_to(next.max(world.now + SignedDuration::from_secs(1)).min(until));
        }
        if (hour + 1) % 24 == 0 {
            daily(world, hour / 24);
        }
    }
}

fn retention_is_exact(world: &World, calendar: &Calendar, day: i64) {
    for (settings, kept) in world.settings.iter().zip(&world.kept) {
        for database in &settings.databases {
            let mut points: Vec<_> =
                kept.points.iter().filter(|point| point.database == database.name).collect();
            points.sort_by_key(|point| point.stored);
            points.pop();
            for point in points {
                let age = world.now.duration_since(point.time);
                // Hours without an operator, and days that nothing proves, make it later; then a free quarter of an hour.
                let late = calendar.down(point.time + hours(24 * 30), world.now);
                let unproven = if calendar.down(point.time, world.now) >= 72 { 73 + 9 } else { 0 };
                let most = hours(24 * 30 + 2 + late + unproven);
                assert!(
                    age <= most,
                    "day {day}: {} of {} is {age:?} old, more than {most:?}",
                    point.snapshot,
                    settings.tenant
                );
            }
        }
    }
    assert_eq!(world.removed_early, Vec::<String>::new(), "day {day}");
}

fn sixty_days(seed: u64) {
    let mut world = world(seed);
    // Per tenant and database: the local days on which a good run began.
    let mut days: BTreeMap<(usize, String), BTreeSet<i64>> = BTreeMap::new();
    let mut slots: BTreeMap<(usize, String, Timestamp), BTreeSet<String>> = BTreeMap::new();
    let calendar = Calendar::of(&world);
    play(&mut world, &calendar, |world, day| {
        retention_is_exact(world, &calendar, day);
        for (tenant, kept) in world.kept.iter().enumerate() {
            for past in kept.past.iter().filter(|past| past.kind == Kind::Backup && past.succeeded) {
                let slot = past.slot.unwrap();
                let local = slot.duration_since(time(START)).as_hours() / 24;
                days.entry((tenant, past.database.clone())).or_default().insert(local);
                slots.entry((tenant, past.database.clone(), slot)).or_default().insert(past.id.clone());
            }
        }
    });
    for ((tenant, database, slot), ids) in &slots {
        assert_eq!(ids.len(), 1, "two good runs of {slot} for {tenant}/{database}: {ids:?}");
    }
    for (tenant, settings) in world.settings.iter().enumerate() {
        for database in &settings.databases {
            // Each slot has its run, unless the operator was away from it until its deadline.
            let from = time(START);
            let all = database.schedule.between(from, world.now - hours(7), 1000);
            let has = |slot: &Timestamp| slots.contains_key(&(tenant, database.name.clone(), *slot));
            let was_up = |slot: &Timestamp| calendar.down(*slot, *slot + hours(6)) < 5;
            let missed: Vec<String> = all
                .filter(|slot| !has(slot) && was_up(slot))
                .filter(|slot| !failed_for_good(&world, tenant, &database.name, *slot))
                .map(|slot| slot.to_string())
                .collect();
            assert_eq!(missed, Vec::<String>::new(), "{}/{}", settings.tenant, database.name);
            assert!(days[&(tenant, database.name.clone())].len() >= 54, "{days:?}");
            assert_eq!(retention::overdue(settings, &look(&world, tenant), world.now), 0);
        }
    }
    assert!(world.refused > 0, "two leaders never met: the test shows nothing");
    assert!(world.ended > 600, "{} Jobs", world.ended);
}

fn look(world: &World, tenant: usize) -> tenantry::backup::known::Store {
    world.look().stores.swap_remove(tenant)
}

fn failed_for_good(world: &World, tenant: usize, database: &str, slot: Timestamp) -> bool {
    let tries = world.kept[tenant].past.iter().filter(|past| {
        past.kind == Kind::Backup && past.database == database && past.slot == Some(slot) && !past.succeeded
    });
    tries.count() >= 2
}

#[test]
fn sixty_days_of_trouble_lose_no_day_and_keep_thirty() {
    sixty_days(1);
}

#[test]
fn sixty_other_days_of_trouble() {
    sixty_days(20_261_122);
}

#[test]
fn a_jump_of_both_clocks_removes_nothing() {
    let mut world = world(7);
    world.fate = |_, _| End::Good;
    let start = world.now;
    let run = |world: &mut World, until: Timestamp| {
        while world.now < until {
            let view = world.look();
            let next = world.pass(&view).unwrap_or(until);
            let next = world.next_end().into_iter().chain([next, until]).min().unwrap();
            world.go_to(next.max(world.now + SignedDuration::from_secs(1)));
        }
    };
    run(&mut world, start + hours(29 * 24));
    let before: usize = world.kept.iter().map(|kept| kept.points.len()).sum();
    world.ours_ahead = hours(31 * 24);
    world.stores_ahead = hours(31 * 24);
    run(&mut world, start + hours(29 * 24 + 6));
    let after: usize = world.kept.iter().map(|kept| kept.points.len()).sum();
    assert!(after >= before, "{before} restore points became {after}");
    assert_eq!(world.removed_early, Vec::<String>::new());
    assert!(after > before, "runs go on");
}
