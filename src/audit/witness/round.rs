//! All streams of an archive, one after the other. One that is refused stops none of the others.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use tracing::{error, info, warn};

use crate::audit::doors::bucket;
use crate::audit::files;
use crate::audit::layout::{Stream, key_name};
use crate::audit::log::note::{PrivateKey, PublicKey};
use crate::store::Store;
use crate::validate::text::sanitize;

use super::memory::Memory;
use super::refused::{Refusal, Trouble};
use super::remote::Remote;
use super::walk::{Walk, Walked};

/// What was last found, for who watches the witness.
const REPORT: &str = "report.json";
/// Longest name of a cluster, an agent or an epoch.
const MOST_NAME: usize = 128;

/// A witness.
pub struct Witness {
    /// What it signs with.
    pub key: PrivateKey,
    /// The agents' keys; their names have no epoch.
    pub agents: Vec<PublicKey>,
    /// The part of the bucket that is the archive's; may be empty.
    pub prefix: String,
    /// Its memory.
    pub state: PathBuf,
}

/// What came of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Which.
    pub stream: String,
    /// Leaves that are proved; none when it failed.
    pub size: Option<u64>,
    /// Segments that were read in this round.
    pub segments: u64,
    /// Whether a checkpoint was cosigned in this round.
    pub cosigned: bool,
    /// Why not, as a reason constant, and in words.
    pub trouble: Option<(&'static str, String)>,
}

/// What came of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Each stream.
    pub streams: Vec<Seen>,
}

impl Round {
    /// Whether a stream was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.has(crate::api::conditions::reasons::WITNESS_REFUSED)
    }

    /// Whether a stream failed otherwise.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.streams.iter().any(|one| one.trouble.is_some()) && !self.is_refused()
    }

    fn has(&self, word: &str) -> bool {
        self.streams.iter().any(|one| one.trouble.as_ref().is_some_and(|(reason, _)| *reason == word))
    }
}

impl Witness {
    /// Looks at all streams, and leaves a report beside its memory.
    ///
    /// # Errors
    /// The archive can't be listed, or the report not be written.
    pub async fn round(&self, store: &Store) -> Result<Round, Trouble> {
        let mut round = Round::default();
        let streams = Box::pin(bucket::streams(store, &self.prefix)).await?;
        for (stream, _) in streams.iter().filter(|(stream, _)| is_plain(stream)) {
            let found = self.stream(store, stream).await;
            if let Err(error) = self.tell(store, stream, &found).await {
                // The next round says it again; without a word, the agent finds out that its witness is silent.
                warn!(%stream, %error, "the agent can't be told whether its stream is refused");
            }
            let seen = seen(stream, found);
            match &seen.trouble {
                Some((reason, message)) => error!(%stream, reason, "{message}"),
                None if seen.segments > 0 => {
                    info!(%stream, size = seen.size, segments = seen.segments, "proved")
                }
                None => {}
            }
            round.streams.push(seen);
        }
        let report = serde_json::to_vec_pretty(&round).unwrap_or_default();
        self.save(&self.state.join(REPORT), &report)?;
        Ok(round)
    }

    async fn stream(&self, store: &Store, stream: &Stream) -> Result<Walked, Trouble> {
        let name = key_name(&stream.cluster, &stream.agent);
        let folder = stream.folder(&self.prefix);
        let Some(log) = self.agents.iter().find(|key| key.name() == name) else {
            let said = format!("nobody told this witness the public key of {name}");
            return Err(Trouble::Refused { path: folder, said });
        };
        let path = self.state.join(format!("{}@{}@{}.json", stream.cluster, stream.agent, stream.epoch));
        let memory = self.memory(&path)?;
        let size = memory.size();
        let keep = |memory: &Memory| {
            debug_assert!(memory.size() >= size, "a witness' memory only grows");
            self.save(&path, &memory.keep())
        };
        let remote = Remote::new(store, folder);
        Box::pin(Walk::new(remote, log.named(stream.origin()), &self.key, memory, &keep).go()).await
    }

    /// Leaves a refusal where the agent looks, once. One that is over needs no word: a cosignature is younger then.
    async fn tell(
        &self,
        store: &Store,
        stream: &Stream,
        found: &Result<Walked, Trouble>,
    ) -> Result<(), Trouble> {
        let path = self.state.join(format!("{}@{}@{}.refused", stream.cluster, stream.agent, stream.epoch));
        let failed = |error: std::io::Error| Trouble::Memory(format!("{}: {error}", path.display()));
        let said = match found {
            Err(trouble @ Trouble::Refused { .. }) => trouble.to_string(),
            Err(_) => return Ok(()),
            Ok(_) => String::new(),
        };
        let before = files::load(&path).map_err(failed)?.unwrap_or_default();
        if before == said.as_bytes() {
            return Ok(());
        }
        if !said.is_empty() {
            let refusal = Refusal { origin: stream.origin(), said: said.clone() };
            let note = self.key.sign(refusal.note(), Timestamp::now());
            Remote::new(store, stream.folder(&self.prefix)).refuse(&note).await?;
        }
        self.save(&path, said.as_bytes())
    }

    fn memory(&self, path: &Path) -> Result<Memory, Trouble> {
        let failed = |said: &dyn std::fmt::Display| Trouble::Memory(format!("{}: {said}", path.display()));
        let Some(bytes) = files::load(path).map_err(|error| failed(&error))? else {
            return Ok(Memory::default());
        };
        Memory::of(&bytes)
            .ok_or_else(|| failed(&"it isn't what this witness wrote; bring it back from its own backup"))
    }

    fn save(&self, path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        files::save(path, bytes).map_err(|error| Trouble::Memory(format!("{}: {error}", path.display())))
    }
}

fn seen(stream: &Stream, found: Result<Walked, Trouble>) -> Seen {
    let stream = stream.to_string();
    match found {
        Ok(Walked { size, segments, cosigned }) => {
            Seen { stream, size: Some(size), segments, cosigned, trouble: None }
        }
        Err(trouble) => {
            let trouble = Some((trouble.reason(), trouble.to_string()));
            Seen { stream, size: None, segments: 0, cosigned: false, trouble }
        }
    }
}

/// Parts of a stream's name become the name of a file: what doesn't look like one of ours is left out.
fn is_plain(stream: &Stream) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = |name: &String| !name.starts_with('.') && name.len() <= MOST_NAME && name.bytes().all(plain);
    let is_plain = [&stream.cluster, &stream.agent, &stream.epoch].into_iter().all(good);
    if !is_plain {
        warn!(folder = sanitize(&stream.to_string(), 300), "this folder's name is none of an agent's");
    }
    is_plain
}
