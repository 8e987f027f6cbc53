//! Commits signed with keys of the tests' own, without ssh-keygen; and the lists of signers.

use jiff::Timestamp;
use serde_json::json;
use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};
use tenantry::{
    source::APPROVALS,
    trust::{approval::Statement, signers::APPROVAL},
};
use tenantry_testbed::Repo;

use super::{Call, Outcome, at, world::SYSTEM};

/// A key that is the same in every run.
pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Puts a list of signers into the operator's namespace.
pub async fn list(call: &Call, name: &str, signers: &[(&str, u8)]) -> Outcome {
    let line = |(who, seed): &(&str, u8)| {
        key(*seed)
            .public_key()
            .to_openssh()
            .map(|key| format!("{who} namespaces=\"git,tenantry.dev/approval\" {key}\n"))
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

/// The line of an approval of a commit, by the key of this seed; given and running out so many hours from now.
pub fn approval(repo: &Repo, seed: u8, commit: &str, [made, expires]: [i64; 2]) -> Outcome<String> {
    let tree = repo.git(["rev-parse", &format!("{commit}^{{tree}}")])?;
    let now = Timestamp::now().as_second();
    let [made, expires] = [made, expires].map(|hours| Timestamp::from_second(now + hours * 3600));
    let statement = Statement { commit: commit.to_owned(), tree, made: made?, expires: expires? };
    let signature = key(seed).sign(APPROVAL, HashAlg::Sha512, statement.text().as_bytes())?;
    Ok(statement.line(&signature.to_pem(LineEnding::LF)?)?)
}

/// Approves a commit with the keys of these seeds, for a day, and pushes the notes.
pub fn approve(repo: &Repo, seeds: &[u8], commit: &str) -> Outcome {
    let lines = seeds.iter().map(|seed| approval(repo, *seed, commit, [0, 24]));
    let lines: Vec<String> = lines.collect::<Outcome<_>>()?;
    note(repo, commit, &lines.join("\n"))
}

/// Adds lines to the note on a commit, and pushes the notes.
pub fn note(repo: &Repo, commit: &str, lines: &str) -> Outcome {
    let place = repo.work().join(".git/note");
    std::fs::write(&place, lines)?;
    repo.git(["notes", "--ref", APPROVALS, "append", "--file", &place.display().to_string(), commit])?;
    repo.git(["push", "--quiet", "--force", "origin", APPROVALS])?;
    Ok(())
}

/// Pushes, by force.
pub fn push(repo: &Repo) -> Outcome {
    repo.git(["push", "--quiet", "--force", "origin", "HEAD:main"])?;
    Ok(())
}
