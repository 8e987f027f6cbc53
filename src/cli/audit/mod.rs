//! `tenantry audit`: the audit log, from a node to the archive.
//!
//! - [`agent`]: takes records on a node

use super::Outcome;

pub mod agent;

/// Arguments of `tenantry audit`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Keep an audit log that loses nothing and can be proved",
    after_help = "Examples:\n  tenantry audit agent --spool /var/lib/tenantry-audit --cluster eu --agent cp-1 --file /var/log/kubernetes/audit.log"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Agent(Box<agent::Args>),
}

/// Runs it.
///
/// # Errors
/// Those of the subcommand.
pub fn main(args: Args) -> Outcome {
    match args.what {
        What::Agent(args) => agent::main(*args),
    }
}
