//! `tenantry history` on a trail that the operator's own code wrote.

use std::{fs, path::Path};

use tenantry::trail::{
    disk::Disk,
    record::{Change, Object, Outcome, Person},
};

use super::run_in;

fn change(name: &str, commit: &str, before: Option<&str>, after: &str, outcome: Outcome) -> Change {
    let author =
        Person { name: "Ada".into(), email: "ada@example.com".into(), time: "2026-01-02T03:04:05Z".into() };
    Change {
        time: "2026-01-02T03:04:06.123456Z".into(),
        platform: "shop".into(),
        file: format!("tenants/{name}.yaml"),
        commit: commit.repeat(40),
        committer: author.clone(),
        author,
        signer: None,
        approvers: Vec::new(),
        object: Object { kind: "Tenant".into(), name: name.into(), uid: "u".into() },
        before: before.map(|text| text.repeat(64)),
        after: Some(after.repeat(64)),
        outcome,
    }
}

fn write(folder: &Path) {
    let (mut disk, _) = Disk::open(&folder.join("trail")).expect("a trail");
    let changes = vec![
        change("acme", "a", None, "1", Outcome::Created),
        change("globex", "a", None, "7", Outcome::Created),
        change("acme", "b", Some("1"), "2", Outcome::Updated),
    ];
    disk.append(changes).expect("records");
}

#[test]
fn a_tenants_records_are_shown_and_the_whole_trail_is_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder);
    let ran = run_in(folder, &["history", "acme", "--data-dir", "."]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "TIME                   OUTCOME   COMMIT     AUTHOR   BEFORE     AFTER      FILE\n\
         2026-01-02T03:04:06Z   Created   aaaaaaaa   Ada                 11111111   tenants/acme.yaml\n\
         2026-01-02T03:04:06Z   Updated   bbbbbbbb   Ada      11111111   22222222   tenants/acme.yaml\n"
    );
    assert_eq!(ran.stderr, "verified: all 3 records of the trail verify\n");
    let ran = run_in(folder, &["history", "globex", "--data-dir", ".", "--output", "json"]);
    let whole: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&whole["verified"], whole["records"].as_array().map(Vec::len)), (&true.into(), Some(1)));
    let ran = run_in(folder, &["history", "nobody", "trail/000001.jsonl"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("there is no record of nobody\n"), "{}", ran.stderr);
}

#[test]
fn a_changed_record_is_named_and_a_missing_trail_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let ran = run_in(folder, &["history", "acme", "--data-dir", "."]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("trail can't be read"), "{}", ran.stderr);
    write(folder);
    let path = folder.join("trail/000001.jsonl");
    let text = fs::read_to_string(&path).expect("a segment");
    fs::write(&path, text.replacen("Ada", "Eve", 1)).expect("a segment");
    let ran = run_in(folder, &["history", "acme", "--data-dir", "."]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("000001.jsonl: line 3 (record 3) does not follow the line before it"),
        "{}",
        ran.stderr
    );
    let ran = run_in(folder, &["history", "acme", "--data-dir", ".", "--output", "json"]);
    assert!(ran.stdout.contains("\"verified\": false"), "{}", ran.stdout);
}
