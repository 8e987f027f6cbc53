//! What tests of backups need: stores that speak S3, and restic.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use super::{Recipe, cache_folder, find_or_build};
use crate::error::{Error, Result, io};

pub(super) const VERSITYGW: Recipe = Recipe {
    name: "versitygw",
    sources: "versitygw",
    tags: "",
    label: "versitygw v1.8.0 (an S3 store)",
    package: "github.com/versity/versitygw/cmd/versitygw",
    ldflags: "-s -w",
    links: &[],
};

pub(super) const RESTIC: Recipe = Recipe {
    name: "restic",
    sources: "restic",
    tags: "",
    label: "restic v0.18.1 (the backup engine)",
    package: "github.com/restic/restic/cmd/restic",
    ldflags: "-s -w",
    links: &[],
};

/// The release of ministack: it moves fast, and what it does is what the tests were written for.
const MINISTACK: &str = "1.5.33";

const GET_PYTHON: &str =
    "get Python 3.10 or newer with venv (Debian: apt install python3-venv, macOS: brew install python)";

/// An S3 store on a folder, with Object Lock that holds.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn versitygw() -> Result<PathBuf> {
    find_or_build(&VERSITYGW)
}

/// The backup engine. Debian's stable one is too old.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn restic() -> Result<PathBuf> {
    find_or_build(&RESTIC)
}

/// An emulator of AWS: accounts, roles to assume, S3. In a virtual environment of its own in the cache folder.
///
/// # Errors
/// Python is missing, or the package can't be had.
pub fn ministack() -> Result<PathBuf> {
    let bin = cache_folder()?.join("bin");
    fs::create_dir_all(&bin).map_err(io("create", &bin))?;
    let folder = bin.join(format!("ministack-{MINISTACK}"));
    let program = folder.join("bin/ministack");
    let done = folder.join("complete");
    if done.is_file() {
        return Ok(program);
    }
    let lock_path = bin.join("ministack.lock");
    let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
    lock.lock().map_err(io("lock", &lock_path))?;
    if !done.is_file() {
        let _ = fs::remove_dir_all(&folder);
        let progress = super::Progress::start(format!("installing ministack {MINISTACK} (first run only)"));
        let installed = install(&folder);
        progress.end(installed.is_ok());
        installed?;
        fs::write(&done, b"").map_err(io("write", &done))?;
    }
    Ok(program)
}

/// An environment can't be moved once it is made, so it is made where it stays.
fn install(folder: &std::path::Path) -> Result<()> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    ran(&mut make)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(format!("ministack=={MINISTACK}"));
    ran(&mut pip)
}

fn ran(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|_| Error::Missing { program: "python3", get: GET_PYTHON })?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: format!("{command:?}"), output })
}
