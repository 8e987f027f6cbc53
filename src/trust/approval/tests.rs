use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use serde_json::json;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::{judge::Change, *};
use crate::trust::{
    Signers,
    kit::{TIME, id, key, line, plain, signed},
    signers::APPROVAL,
};

const DAY: i64 = 86_400;
/// The tree of the kit's commits.
const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

fn at(days: i64) -> Timestamp {
    Timestamp::from_second(TIME + days * DAY).expect("a time")
}

fn statement(commit: &str) -> Statement {
    Statement { commit: commit.to_owned(), tree: TREE.to_owned(), made: at(0), expires: at(5) }
}

/// The line of an approval, by the key of this seed.
fn given(statement: &Statement, namespace: &str, key: &PrivateKey) -> String {
    let signature = key.sign(namespace, HashAlg::Sha512, statement.text().as_bytes()).expect("signed");
    statement.line(&signature.to_pem(LineEnding::LF).expect("armored")).expect("a line")
}

fn approved(commit: &str, seed: u8) -> String {
    given(&statement(commit), APPROVAL, &key(seed))
}

/// Keys 1 to 4 are Ada's, Bob's, Cy's and the forge's; 5 is Ada's second.
fn signers() -> Signers {
    let lines = [("ada", 1), ("bob", 2), ("cy", 3), ("forge", 4), ("ada", 5)];
    let lines = lines.map(|(who, seed)| line(&format!("{who}@example.com"), "", &key(seed)));
    Signers::parse(&lines.concat()).expect("a list")
}

fn rules(path: &str, required: u32) -> Rules {
    let users =
        ["ada", "bob", "cy"].map(|name| json!({"user": name, "principal": format!("{name}@example.com")}));
    let approvals = json!({
        "rules": [{"name": "all", "paths": [path], "groups": ["ops"], "required": required}],
        "groups": [{"name": "ops", "members": ["ada@example.com", "bob@example.com", "cy@example.com"]}],
        "forgeUsers": users,
    });
    Rules::of(&serde_json::from_value(approvals).expect("rules"))
}

fn change(path: &str, writers: &[String], shown_by: &[String]) -> Change {
    Change { path: path.to_owned(), writers: writers.to_vec(), shown_by: shown_by.to_vec() }
}

/// One commit by Ada (as the kit writes it) with one changed path, and this note on it.
fn material(commit: &str, note: &str) -> Material {
    let ids = [commit.to_owned()];
    Material {
        commits: vec![(commit.to_owned(), plain(&[], "A change"))],
        notes: vec![Note { commit: commit.to_owned(), content: Some(note.as_bytes().to_vec()) }],
        changes: vec![change("tenants/one.yaml", &ids, &ids)],
        words: Vec::new(),
    }
}

fn by(signers: &Signers, days: i64) -> By<'_> {
    const FORGE: &[String] = &[];
    By { signers, forge: FORGE, max_age: Duration::from_secs(7 * 24 * 3600), now: at(days) }
}

fn verdict(material: &Material, required: u32, days: i64) -> Verdict {
    review(&rules("**", required), &by(&signers(), days), material)
}

fn reasons(verdict: &Verdict) -> Vec<String> {
    verdict.refused.iter().map(|refused| refused.why.to_string()).collect()
}

#[test]
fn two_others_are_enough_and_one_is_not() {
    let commit = id(1);
    let (bob, cy) = (approved(&commit, 2), approved(&commit, 3));
    let one = verdict(&material(&commit, &bob), 2, 1);
    assert!(!one.passes());
    let rule = &one.rules[0];
    assert_eq!((rule.have, rule.required), (1, 2));
    assert_eq!(
        (&rule.by[..], &rule.may[..]),
        (&["bob@example.com".into()][..], &["cy@example.com".into()][..])
    );
    assert_eq!((&rule.short[..], rule.short_count), (&["tenants/one.yaml".to_owned()][..], 1));
    let both = verdict(&material(&commit, &format!("{cy}\n{bob}\n{bob}\n")), 2, 1);
    assert!(both.passes() && both.refused.is_empty(), "{both:?}");
    assert_eq!(both.approvers["tenants/one.yaml"], ["bob@example.com", "cy@example.com"]);
    // A path that no rule matches asks nobody.
    let none = review(&rules("platform/**", 2), &by(&signers(), 1), &material(&commit, ""));
    assert!(none.passes() && none.rules.is_empty());
}

