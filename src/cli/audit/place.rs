//! Where an archive lies, and whose keys are believed.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use super::store::{StoreArgs, bucket};
use crate::audit::doors::{self, Door, folder};
use crate::audit::layout::{Stream, key_name};
use crate::audit::log::note::{Kind, PublicKey};
use crate::store::access::{Access, Base};

/// An archive.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// A folder that was downloaded, or s3://BUCKET/PREFIX with the credentials of the environment
    #[arg(value_name = "ARCHIVE")]
    pub archive: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Account that must own the bucket
    #[arg(long, value_name = "ACCOUNT")]
    pub owner: Option<String>,
    /// This stream alone: CLUSTER/AGENT/EPOCH, or its beginning
    #[arg(long, value_name = "STREAM", default_value = "")]
    pub stream: String,
}

/// An archive that was found.
#[derive(Debug)]
pub struct Opened {
    /// Its streams, by name.
    pub streams: Vec<(Stream, Door)>,
    /// Whether some were left out, as asked.
    pub is_part: bool,
    /// Drives calls to a bucket.
    _runtime: Option<Runtime>,
}

/// Streams, and what drives calls to a bucket.
type Found = (Vec<(Stream, Door)>, Option<Runtime>);

impl Place {
    /// Finds the streams.
    ///
    /// # Errors
    /// It can't be read, or has none.
    pub fn open(&self) -> Result<Opened, Box<dyn std::error::Error>> {
        let (streams, runtime) = match bucket(&self.archive) {
            Some(place) => self.bucket(place)?,
            None => (self.folder()?, None),
        };
        let streams: Vec<_> =
            streams.into_iter().filter(|(stream, _)| stream.to_string().starts_with(&self.stream)).collect();
        if streams.is_empty() {
            let of = if self.stream.is_empty() {
                String::new()
            } else {
                format!(" that begins with {}", self.stream)
            };
            return Err(format!(
                "{} has no stream{of}: name the folder above <cluster>/<agent>/<epoch>/segments",
                self.archive
            )
            .into());
        }
        Ok(Opened { streams, is_part: !self.stream.is_empty(), _runtime: runtime })
    }

    fn folder(&self) -> Result<Vec<(Stream, Door)>, String> {
        let found = folder::streams(Path::new(&self.archive));
        let found = found.map_err(|error| format!("{} can't be read: {error}", self.archive))?;
        Ok(found.into_iter().map(|(stream, folder)| (stream, Door::Folder(folder))).collect())
    }

    fn bucket(&self, (name, prefix): (&str, &str)) -> Result<Found, Box<dyn std::error::Error>> {
        let address = self.store.address(name, self.owner.as_deref(), None)?;
        // Its worker drives the connection while the calls block this thread.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let streams = runtime.block_on(async {
            let store = Access::new(address, Base::Pod, None).store().await?;
            doors::bucket::streams(&store, prefix).await
        })?;
        let doors = streams.into_iter().map(|(stream, bucket)| (stream, Door::Bucket(bucket)));
        Ok((doors.collect(), Some(runtime)))
    }
}

/// The agents' public keys.
#[derive(Debug, clap::Args)]
pub struct LogKeys {
    /// Files with the agents' public keys, one a line
    #[arg(long, value_name = "FILE", required = true)]
    pub log_key: Vec<PathBuf>,
}

impl LogKeys {
    /// Reads them.
    ///
    /// # Errors
    /// A file can't be read, or a line is no key.
    pub fn read(&self) -> Result<Vec<PublicKey>, String> {
        let mut keys = Vec::new();
        for file in &self.log_key {
            keys.extend(read(file, Kind::Log)?);
        }
        Ok(keys)
    }
}

/// The key of a stream's agent.
///
/// # Errors
/// It isn't among them.
pub fn key_of<'a>(keys: &'a [PublicKey], stream: &Stream) -> Result<&'a PublicKey, String> {
    let name = key_name(&stream.cluster, &stream.agent);
    keys.iter().find(|key| key.name() == name).ok_or_else(|| {
        format!("there is no public key for {stream}: add that of {name} to a file that --log-key names")
    })
}

/// The public keys in a file, one a line.
///
/// # Errors
/// It can't be read, has none, or a line is none of that kind.
pub fn read(file: &Path, kind: Kind) -> Result<Vec<PublicKey>, String> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place} can't be read: {error}"))?;
    let mut keys = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let key = PublicKey::parse(text).map_err(|error| format!("{place}:{line}: {error}"))?;
        if key.kind() != kind {
            let other = if kind == Kind::Log {
                "a witness', and --log-key takes those of agents"
            } else {
                "an agent's, and --witness-key takes the witness'"
            };
            return Err(format!("{place}:{line}: this key is {other}"));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(format!("{place} has no key in it")) } else { Ok(keys) }
}
