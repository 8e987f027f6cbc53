//! The edge: one file per subcommand, a few calls into the rooms each.

use std::process::ExitCode;

pub mod crds;

/// Runs the command line.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
