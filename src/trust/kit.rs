//! What tests of this room share: keys, and commits that they sign.

use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

/// The time of commits.
pub(super) const TIME: i64 = 1_767_225_600;

/// A key that is the same in every run.
pub(super) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// The line of an allowed-signers file.
pub(super) fn line(who: &str, options: &str, key: &PrivateKey) -> String {
    let public = key.public_key().to_openssh().expect("a key");
    format!("{who} {options} {public}\n").replace("  ", " ")
}

/// An unsigned commit.
pub(super) fn plain(parents: &[&str], message: &str) -> Vec<u8> {
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    format!(
        "tree {tree}\n{parents}author Ada <ada@example.com> {TIME} +0100\ncommitter Ada <ada@example.com> {TIME} +0100\n\n{message}\n"
    )
    .into_bytes()
}

/// The commit with this signature, as Git writes it.
pub(super) fn with_signature(plain: &[u8], armored: &str) -> Vec<u8> {
    let text = String::from_utf8(plain.to_vec()).expect("UTF-8");
    let (headers, message) = text.split_once("\n\n").expect("a message");
    let signature = armored.trim_end().replace('\n', "\n ");
    format!("{headers}\ngpgsig {signature}\n\n{message}").into_bytes()
}

/// The commit, signed for `namespace`.
pub(super) fn signed_for(namespace: &str, plain: &[u8], key: &PrivateKey) -> Vec<u8> {
    let signature = key.sign(namespace, HashAlg::Sha512, plain).expect("signed");
    with_signature(plain, &signature.to_pem(LineEnding::LF).expect("armored"))
}

/// The commit, signed.
pub(super) fn signed(plain: &[u8], key: &PrivateKey) -> Vec<u8> {
    signed_for("git", plain, key)
}

/// An id for the commit of this number.
pub(super) fn id(number: u8) -> String {
    format!("{number:040x}")
}
