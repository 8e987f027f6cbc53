//! `tenantry audit prove`: evidence that somebody checks with nothing but public keys.

use std::process::ExitCode;

use jiff::Timestamp;

use super::place::{LogKeys, Place, key_of};
use crate::audit::evidence::{Evidence, consistency, inclusion};
use crate::cli::{Outcome, out};

/// Arguments of `tenantry audit prove`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Prove one event, or that a later log continues an earlier one",
    long_about = "Prove one event, or that a later log continues an earlier one.\n\n\
                  Prints evidence as JSON, which `tenantry audit check` checks with the agent's public key alone: the \
                  archive isn't needed any more.\n\n\
                  Ends with 0 when there is evidence, 1 when there is none, 2 when that can't be said.",
    after_help = "Examples:\n  tenantry audit prove ./archive --id 5f3ac7d0-… --log-key log.pub > evidence.json\n  \
                  tenantry audit prove ./archive --from 2026-10-01T00:00:00Z --until 2026-11-01T00:00:00Z --log-key log.pub"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The auditID of the event; each of its stages is proved
    #[arg(long, value_name = "AUDIT ID", required_unless_present = "from")]
    id: Option<String>,
    /// Prove that the log as it was at this time…
    #[arg(long, value_name = "RFC 3339", requires = "until", conflicts_with = "id")]
    from: Option<Timestamp>,
    /// … is the beginning of the log as it was at this one
    #[arg(long, value_name = "RFC 3339", requires = "from")]
    until: Option<Timestamp>,
    #[command(flatten)]
    keys: LogKeys,
}

/// Proves.
///
/// # Errors
/// The archive or a key can't be read, or the archive isn't whole.
pub fn main(args: &Args) -> Outcome {
    let keys = args.keys.read()?;
    let mut opened = args.place.open()?;
    let (mut all, mut gone): (Vec<Evidence>, u64) = (Vec::new(), 0);
    for (stream, door) in &mut opened.streams {
        let key = key_of(&keys, stream)?;
        match (&args.id, args.from.zip(args.until)) {
            (Some(id), _) => {
                let found = inclusion(door, stream, key, id)?;
                all.extend(found.found);
                gone += found.gone;
            }
            (None, Some(times)) => all.push(consistency(door, stream, key, times)?),
            (None, None) => {}
        }
    }
    if all.is_empty() {
        out::stderr("no record of the archive has this auditID");
        if gone > 0 {
            out::stderr(&format!(
                "{gone} records couldn't be looked at: they expired, or were removed; `tenantry audit verify \
                 --retention-days` tells which"
            ));
        }
        return Ok(ExitCode::from(1));
    }
    out::stdout(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}
