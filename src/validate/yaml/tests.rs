#![allow(clippy::unwrap_used)] // a panic is a failed test

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Parsed {
    parse("a.yaml", text.as_bytes(), &Limits::default())
}

/// The findings as `line:column message`.
fn found(parsed: &Parsed) -> Vec<String> {
    parsed.findings().iter().map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect()
}

/// The one finding of a text.
fn only(text: impl AsRef<[u8]>) -> String {
    let parsed = parse("a.yaml", text.as_ref(), &Limits::default());
    let found = found(&parsed);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!parsed.complete || parsed.documents.iter().any(|d| !d.valid), "a finding must cost something");
    found.into_iter().next().unwrap()
}

#[test]
fn values_and_positions() {
    let parsed = read(
        "# top\na: 1\nlist:\n- x\n- {k: \"v\"}\n\"q/r\": |\n  text\n---\n---\nb: *x\n"
            .replace("*x", "2")
            .as_str(),
    );
    assert_eq!(found(&parsed), Vec::<String>::new());
    assert_eq!(parsed.documents.len(), 2);
    let first = &parsed.documents[0];
    assert_eq!(first.value, json!({"a": 1, "list": ["x", {"k": "v"}], "q/r": "text\n"}));
    for (pointer, value, key) in [
        ("", (2, 1), (2, 1)),
        ("/a", (2, 4), (2, 1)),
        ("/list", (4, 3), (3, 1)),
        ("/list/0", (4, 3), (4, 3)),
        ("/list/1/k", (5, 7), (5, 4)),
        ("/list/1/other", (5, 3), (5, 3)),
        ("/q~1r", (7, 3), (6, 1)),
        ("/nowhere/at/all", (2, 1), (2, 1)),
    ] {
        assert_eq!(first.spans.locate(pointer), value, "value {pointer}");
        assert_eq!(first.spans.locate_key(pointer), key, "key {pointer}");
    }
    assert_eq!(parsed.documents[1].index, 2);
    assert_eq!(parsed.documents[1].spans.locate("/b"), (10, 4));
}

#[test]
fn json_is_yaml() {
    let parsed = read("{\n\t\"a\": [1, 2.5, true, null, \"\\ud83d\\ude00\\/\"],\n\t\"b\": {}\n}\n");
    assert_eq!(found(&parsed), Vec::<String>::new());
    assert_eq!(parsed.documents[0].value, json!({"a": [1, 2.5, true, null, "😀/"], "b": {}}));
}

#[test]
fn anchors_and_aliases() {
    let parsed = read("a: &x {k: [1]}\nb: *x\nc: &s text\n*s : d\n");
    assert_eq!(found(&parsed), Vec::<String>::new());
    let document = &parsed.documents[0];
    assert_eq!(document.value, json!({"a": {"k": [1]}, "b": {"k": [1]}, "c": "text", "text": "d"}));
    assert_eq!(document.spans.locate("/b/k/0"), (2, 4));
}

