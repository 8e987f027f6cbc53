//! `cargo bench --bench spread`: how 1,000 tenants on one cron line begin, as a histogram, with the fullest minute over
//! the mean; and how long one look at all of them takes.

use std::time::Instant;

use jiff::Timestamp;
use tenantry::backup::{
    schedule::{Schedule, Seed},
    spread::{Budget, per_minute},
};

mod play;

const TENANTS: usize = 1000;
const LINE: &str = "H H(0-5) * * *";
const MINUTES: usize = 360;

fn main() {
    let started = Instant::now();
    let schedules: Vec<(String, Schedule)> = (0..TENANTS)
        .filter_map(|n| {
            let tenant = format!("tenant-{n}");
            let seed = Seed::of(&["platform", &tenant, "app"]);
            Some((tenant, Schedule::parse(LINE, "UTC", &seed).ok()?))
        })
        .collect();
    let read = started.elapsed();
    let midnight = Timestamp::UNIX_EPOCH;
    let started = Instant::now();
    let due: Vec<(String, Timestamp)> = schedules
        .iter()
        .filter_map(|(tenant, schedule)| Some((tenant.clone(), schedule.next(midnight)?)))
        .collect();
    let found = started.elapsed();
    let rate = per_minute(schedules.iter().map(|(_, schedule)| schedule.rate()));
    let free = Budget { concurrency: 1000, drills: 1, per_minute: 1000 };
    println!(
        "{TENANTS} tenants, \"{LINE}\", {MINUTES} minutes, mean {:.2}\n",
        TENANTS as f64 / MINUTES as f64
    );
    println!("| | fullest minute | over the mean, rounded up | last start |");
    println!("|---|---|---|---|");
    for (name, budget) in [("hash alone", free), ("hash and tokens", Budget { per_minute: rate, ..free })] {
        let histogram = play::play(&due, midnight, MINUTES, &budget, 60);
        let (most, ratio) = (histogram.most(), histogram.ratio());
        println!("| {name} | {most} | {ratio:.2} | minute {} |", histogram.minutes.len());
        for starts in 0..=most {
            let minutes = histogram.minutes.iter().filter(|one| **one == starts).count();
            eprintln!("{name}: {minutes:>4} minutes with {starts} starts {}", "#".repeat(minutes / 4));
        }
    }
    println!("\nread {TENANTS} lines in {read:.1?}, found their next slots in {found:.1?}");
}
