use super::*;

fn manifest(tables: &[(&str, u64, Option<&str>)]) -> Manifest {
    let header = serde_json::json!({
        "time": "2026-11-22T03:00:00Z", "serverVersion": "17.2", "serverVersionNum": 170_002, "name": "app", "bytes": 1,
        "encoding": "UTF8", "collate": "C", "ctype": "C", "largeObjects": 0, "roles": [], "extensions": []
    });
    let table = |(name, rows, sum): &(&str, u64, Option<&str>)| {
        ((*name).to_owned(), Table { rows: *rows, checksum: sum.map(str::to_owned) })
    };
    let header = serde_json::from_value(header).unwrap();
    Manifest { version: VERSION, header, tables: tables.iter().map(table).collect(), sentinel: None }
}

#[test]
fn every_difference_is_found() {
    let source = manifest(&[("a", 1, Some("s")), ("b", 2, None), ("c", 3, None), ("e", 9, Some("t"))]);
    assert_eq!(source.differences(&source.clone()), Vec::<String>::new());
    let mut restored = manifest(&[("a", 1, Some("x")), ("b", 1, None), ("d", 1, None), ("e", 9, None)]);
    restored.header.large_objects = 2;
    let expected = [
        "a has another content",
        "b has 1 rows, not 2",
        "c is missing",
        // A checksum that was not made doesn't count as one that is right.
        "e has another content",
        "d was not in the source",
        "2 large objects, not 0",
    ];
    assert_eq!(source.differences(&restored), expected);
    assert_eq!((source.facts(), source.size(5), source.header.major()), (8, Size { rows: 15, bytes: 5 }, 17));
}

#[test]
fn names_and_texts_cannot_break_out() {
    assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
    assert_eq!(literal("it's"), "'it''s'");
    assert_eq!(literal(r"\'"), r" E'\\'''");
}

#[test]
fn every_table_has_its_turn() {
    let day = |day: i64| Timestamp::from_second(day * 86_400 + 3600).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..4 {
        let turn = sample(7, 2, day(20_000 + n));
        assert_eq!(turn.len(), 2);
        seen.extend(turn);
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(sample(3, 10, day(1)), [0, 1, 2]);
    assert_eq!(sample(0, 10, day(1)), Vec::<usize>::new());
    assert_eq!(sample(3, 0, day(1)), Vec::<usize>::new());
}

#[test]
fn answers_are_read() {
    assert_eq!(read_table("[5]"), Some(Table { rows: 5, checksum: None }));
    assert_eq!(read_table("[5, \"1\", \"2\"]"), Some(Table { rows: 5, checksum: Some("1-2".into()) }));
    assert_eq!(read_table("[5, 1]"), None);
    assert_eq!(read_table("oops"), None);
}

#[test]
fn it_reads_back_and_forgets_the_exported_snapshot() {
    let manifest = manifest(&[("a", 1, Some("s"))]);
    let text = serde_json::to_string(&manifest).unwrap();
    assert!(!text.contains("snapshot"), "{text}");
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}
