//! `tenantry approve`: an approval of a commit, signed with the user's SSH key, in the repository's notes.

mod push;
mod sign;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::common::Duration,
    source::{APPROVALS, Checkout},
    trust::approval::Statement,
};

use super::{Outcome, out};

/// Arguments of `tenantry approve`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Approve a commit: sign its id and tree with your SSH key, and note it in your repository",
    long_about = "Approve a commit: sign its id and tree with your SSH key, and note it in your repository.\n\n\
                  With the commit everything below it is approved that isn't applied yet. The approval is a line in \
                  the Git note on the commit (refs/notes/tenantry-approvals); it counts once it is pushed, for this \
                  commit only, and until it runs out. Signing is ssh-keygen's work: it asks for a passphrase, uses \
                  your agent where the key is a .pub file, and waits for the touch of a security key.\n\n\
                  Look at the commit first: git show COMMIT, tenantry plan main..COMMIT.\n\n\
                  Ends with 0 when the approval is noted (and pushed, with --push), 2 when not.",
    after_help = "Examples:\n  \
                  tenantry approve origin/topic --push\n  \
                  tenantry approve 182bbef1 --key ~/.ssh/id_ed25519 --expires 24h\n  \
                  tenantry approve HEAD --repo ~/config --push=upstream"
)]
pub struct Args {
    /// The commit, in any way that git rev-parse knows
    #[arg(value_name = "COMMIT")]
    pub commit: String,
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub repo: PathBuf,
    /// SSH key to sign with: the private key, or the .pub file of a key that your agent has. Git's user.signingkey
    /// when absent
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How long it counts, at most; the Platform may allow less
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = Duration::parse)]
    pub expires: Duration,
    /// Fetch the notes of others, join them with yours, and push them
    #[arg(long, value_name = "REMOTE", num_args = 0..=1, require_equals = true, default_missing_value = "origin")]
    pub push: Option<String>,
}

/// Signs and notes it.
///
/// # Errors
/// There is no such commit or no key, or it can't be signed, written or pushed.
pub fn main(args: &Args) -> Outcome {
    let checkout = Checkout::open(&args.repo)?;
    let target = checkout.target(&args.commit)?;
    let key = key(args, &checkout)?;
    let statement = statement(args, target.commit.to_string(), target.tree.clone())?;
    out::stderr(&format!("commit {} by {}: {}", target.commit.short(), target.author, target.subject));
    let armored = sign::sign(&key, &statement.text())?;
    let line = statement
        .line(&armored)
        .map_err(|problem| format!("ssh-keygen's signature can't be used: {problem}"))?;
    checkout.approve(&target, &line)?;
    out::stdout(&format!("approved commit {} until {}\n", target.commit, statement.expires))?;
    match &args.push {
        Some(remote) => {
            push::push(&args.repo, remote)?;
            out::stdout(&format!("pushed {APPROVALS} to {remote}\n"))?;
        }
        None => out::stdout(&format!("next: git push origin {APPROVALS}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn statement(args: &Args, commit: String, tree: String) -> Result<Statement, Box<dyn std::error::Error>> {
    // Whole seconds: there is one way to write them.
    let made = Timestamp::from_second(Timestamp::now().as_second())?;
    let long = SignedDuration::from_secs(args.expires.whole_seconds());
    let expires = made.checked_add(long).map_err(|_| format!("--expires {} is too long", args.expires))?;
    if expires <= made {
        return Err("--expires is too short: it would have run out already".into());
    }
    Ok(Statement { commit, tree, made, expires })
}

/// The key's file.
fn key(args: &Args, checkout: &Checkout) -> Result<PathBuf, String> {
    let next = "name a file with --key, or set it with git config user.signingkey FILE";
    let key = match &args.key {
        Some(key) => key.clone(),
        None => {
            checkout.signing_key().map(PathBuf::from).ok_or_else(|| format!("no SSH key is set; {next}"))?
        }
    };
    if Path::new(&key).is_file() {
        return Ok(key);
    }
    Err(format!("{} is no file; {next}", crate::validate::text::quote(&key.display().to_string())))
}
