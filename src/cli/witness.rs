//! `tenantry witness`: reads what agents ship, and cosigns it, in the archive's own account.

use std::path::PathBuf;
use std::process::ExitCode;

use tracing::{error, info};

use crate::api::common::Duration as Span;
use crate::audit::log::note::Kind;
use crate::audit::witness::refused::Trouble;
use crate::audit::witness::round::{Round, Witness};
use crate::runtime::backoff::{stretched, unit};
use crate::runtime::shutdown::{Shutdown, on_signals};
use crate::runtime::telemetry::{self, LogFormat};
use crate::store::access::Access;

use super::audit::place::LogKeys;
use super::audit::sink::{BucketArgs, pause, private_key};
use super::{Outcome, out};

/// Arguments of `tenantry witness`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Read what agents ship to an archive, and cosign it: runs in the archive's own account",
    long_about = "Read what agents ship to an archive, and cosign it: runs in the archive's own account.\n\n\
                  Every new segment is read, its proof made again, and the newest checkpoint cosigned, if the log goes \
                  on from where this witness left it. A log that was rewritten, or of which something is missing, is \
                  never cosigned again; the others are. What it proved is kept in --state: keep that folder safe.\n\n\
                  With --once it ends with 0 when all streams are cosigned, 1 when one was refused, 2 when something \
                  can't be read.",
    after_help = "Examples:\n  tenantry witness --archive s3://audit/eu --owner 222222222222 --state /var/lib/witness \
                  --key witness.key --log-key agents.pub\n  \
                  tenantry witness --archive s3://audit --owner 222222222222 --state ./state --key witness.key \
                  --log-key agents.pub --once"
)]
pub struct Args {
    #[command(flatten)]
    bucket: BucketArgs,
    #[command(flatten)]
    logs: LogKeys,
    /// Folder with what was proved so far
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The witness' private key, from `tenantry audit keygen --witness`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// Time between two looks
    #[arg(long, value_name = "DURATION", value_parser = Span::parse, default_value = "20s")]
    every: Span,
}

/// Watches.
///
/// # Errors
/// A key can't be read, or the archive can't be listed with `--once`.
pub fn main(args: &Args) -> Outcome {
    telemetry::init(LogFormat::Text, telemetry::DEFAULT_FILTER)?;
    let key = private_key(&args.key)?;
    if key.public().kind() != Kind::Witness {
        return Err(format!("{} is an agent's key; make one with --witness", args.key.display()).into());
    }
    std::fs::create_dir_all(&args.state).map_err(|error| format!("{}: {error}", args.state.display()))?;
    let prefix = args.bucket.place()?.1.to_owned();
    let witness = Witness { key, agents: args.logs.read()?, prefix, state: args.state.clone() };
    let access = args.bucket.access()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.once {
        let round = runtime.block_on(look(&witness, &access))?;
        return tell(&round);
    }
    runtime.block_on(watch(args, &witness, &access))?;
    Ok(ExitCode::SUCCESS)
}

async fn look(witness: &Witness, access: &Access) -> Result<Round, Trouble> {
    witness.round(&access.store().await?).await
}

async fn watch(args: &Args, witness: &Witness, access: &Access) -> std::io::Result<()> {
    let (trigger, stop) = Shutdown::new();
    on_signals(trigger)?;
    info!(name = witness.key.public().name(), "witnessing");
    while let Some(round) = stop.unless_requested(look(witness, access)).await {
        if let Err(trouble) = round {
            error!(reason = trouble.reason(), "{trouble}");
        }
        let pause = stretched(pause(args.every), unit());
        if stop.unless_requested(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
    }
    Ok(())
}

fn tell(round: &Round) -> Outcome {
    for one in &round.streams {
        let line = match (&one.trouble, one.size) {
            (Some((reason, message)), _) => format!("{}: {reason}: {message}\n", one.stream),
            (None, size) => format!("{}: {} records are proved\n", one.stream, size.unwrap_or_default()),
        };
        out::stdout(&line)?;
    }
    let code = if round.is_refused() { 1 } else { u8::from(round.is_failed()) * 2 };
    Ok(ExitCode::from(code))
}
