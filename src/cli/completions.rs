//! `tenantry completions`: the script that lets a shell complete our arguments.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{Outcome, out};

/// Arguments of `tenantry completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  source <(tenantry completions bash)\n  \
                  tenantry completions zsh > \"${fpath[1]}/_tenantry\"\n  \
                  tenantry completions fish > ~/.config/fish/completions/tenantry.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// It can't be written.
pub fn main(args: &Args, command: &mut clap::Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "tenantry", &mut script);
    out::stdout(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
