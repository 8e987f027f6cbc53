//! `tenantry backup tools`: what an init container copies for a container whose image is PostgreSQL's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Outcome, out};

/// The name of the engine's program.
const RESTIC: &str = "restic";

/// Arguments of `tenantry backup tools`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Copy this program and restic into a folder: what the init container of a backup Job does",
    after_help = "Examples:\n  tenantry backup tools --to /tools\n  tenantry backup tools --to /tools --restic /usr/bin/restic"
)]
pub struct Args {
    /// The folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The program restic; beside this program or on the PATH when absent
    #[arg(long, value_name = "FILE")]
    restic: Option<PathBuf>,
}

/// Copies.
///
/// # Errors
/// There is no restic, or the folder can't be written.
pub fn main(args: &Args) -> Outcome {
    let own = std::env::current_exe()?;
    let restic = find(args.restic.as_deref())?;
    std::fs::create_dir_all(&args.to).map_err(|error| format!("{}: {error}", args.to.display()))?;
    for (from, name) in [(own, "tenantry"), (restic, RESTIC)] {
        let to = args.to.join(name);
        let failed = |error| format!("{} can't be copied to {}: {error}", from.display(), to.display());
        std::fs::copy(&from, &to).map_err(failed)?;
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
        out::stdout(&format!("{}\n", to.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// restic: as named, else beside this program, else on the `PATH`.
///
/// # Errors
/// It is nowhere.
pub fn find(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = named {
        let missing = || format!("{} is no file; name restic with --restic", path.display());
        return path.canonicalize().ok().filter(|path| path.is_file()).ok_or_else(missing);
    }
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(RESTIC)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(RESTIC));
    let found = beside.into_iter().chain(on_path).find(|path| path.is_file());
    found.ok_or_else(|| {
        "restic is neither beside this program nor on the PATH; name it with --restic".to_owned()
    })
}