#[test]
fn who_wrote_it_does_not_count_whatever_name_or_key_they_use() {
    let commit = id(1);
    let alone = verdict(&material(&commit, &approved(&commit, 1)), 1, 1);
    assert!(!alone.passes());
    assert_eq!(reasons(&alone), ["SelfApproval: they wrote it"]);
    // Ada's second key, and a commit that says Bob wrote it but has Ada's signature.
    let mut other = material(&commit, &approved(&commit, 5));
    assert!(!verdict(&other, 1, 1).passes());
    let text = String::from_utf8(plain(&[], "A change"))
        .expect("text")
        .replace("ada@example.com", "bob@example.com");
    other.commits = vec![(commit.clone(), signed(text.as_bytes(), &key(5)))];
    other.notes[0].content = Some(approved(&commit, 1).into_bytes());
    assert_eq!(reasons(&verdict(&other, 1, 1)), ["SelfApproval: they wrote it"]);
    // Both of them wrote it, then: who is named, and who signed.
    other.notes[0].content = Some(approved(&commit, 2).into_bytes());
    assert!(!verdict(&other, 1, 1).passes());
    // A commit that can't be read was written by everybody.
    other.commits = vec![(commit.clone(), b"tree x".to_vec())];
    assert!(!verdict(&other, 1, 1).passes());
}

#[test]
fn who_is_named_as_co_author_does_not_count() {
    let commit = id(1);
    let mut pair = material(&commit, &approved(&commit, 2));
    assert!(verdict(&pair, 1, 1).passes());
    pair.commits = vec![(commit.clone(), plain(&[], "A change\n\nCo-authored-by: B <BOB@example.com>"))];
    assert_eq!(reasons(&verdict(&pair, 1, 1)), ["SelfApproval: they wrote it"]);
    // Nor does the forge's word for them; somebody else's approval does.
    pair.words = vec![Word { user: "bob".to_owned(), commit: commit.clone(), at: at(1) }];
    assert!(!verdict(&pair, 1, 1).passes());
    pair.notes[0].content = Some(approved(&commit, 3).into_bytes());
    assert!(verdict(&pair, 1, 1).passes());
}

#[test]
fn one_person_with_two_keys_or_names_counts_once() {
    let commit = id(1);
    let lines = [
        line("bob@example.com", "", &key(2)),
        line("bob@example.com,b@example.com", "", &key(6)),
        line("cy@example.com", "", &key(6)),
        line("dee@example.com", "", &key(7)),
    ];
    let signers = Signers::parse(&lines.concat()).expect("a list");
    let notes = [2, 6].map(|seed| approved(&commit, seed)).join("\n");
    let judged = review(&rules("**", 2), &by(&signers, 1), &material(&commit, &notes));
    assert_eq!(judged.rules[0].have, 1, "{judged:?}");
    let people = People::of(&signers);
    assert_eq!(people.person("B@Example.com"), people.person("cy@example.com"));
    assert_ne!(people.person("dee@example.com"), people.person("cy@example.com"));
    assert_ne!(people.person("who@example.com"), people.person("else@example.com"));
}

#[test]
fn what_does_not_hold_is_refused_and_says_why() {
    let commit = id(1);
    let refused = |line: &str, days: i64| {
        let judged = verdict(&material(&commit, line), 1, days);
        assert!(!judged.passes(), "{line}");
        reasons(&judged).join(", ")
    };
    let amended = refused(&approved(&id(2), 2), 1);
    assert_eq!(
        amended,
        format!("OtherCommit: it is for commit \"{}\"; an amended commit is another one", id(2))
    );
    assert_eq!(refused(&approved(&commit, 2), 5), format!("Expired: it counted until {}", at(5)));
    assert!(refused(&approved(&commit, 2), -1).starts_with("Early: it was given at "));
    let long = Statement { expires: at(1000), ..statement(&commit) };
    assert_eq!(refused(&given(&long, APPROVAL, &key(2)), 7), format!("Expired: it counted until {}", at(7)));
    let never = Statement { expires: at(-1), ..statement(&commit) };
    assert!(refused(&given(&never, APPROVAL, &key(2)), 1).starts_with("Expired"));
    let other = Statement { tree: id(9), ..statement(&commit) };
    assert!(refused(&given(&other, APPROVAL, &key(2)), 1).starts_with("OtherTree"));
    assert!(refused(&approved(&commit, 9), 1).starts_with("BadSignature: key not listed: SHA256:"));
    // A signature of a commit, or of anything else, is no approval.
    let git = refused(&given(&statement(&commit), "git", &key(2)), 1);
    assert!(git.contains("made for \"git\", not for \"tenantry.dev/approval\""), "{git}");
    // Who signs is known, and may not approve here.
    let lines = format!("{}{}", line("eve@example.com", "", &key(8)), line("bob@example.com", "", &key(2)));
    let list = Signers::parse(&lines).expect("a list");
    let judged = review(&rules("**", 1), &by(&list, 1), &material(&commit, &approved(&commit, 8)));
    assert_eq!(reasons(&judged), ["NotAnApprover: no group of the rule names them"]);
    assert_eq!(judged.refused[0].who, "eve@example.com");
}

