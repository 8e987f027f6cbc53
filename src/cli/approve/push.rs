//! Fetch, join, push: with the user's own git, which knows their remotes and how to log in.

use std::{path::Path, process::Command};

use crate::{source::APPROVALS, validate::text::sanitize};

/// Where the notes of others wait to be joined.
const THEIRS: &str = "refs/notes/tenantry-approvals-theirs";

/// Pushes tried while others push, too.
const TRIES: usize = 5;

/// Brings the notes to a remote, joined with what is there.
pub(super) fn push(repo: &Path, remote: &str) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        if !git(repo, &["ls-remote", "--", remote, APPROVALS])?.is_empty() {
            git(repo, &["fetch", "--quiet", "--no-tags", "--", remote, &format!("+{APPROVALS}:{THEIRS}")])?;
            git(
                repo,
                &["notes", "--ref", APPROVALS, "merge", "--quiet", "--strategy", "cat_sort_uniq", THEIRS],
            )?;
        }
        match git(repo, &["push", "--quiet", "--", remote, APPROVALS]) {
            Ok(_) => return Ok(()),
            // Somebody was quicker, or it is refused for good: the next try tells.
            Err(problem) => last = problem,
        }
    }
    Err(format!(
        "the approval is noted here but not pushed: {last}; push it with git push {remote} {APPROVALS}"
    ))
}

fn git(repo: &Path, args: &[&str]) -> Result<String, String> {
    let line = args.join(" ");
    let output = Command::new("git").arg("-C").arg(repo).args(args).output();
    let output = output.map_err(|error| format!("git can't be started ({error})"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("git {line}: {}", sanitize(String::from_utf8_lossy(&output.stderr).trim(), 300)))
}
