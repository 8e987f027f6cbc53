//! `tenantry backup key`: a tenant's key, opened with the platform's. Offline, for who restores without us.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::backup::key::{KeyFile, MOST_BYTES, SecretKey};
use crate::cli::{Outcome, out};

/// Arguments of `tenantry backup key`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Open a tenant's key.json with the platform's key: prints the password that restic asks for",
    after_help = "Examples:\n  tenantry backup key key.json --platform-key platform.key\n\n\
                  openssl does the same: its `wrapped` through `openssl base64 -d -A | openssl enc -d -id-aes256-wrap -K \
                  <64 hexadecimal digits> -iv A6A6A6A6A6A6A6A6`"
)]
pub struct Args {
    /// key.json, as it lies in the store below the tenant's folder
    file: PathBuf,
    /// A file with the platform's key: 64 hexadecimal digits
    #[arg(long, value_name = "FILE")]
    platform_key: PathBuf,
}

/// Opens it.
///
/// # Errors
/// A file can't be read, or the key doesn't fit.
pub fn main(args: &Args) -> Outcome {
    let platform = SecretKey::parse(&String::from_utf8_lossy(&read(&args.platform_key)?))?;
    let place = args.file.display().to_string();
    let file = KeyFile::read(&read(&args.file)?, &place)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let password = runtime.block_on(file.open(&platform, &place))?;
    out::stdout(&format!("{}\n", password.expose()))?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    Ok(bytes)
}
