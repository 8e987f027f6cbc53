//! `tenantry backup credentials`: what restic's client asks while a run goes on (AWS' `credential_process`).

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::backup::engine::secrets::Secrets;
use crate::cli::{Outcome, out};

/// Arguments of `tenantry backup credentials`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Print a run's credentials for the store as they are now, as AWS' credential_process does",
    long_about = "Print a run's credentials for the store as they are now, as AWS' credential_process does.\n\n\
                  restic asks for them in a run's pod: the operator renews them while the run goes on.",
    after_help = "Examples:\n  tenantry backup credentials --secrets /run/secrets/tenantry"
)]
pub struct Args {
    /// Folder with the run's secrets
    #[arg(long, value_name = "DIR")]
    secrets: PathBuf,
}

/// Prints them, also when they have ended: the store then says so, and nobody looks for others.
///
/// # Errors
/// There are none.
pub fn main(args: &Args) -> Outcome {
    let found = Secrets::new(&args.secrets).credentials().map_err(|failure| failure.message)?;
    let said = json!({
        "Version": 1,
        "AccessKeyId": found.access_key_id(),
        "SecretAccessKey": found.expose_secret(),
        "SessionToken": found.expose_token().unwrap_or_default(),
        "Expiration": found.expires().map(|end| end.to_string()),
    });
    out::stdout(&format!("{said}\n"))?;
    Ok(ExitCode::SUCCESS)
}