#[test]
fn each_mistake_is_found_at_its_place() {
    for (text, finding) in [
        ("a: 1\nb: 2\na: 3\n", "3:1 duplicate key `a`: first set on line 1"),
        ("x:\n- {k: 1, k: 2}\n", "2:10 duplicate key `k`: first set on line 2"),
        (
            "country: NO\n",
            "1:10 `NO` must be quoted: kubectl reads it as false, YAML 1.2 readers as a string",
        ),
        ("on: 1\n", "1:1 `on` must be quoted: kubectl reads it as true, YAML 1.2 readers as a string"),
        ("mode: 0755\n", "1:7 `0755` must be quoted: kubectl reads it as the number 493"),
        ("8080: x\n", "1:1 the key `8080` is not a string"),
        ("~: x\n", "1:1 the key `~` is not a string"),
        ("? [a]\n: x\n", "1:3 a key must be a string, not a map, list or number"),
        ("b: &x 1\nc:\n  <<: {a: 1}\n", "3:3 merge keys (`<<`) are not supported"),
        ("a: !!binary aGk=\n", "1:4 the tag `!!binary` is not supported"),
        ("a: !foo {b: 1}\n", "1:4 the tag `!foo` is not supported"),
        ("a: &x [*x]\n", "1:8 the alias stands inside the value that it repeats"),
        ("a: \"x\\u202ey\"\n", "1:4 hidden character U+202E in a string"),
        ("a: x\u{200b}y\n", "1:5 hidden character U+200B in a string"),
        ("a: |\n  one\n  tw\u{200b}o\n", "3:5 hidden character U+200B in a string"),
        ("a\u{200d}: 1\n", "1:2 hidden character U+200D in a string"),
        ("a: 1 # \u{202e} evil\n", "1:8 control character U+202E changes how the file is shown"),
        ("a: \"\u{7}\"\n", "1:5 control character U+0007 changes how the file is shown"),
        ("a: \"x\\ry\"\n", "1:4 hidden character U+000D in a string"),
        ("%YAML 1.1\n---\na: 1\n", "1:1 not valid YAML: directives (`%YAML`, `%TAG`) are not supported"),
        (
            "a: *b\n",
            "1:4 not valid YAML: an anchor (`&name`) without a name, or an alias (`*name`) without its anchor",
        ),
        (
            "a: *.example.com\n",
            "1:4 not valid YAML: an anchor (`&name`) without a name, or an alias (`*name`) without its anchor",
        ),
        ("a: b: c\n", "1:5 not valid YAML: `:` is not expected here"),
        ("a:\n\tb: 1\n", "2:2 not valid YAML: a tab where spaces are expected"),
    ] {
        assert_eq!(only(text), finding, "{text:?}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    for (bytes, finding) in [
        (&b"a: 1\nb: \xff\n"[..], "2:4 not valid UTF-8: byte 0xff at offset 8"),
        (&b"\xEF\xBB\xBFa: \xff"[..], "1:4 not valid UTF-8: byte 0xff at offset 6"),
        (&b"\xff\xfea\x00:\x00"[..], "1:1 the file is encoded as UTF-16 (little endian)"),
        (&b"a\x00:\x00 \x00"[..], "1:1 the file is encoded as UTF-16 (little endian)"),
        (&b"a: 1\n\x00b: 2\n"[..], "2:1 the file contains a NUL byte, so it is not text"),
    ] {
        assert_eq!(only(bytes), finding);
    }
    let parsed = parse("a.yaml", b"\xEF\xBB\xBFa: 1\r\nb: |\r\n  x\r\n", &Limits::default());
    assert_eq!(found(&parsed), Vec::<String>::new());
    assert_eq!(parsed.documents[0].value, json!({"a": 1, "b": "x\n"}));
    assert_eq!(parsed.documents[0].spans.locate("/b"), (3, 3));
}

#[test]
fn limits_are_named() {
    let bomb = format!(
        "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}",
        (1..10)
            .map(|i| format!("b{i}: &a{i} [{}]\n", format!("*a{}, ", i - 1).repeat(10)))
            .collect::<String>()
    );
    let anchors: String = (0..60).map(|i| format!("- &n{i} x\n")).collect();
    let aliases = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(200));
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let deeper = "[".repeat(100_000);
    let deep_by_alias =
        format!("a: &a {}x{}\nb: {}*a{}\n", "[".repeat(20), "]".repeat(20), "[".repeat(20), "]".repeat(20));
    let wide_by_alias = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(1_000), "*a, ".repeat(30));
    let wide = "- x\n".repeat(20_001);
    let long = format!("a: {}\n", "x".repeat(300 << 10));
    let huge = "x".repeat((1 << 20) + 1);
    let many = "---\na: 1\n".repeat(10_000);
    for (text, limit) in [
        (bomb, "`nodes` is 20000"),
        (anchors, "`anchors` is 50"),
        (aliases, "`aliases` is 100"),
        (deep, "`depth` is 32"),
        (deeper, "`depth` is 32"),
        (deep_by_alias, "`depth` is 32"),
        (wide, "`nodes` is 20000"),
        (wide_by_alias, "`nodes` is 20000"),
        (long, "`scalar` is 262144"),
        (huge, "`bytes` is 1048576"),
        (many, "`documents` is 64"),
    ] {
        let message = only(&text);
        assert!(message.contains(limit), "{message}: {}", &text[..40]);
    }
}

#[test]
fn a_broken_document_costs_only_itself() {
    for broken in [
        "b: [1, 2",
        "b: \"never closed",
        "b: 'never closed",
        "b: {x: 1",
        "b: c: d",
        "b: *nobody",
        "b: - x",
        "- x\nb: 1",
        "b: |\n x\n   y\nz",
        "b: %x",
        "b: @x",
        "%TAG ! x",
        "&",
        "b: \"\\q\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ] {
        let parsed = read(&format!("a: 1\n---\n{broken}\n---\nc: 3\n"));
        let values: Vec<_> = parsed.documents.iter().map(|d| d.value.clone()).collect();
        assert_eq!(values, [json!({"a": 1}), json!({"c": 3})], "{broken}: {:?}", found(&parsed));
        assert!(!parsed.complete && parsed.documents.iter().all(|d| d.valid));
        assert_eq!(parsed.findings().len(), 1, "{broken}: {:?}", found(&parsed));
        let line = parsed.findings()[0].line;
        assert!((3..=7).contains(&line), "{broken}: line {line}");
        let spans = &parsed.documents[1].spans;
        assert_eq!(spans.locate_key("/c").0 as usize, 5 + broken.matches('\n').count());
    }
}

