//! The edge: one file per subcommand, a few calls into the rooms each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod crds;
pub mod run;

/// What the program says of itself.
const ABOUT: &str = "Keeps the promises of a multi-tenant service on Kubernetes, and says whether it does";

#[derive(Debug, Parser)]
#[command(name = "tenantry", version, about = ABOUT, long_about = None, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::Args),
    /// Print the custom resource definitions, or write them into a folder
    Crds(crds::Args),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::main(args),
        Command::Crds(args) => crds::main(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {}", crate::runtime::call::report(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// What a subcommand ends with: its exit code, or an error that ends the program with 2.
pub type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;
