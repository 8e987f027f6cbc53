//! `tenantry audit keygen`: a key that signs, and the line that others believe.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::audit::layout::key_name;
use crate::audit::log::note::{Kind, PrivateKey};
use crate::cli::{Outcome, out};

/// Arguments of `tenantry audit keygen`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Make a key pair for an agent, or for the witness",
    long_about = "Make a key pair for an agent, or for the witness.\n\n\
                  Writes log.key or witness.key, which only its owner may read, and log.pub or witness.pub beside it. \
                  Prints the public key. Never writes over a key that is there.",
    after_help = "Examples:\n  tenantry audit keygen --name eu/cp-1 --out ./cp-1\n  \
                  tenantry audit keygen --witness --name archive.example.org --out ./witness"
)]
pub struct Args {
    /// CLUSTER/AGENT; of a witness, the name that its cosignatures bear
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// For a witness, in the archive's account
    #[arg(long)]
    witness: bool,
}

/// Makes it.
///
/// # Errors
/// The name is none, a key is there already, or the folder can't be written.
pub fn main(args: &Args) -> Outcome {
    let (kind, name, file) = if args.witness {
        (Kind::Witness, args.name.clone(), "witness")
    } else {
        (Kind::Log, agent(&args.name)?, "log")
    };
    let wrong =
        |_| format!("--name {}: it has white space or a plus, or is longer than 512 bytes", args.name);
    let key = PrivateKey::of_seed(&name, kind, rand::random()).map_err(wrong)?;
    let place = |error: std::io::Error| format!("{}: {error}", args.out.display());
    std::fs::create_dir_all(&args.out).map_err(place)?;
    write(&args.out.join(format!("{file}.key")), 0o600, &key.expose())?;
    write(&args.out.join(format!("{file}.pub")), 0o644, &key.public().to_string())?;
    out::stdout(&format!("{}\n", key.public()))?;
    Ok(ExitCode::SUCCESS)
}

fn agent(name: &str) -> Result<String, String> {
    match name.split_once('/') {
        Some((cluster, agent)) if !cluster.is_empty() && !agent.is_empty() && !agent.contains('/') => {
            Ok(key_name(cluster, agent))
        }
        _ => Err(format!("--name {name}: write CLUSTER/AGENT, as eu/cp-1; of a witness add --witness")),
    }
}

fn write(path: &Path, mode: u32, line: &str) -> Result<(), String> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| format!("{} can't be written: {error}", path.display()))
}
