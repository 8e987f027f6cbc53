//! What lies beside a task: keys, credentials, connections. Nothing of it is ever shown.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::backup::record::reasons;
use crate::backup::volumes::TAKEN;
use crate::store::{Credentials, Source};

/// Environment variables of a program.
pub type Variables = Vec<(String, String)>;

/// What libpq reads and a connection Secret may say. Not files of its own choice, and no `PGOPTIONS`: settings are
/// ours.
const LIBPQ: [&str; 12] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGCHANNELBINDING",
    "PGREQUIREAUTH",
    "PGTARGETSESSIONATTRS",
    "PGKRBSRVNAME",
];

/// Files of a connection that libpq takes by their path: the server's authority, and a client's certificate and key.
const FILES: [(&str, &str); 3] =
    [("ca.crt", "PGSSLROOTCERT"), ("tls.crt", "PGSSLCERT"), ("tls.key", "PGSSLKEY")];

/// The folder of the secrets. What the operator renews there, the next reader sees.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The folder that the Job mounts.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder, for programs of ours.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the tenant's key.
    #[must_use]
    pub fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The file of another tenant's key.
    #[must_use]
    pub fn other_password(&self) -> PathBuf {
        self.folder.join("other/password")
    }

    /// The credentials for the tenant's part of the store.
    ///
    /// # Errors
    /// They aren't there.
    pub fn credentials(&self) -> Result<Credentials, Failure> {
        let none = || Failure::new(reasons::STORE_UNREACHABLE, "the run has no credentials for the store");
        self.aws("")?.ok_or_else(none)
    }

    /// Another tenant's credentials, where there are any.
    ///
    /// # Errors
    /// They can't be ones.
    pub fn other_credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.aws("other/")
    }

    fn aws(&self, below: &str) -> Result<Option<Credentials>, Failure> {
        let part = |name: &str| self.text(&format!("{below}aws-{name}"));
        let (Some(id), Some(secret)) = (part("access-key-id"), part("secret-access-key")) else {
            return Ok(None);
        };
        let credentials = Credentials::new(&id, &secret, part("session-token").as_deref());
        let wrong =
            |error| Failure::new(reasons::STORE_UNREACHABLE, format!("credentials of the run: {error}"));
        let end = part("expiration").and_then(|end| end.parse().ok());
        let until = |found: Credentials| end.map_or(found.clone(), |end| found.until(end));
        credentials.map(until).map(Some).map_err(wrong)
    }

    /// How the database is reached, as variables of libpq.
    ///
    /// # Errors
    /// A connection without a host is none.
    pub fn connection(&self) -> Result<Variables, Failure> {
        let named = |name: &&str| Some(((*name).to_owned(), self.text(&format!("connection/{name}"))?));
        let mut variables: Variables = LIBPQ.iter().filter_map(named).collect();
        let has = |name: &str| variables.iter().any(|(one, _)| one == name);
        if !has("PGHOST") || !has("PGDATABASE") {
            let message =
                "the connection Secret has no PGHOST or no PGDATABASE; databases are named, never guessed";
            return Err(Failure::new(reasons::SOURCE_UNREACHABLE, message));
        }
        for (file, variable) in FILES {
            let path = self.folder.join("connection").join(file);
            if path.is_file() {
                variables.push((variable.to_owned(), path.to_string_lossy().into_owned()));
            }
        }
        variables.push(("PGCONNECT_TIMEOUT".to_owned(), "15".to_owned()));
        variables.push(("PGAPPNAME".to_owned(), "tenantry".to_owned()));
        Ok(variables)
    }

    /// When the snapshot of a volume was taken, RFC 3339.
    ///
    /// # Errors
    /// Nobody says: a restore point without a time is none.
    pub fn taken(&self) -> Result<String, Failure> {
        let time = self.text(TAKEN).filter(|text| text.parse::<jiff::Timestamp>().is_ok());
        let none = "the run wasn't told when the snapshot was taken; it is tried again";
        time.ok_or_else(|| Failure::new(reasons::INTERRUPTED, none))
    }

    /// All that must never be shown.
    #[must_use]
    pub fn canaries(&self) -> Vec<String> {
        let names = ["password", "aws-secret-access-key", "aws-session-token"];
        let own = names.iter().flat_map(|name| [(*name).to_owned(), format!("other/{name}")]);
        let all = own.chain(["connection/PGPASSWORD".to_owned()]);
        all.filter_map(|name| self.text(&name)).collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join(name)).ok()?;
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        (!text.is_empty()).then_some(text)
    }
}

impl Source for Secrets {
    fn now(&self) -> Option<Credentials> {
        self.credentials().ok()
    }
}
