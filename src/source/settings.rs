//! What a source is: where its repository lives, what to follow in it and the
//! bounds that keep a hostile or broken server from hurting us.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use super::text;

/// Everything needed to reach one repository. `Debug` never prints secrets.
#[derive(Clone)]
pub struct Settings {
    /// `https://host/path`, `http://host/path`, `ssh://user@host/path` or `user@host:path`, without a password.
    pub url: String,
    /// What to follow.
    pub reference: Reference,
    /// Folder with the tenant files, relative to the repository's root; empty for the root.
    pub path: String,
    /// Folder with Platform files; `None` when Platforms do not come from Git.
    pub platform_path: Option<String>,
    /// How to log in; `None` for public repositories.
    pub credentials: Option<Credentials>,
    /// PEM certificates trusted in addition to those of the operating system.
    pub ca_pem: Option<String>,
    /// Bounds in bytes, files and depth.
    pub limits: Limits,
    /// Longest time that one `resolve` or `fetch` may take, all retries of the transport and
    /// redirects included.
    pub deadline: Duration,
    /// A folder that belongs to this source alone. It is created when missing; nothing in it is
    /// worth a backup.
    pub repository: PathBuf,
    /// The program that is started as `PROGRAM git-child`; `None` (what the operator uses) is the
    /// running program itself. Tests, which are other programs, name the operator's binary.
    pub program: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &text::without_userinfo(&self.url))
            .field("reference", &self.reference)
            .field("path", &self.path)
            .field("platform_path", &self.platform_path)
            .field("credentials", &self.credentials)
            .field("ca_pem", &self.ca_pem.as_ref().map(String::len))
            .field("limits", &self.limits)
            .field("deadline", &self.deadline)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

/// What to follow in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reference {
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A tag, without `refs/tags/`.
    Tag(String),
    /// One commit by its full 40-digit id.
    Commit(String),
}

impl Reference {
    /// The full name on the server; `None` for a commit.
    pub(super) fn full_name(&self) -> Option<String> {
        match self {
            Self::Branch(name) => Some(format!("refs/heads/{name}")),
            Self::Tag(name) => Some(format!("refs/tags/{name}")),
            Self::Commit(_) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Branch(name) => ("branch", name),
            Self::Tag(name) => ("tag", name),
            Self::Commit(id) => ("commit", id),
        };
        write!(f, "{kind} {}", text::printable(name, 120))
    }
}

/// How to log in to the Git server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// HTTP Basic: a user's password or, with most forges, a token.
    Basic {
        /// The user name; many forges accept any when the password is a token.
        username: String,
        /// The password or token.
        password: Secret,
    },
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// SSH, with a key that the server knows.
    DeployKey(DeployKey),
}

/// A key for SSH, and the keys that the server may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployKey {
    /// The private key: of OpenSSH's own format, or PEM.
    pub private_key: Secret,
    /// What the private key is encrypted with.
    pub passphrase: Option<Secret>,
    /// OpenSSH's `known_hosts`. A server without a line in it is refused.
    pub known_hosts: String,
}

impl DeployKey {
    /// The passphrase and every line of the key, but for those that all keys have.
    fn canaries(&self) -> Vec<String> {
        let lines =
            self.private_key.expose().lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        lines.chain(self.passphrase.iter().map(Secret::expose)).map(str::to_owned).collect()
    }

    /// Takes a key out of a Secret's values: those of type `kubernetes.io/ssh-auth`, and `known_hosts`. `None`
    /// when they hold no key.
    ///
    /// # Errors
    /// What is missing, to follow the Secret's name.
    #[must_use]
    pub fn of(values: &BTreeMap<String, String>) -> Option<Result<Self, &'static str>> {
        let private_key = values.get("ssh-privatekey")?;
        let passphrase = values.get("passphrase").map(Secret::new).filter(|found| !found.expose().is_empty());
        Some(match values.get("known_hosts") {
            _ if private_key.trim().is_empty() => Err("has an empty ssh-privatekey"),
            Some(known_hosts) if !known_hosts.trim().is_empty() => Ok(Self {
                private_key: Secret::new(private_key),
                passphrase,
                known_hosts: known_hosts.clone(),
            }),
            _ => Err(
                "needs the key known_hosts too, with the server's keys as ssh-keyscan writes them, compared with \
                 the fingerprints that its operator publishes",
            ),
        })
    }
}

impl Credentials {
    /// The value of the `Authorization` header; `None` for a key, which is for SSH.
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Self::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                Some(format!("Basic {}", STANDARD.encode(pair)))
            }
            Self::Bearer(token) => Some(format!("Bearer {}", token.expose())),
            Self::DeployKey(_) => None,
        }
    }

    /// Every string that must never leave: the secret and the forms in which it travels.
    pub(super) fn canaries(&self) -> Vec<String> {
        let secret = match self {
            Self::Basic { password, .. } => password,
            Self::Bearer(token) => token,
            Self::DeployKey(key) => return key.canaries(),
        };
        let header = self.header().unwrap_or_default();
        let sent = header.split_once(' ').map(|(_, sent)| sent.to_owned()).unwrap_or_default();
        vec![sent, secret.expose().to_owned()]
    }
}

/// A value that `Debug` does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret, without line breaks at its end: files that become Secrets have them.
    pub fn new(value: impl Into<String>) -> Self {
        let value: String = value.into();
        Self(value.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Bounds of one source. Each has its own error or finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes that one fetch may transfer and that the repository folder may hold.
    pub repository_bytes: u64,
    /// Bytes of one object made from deltas (libgit2 inflates those in memory).
    pub object_bytes: u64,
    /// Bytes of the server's list of branches and tags.
    pub advertisement_bytes: u64,
    /// Bytes of one YAML file; a larger one is a finding.
    pub file_bytes: u64,
    /// Bytes of all YAML files of one revision together.
    pub total_bytes: u64,
    /// YAML files of one revision.
    pub files: usize,
    /// Entries of any kind met while walking the watched folders.
    pub entries: usize,
    /// Folders inside each other, counted from the watched folder.
    pub depth: usize,
    /// Bytes of one path, counted from the root of the repository.
    pub path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            repository_bytes: 256 * MIB,
            object_bytes: 64 * MIB,
            advertisement_bytes: 32 * MIB,
            file_bytes: MIB,
            total_bytes: 64 * MIB,
            files: 10_000,
            entries: 200_000,
            depth: 16,
            path_bytes: 512,
        }
    }
}

/// The id of a commit (SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// The first seven digits, as people write commits.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(7).collect()
    }

    pub(super) fn oid(self) -> Result<git2::Oid, git2::Error> {
        git2::Oid::from_bytes(&self.0)
    }
}

impl From<git2::Oid> for CommitId {
    fn from(oid: git2::Oid) -> Self {
        let mut id = [0; 20];
        // The vendored libgit2 is built without experimental SHA-256: ids have 20 bytes.
        for (to, from) in id.iter_mut().zip(oid.as_bytes()) {
            *to = *from;
        }
        Self(id)
    }
}

impl FromStr for CommitId {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let invalid = || SourceError::InvalidReference {
            reference: format!("commit {}", self::text::printable(text, 60)),
            problem: "a commit is named by all 40 hexadecimal digits",
        };
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        git2::Oid::from_str(text).map(Self::from).map_err(|_| invalid())
    }
}

impl TryFrom<String> for CommitId {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