#[test]
fn a_key_must_be_listed_for_approvals_and_hold_now() {
    let commit = id(1);
    let judged = |options: &str, days: i64| {
        let list =
            format!("{}{}", line("bob@example.com", options, &key(2)), line("x@example.com", "", &key(8)));
        let list = Signers::parse(&list).expect("a list");
        review(&rules("**", 1), &by(&list, days), &material(&commit, &approved(&commit, 2)))
    };
    assert!(judged("namespaces=\"git,tenantry.dev/*\"", 1).passes());
    assert!(reasons(&judged("namespaces=\"git\"", 1))[0].contains("key not listed"));
    assert!(judged("valid-before=\"20260102\"", 0).passes());
    assert!(
        reasons(&judged("valid-before=\"20260102\"", 2))[0]
            .contains("key outside its validity: bob@example.com")
    );
    let forge = ["bob@example.com".to_owned()];
    let signers = signers();
    let by = By { forge: &forge, ..by(&signers, 1) };
    let judged = review(&rules("**", 1), &by, &material(&commit, &approved(&commit, 2)));
    assert!(reasons(&judged)[0].starts_with("Forge: "));
}

#[test]
fn an_approval_counts_only_for_the_paths_whose_change_it_shows() {
    let (first, second) = (id(1), id(2));
    let mut two = material(&first, &approved(&first, 2));
    two.commits.push((second.clone(), plain(&[&first], "More")));
    two.changes.push(change(
        "tenants/two.yaml",
        std::slice::from_ref(&second),
        std::slice::from_ref(&second),
    ));
    let judged = verdict(&two, 1, 1);
    assert!(!judged.passes());
    assert_eq!((&judged.rules[0].short[..], judged.rules[0].have), (&["tenants/two.yaml".to_owned()][..], 0));
    assert!(judged.refused.is_empty(), "it counts for the other path");
    two.notes.push(Note { commit: second.clone(), content: Some(approved(&second, 3).into_bytes()) });
    assert!(verdict(&two, 1, 1).passes());
    // Alone it shows no change at all any more.
    two.changes.remove(0);
    two.notes.truncate(1);
    assert_eq!(
        reasons(&verdict(&two, 1, 1)),
        ["OtherChange: what they approved is not this change of the path"]
    );
}

#[test]
fn a_forges_word_counts_as_a_signature_does() {
    let commit = id(1);
    let mut forge = material(&commit, &approved(&commit, 2));
    let word = |user: &str| Word { user: user.to_owned(), commit: id(1), at: at(1) };
    forge.words = vec![word("bob")];
    assert!(!verdict(&forge, 2, 1).passes(), "Bob is one person");
    forge.words = vec![word("cy"), word("ada"), word("eve")];
    let judged = verdict(&forge, 2, 1);
    assert!(judged.passes());
    assert_eq!(reasons(&judged), ["SelfApproval: they wrote it"], "Eve may review, and approves nothing");
}

#[test]
fn rubbish_is_bounded_and_hides_nothing_within_the_bounds() {
    let commit = id(1);
    let good = approved(&commit, 2);
    for rubbish in [
        "x\n".repeat(10_000),
        "\u{0}\u{ff}\n\n\r\n".repeat(100),
        format!("{}\n", "y".repeat(100_000)),
        format!("{good} \n{good}x\n {good}\n{}\n", good.replace("made", "made ")),
    ] {
        let judged = verdict(&material(&commit, &format!("{rubbish}{good}\n")), 1, 1);
        assert!(judged.passes(), "{judged:?}");
        assert!(judged.refused.len() < 10, "{}", judged.refused.len());
    }
    // Past the bounds the change is held, and it is said.
    let flood: String =
        (0..5000).map(|n| format!("{}\n", good.replacen(&commit, &format!("{n:040x}"), 1))).collect();
    let started = std::time::Instant::now();
    let judged = verdict(&material(&commit, &flood), 2, 1);
    assert!(!judged.passes() && reasons(&judged).iter().any(|why| why.contains("too many lines")));
    assert!(started.elapsed() < Duration::from_secs(20), "256 signatures, not 5000");
    let huge = Note { commit: commit.clone(), content: None };
    let judged = verdict(&Material { notes: vec![huge], ..material(&commit, "") }, 1, 1);
    assert_eq!(reasons(&judged), ["Malformed: the note is too large"]);
}

#[test]
fn there_is_one_way_to_write_a_line() {
    let commit = id(1);
    let good = approved(&commit, 2);
    assert_eq!(Approval::parse(&good).expect("sound").statement, statement(&commit));
    let signature = good.rsplit(' ').next().expect("a signature");
    for bad in [
        good.replace("T00:00:00Z", "T00:00:00.000Z"),
        good.replace("T00:00:00Z", "T01:00:00+01:00"),
        good.replace(&commit, &commit.to_uppercase().replace('0', "A")),
        good.replace("/v1", "/v2"),
        good.replace(" tree ", "  tree "),
        good.replace(signature, &format!("{signature}%")),
        good.replace(signature, &"A".repeat(5000)),
        good.replace(&format!(" {signature}"), " "),
        String::new(),
    ] {
        assert!(Approval::parse(&bad).is_err(), "{bad}");
    }
    assert!(statement(&commit).line("-----BEGIN PGP SIGNATURE-----").is_err(), "no signature of OpenSSH");
    let wrote: HashMap<String, BTreeSet<people::Person>> = HashMap::new();
    let none = judge(&rules("**", 1), &People::default(), &[], &[], &wrote);
    assert!(none.passes(), "nothing changes");
}
