//! The source room against a real smart-HTTP Git server, in good weather and bad.

#![allow(missing_docs, reason = "the names of tests are their documentation")]

mod approvals;
mod confinement;
mod content;
mod faults;
mod hostile;
mod lineage;
mod merges;
mod recovery;
mod repo;
mod secrets;
mod server;
mod speed;
mod ssh;
mod sync;
mod tls;

use std::path::Path;
use std::time::Duration;

use repo::Repo;
use server::Server;
use tempfile::TempDir;
use tenantry::source::{CommitId, Fetched, Limits, Reference, Settings, Snapshot, SourceError};

/// A repository, its server and a folder for our copy, all gone with the value.
pub(crate) struct World {
    pub folder: TempDir,
    pub repo: Repo,
    pub server: Server,
    pub settings: Settings,
}

impl World {
    /// An empty repository `config` behind a server; the source follows `main`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = Repo::new(folder.path(), "config");
        let server = Server::start(folder.path());
        let settings = settings(&server.url("config"), &folder.path().join("cache/config"));
        Self { folder, repo, server, settings }
    }

    pub async fn resolve(&self) -> Result<CommitId, SourceError> {
        tenantry::source::resolve(&self.settings).await
    }

    pub async fn fetch(&self) -> Result<Fetched, SourceError> {
        let commit = self.resolve().await?;
        tenantry::source::fetch(&self.settings, &commit).await
    }

    /// Resolve, fetch and read: what the source loop does.
    pub async fn sync(&self, previous: Option<&Snapshot>) -> Result<Snapshot, SourceError> {
        let fetched = self.fetch().await?;
        tenantry::source::read(&self.settings, &fetched.commit, previous)
    }
}

pub(crate) fn settings(url: &str, repository: &Path) -> Settings {
    Settings {
        url: url.to_owned(),
        reference: Reference::Branch("main".to_owned()),
        path: String::new(),
        platform_path: None,
        credentials: None,
        ca_pem: None,
        limits: Limits::default(),
        deadline: Duration::from_secs(20),
        repository: repository.to_owned(),
        program: Some(env!("CARGO_BIN_EXE_tenantry").into()),
    }
}

/// The text of a file in a snapshot.
pub(crate) fn text<'s>(snapshot: &'s Snapshot, path: &str) -> &'s str {
    let file = snapshot.files.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", snapshot.files.keys()));
    std::str::from_utf8(&file.bytes).expect("UTF-8")
}
