//! The archive as an agent or the witness reaches it: where it is, and with what credentials.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::api::common::Duration as Span;
use crate::audit::files;
use crate::audit::log::note::{Kind, PrivateKey};
use crate::audit::ship::run::{Pace, Settings};
use crate::audit::ship::sink::{Place, Sink};
use crate::store::Credentials;
use crate::store::Lock;
use crate::store::access::{Access, Base, RoleAddress};

use super::place;
use super::store::{StoreArgs, bucket};

/// Where an archive's bucket is, and who asks it.
#[derive(Clone, Debug, clap::Args)]
pub struct BucketArgs {
    /// s3://BUCKET/PREFIX
    #[arg(long, value_name = "URL")]
    archive: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Account that must own the bucket; asked on each request
    #[arg(long, value_name = "ACCOUNT")]
    owner: String,
    /// Folder with aws-access-key-id and aws-secret-access-key; what the pod or the environment has when absent
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// Role to assume in the archive's account
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// What the role's trust policy asks for
    #[arg(long, value_name = "WORD", requires = "role")]
    external_id: Option<String>,
    /// The token service, when it isn't AWS' own
    #[arg(long, value_name = "URL", requires = "role")]
    token_service: Option<String>,
}

impl BucketArgs {
    /// Bucket and prefix.
    ///
    /// # Errors
    /// It isn't `s3://BUCKET/PREFIX`.
    pub fn place(&self) -> Result<(&str, &str), String> {
        bucket(&self.archive).ok_or_else(|| format!("--archive {}: write s3://BUCKET/PREFIX", self.archive))
    }

    /// Who asks, with the role that was named.
    ///
    /// # Errors
    /// A file can't be read, or holds no credentials.
    pub fn access(&self) -> Result<Access, String> {
        self.access_as(self.credentials.as_deref(), self.role.as_deref(), None)
    }

    fn access_as(
        &self,
        credentials: Option<&Path>,
        role: Option<&str>,
        lock: Option<Lock>,
    ) -> Result<Access, String> {
        let address = self.store.address(self.place()?.0, Some(&self.owner), lock)?;
        let base = credentials.map_or(Ok(Base::Pod), |folder| given(folder).map(Base::Given))?;
        let role = role.map(|arn| RoleAddress {
            arn: arn.to_owned(),
            external_id: self.external_id.clone(),
            endpoint: self.token_service.clone(),
        });
        Ok(Access::new(address, base, role))
    }
}

fn given(folder: &Path) -> Result<Credentials, String> {
    let part = |name: &str| {
        let path = folder.join(name);
        let bytes =
            files::load(&path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        Ok::<_, String>(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let missing = |name: &str| format!("{} has no {name}", folder.display());
    let (id, secret) = ("aws-access-key-id", "aws-secret-access-key");
    let token = part("aws-session-token")?;
    let found = Credentials::new(
        &part(id)?.ok_or_else(|| missing(id))?,
        &part(secret)?.ok_or_else(|| missing(secret))?,
        token.as_deref(),
    );
    found.map_err(|error| format!("{}: {error}", folder.display()))
}

/// What an agent needs to ship.
#[derive(Clone, Debug, clap::Args)]
pub struct SinkArgs {
    #[command(flatten)]
    bucket: BucketArgs,
    /// Days that each object is locked for, and the bucket by default at least
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    lock_days: u32,
    /// The agent's private key, from `tenantry audit keygen`
    #[arg(long, value_name = "FILE")]
    log_key: PathBuf,
    /// The witness' public key: nothing is forgotten in the spool before it cosigned
    #[arg(long, value_name = "FILE", conflicts_with = "forget_unverified_after")]
    witness_key: Option<PathBuf>,
    /// Folder with credentials that may read the witness' checkpoint; the agent's own when absent
    #[arg(long, value_name = "DIR", requires = "witness_key")]
    reader_credentials: Option<PathBuf>,
    /// Role that may read the witness' checkpoint
    #[arg(long, value_name = "ARN", requires = "witness_key")]
    reader_role: Option<String>,
    /// Without a witness: how long segments stay in the spool after they were shipped. For ever when absent
    #[arg(long, value_name = "DURATION", value_parser = Span::parse)]
    forget_unverified_after: Option<Span>,
}

/// What an agent ships with.
pub struct Opened {
    /// The archive.
    pub sink: Arc<Sink>,
    /// How to behave.
    pub settings: Settings,
    /// The agent's key.
    pub key: PrivateKey,
}

impl SinkArgs {
    /// Reads keys and credentials; nothing is asked yet.
    ///
    /// # Errors
    /// A file can't be read, or isn't what it must be.
    pub fn open(&self) -> Result<Opened, String> {
        let (bucket, prefix) = self.bucket.place()?;
        let lock = Lock { mode: "COMPLIANCE".to_owned(), days: self.lock_days };
        let write = self.bucket.access_as(
            self.bucket.credentials.as_deref(),
            self.bucket.role.as_deref(),
            Some(lock.clone()),
        )?;
        let reader = self.reader_credentials.as_deref().or(self.bucket.credentials.as_deref());
        let read = match (&self.witness_key, &self.reader_role, &self.reader_credentials) {
            (Some(_), None, None) => {
                return Err(
                    "--witness-key needs --reader-role or --reader-credentials: the writer can't read".into(),
                );
            }
            (Some(_), role, _) => Some(self.bucket.access_as(reader, role.as_deref(), None)?),
            (None, ..) => None,
        };
        let witness = self.witness_key.as_deref().map(|file| place::read(file, Kind::Witness)).transpose()?;
        let settings = Settings {
            witness: witness.and_then(|keys| keys.into_iter().next()),
            forget_unverified_after: self.forget_unverified_after.map(|Span(span)| span),
            pace: Pace::default(),
        };
        let place = Place {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            owner: self.bucket.owner.clone(),
            lock,
        };
        Ok(Opened {
            sink: Arc::new(Sink::new(write, read, place)),
            settings,
            key: private_key(&self.log_key)?,
        })
    }
}

/// A private key's file.
///
/// # Errors
/// It can't be read, or holds none. The message has nothing of its content.
pub fn private_key(path: &Path) -> Result<PrivateKey, String> {
    let here = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{here} can't be read: {error}"))?;
    PrivateKey::parse(&text).map_err(|error| format!("{here}: {error}"))
}

/// The pause of a loop that people set.
#[must_use]
pub fn pause(span: Span) -> Duration {
    span.0.max(Duration::from_secs(1))
}
