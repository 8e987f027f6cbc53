use super::*;
use crate::trust::kit::{TIME, key, line};

fn error(text: &str) -> String {
    Signers::parse(text).expect_err(text).to_string()
}

#[test]
fn a_list_of_openssh_is_read() {
    let text = format!(
        "# people\n\n{}{}  {}{}",
        line("ada@example.com,bob@example.com", "", &key(1)),
        line("\"Cy <cy@example.com>\"", "namespaces=\"git,file\",VALID-AFTER=\"20260101\"", &key(2)),
        line("dee@example.com", "valid-after=\"20250101\",valid-before=\"202601010000Z\"", &key(3)),
        line("mail@example.com", "namespaces=\"file\"", &key(4)),
    );
    let signers = Signers::parse(&text).expect("sound");
    let of = |seed| signers.entries_of(key(seed).public_key().key_data(), Use::Commit);
    assert_eq!(of(1)[0].principals, ["ada@example.com", "bob@example.com"]);
    assert_eq!((of(1)[0].line, of(2)[0].line, of(3)[0].line), (3, 4, 5));
    assert_eq!(of(2)[0].principals, ["Cy <cy@example.com>"]);
    assert!(of(4).is_empty(), "a key for files is none for commits");
    assert!(of(9).is_empty());
    let approving = |seed| signers.entries_of(key(seed).public_key().key_data(), Use::Approval).len();
    assert_eq!((approving(1), approving(2)), (1, 0), "a key that is for commits and files approves nothing");
    // TIME is 2026-01-01: both ends are inside.
    assert!(of(1)[0].holds_at(i64::MIN) && of(1)[0].holds_at(i64::MAX));
    assert!(of(2)[0].holds_at(TIME) && !of(2)[0].holds_at(TIME - 1));
    assert!(of(3)[0].holds_at(TIME) && !of(3)[0].holds_at(TIME + 1));
}

#[test]
fn namespaces_are_pattern_lists() {
    for (patterns, admitted) in [
        ("git", true),
        ("*", true),
        ("g?t", true),
        ("file, git", true),
        ("**t", true),
        ("", false),
        ("Git", false),
        ("gi", false),
        ("*,!git", false),
        ("!file", false),
    ] {
        assert_eq!(admits(patterns, "git"), admitted, "{patterns}");
    }
}

#[test]
fn a_wrong_line_refuses_the_list_and_is_named() {
    let good = line("ada@example.com", "", &key(1));
    let public = key(1).public_key().to_openssh().expect("a key");
    for (bad, words) in [
        (line("a@x", "cert-authority", &key(2)), "line 2: cert-authority is not supported"),
        (line("a@x", "no-touch-required", &key(2)), "line 2: option \"no-touch-required\" is not known"),
        (line("a@x", "valid-after=20260101", &key(2)), "valid-after needs a value in quotes"),
        (line("a@x", "valid-after=\"soon\"", &key(2)), "valid-after \"soon\" is no time"),
        (line("a@x", "namespaces=\"git\",namespaces=\"git\"", &key(2)), "namespaces is given twice"),
        (line("a@x", "valid-after=\"20260102\",valid-before=\"20260101\"", &key(2)), "not later than"),
        (line("a@x,", "", &key(2)), "the principals are empty"),
        (public, "the key is missing"),
        ("a@x".to_owned(), "the key is missing"),
        ("\"a@x ssh-ed25519 AAAA".to_owned(), "a quote is not closed"),
        ("a@x ssh-ed25519 AAAA".to_owned(), "the key is damaged or of an unknown type \"ssh-ed25519\""),
        ("a@x ssh-ed25519-cert-v01@openssh.com AAAA".to_owned(), "is a certificate"),
        ("a@x ssh-dss AAAA".to_owned(), "\"ssh-dss\""),
        (include_str!("../signature/fixtures/too_small").to_owned(), "the RSA key has 1024 bits"),
    ] {
        assert!(error(&format!("{good}{bad}\n{good}")).contains(words), "{bad}: {}", error(&bad));
    }
    let many = error(&"x\n".repeat(8));
    assert!(
        many.contains("line 5: ") && !many.contains("line 6: ") && many.ends_with("3 more lines are wrong"),
        "{many}"
    );
}

#[test]
fn a_list_of_nobody_is_refused() {
    for text in ["", "# nobody\n", &line("mail@example.com", "namespaces=\"file\"", &key(4))] {
        assert!(error(text).contains("it lists no key for commits"), "{text}");
    }
}
