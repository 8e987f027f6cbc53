use proptest::prelude::*;
use ssh_key::{HashAlg, LineEnding};

use super::*;
use crate::trust::kit::{key, line, plain, signed, signed_for, with_signature};

fn list(text: &str) -> Signers {
    Signers::parse(text).expect("a list")
}

fn verdict(raw: &[u8], signers: &str) -> Result<String, String> {
    let commit = Commit::parse("id", raw).map_err(|problem| Refusal::Malformed(problem).to_string())?;
    let list = list(signers);
    verify(&commit, &list).map(|entries| entries[0].to_string()).map_err(|refusal| refusal.to_string())
}

fn refused(raw: &[u8], signers: &str, words: &str) {
    let said = verdict(raw, signers).expect_err(words);
    assert!(said.contains(words), "{words} in {said}");
}

#[test]
fn a_listed_key_vouches_for_its_commit() {
    let raw = signed(&plain(&[], "One"), &key(1));
    let both = format!(
        "{}{}",
        line("bob@example.com", "", &key(2)),
        line("ada@example.com", "namespaces=\"git\"", &key(1))
    );
    assert_eq!(verdict(&raw, &both), Ok("ada@example.com".to_owned()));
    refused(&plain(&[], "One"), &both, "not signed");
    refused(&signed(&plain(&[], "One"), &key(3)), &both, "key not listed: SHA256:");
    refused(&signed_for("file", &plain(&[], "One"), &key(1)), &both, "made for \"file\", not for \"git\"");
}

/// What `ssh-keygen -Y sign -n git` made of a commit with each type of key, and not our own writer.
#[test]
fn signatures_of_openssh_are_understood() {
    let signers = include_str!("fixtures/allowed_signers");
    let commit = include_bytes!("fixtures/commit");
    for (who, signature) in [
        ("ed25519", include_str!("fixtures/ed25519.sig")),
        ("ecdsa256", include_str!("fixtures/ecdsa256.sig")),
        ("ecdsa384", include_str!("fixtures/ecdsa384.sig")),
        ("rsa3072", include_str!("fixtures/rsa3072.sig")),
    ] {
        let raw = with_signature(commit, signature);
        assert_eq!(verdict(&raw, signers), Ok(format!("{who}@example.com")));
        let other = with_signature(&plain(&[], "Another"), signature);
        refused(&other, signers, "it does not fit the commit");
    }
}

#[test]
fn windows_are_judged_at_the_committers_time() {
    let raw = signed(&plain(&[], "One"), &key(1));
    // TIME is 2026-01-01, at midnight.
    let at = |options: &str| verdict(&raw, &line("ada@example.com", options, &key(1)));
    assert!(at("valid-after=\"20260101\"").is_ok() && at("valid-before=\"20260101\"").is_ok());
    let said = at("valid-after=\"20260102\"").expect_err("too early");
    assert_eq!(said, "key outside its validity: ada@example.com (line 1) at 2026-01-01T00:00:00Z");
    assert!(at("valid-before=\"20251231\"").is_err());
    // A renewed key has two lines; one that holds is enough.
    let two = format!(
        "{}{}",
        line("old@example.com", "valid-before=\"20251231\"", &key(1)),
        line("new@example.com", "valid-after=\"20251231\"", &key(1))
    );
    assert_eq!(verdict(&raw, &two), Ok("new@example.com".to_owned()));
}

#[test]
fn other_kinds_are_told_apart() {
    let signers = line("ada@example.com", "", &key(1));
    let with = |armored: &str| with_signature(&plain(&[], "One"), armored);
    let openpgp = if cfg!(feature = "openpgp") {
        "bad signature: it is damaged, or no OpenPGP signature"
    } else {
        "UnsupportedSignature: OpenPGP"
    };
    refused(&with("-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----"), &signers, openpgp);
    refused(
        &with("-----BEGIN SIGNED MESSAGE-----\nx\n-----END SIGNED MESSAGE-----"),
        &signers,
        "UnsupportedSignature: X.509",
    );
    for damaged in [
        "",
        "x",
        "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
        &"x".repeat(LONGEST * 2),
    ] {
        refused(&with(damaged), &signers, "bad signature: it is damaged");
    }
}

/// A security key's signature without its touch. The key's own signature isn't looked at: that comes after.
#[test]
fn a_security_key_must_have_been_touched() {
    let signers = include_str!("fixtures/sk_signers");
    let key = PublicKey::from_openssh(signers.split_once(' ').expect("a line").1).expect("a key");
    let commit = plain(&[], "One");
    let with = |flags: u8| {
        let mut data = vec![7; 64];
        data.extend([flags, 0, 0, 0, 1]);
        let signature = ssh_key::Signature::new(ssh_key::Algorithm::SkEd25519, data).expect("a signature");
        let signature = SshSig::new(key.key_data().clone(), "git", HashAlg::Sha512, signature).expect("one");
        with_signature(&commit, &signature.to_pem(LineEnding::LF).expect("armored"))
    };
    refused(&with(0), signers, "the security key was not touched");
    refused(&with(4), signers, "the security key was not touched");
    refused(&with(1), signers, "it does not fit the commit");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// Wherever a bit flips, in what was signed or in the signature, the commit doesn't pass.
    #[test]
    fn no_flipped_bit_passes(at in any::<prop::sample::Index>(), bit in 0u8..8, parents in 0usize..3) {
        let parents: Vec<String> = (0..parents).map(|_| "2".repeat(40)).collect();
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        let mut raw = signed(&plain(&parents, "A longer message\n\nwith a body"), &key(1));
        let signers = line("ada@example.com", "", &key(1));
        prop_assert!(verdict(&raw, &signers).is_ok());
        let at = at.index(raw.len());
        raw[at] ^= 1 << bit;
        prop_assert!(verdict(&raw, &signers).is_err(), "byte {} of {}", at, String::from_utf8_lossy(&raw));
    }
}
