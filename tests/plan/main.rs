//! `tenantry plan` as its users meet it: the program itself, on real repositories.
//!
//! Each folder below `tests/plan/cases` is a test: `base/` and `head/` become two commits, and
//! `expected.{txt,md,json}` is what is said of them. `UPDATE_GOLDEN=1 cargo test --test plan` writes
//! what is expected anew.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod cases;
mod ci;
mod command;
#[allow(dead_code, reason = "this test uses a part of it")]
#[path = "../source/repo.rs"]
mod repo;

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run left behind.
pub(crate) struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `tenantry plan` in a folder.
pub(crate) fn plan(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    let output = command
        .arg("plan")
        .args(args)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("the program runs");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
    }
}

pub(crate) fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases")
}
