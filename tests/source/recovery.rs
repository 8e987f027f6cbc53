//! Killed, damaged, rewritten, outgrown: the copy always finds its way back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tenantry::source::{SourceError, fetch, read};

use crate::repo::put;
use crate::server::Answer;
use crate::{World, text};

fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files_below(entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// Text that does not compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed * 2 + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[tokio::test]
async fn a_child_killed_while_it_fetches_leaves_nothing_that_hurts() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1"), put("noise.txt", noise(1, 300_000))]);
    let commit = world.resolve().await?;
    let stall = |after: usize| {
        move |asked: &crate::server::Asked| match asked.is_pack() {
            true => Answer::Stall(after),
            false => Answer::Git,
        }
    };
    // Nobody waits for the fetch any more, so it is killed: SIGKILL, wherever it is.
    let killed = async |world: &World| {
        let begun = tokio::time::timeout(Duration::from_millis(900), fetch(&world.settings, &commit)).await;
        assert!(begun.is_err(), "the server stalls: {begun:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for after in [10, 1_000, 100_000, 150_000] {
        world.server.answer(stall(after));
        killed(&world).await;
    }
    let temporary = |path: &PathBuf| path.display().to_string().contains("_git2_");
    let git = world.settings.repository.join("git");
    assert!(files_below(git.clone()).iter().any(temporary), "a killed fetch leaves something behind");
    // What a kill at a worse moment leaves: locks of libgit2.
    fs::create_dir_all(git.join("refs/tenantry")).expect("disk");
    fs::write(git.join("refs/tenantry/head.lock"), b"").expect("disk");
    fs::write(git.join("shallow.lock"), b"").expect("disk");
    world.server.answer(|_| Answer::Git);
    let first = world.sync(None).await?;
    assert_eq!(text(&first, "a.yaml"), "a: 1");
    let left: Vec<_> = files_below(git.clone()).into_iter().filter(temporary).collect();
    assert!(left.is_empty(), "temporary packs are left: {left:?}");

    // The same in the middle of an incremental fetch.
    world.repo.commit("main", "two", &[put("a.yaml", "a: 2"), put("noise.txt", noise(2, 300_000))]);
    world.server.answer(stall(100_000));
    killed(&world).await;
    assert!(files_below(git).iter().any(temporary), "a killed fetch leaves something behind");
    read(&world.settings, &first.revision, None).expect("the old commit is untouched");
    world.server.answer(|_| Answer::Git);
    assert!(!world.fetch().await?.fresh, "it goes on from what it had");
    assert_eq!(text(&world.sync(Some(&first)).await?, "a.yaml"), "a: 2");
    Ok(())
}

#[tokio::test]
async fn damage_is_noticed_and_mended() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1"), put("b.yaml", noise(3, 5_000))]);
    let good = world.sync(None).await?;
    let git = world.settings.repository.join("git");
    for damage in ["empty", "remove", "flip", "nothing", "config"] {
        for file in
            files_below(git.join("objects")).iter().filter(|f| f.extension().is_some_and(|e| e == "pack"))
        {
            let mut permissions = fs::metadata(file).expect("disk").permissions();
            #[allow(clippy::permissions_set_readonly_false, reason = "a temporary file of this test")]
            permissions.set_readonly(false);
            fs::set_permissions(file, permissions).expect("disk");
            let mut bytes = fs::read(file).expect("disk");
            match damage {
                "empty" => fs::write(file, b"").expect("disk"),
                "remove" => fs::remove_file(file).expect("disk"),
                "flip" => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 0xff;
                    fs::write(file, bytes).expect("disk");
                }
                _ => {}
            }
        }
        match damage {
            "config" => fs::write(git.join("config"), b"[core\nnonsense").expect("disk"),
            "nothing" => fs::remove_dir_all(&git).expect("disk"),
            _ => {}
        }
        let first = read(&world.settings, &good.revision, None);
        if let Err(error) = &first {
            assert_eq!(error.reason(), "Corrupt", "{damage}: {error}");
        }
        world.fetch().await?;
        let again = read(&world.settings, &good.revision, None)?;
        assert_eq!(again.files, good.files, "{damage}");
        // Reading looks at objects only; a broken configuration is met, and mended, by the fetch.
        assert_eq!(first.is_err(), damage != "config", "{damage}");
    }
    Ok(())
}

#[tokio::test]
async fn a_force_push_is_followed() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1"), put("same.yaml", "s: 1")]);
    let one = world.sync(None).await?;
    let new = world.repo.replace("main", "rewritten", &[put("a.yaml", "a: 9"), put("same.yaml", "s: 1")]);
    let two = world.sync(Some(&one)).await?;
    assert_eq!(two.revision.to_string(), new);
    assert_eq!(text(&two, "a.yaml"), "a: 9");
    assert_eq!(two.files["a.yaml"].commit.to_string(), new);
    assert_eq!(two.files["same.yaml"].commit, one.revision, "the same content keeps its commit");
    Ok(())
}

#[tokio::test]
async fn the_branch_may_move_between_the_two_questions() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    let asked = world.resolve().await?;
    let newer = world.repo.commit("main", "two", &[put("a.yaml", "a: 2")]);
    let fetched = fetch(&world.settings, &asked).await?;
    assert_eq!(fetched.commit.to_string(), newer, "shallow: only the newer one is here");
    read(&world.settings, &fetched.commit, None)?;
    Ok(())
}

#[tokio::test]
async fn history_that_outgrows_the_limit_is_dropped_not_an_error() -> Result<(), SourceError> {
    let mut world = World::new();
    world.settings.limits.repository_bytes = 600_000;
    let mut fresh = 0;
    for round in 0..8 {
        world.repo.commit(
            "main",
            "next",
            &[put("a.yaml", format!("a: {round}")), put("n.txt", noise(round, 200_000))],
        );
        let fetched = world.fetch().await?;
        fresh += u32::from(fetched.fresh);
        assert!(fetched.stored <= 600_000, "{fetched:?}");
        let snapshot = read(&world.settings, &fetched.commit, None)?;
        assert_eq!(text(&snapshot, "a.yaml"), format!("a: {round}"));
    }
    assert!((2..=5).contains(&fresh), "{fresh} of 8 fetches were made anew");
    Ok(())
}

#[tokio::test]
async fn another_repository_under_the_same_folder_is_another_copy() -> Result<(), SourceError> {
    let mut world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    world.sync(None).await?;
    let other = crate::repo::Repo::new(world.folder.path(), "other");
    other.commit("main", "other", &[put("b.yaml", "b: 1")]);
    world.settings.url = world.server.url("other");
    assert!(world.fetch().await?.fresh);
    assert_eq!(world.sync(None).await?.files.keys().collect::<Vec<_>>(), ["b.yaml"]);
    Ok(())
}

#[tokio::test]
async fn two_at_once_do_not_meet() -> Result<(), SourceError> {
    let world = World::new();
    world.repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
    let commit = world.resolve().await?;
    world.server.answer(|asked| match asked.is_pack() {
        true => Answer::Slow(Duration::from_millis(3)),
        false => Answer::Git,
    });
    let (one, two) = tokio::join!(fetch(&world.settings, &commit), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        fetch(&world.settings, &commit).await
    });
    one?;
    assert_eq!(two.expect_err("the folder is taken").reason(), "Busy");
    Ok(())
}
