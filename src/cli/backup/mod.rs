//! `tenantry backup`: what runs in the pods of backups, drills and restores, and what opens a tenant's key for people
//! who restore without us.
//!
//! - [`key`]: a wrapped key, opened
//! - [`work`]: one run
//! - [`credentials`]: a run's credentials as they are now, for restic
//! - [`tools`]: brings the programs into a Job whose image is PostgreSQL's

use super::Outcome;

pub mod credentials;
pub mod key;
pub mod tools;
pub mod work;

/// Arguments of `tenantry backup`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Back up, drill or restore one database: what runs in the pods that the operator starts",
    long_about = "Back up, drill or restore one database: what runs in the pods that the operator starts.\n\n\
                  The operator hands a Job its task in the environment variable TENANTRY_TASK and its secrets as \
                  files. An init container copies the programs (`backup tools`) into a volume; the image of \
                  PostgreSQL then runs them (`backup work`).",
    after_help = "Examples:\n  tenantry backup tools --to /tools\n  tenantry backup work --secrets /run/secrets/tenantry --scratch /scratch"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Work(work::Args),
    Tools(tools::Args),
    Key(key::Args),
    Credentials(credentials::Args),
}

/// Runs it.
///
/// # Errors
/// There is no task, or the tools can't be copied.
pub fn main(args: &Args) -> Outcome {
    match &args.what {
        What::Work(args) => work::main(args),
        What::Tools(args) => tools::main(args),
        What::Key(args) => key::main(args),
        What::Credentials(args) => credentials::main(args),
    }
}
