//! `tenantry audit check`: whether evidence holds. Needs a public key, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use super::place::{LogKeys, read};
use crate::audit::evidence::Evidence;
use crate::audit::log::note::Kind;
use crate::cli::style::{BAD, GOOD, OPEN, paint};
use crate::cli::{Outcome, out};

/// Arguments of `tenantry audit check`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Check evidence that `tenantry audit prove` printed, with public keys alone",
    after_help = "Examples:\n  tenantry audit check evidence.json --log-key log.pub --witness-key witness.pub"
)]
pub struct Args {
    /// The evidence
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: LogKeys,
    /// A file with the witness' public key: it must have cosigned what the evidence rests on
    #[arg(long, value_name = "FILE")]
    witness_key: Option<PathBuf>,
}

/// Checks.
///
/// # Errors
/// The file or a key can't be read.
pub fn main(args: &Args) -> Outcome {
    let keys = args.keys.read()?;
    let witness = args.witness_key.as_ref().map(|file| read(file, Kind::Witness)).transpose()?;
    let witness = witness.and_then(|keys| keys.into_iter().next());
    let place = args.file.display();
    let text = std::fs::read(&args.file).map_err(|error| format!("{place} can't be read: {error}"))?;
    let all: Vec<Evidence> =
        serde_json::from_slice(&text).map_err(|error| format!("{place} is no evidence: {error}"))?;
    let mut holds = !all.is_empty();
    for (number, evidence) in (1..).zip(&all) {
        let said: Vec<_> = keys.iter().map(|key| evidence.check(key, witness.as_ref())).collect();
        match said.iter().find_map(|said| said.as_ref().ok()) {
            Some(words) => out::stdout(&format!("{}: {words}\n", paint(GOOD, "proved")))?,
            None => {
                holds = false;
                let why = said.into_iter().find_map(Result::err).unwrap_or_default();
                out::stderr(&format!("{}: evidence {number}: {why}", paint(BAD, "not proved")));
            }
        }
    }
    if witness.is_none() {
        out::stderr(&format!(
            "{}: no --witness-key: who holds an agent's key could have made this up",
            paint(OPEN, "note")
        ));
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
