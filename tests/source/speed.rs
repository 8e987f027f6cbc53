//! What one commit costs, as numbers in the test's output.

use std::time::{Duration, Instant};

use tenantry::source::{SourceError, read};

use crate::World;
use crate::repo::put;

#[tokio::test]
async fn one_commit_in_a_thousand_files() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.path = "tenants".to_owned();
    let file = |i: usize, text: &str| put(format!("tenants/{:02}/tenant-{i}.yaml", i % 40), text.repeat(60));
    let all: Vec<_> = (0..1000).map(|i| file(i, "some: text of a tenant\n")).collect();
    world.repo.commit("main", "all", &all);
    let mut previous = world.sync(None).await?;
    let mut best = [Duration::MAX; 4];
    for round in 0..5 {
        let changed = world.repo.commit("main", "one", &[file(7, &format!("round: {round} of a tenant\n"))]);
        let begun = Instant::now();
        let commit = world.resolve().await?;
        let resolved = begun.elapsed();
        let fetched = tenantry::source::fetch(&world.settings, &commit).await?;
        let arrived = begun.elapsed();
        let next = read(&world.settings, &fetched.commit, Some(&previous))?;
        let done = begun.elapsed();
        for (best, now) in best.iter_mut().zip([resolved, arrived - resolved, done - arrived, done]) {
            *best = (*best).min(now);
        }
        let named: Vec<_> = next.files.values().filter(|file| file.commit.to_string() == changed).collect();
        assert_eq!(named.len(), 1, "one file is attributed to the commit that changed it");
        assert!(fetched.received < 5_000, "{fetched:?}");
        previous = next;
    }
    let begun = Instant::now();
    read(&world.settings, &previous.revision, None)?;
    let cold = begun.elapsed();
    println!(
        "best of 5: resolve {:?}, fetch {:?}, read {:?}, all {:?}; reading all 1000 anew {cold:?}",
        best[0], best[1], best[2], best[3]
    );
    assert!(best[2] < Duration::from_millis(500) && best[3] < Duration::from_secs(4), "{best:?}");
    Ok(())
}

/// Run by hand: `cargo test --test source large -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "writes 300 MB"]
async fn a_large_repository() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.deadline = Duration::from_secs(120);
    let mut state = 1u64;
    let mut noise = || -> String {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(33 + (state >> 57) as u8 % 94)
        };
        (0..5_000_000).map(|_| next()).collect()
    };
    let files: Vec<_> = (0..20).map(|i| put(format!("{i}.txt"), noise())).collect();
    world.repo.commit("main", "large", &files);
    world.repo.commit("main", "small", &[put("a.yaml", "a: 1")]);
    let begun = Instant::now();
    let fetched = world.fetch().await?;
    println!("{} bytes received, {} stored, in {:?}", fetched.received, fetched.stored, begun.elapsed());
    assert_eq!(read(&world.settings, &fetched.commit, None)?.files.len(), 1);
    Ok(())
}
