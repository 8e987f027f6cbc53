//! `tenantry audit`: an audit log, from a node to its archive, and what can be said of the archive without a cluster.
//!
//! - [`agent`]: takes records on a node, and ships them
//! - [`door`]: the address of the webhook, and who may come in
//! - [`verify`]: whether it is what was written
//! - [`prove`]: evidence for one event, or that a later log continues an earlier one; [`check`]: whether it holds
//! - [`search`]: which events there are
//! - [`policy`]: what the API server should log
//! - [`keygen`]: keys for agents and witnesses
//! - [`sink`]: the archive as an agent or the witness reaches it
//! - [`store`]: the store that it lies in
//! - [`optional`]: flags that are there together or not at all
//! - [`place`]: where it lies, and whose keys are believed

use super::Outcome;

pub mod agent;
pub mod check;
pub mod door;
pub mod keygen;
pub mod optional;
pub mod place;
pub mod policy;
pub mod prove;
pub mod search;
pub mod sink;
pub mod store;
pub mod verify;

/// Arguments of `tenantry audit`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Ship audit logs to an archive, and verify, prove and search them there",
    after_help = "Examples:\n  tenantry audit verify ./archive --log-key log.pub --witness-key witness.pub\n  \
                  tenantry audit search s3://audit/eu --tenant acme --verb delete\n  \
                  tenantry audit prove ./archive --id 5f3a… --log-key log.pub > evidence.json\n  \
                  tenantry audit check evidence.json --log-key log.pub"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Agent(Box<agent::Args>),
    Verify(verify::Args),
    Prove(prove::Args),
    Check(check::Args),
    Search(search::Args),
    Policy(policy::Args),
    Keygen(keygen::Args),
}

/// Runs it.
///
/// # Errors
/// The archive or a key can't be read.
pub fn main(args: Args) -> Outcome {
    match args.what {
        What::Agent(args) => agent::main(*args),
        What::Verify(args) => verify::main(&args),
        What::Prove(args) => prove::main(&args),
        What::Check(args) => check::main(&args),
        What::Search(args) => search::main(&args),
        What::Policy(args) => policy::main(&args),
        What::Keygen(args) => keygen::main(&args),
    }
}
