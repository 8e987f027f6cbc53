//! Against what GnuPG made: `tests/fixtures/openpgp/make.sh`.

use super::*;
use crate::trust::kit::with_signature;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/openpgp/", $name))
    };
}

const COMMIT: &str = fixture!("commit");
const ADA: &str = fixture!("ada.key");
const RON: &str = fixture!("ron.key");
const SUB: &str = fixture!("sub.key");

fn pairs(keys: &[Key]) -> impl Iterator<Item = (&Key, &Key)> {
    keys.iter().map(|key| (key, key))
}

/// Who vouches for the commit with this signature, or why nobody does.
fn judged(list: &[&str], signature: &str) -> Result<Vec<String>, String> {
    let keys = keys(&list.concat()).expect("keys");
    let raw = with_signature(COMMIT.as_bytes(), signature);
    let commit = Commit::parse("id", &raw).expect("sound");
    let armored = commit.signature.clone().expect("signed");
    let held = verify(&commit, &armored, Some(commit.committed), pairs(&keys))
        .map_err(|refusal| refusal.to_string())?;
    Ok(held.into_iter().flat_map(|key| key.principals.clone()).collect())
}

#[test]
fn what_gnupg_signs_is_verified() {
    let all = [ADA, RON, SUB];
    assert_eq!(judged(&all, fixture!("ada.sig")), Ok(vec!["ada@example.com".to_owned()]));
    assert_eq!(judged(&all, fixture!("ron.sig")), Ok(vec!["ron@example.com".to_owned()]));
    assert_eq!(judged(&all, fixture!("sub.sig")), Ok(vec!["sub@example.com".to_owned()]), "by a subkey");
}

#[test]
fn what_nobody_listed_signed_is_refused() {
    let why = |list: &[&str], signature: &str| judged(list, signature).expect_err("refused");
    assert!(why(&[RON], fixture!("ada.sig")).starts_with("key not listed: OpenPGP "));
    assert!(why(&[ADA], fixture!("other.sig")).contains("does not fit the commit"));
    assert!(why(&[RON], fixture!("sha1.sig")).contains("hash is too weak"));
    assert!(why(&[ADA], fixture!("text.sig")).contains("none over the commit's bytes"));
    assert!(why(&[ADA, RON], fixture!("both.sig")).contains("several signatures"));
    let cut = &fixture!("ada.sig")[..120];
    assert!(why(&[ADA], cut).contains("damaged"));
    assert!(
        why(&[fixture!("old.key")], fixture!("old.sig"))
            .starts_with("key outside its validity: old@example.com")
    );
}

/// Every bit of the commit counts.
#[test]
fn another_commit_does_not_pass() {
    let keys = keys(ADA).expect("a key");
    let signed = with_signature(COMMIT.as_bytes(), fixture!("ada.sig"));
    let mut commit = Commit::parse("id", &signed).expect("sound");
    let armored = commit.signature.clone().expect("signed");
    assert!(verify(&commit, &armored, Some(commit.committed), pairs(&keys)).is_ok());
    for at in 0..commit.payload.len() {
        commit.payload[at] ^= 1;
        assert!(verify(&commit, &armored, Some(commit.committed), pairs(&keys)).is_err(), "byte {at}");
        commit.payload[at] ^= 1;
    }
}

#[test]
fn lists_that_nobody_should_rely_on_are_refused() {
    let why = |text: &str| keys(text).expect_err("refused");
    assert!(why("").contains("no key block"));
    assert!(why(&format!("{BEGIN}\n\nrubbish\n{END}\n")).starts_with("key block 1: "));
    assert!(why(fixture!("weak.key")).contains("RSA from 2048 bits"));
    assert!(why(&[ADA, fixture!("revoked.key")].concat()).contains("is revoked; take it out"));
    assert!(keys(fixture!("gone.key")).is_ok(), "the same key before it was revoked");
    assert!(why(&"x".repeat(LONGEST + 1)).contains("bytes"));
    // A signature, or a secret key, is no public key.
    assert!(why(fixture!("ada.sig")).contains("no key block"));
    let swapped = ADA.replacen("mDME", "lDME", 1);
    assert!(keys(&swapped).is_err());
}
