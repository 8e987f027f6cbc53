//! `tenantry backup work`: one run, from the task to its record.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::backup::engine::run::Places;
use crate::backup::engine::work;
use crate::backup::task::{Task, VARIABLE};
use crate::cli::{Outcome, out};
use crate::runtime::telemetry::{self, LogFormat};

use super::tools;

/// Where a container leaves its last words, if nobody says another place.
const LAST_WORDS: &str = "/dev/termination-log";

/// Arguments of `tenantry backup work`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Do what the task in TENANTRY_TASK says, and leave a record",
    long_about = "Do what the task in TENANTRY_TASK says, and leave a record.\n\n\
                  The record goes into the store, to stdout, and into the container's last words. Ends with 0 when \
                  the run is good, 1 when it failed, and 2 when there is no task.",
    after_help = "Examples:\n  tenantry backup work --secrets /run/secrets/tenantry --scratch /scratch"
)]
pub struct Args {
    /// Folder with the tenant's key, the store's credentials and the database's connection
    #[arg(long, value_name = "DIR")]
    secrets: PathBuf,
    /// Folder that may be written and that nobody keeps
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// The program restic; beside this program or on the PATH when absent
    #[arg(long, value_name = "FILE")]
    restic: Option<PathBuf>,
    /// Where to leave the record for the kubelet
    #[arg(long, value_name = "FILE", default_value = LAST_WORDS)]
    report: PathBuf,
}

/// Works.
///
/// # Errors
/// There is no task, or the record can't be left.
pub fn main(args: &Args) -> Outcome {
    telemetry::init(LogFormat::Text, telemetry::DEFAULT_FILTER)?;
    let text = std::env::var(VARIABLE).map_err(|_| format!("there is no task: set {VARIABLE}"))?;
    let task: Task = serde_json::from_str(&text).map_err(|error| format!("{VARIABLE}: {error}"))?;
    std::fs::create_dir_all(&args.scratch).map_err(|error| format!("{}: {error}", args.scratch.display()))?;
    let scratch = args.scratch.canonicalize()?;
    let restic = tools::find(args.restic.as_deref())?;
    let places = Places { secrets: args.secrets.clone(), scratch, restic };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let record = runtime.block_on(work::work(&task, &places));
    out::stdout(&format!("{}\n", work::last_words(&record)))?;
    work::leave(&record, &args.report)
        .map_err(|error| format!("{} can't be written: {error}", args.report.display()))?;
    Ok(ExitCode::from(u8::from(!record.succeeded)))
}
