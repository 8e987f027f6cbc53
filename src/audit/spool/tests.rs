use std::fs;
use std::path::Path;

use super::*;
use crate::audit::frame::{Found as Piece, Source, scan};

fn settings(folder: &Path) -> Settings {
    Settings { reserve: 0, ..Settings::new(folder.to_owned(), "eu", "cp-1") }
}

fn texts(count: usize, mark: &str) -> Batch {
    let text: Vec<String> = (0..count).map(|number| format!("{mark}-{number}")).collect();
    let (mut bytes, mut records) = (Vec::new(), Vec::new());
    for one in &text {
        records.push(bytes.len()..bytes.len() + one.len());
        bytes.extend_from_slice(one.as_bytes());
    }
    Batch::new(Source::AuditFile, bytes, records).unwrap()
}

/// Sequence numbers and content of everything in the folder, in the order of the files' names.
fn all(folder: &Path) -> Vec<(u64, String)> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join(SEGMENTS)).unwrap().map(|one| one.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for piece in scan(&fs::read(file).unwrap()) {
            if let Piece::Record { record, .. } = piece {
                found.push((record.seq, String::from_utf8_lossy(record.bytes).into_owned()));
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder.join(SEGMENTS)).unwrap();
    let mut names: Vec<_> = names.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn records_are_numbered_through_restarts_and_segments() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { segment: 300, ..settings(folder.path()) };
    let (spool, found) = Spool::open(settings.clone()).unwrap();
    assert!(found.new);
    let epoch = spool.epoch().to_owned();
    assert_eq!(spool.append(texts(3, "a")).await, Ok(1..4));
    assert_eq!(spool.append(texts(0, "none")).await, Ok(4..4));
    // No start could read it again.
    let long = Batch::one(Source::AuditFile, vec![b'x'; MOST_BYTES + 1]);
    assert_eq!(spool.append(long).await, Err(AppendError::TooLong));
    assert!(Spool::open(settings.clone()).unwrap_err().to_string().contains("another agent writes in"));
    spool.close().await;
    assert_eq!(spool.append(texts(1, "late")).await, Err(AppendError::Closed));
    let (spool, found) = Spool::open(settings).unwrap();
    assert_eq!((found, spool.epoch()), (Found { next: 4, ..Found::default() }, epoch.as_str()));
    for round in 4..9 {
        assert_eq!(spool.append(texts(1, "b")).await, Ok(round..round + 1));
    }
    let records = all(folder.path());
    assert_eq!(records.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    assert!(records[0].1.contains(r#""stage":"EpochStart""#), "{records:?}");
    assert_eq!(records[3].1, "a-2");
    let sealed = spool.sealed();
    assert!(!sealed.is_empty() && sealed[0].first == 0, "{sealed:?}");
    assert_eq!(spool.read(sealed[0]).unwrap().len() as u64, sealed[0].bytes);
    assert_eq!(*spool.seals().borrow(), sealed.last().unwrap().last + 1);
}

#[tokio::test]
async fn what_waits_together_shares_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(settings(folder.path())).unwrap();
    let all = (0..500).map(|_| spool.append(texts(1, "x")));
    let ranges: Vec<_> = futures::future::join_all(all).await.into_iter().map(Result::unwrap).collect();
    let seqs: std::collections::BTreeSet<u64> = ranges.into_iter().flatten().collect();
    assert!(seqs.into_iter().eq(1..501));
    assert!(spool.figures().syncs < 100, "{:?}", spool.figures());
}

#[tokio::test]
async fn a_full_spool_makes_wait_and_goes_on_when_something_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { most: Some(4000), segment: 1000, ..settings(folder.path()) };
    let (spool, _) = Spool::open(settings).unwrap();
    let mut taken = 0;
    while spool.figures().bytes < 3600 {
        spool.append(texts(5, "fill")).await.unwrap();
        taken += 5;
    }
    let late = tokio::spawn({
        let spool = spool.clone();
        async move { spool.append(texts(40, "late")).await }
    });
    while !matches!(spool.trouble(), Some(Trouble::Full(_))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!late.is_finished() && spool.figures().bytes <= 4000);
    // All that was taken is still there, and can be shipped: what was being written was sealed.
    while spool.figures().sealed < 4 || *spool.seals().borrow() < spool.figures().records {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(all(folder.path()).len(), taken + 1);
    for segment in spool.sealed() {
        spool.forget(segment.first).unwrap();
    }
    let range = late.await.unwrap().unwrap();
    assert_eq!((range.start, spool.trouble()), (taken as u64 + 1, None));
}

#[tokio::test]
async fn a_torn_end_is_cut_and_damage_before_it_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (spool, _) = Spool::open(settings.clone()).unwrap();
    for _ in 0..4 {
        spool.append(texts(1, "x")).await.unwrap();
    }
    spool.close().await;
    let open = folder.path().join(SEGMENTS).join(Name::Open(0).file());
    let whole = fs::metadata(&open).unwrap().len();
    let mut torn = fs::read(&open).unwrap();
    torn.extend_from_slice(&torn.clone()[..50]);
    fs::write(&open, &torn).unwrap();
    let (spool, found) = Spool::open(settings.clone()).unwrap();
    assert_eq!(found, Found { next: 5, torn: 50, ..Found::default() });
    spool.close().await;
    // The third record of five, and the last one, which the hint knows of.
    let frame = (whole as usize - fs::read(&open).unwrap().len()).max(43);
    flip(&open, whole as usize - 3 * frame + 41);
    flip(&open, whole as usize - 1);
    let (spool, found) = Spool::open(settings.clone()).unwrap();
    assert_eq!(found.lost, [(2, 2), (4, 4)]);
    assert_eq!(spool.append(texts(1, "after")).await, Ok(7..8));
    spool.close().await;
    let records = all(folder.path());
    let seqs: Vec<u64> = records.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [0, 1, 3, 5, 6, 7]);
    assert!(records[3].1.contains(r#""first":2,"last":2,"stage":"Gap""#), "{records:?}");
    // Its name ends where its records do, and the next start finds the same gap and no other.
    assert!(files(folder.path()).contains(&Name::Sealed(0, 3).file()), "{:?}", files(folder.path()));
    let (_spool, found) = Spool::open(settings).unwrap();
    assert_eq!((found.lost, found.next), (vec![(4, 4)], 8));
}

#[tokio::test]
async fn without_its_segments_a_new_log_begins_and_names_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (spool, _) = Spool::open(settings.clone()).unwrap();
    spool.append(texts(2, "x")).await.unwrap();
    let epoch = spool.epoch().to_owned();
    spool.close().await;
    fs::write(folder.path().join("prover.json"), r#"{"next":2}"#).unwrap();
    fs::remove_file(folder.path().join(EPOCH_FILE)).unwrap();
    let gone = Spool::open(settings.clone()).unwrap_err().to_string();
    assert!(gone.contains("epoch.json is gone"), "{gone}");
    fs::write(folder.path().join(EPOCH_FILE), format!(r#"{{"epoch":"{epoch}","previous":null}}"#)).unwrap();
    fs::remove_file(folder.path().join(SEGMENTS).join(Name::Open(0).file())).unwrap();
    let (spool, found) = Spool::open(settings).unwrap();
    assert!(found.new && spool.epoch() != epoch);
    spool.append(texts(1, "y")).await.unwrap();
    let records = all(folder.path());
    assert!(
        records[0].1.contains(&format!(r#""previous":{{"epoch":"{epoch}","records":3}}"#)),
        "{records:?}"
    );
    assert!(folder.path().join(format!("ended-{epoch}/prover.json")).exists());
}

const EPOCH_FILE: &str = names::EPOCH;

#[tokio::test]
async fn the_last_sealed_segment_says_which_number_is_next() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (spool, _) = Spool::open(settings.clone()).unwrap();
    spool.append(texts(2, "x")).await.unwrap();
    let mut seals = spool.seals();
    spool.seal();
    seals.wait_for(|next| *next == 3).await.unwrap();
    spool.close().await;
    fs::write(folder.path().join("prover.json"), r#"{"next":3}"#).unwrap();
    for segment in spool.sealed() {
        spool.forget(segment.first).unwrap();
    }
    assert_eq!(files(folder.path()).len(), 1, "{:?}", files(folder.path()));
    drop(spool);
    let (spool, found) = Spool::open(settings).unwrap();
    assert_eq!(found, Found { next: 3, ..Found::default() });
    assert_eq!(spool.append(texts(1, "z")).await, Ok(3..4));
}

/// As a full disk leaves it, where no file of the next segment could be made.
#[test]
fn the_newest_segment_stays_until_another_says_which_number_is_next() {
    let folder = tempfile::tempdir().unwrap();
    let start = open::open(&RealDisk, &settings(folder.path())).unwrap();
    let (shared, mut removed) = (Shared::new(1000, &start), Vec::new());
    for (first, last) in [(0, 4), (5, 9)] {
        shared.sealed(Segment { first, last, bytes: 1 });
    }
    for first in [0, 5] {
        shared
            .forget(first, |segment| {
                removed.push(segment.first);
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(removed, [0]);
}

#[tokio::test]
async fn numbers_of_a_last_segment_that_is_gone_are_never_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (spool, _) = Spool::open(settings.clone()).unwrap();
    spool.append(texts(2, "x")).await.unwrap();
    spool.seal();
    spool.seals().wait_for(|next| *next == 3).await.unwrap();
    assert_eq!(spool.append(texts(2, "y")).await, Ok(3..5));
    spool.close().await;
    fs::remove_file(folder.path().join(SEGMENTS).join(Name::Open(3).file())).unwrap();
    let (spool, found) = Spool::open(settings).unwrap();
    assert_eq!((found.lost, found.next), (vec![(3, 4)], 5));
    // The record that says so is the first one.
    assert_eq!(spool.append(texts(1, "z")).await, Ok(6..7));
}

#[tokio::test]
async fn what_the_shipper_needs_of_the_disk_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { reserve: u64::MAX, ..settings(folder.path()) };
    let (spool, _) = Spool::open(settings).unwrap();
    let late = tokio::spawn({
        let spool = spool.clone();
        async move { spool.append(texts(1, "late")).await }
    });
    while spool.trouble().is_none() && !late.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let trouble = spool.trouble().expect("nothing may be written");
    assert!(trouble.to_string().contains("are kept for the shipper"), "{trouble}");
    assert_eq!(all(folder.path()), []);
}

#[tokio::test]
async fn a_segment_that_is_missing_and_was_never_shipped_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (spool, _) = Spool::open(settings.clone()).unwrap();
    let mut seals = spool.seals();
    for next in [3, 5, 7] {
        spool.append(texts(2, "x")).await.unwrap();
        spool.seal();
        seals.wait_for(|sealed| *sealed == next).await.unwrap();
    }
    spool.close().await;
    fs::write(folder.path().join("prover.json"), r#"{"next":3}"#).unwrap();
    for gone in [Name::Sealed(0, 2), Name::Sealed(3, 4)] {
        fs::remove_file(folder.path().join(SEGMENTS).join(gone.file())).unwrap();
    }
    let (_spool, found) = Spool::open(settings).unwrap();
    assert_eq!((found.lost, found.next), (vec![(3, 4)], 7));
}

#[tokio::test]
async fn whoever_waits_when_it_closes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { most: Some(300), batch: 100, ..settings(folder.path()) };
    let (spool, _) = Spool::open(settings).unwrap();
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            tokio::spawn({
                let spool = spool.clone();
                async move { spool.append(texts(3, "wait")).await }
            })
        })
        .collect();
    while !matches!(spool.trouble(), Some(Trouble::Full(_))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    spool.close().await;
    for one in waiting {
        let told = tokio::time::timeout(Duration::from_secs(60), one).await.unwrap().unwrap();
        assert_eq!(told, Err(AppendError::Closed));
    }
}
