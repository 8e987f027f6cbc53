//! A1 to A3: killed and without power at random moments. What was acknowledged is there, once or twice, and proved.

use crate::play::{Outcome, cuts, kills};

/// Where the dice begin: another time each day, and named when something is found.
fn seed() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_that_was_acknowledged() -> Outcome {
    let seed = seed();
    let report =
        kills::run(crate::BINARY, 25, seed).await.map_err(|error| format!("seed {seed}: {error}"))?;
    println!("{report:?}");
    assert!(report.acknowledged > 0 && report.lines > 0, "seed {seed}: {report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cuts_lose_nothing_that_was_acknowledged() -> Outcome {
    // Ten of them find a name that wasn't synced in one run of three.
    let report = cuts::run(200, seed()).await?;
    println!("{report:?}");
    assert!(report.acknowledged > 0, "{report:?}");
    Ok(())
}

/// The disk of the tests does lose what wasn't synced: without that, the test above can't fail.
#[test]
fn the_disk_of_the_tests_forgets_what_was_not_synced() {
    use std::path::Path;
    use tenantry::audit::spool::disk::Disk;
    let (mut lost, mut torn, mut names) = (0, 0, 0);
    for seed in 0..100 {
        let disk = crate::play::disk::FakeDisk::new(seed);
        let (safe, late) = (Path::new("/d/safe"), Path::new("/d/late"));
        let mut file = disk.open(safe).unwrap();
        file.write_at(&[1; 2000], 0).unwrap();
        file.sync().unwrap();
        disk.sync_folder(Path::new("/d")).unwrap();
        file.write_at(&[2; 2000], 2000).unwrap();
        disk.open(late).unwrap().write_at(&[3; 10], 0).unwrap();
        disk.power_on();
        let all = disk.all(Path::new("/d"));
        assert_eq!(all["safe"][..2000], [1; 2000]);
        let more = &all["safe"][2000..];
        lost += usize::from(!more.contains(&2));
        torn += usize::from(more.contains(&2) && more.iter().any(|byte| *byte != 2));
        names += usize::from(all.contains_key("late"));
    }
    assert!(lost > 0 && torn > 0 && (1..100).contains(&names), "{lost} {torn} {names}");
}
