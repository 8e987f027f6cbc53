use super::*;
use crate::trail::record::{Change, Object, Outcome, Person};

fn change(name: &str) -> Change {
    Change {
        time: "2026-01-01T00:00:00Z".to_owned(),
        platform: "shop".to_owned(),
        file: "tenants/x.yaml".to_owned(),
        commit: "c".repeat(40),
        author: Person::default(),
        committer: Person::default(),
        signer: None,
        approvers: Vec::new(),
        object: Object { kind: "Tenant".to_owned(), name: name.to_owned(), uid: String::new() },
        before: None,
        after: None,
        outcome: Outcome::Updated,
    }
}

fn objects(verified: &Verified) -> Vec<&str> {
    verified.changes.iter().map(|change| change.object.name.as_str()).collect()
}

fn open(folder: &Path) -> (Disk, Found) {
    Disk::open_with(folder, 1500).unwrap()
}

#[test]
fn records_are_there_after_a_restart_over_many_segments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    for round in 0..3 {
        let (mut disk, found) = open(&path);
        assert_eq!(found, Found::default(), "round {round}");
        assert!(Disk::open(&path).is_err(), "one writes at a time");
        for _ in 0..4 {
            disk.append(vec![change("a"), change("b")]).unwrap();
        }
    }
    let found = read(&path).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(objects(&found), ["a", "b"].repeat(12));
    assert!(names(&path).unwrap().len() > 3);
}

/// A kill at any byte of an append: what was said to be safe stays, the rest goes, and the chain holds.
#[test]
fn a_kill_in_the_middle_of_an_append_leaves_a_trail_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    let (mut disk, _) = open(&path);
    disk.append(vec![change("safe")]).unwrap();
    let safe = fs::read(path.join(name(1))).unwrap();
    let head = fs::read(path.join(HEAD)).unwrap();
    disk.append(vec![change("next")]).unwrap();
    drop(disk);
    let whole = fs::read(path.join(name(1))).unwrap();
    for end in safe.len()..=whole.len() {
        // The head still says what was safe before: it is written last.
        fs::write(path.join(HEAD), &head).unwrap();
        fs::write(path.join(name(1)), &whole[..end]).unwrap();
        let (mut disk, found) = open(&path);
        let torn = if end == whole.len() { 0 } else { end - safe.len() };
        assert_eq!(found, Found { torn, broken: None }, "cut at {end}");
        disk.append(vec![change("after")]).unwrap();
        drop(disk);
        let found = read(&path).unwrap();
        assert_eq!(found.problems, Vec::<String>::new());
        let expected: &[&str] =
            if end == whole.len() { &["safe", "next", "after"] } else { &["safe", "after"] };
        assert_eq!(objects(&found), expected);
    }
}

type Damage = fn(&Path);

#[test]
fn a_trail_that_does_not_verify_is_left_alone_and_named_by_a_new_segment() {
    let edits: [(&str, Damage); 5] = [
        ("changed", |path| {
            edit(path, |bytes| {
                *bytes = String::from_utf8(bytes.clone()).unwrap().replace("\"b\"", "\"x\"").into()
            })
        }),
        ("cut off", |path| edit(path, |bytes| bytes.truncate(bytes.len() - 10))),
        ("emptied", |path| edit(path, Vec::clear)),
        ("without its head", |path| fs::remove_file(path.join(HEAD)).unwrap()),
        ("gone", |path| fs::remove_file(path.join(name(1))).unwrap()),
    ];
    for (what, damage) in edits {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        let (mut disk, _) = Disk::open(&path).unwrap();
        disk.append(vec![change("a"), change("b")]).unwrap();
        drop(disk);
        damage(&path);
        let before = fs::read(path.join(name(1))).ok();
        assert!(!read(&path).unwrap().problems.is_empty(), "{what}");
        let (mut disk, found) = Disk::open(&path).unwrap();
        assert!(found.broken.is_some(), "{what}");
        disk.append(vec![change("after")]).unwrap();
        drop(disk);
        let found = read(&path).unwrap();
        assert!(!found.problems.is_empty(), "{what}: still named");
        assert_eq!(objects(&found).last(), Some(&"after"), "{what}");
        if let Some(before) = before {
            assert_eq!(fs::read(path.join(name(1))).unwrap(), before, "{what}: the evidence stays");
        }
        let (_, again) = Disk::open(&path).unwrap();
        assert_eq!(again, Found::default(), "{what}: the new segment holds");
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = path.join(name(1));
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn the_oldest_segments_go_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut disk, _) = open(folder.path());
    for _ in 0..10 {
        disk.append(vec![change("a"), change("b")]).unwrap();
    }
    let before = names(folder.path()).unwrap();
    assert!(before.len() > 3);
    disk.keep(2).unwrap();
    assert_eq!(names(folder.path()).unwrap(), before[before.len() - 2..]);
    disk.append(vec![change("after")]).unwrap();
    let newest = disk.newest(2).unwrap();
    assert_eq!(newest.last(), Some(&Entry::from(change("after"))));
    drop(disk);
    assert_eq!(open(folder.path()).1, Found::default());
}