#[test]
fn findings_are_bounded() {
    let text: String = (0..500).map(|i| format!("k{i}: no\n")).collect();
    let parsed = read(&text);
    assert_eq!(parsed.findings().len(), 101);
    assert_eq!(parsed.findings()[100].message, "400 more findings in this file are not shown");
}

#[test]
fn a_finding_marks_its_own_document_only() {
    let parsed = read("a: no\n---\nb: 1\n---\n# \u{202e}\nc: 1\n");
    assert_eq!(parsed.documents.iter().map(|d| d.valid).collect::<Vec<_>>(), [false, true, false]);
}

/// The table is what kubectl 1.32 printed, with no cluster, for `v: <scalar>` under a ConfigMap:
/// `kubectl label --local -f - a=b -o json`.
#[test]
fn a_scalar_means_what_kubectl_makes_of_it() {
    let table: Vec<(String, Value)> =
        serde_json::from_str(include_str!("../../../tests/fixtures/kubectl-scalars.json")).unwrap();
    assert!(table.len() > 80);
    for (text, kubectl) in table {
        let parsed = read(&format!("v: {text}\n"));
        match kubectl.get("value") {
            // Go writes floats up to 1e21 without an exponent.
            Some(value) if !value.is_i64() && value.is_number() => {
                assert_eq!(parsed.documents[0].value["v"].as_f64(), value.as_f64(), "{text}");
            }
            Some(value) => assert_eq!(parsed.documents[0].value["v"], *value, "{text}"),
            None => assert!(!parsed.findings().is_empty(), "{text}: kubectl refuses it"),
        }
    }
}

/// JSON values that YAML can hold without loss.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e6..1.0e6)
            .prop_map(|f: f64| Value::from(f + 0.5))
            .prop_filter("whole", |v| { v.as_f64().is_some_and(|f| f.fract() != 0.0) }),
        "[ -~é漢😀]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "no",
            "y",
            "0755",
            "1_000",
            "1:20",
            "null",
            "~",
            "",
            " x",
            "- a",
            "a: b",
            "# c",
            "1e3",
            "<<",
            "two\nlines\n"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-zé:# .0-9-]{1,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_never_panic_and_findings_stand_in_the_file(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_positions(&bytes)?;
    }

    #[test]
    fn yaml_like_text_never_panics(text in "([a-c&*!|>%@`'\"{}\\[\\],:?#~\t\r\n\u{200b}\u{202e}\u{85}é -]|---\n|: |- ){0,80}") {
        check_positions(text.as_bytes())?;
    }

    #[test]
    fn what_serde_saphyr_writes_is_read_back(value in any_json()) {
        let text = serde_saphyr::to_string(&value).unwrap();
        let parsed = read(&text);
        prop_assert_eq!(found(&parsed), Vec::<String>::new(), "{}", text);
        let read = parsed.documents.first().map_or(Value::Null, |d| d.value.clone());
        prop_assert_eq!(read, value, "{}", text);
    }

    #[test]
    fn json_is_read_back(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let parsed = read(&text);
        prop_assert_eq!(found(&parsed), Vec::<String>::new(), "{}", text);
        let read = parsed.documents.first().map_or(Value::Null, |d| d.value.clone());
        prop_assert_eq!(read, value, "{}", text);
    }
}

fn check_positions(bytes: &[u8]) -> Result<(), TestCaseError> {
    let parsed = parse("a.yaml", bytes, &Limits::default());
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split_inclusive(['\n', '\r']).collect();
    for finding in &parsed.findings() {
        let (line, column) = (finding.line as usize, finding.column as usize);
        prop_assert!(line >= 1 && column >= 1, "{:?}", finding);
        prop_assert!(line <= lines.len() + 1, "{:?} in {:?}", finding, text);
        let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
        prop_assert!(
            column <= width.max(text.lines().map(|l| l.chars().count()).max().unwrap_or(0)) + 1,
            "{:?} in {:?}",
            finding,
            text
        );
    }
    Ok(())
}
