use super::*;
use crate::trust::kit::{id, key, line, plain, signed};

/// Ada and Bob are people, the forge is a forge; everybody else is nobody.
fn signers() -> Signers {
    let text = [("ada@example.com", 1), ("bob@example.com", 2), ("forge@example.com", 3)];
    Signers::parse(&text.map(|(who, seed)| line(who, "", &key(seed))).concat()).expect("a list")
}

/// Commits by number: their parents, and the seed of the key that signed them.
fn commits(list: &[(u8, &[u8], Option<u8>)]) -> Vec<(String, Vec<u8>)> {
    let one = |(number, parents, seed): &(u8, &[u8], Option<u8>)| {
        let parents: Vec<String> = parents.iter().map(|parent| id(*parent)).collect();
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        let plain = plain(&parents, &format!("Commit {number}"));
        (id(*number), seed.map_or(plain.clone(), |seed| signed(&plain, &key(seed))))
    };
    list.iter().map(one).collect()
}

fn borrowed(commits: &[(String, Vec<u8>)]) -> Vec<(String, &[u8])> {
    commits.iter().map(|(id, raw)| (id.clone(), raw.as_slice())).collect()
}

/// The number of the commit that doesn't pass, how many more, and why.
fn wrong(mode: Mode, list: &[(u8, &[u8], Option<u8>)]) -> Option<(String, usize, String)> {
    let (signers, forge) = (signers(), ["forge@example.com".to_owned()]);
    let rules = Rules { mode, signers: &signers, forge: &forge };
    let refused = judge(&id(list[0].0), &borrowed(&commits(list)), &rules).err()?;
    assert_eq!(refused.author, "Ada <ada@example.com>");
    Some((refused.commit.trim_start_matches('0').to_owned(), refused.more, refused.refusal.to_string()))
}

const ADA: Option<u8> = Some(1);
const BOB: Option<u8> = Some(2);
const FORGE: Option<u8> = Some(3);
const NOBODY: Option<u8> = Some(9);

#[test]
fn every_commit_or_the_head() {
    let good: &[(u8, &[u8], Option<u8>)] = &[(3, &[2], ADA), (2, &[1], BOB), (1, &[9], ADA)];
    assert_eq!(wrong(Mode::EveryCommit, good), None);
    let below: &[(u8, &[u8], Option<u8>)] =
        &[(4, &[3], ADA), (3, &[2], NOBODY), (2, &[1], None), (1, &[9], ADA)];
    assert_eq!(wrong(Mode::Head, below), None);
    assert_eq!(wrong(Mode::EveryCommit, below), Some(("2".into(), 1, "not signed".into())));
    let head: &[(u8, &[u8], Option<u8>)] = &[(2, &[1], None), (1, &[9], ADA)];
    for mode in [Mode::Head, Mode::EveryCommit] {
        assert_eq!(wrong(mode, head), Some(("2".into(), 0, "not signed".into())));
    }
}

#[test]
fn a_forge_vouches_for_merges_of_what_is_verified() {
    for mode in [Mode::Head, Mode::EveryCommit] {
        let good: &[(u8, &[u8], Option<u8>)] = &[(4, &[9, 3], FORGE), (3, &[9], ADA)];
        assert_eq!(wrong(mode, good), None, "{mode:?}");
        let unsigned: &[(u8, &[u8], Option<u8>)] = &[(4, &[9, 3], FORGE), (3, &[9], None)];
        assert_eq!(wrong(mode, unsigned), Some(("3".into(), 0, "not signed".into())), "{mode:?}");
        // A merge of merges.
        let deep: &[(u8, &[u8], Option<u8>)] =
            &[(5, &[4, 3], FORGE), (4, &[9, 2], FORGE), (3, &[9], BOB), (2, &[9], None)];
        assert_eq!(wrong(mode, deep), Some(("2".into(), 0, "not signed".into())), "{mode:?}");
        // An edit in the forge's editor is signed by its key, and is nobody's.
        let edit: &[(u8, &[u8], Option<u8>)] = &[(2, &[9], FORGE)];
        let said = "signed by the forge (forge@example.com), which may sign merges only";
        assert_eq!(wrong(mode, edit), Some(("2".into(), 0, said.into())), "{mode:?}");
    }
}

/// Whoever signs for themselves answers for what a merge holds; of the others it has to be told.
#[test]
fn merges_that_only_a_forge_vouches_for_are_named_the_oldest_first() {
    let (signers, forge) = (signers(), ["forge@example.com".to_owned()]);
    let list: &[(u8, &[u8], Option<u8>)] = &[
        (6, &[5, 4], FORGE),
        (5, &[3, 2], ADA),
        (4, &[2, 1], FORGE),
        (3, &[1], BOB),
        (2, &[1], ADA),
        (1, &[], BOB),
    ];
    let commits = commits(list);
    for (mode, expected) in [(Mode::EveryCommit, vec![id(4), id(6)]), (Mode::Head, vec![id(4), id(6)])] {
        let rules = Rules { mode, signers: &signers, forge: &forge };
        let signed = judge(&id(6), &borrowed(&commits), &rules).expect("signed");
        assert_eq!(signed.merges().collect::<Vec<_>>(), expected, "{mode:?}");
        let own = Difference::Own { paths: vec!["a.yaml".into(), "b.yaml".into()], more: 2 };
        let refused = signed.refuse(&id(4), own);
        assert_eq!((refused.commit, refused.author.as_str()), (id(4), "Ada <ada@example.com>"));
        assert!(refused.refusal.to_string().ends_with("gives something else in a.yaml, b.yaml and 2 more"));
    }
}

#[test]
fn a_head_that_is_not_here_does_not_pass() {
    let signers = signers();
    let rules = Rules { mode: Mode::EveryCommit, signers: &signers, forge: &[] };
    assert!(judge(&id(1), &[], &rules).is_err());
    assert!(judge(&id(1), &borrowed(&commits(&[(2, &[], ADA)])), &rules).is_err());
}

/// What GnuPG signed with a forge's key: `tests/fixtures/openpgp/make.sh`.
#[cfg(feature = "openpgp")]
#[test]
fn a_forge_may_sign_with_openpgp() {
    use crate::trust::kit::with_signature;

    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/openpgp/", $name))
        };
    }
    let forge = ["noreply@forge.example".to_owned()];
    let ssh = line("ada@example.com", "", &key(1));
    let signers = Signers::read(Some(&ssh), Some(fixture!("forge.key"))).expect("lists");
    let rules = Rules { mode: Mode::EveryCommit, signers: &signers, forge: &forge };
    let merge = (id(4), with_signature(fixture!("merge").as_bytes(), fixture!("merge.sig")));
    let merged = |seed| [merge.clone(), commits(&[(3, &[9], seed)]).remove(0)];
    let judged = judge(&id(4), &borrowed(&merged(ADA)), &rules).expect("signed");
    assert_eq!(judged.merges().collect::<Vec<_>>(), [id(4)]);
    assert!(judge(&id(4), &borrowed(&merged(NOBODY)), &rules).is_err(), "a merge of what nobody signed");
    let edit = [(id(1), with_signature(fixture!("commit").as_bytes(), fixture!("forge.sig")))];
    let edit = borrowed(&edit);
    let refused = judge(&id(1), &edit, &rules).expect_err("an edit in the forge's editor");
    assert_eq!(refused.refusal, super::Refusal::NotAMerge("noreply@forge.example".into()));
    let rules = Rules { forge: &[], ..rules };
    let judged =
        judge(&id(1), &edit, &rules).expect("a person's key, where nobody says that it is a forge's");
    assert_eq!(judged, Signed::default());
}
