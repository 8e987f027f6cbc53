//! Git over SSH: a server of ours that can have any fault, and OpenSSH's own where there is one.

mod certificates;
mod faults;
mod openssh;
mod pins;
mod secrets;
mod weather;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tenantry::source::{
    CommitId, Credentials, DeployKey, Fetched, Secret, Settings, Snapshot, SourceError, fetch, read, resolve,
};
use tenantry_testbed::{Run, SshOptions, SshServer, programs, ssh_key};

use crate::repo::{Repo, put};

/// The passphrase of the key `locked`.
const PASSPHRASE: &str = "canary-passphrase-77aa";

/// Key pairs, made once: hosts, clients, and somebody else's.
pub(super) fn keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    let folder = KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, kind) in [
            ("host-ed25519", "ed25519"),
            ("host-ecdsa256", "ecdsa256"),
            ("host-ecdsa384", "ecdsa384"),
            ("host-rsa", "rsa"),
            ("other-host", "ed25519"),
            ("ed25519", "ed25519"),
            ("ecdsa256", "ecdsa256"),
            ("ecdsa384", "ecdsa384"),
            ("rsa", "rsa"),
            ("stranger", "ed25519"),
            ("ca", "ed25519"),
            ("ca-rsa", "rsa"),
        ] {
            ssh_key(&folder.path().join(name), kind, "").expect(name);
        }
        ssh_key(&folder.path().join("locked"), "ed25519", PASSPHRASE).expect("a key with a passphrase");
        let public =
            ["ed25519", "ecdsa256", "ecdsa384", "rsa", "locked"].map(|name| public(folder.path(), name));
        std::fs::write(folder.path().join("authorized"), public.concat()).expect("disk");
        folder
    });
    folder.path()
}

fn public(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name).with_extension("pub")).expect(name)
}

/// Type and key of a public key, as known_hosts has them.
pub(super) fn pin(name: &str) -> String {
    public(keys(), name).split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned()
}

pub(super) fn deploy_key(name: &str, known_hosts: &str) -> DeployKey {
    let private = std::fs::read_to_string(keys().join(name)).expect(name);
    DeployKey { private_key: Secret::new(private), passphrase: None, known_hosts: known_hosts.to_owned() }
}

/// A server over SSH for one repository, and a source that may read it.
pub(super) struct Ssh {
    pub folder: TempDir,
    pub repo: Repo,
    pub server: SshServer,
    pub settings: Settings,
    run: Arc<Run>,
}

impl Ssh {
    /// A server in good health with an ed25519 key, which is pinned; the repository has one commit.
    pub async fn new() -> Option<Self> {
        Self::with("", &["host-ed25519"]).await
    }

    /// A server with a fault and these host keys, the first of which is pinned. `None` when programs are missing.
    pub async fn with(fault: &str, hosts: &[&str]) -> Option<Self> {
        let host_keys =
            hosts.iter().map(|name| keys_or_none()?.join(name).into()).collect::<Option<Vec<_>>>()?;
        Self::start(SshOptions { fault: fault.to_owned(), host_keys, ..SshOptions::default() }, hosts[0])
            .await
    }

    /// A server set up so; `pinned` names the key in known_hosts.
    pub async fn start(options: SshOptions, pinned: &str) -> Option<Self> {
        let authorized = keys_or_none()?.join("authorized");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repo = Repo::new(folder.path(), "config");
        repo.commit("main", "one", &[put("a.yaml", "a: 1")]);
        let run = Run::start().expect("a run");
        let options = SshOptions { authorized, ..options };
        let server = SshServer::start(&run, folder.path(), &options).await.expect("the server comes up");
        let port = server.port();
        let url = format!("ssh://git@127.0.0.1:{port}/config.git");
        let mut settings = crate::settings(&url, &folder.path().join("cache/config"));
        let known_hosts = format!("[127.0.0.1]:{port} {}\n", pin(pinned));
        settings.credentials = Some(Credentials::DeployKey(deploy_key("ed25519", &known_hosts)));
        Some(Self { folder, repo, server, settings, run })
    }

    /// Another server for the same repository, with another fault; the source asks it from now on.
    pub async fn fault(&mut self, fault: &str, after: usize) {
        let options = SshOptions {
            fault: fault.to_owned(),
            after,
            host_keys: vec![keys().join("host-ed25519")],
            authorized: keys().join("authorized"),
            ..SshOptions::default()
        };
        let server = SshServer::start(&self.run, self.folder.path(), &options).await;
        self.server = server.expect("the server comes up");
        self.settings.url = format!("ssh://git@127.0.0.1:{}/config.git", self.server.port());
        self.know(&pin("host-ed25519"));
    }

    /// What known_hosts says of the server's port.
    pub fn know(&mut self, key: &str) {
        self.known_hosts(&format!("[127.0.0.1]:{} {key}\n", self.server.port()));
    }

    pub fn known_hosts(&mut self, text: &str) {
        self.with_key(|key| key.known_hosts = text.to_owned());
    }

    pub fn log_in_with(&mut self, name: &str) {
        self.with_key(|key| *key = deploy_key(name, &key.known_hosts));
    }

    pub fn with_key(&mut self, change: impl FnOnce(&mut DeployKey)) {
        let Some(Credentials::DeployKey(key)) = &mut self.settings.credentials else {
            panic!("a deploy key")
        };
        change(key);
    }

    pub async fn fetch(&self) -> Result<Fetched, SourceError> {
        let commit: CommitId = resolve(&self.settings).await?;
        fetch(&self.settings, &commit).await
    }

    pub async fn sync(&self, previous: Option<&Snapshot>) -> Result<Snapshot, SourceError> {
        let fetched = self.fetch().await?;
        read(&self.settings, &fetched.commit, previous)
    }

    /// Nobody got as far as a login: what is secret was not even used.
    pub fn nobody_logged_in(&self) {
        assert!(!self.server.logs().contains("login"), "{}", self.server.logs());
    }
}

fn keys_or_none() -> Option<PathBuf> {
    (!programs::skip()).then(|| keys().to_owned())
}
