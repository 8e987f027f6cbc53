//! Commits signed with keys of the tests' own, without ssh-keygen; and the lists of signers.

use serde_json::json;
use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};
use tenantry_testbed::Repo;

use super::{Call, Outcome, at, world::SYSTEM};

/// A key that is the same in every run.
pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Puts a list of signers into the operator's namespace.
pub async fn list(call: &Call, name: &str, signers: &[(&str, u8)]) -> Outcome {
    let line = |(who, seed): &(&str, u8)| {
        key(*seed).public_key().to_openssh().map(|key| format!("{who} namespaces=\"git\" {key}\n"))
    };
    let lines: String = signers.iter().map(line).collect::<Result<_, _>>()?;
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"allowed_signers": lines},
    });
    call.apply(&at("configmaps", SYSTEM, name), "tess", &body).await?;
    Ok(())
}

/// Commits a file without pushing, signed by the key of this seed or by nobody; returns the commit's id.
pub fn commit(repo: &Repo, seed: Option<u8>, path: &str, content: &str) -> Outcome<String> {
    let file = repo.work().join(path);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, content)?;
    repo.git(["add", "--all"])?;
    repo.git(["commit", "--quiet", "--allow-empty", "-m", "A change"])?;
    sign(repo, seed)
}

/// Signs the newest commit anew; without a key, leaves it.
pub fn sign(repo: &Repo, seed: Option<u8>) -> Outcome<String> {
    let Some(seed) = seed else { return Ok(repo.head()?) };
    // What git prints is trimmed.
    let plain = format!("{}\n", repo.git(["cat-file", "commit", "HEAD"])?);
    let signature = key(seed).sign("git", HashAlg::Sha512, plain.as_bytes())?.to_pem(LineEnding::LF)?;
    let (headers, message) = plain.split_once("\n\n").ok_or("a commit has a message")?;
    let whole = format!("{headers}\ngpgsig {}\n\n{message}", signature.trim_end().replace('\n', "\n "));
    let place = repo.work().join(".git/signed");
    std::fs::write(&place, whole)?;
    let id = repo.git(["hash-object", "-w", "-t", "commit", &place.display().to_string()])?;
    repo.git(["reset", "--quiet", "--soft", &id])?;
    Ok(id)
}

/// Pushes, by force.
pub fn push(repo: &Repo) -> Outcome {
    repo.git(["push", "--quiet", "--force", "origin", "HEAD:main"])?;
    Ok(())
}
