//! restic: one call a method. Its password and credentials are files and variables, never arguments.
//!
//! Credentials that end are renewed by the operator while a run goes on. restic's client reads variables and plain files
//! once; only a `credential_process` in AWS' shared file is asked again, when what it said is about to end. That is
//! `tenantry backup credentials`, which reads the files as they are then.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::failure::{Failure, of_restic};
use super::program::{Call, Deadline, Output};
use super::secrets::{Secrets, Variables};
use super::snapshot::{Index, Lock, Summary, is_id, summary};
use crate::backup::record::reasons;
use crate::store::StoreAddress;

/// How restic signs, as variables: by itself where credentials stay, by asking us where they end.
fn signing(secrets: &Secrets, scratch: &Path) -> Result<Variables, Failure> {
    let credentials = secrets.credentials()?;
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    if credentials.expires().is_none() {
        let mut all = vec![
            set("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
            set("AWS_SECRET_ACCESS_KEY", credentials.expose_secret()),
        ];
        all.extend(credentials.expose_token().map(|token| set("AWS_SESSION_TOKEN", token)));
        return Ok(all);
    }
    let path = scratch.join("store-credentials");
    let kept = |error: std::io::Error| super::disk("the way to the store's credentials", &path, &error);
    let own = std::env::current_exe().map_err(kept)?;
    let folder = secrets.folder();
    // Split at white space by restic's client, without any quoting: paths in a Job have none.
    let text = format!(
        "[default]\ncredential_process = {} backup credentials --secrets {}\n",
        own.display(),
        folder.display()
    );
    std::fs::write(&path, text).map_err(kept)?;
    Ok(vec![
        set("AWS_SHARED_CREDENTIALS_FILE", &path.to_string_lossy()),
        // Where nobody listens: should ours say nothing, restic must not fall back on what the node may do.
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/"),
    ])
}

/// Bytes below which a file system is full.
const LEAST_ROOM: u64 = 256 * 1024;

/// A repository, who opens it, and how long.
#[derive(Clone, Debug)]
pub struct Repository {
    program: PathBuf,
    folder: PathBuf,
    password: PathBuf,
    secrets: Secrets,
    address: String,
    options: Vec<OsString>,
    environment: Vec<(String, String)>,
    deadline: Deadline,
}

/// Whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Our key opens it.
    Open,
    /// There is none.
    Missing,
}

impl Repository {
    /// The repository in the folder `key` of a store; `scratch` holds the cache and temporary files.
    ///
    /// # Errors
    /// The certificate authority can't be written down.
    pub fn new(
        program: &Path,
        scratch: &Path,
        secrets: &Secrets,
        (store, key): (&StoreAddress, &str),
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        let aws = || format!("https://s3.{}.amazonaws.com", store.region);
        let endpoint = store.endpoint.clone().unwrap_or_else(aws);
        let address = format!("s3:{}/{}/{key}", endpoint.trim_end_matches('/'), store.bucket);
        let lookup = if store.path_style { "path" } else { "dns" };
        let mut options: Vec<OsString> = vec!["-o".into(), format!("s3.bucket-lookup={lookup}").into()];
        if let Some(ca) = &store.ca {
            let path = scratch.join("store-ca.crt");
            std::fs::write(&path, ca).map_err(|error| super::disk("the store's authority", &path, &error))?;
            options.extend(["--cacert".into(), path.into()]);
        }
        let mut environment = vec![("AWS_DEFAULT_REGION".to_owned(), store.region.clone())];
        environment.extend(signing(secrets, scratch)?);
        let (program, folder, password) = (program.to_owned(), scratch.to_owned(), secrets.password());
        let secrets = secrets.clone();
        Ok(Self { program, folder, password, secrets, address, options, environment, deadline })
    }

    /// The same, opened with another password.
    #[must_use]
    pub fn with_password(&self, password: &Path) -> Self {
        Self { password: password.to_owned(), ..self.clone() }
    }

    /// A call with the address, the password's file and the cache.
    #[must_use]
    pub fn call(&self, command: &str) -> Call {
        Call::new(&self.program, &self.folder)
            .sets(&self.environment)
            .set("RESTIC_REPOSITORY", &self.address)
            .set("RESTIC_PASSWORD_FILE", &self.password)
            .set("RESTIC_CACHE_DIR", self.folder.join("cache"))
            .set("RESTIC_PROGRESS_FPS", "0.1")
            .arg("--json")
            .args(self.options.clone())
            .arg(command)
    }

    /// Runs it while its folder has room. restic 0.18 waits for ever for a command whose output it can't keep.
    async fn run(&self, call: Call) -> Result<Output, Failure> {
        let full = async {
            let mut times = 0;
            while times < 3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                times = if super::room(&self.folder) < LEAST_ROOM { times + 1 } else { 0 };
            }
        };
        tokio::select! {
            ended = call.run(self.deadline) => ended,
            () = full => {
                let message = format!("no space left on device: {} is full; give the Job's volume more room",
                                      self.folder.display());
                Err(Failure::new(reasons::NO_SPACE, message).said("no space left on device"))
            }
        }
    }

    async fn good(&self, doing: &str, call: Call, otherwise: &'static str) -> Result<Output, Failure> {
        let failure = match self.run(call).await {
            Ok(output) if output.good() => return Ok(output),
            Ok(output) => {
                // Some commands say in stdout what went wrong.
                let words = format!("{}{}", output.words, output.text());
                of_restic(doing, output.code, &words, otherwise)
            }
            Err(failure) => failure,
        };
        // Answers without a body don't say why the store refuses, and restic tries again for minutes.
        let end = self.secrets.credentials().ok().and_then(|now| now.expires());
        Err(failure.by_credentials(end.is_some_and(|end| end <= Timestamp::now())))
    }

    /// Opens it with the key, and reads nothing but its settings.
    ///
    /// # Errors
    /// [`reasons::KEY_MISMATCH`], or the store's trouble.
    pub async fn presence(&self) -> Result<Presence, Failure> {
        let call = self.call("cat").args(["config", "--no-lock"]);
        match self.good("opening the repository", call, reasons::STORE_UNREACHABLE).await {
            Ok(_) => Ok(Presence::Open),
            Err(failure) if failure.reason == reasons::REPOSITORY_MISSING => Ok(Presence::Missing),
            Err(failure) => Err(failure),
        }
    }

    /// Makes it. restic refuses where there is one.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn initialise(&self) -> Result<(), Failure> {
        let call = self.call("init");
        self.good("making the repository", call, reasons::STORE_UNREACHABLE).await.map(drop)
    }

    fn backup(&self, host: &str, tags: &[String]) -> Call {
        // No parent: nothing is compared with what was there, and the whole source is read.
        let call = self.call("backup").args(["--host", host, "--force"]);
        tags.iter().fold(call, |call, tag| call.args(["--tag", tag]))
    }

    async fn save(&self, doing: &str, call: Call, otherwise: &'static str) -> Result<Summary, Failure> {
        let output = self.good(doing, call, otherwise).await?;
        let none = || Failure::new(reasons::NOT_DURABLE, format!("{doing}: restic named no snapshot"));
        summary(&output.text()).ok_or_else(none)
    }

    /// Saves a file of the scratch folder.
    ///
    /// # Errors
    /// Nothing, or not all of it, was saved.
    pub async fn save_file(&self, name: &str, host: &str, tags: &[String]) -> Result<Summary, Failure> {
        let call = self.backup(host, tags).arg(name);
        self.save("saving the manifest", call, reasons::STORE_UNREACHABLE).await
    }

    /// Saves a folder with all that is in it; that a part can't be read fails it.
    ///
    /// # Errors
    /// Nothing, or not all of it, was saved.
    pub async fn save_folder(&self, folder: &str, host: &str, tags: &[String]) -> Result<Summary, Failure> {
        let call = self.backup(host, tags).arg(folder);
        self.save("saving the files", call, reasons::STORE_UNREACHABLE).await
    }

    /// Restores what lay in a folder of a snapshot into one that is there and empty.
    ///
    /// # Errors
    /// Not all of it could be restored.
    pub async fn restore(&self, snapshot: &str, folder: &str, to: &Path) -> Result<(), Failure> {
        let call = self.call("restore").arg("--no-lock").arg(format!("{snapshot}:{folder}"));
        let call = call.arg("--target").arg(to);
        self.good("restoring the files", call, reasons::RESTORE_FAILED).await.map(drop)
    }

    /// Saves what a command writes; when the command fails, nothing is saved.
    ///
    /// # Errors
    /// The command failed, or nothing was saved.
    pub async fn save_command(
        &self,
        name: &str,
        (host, tags): (&str, &[String]),
        command: Vec<OsString>,
        environment: &[(String, String)],
    ) -> Result<Summary, Failure> {
        let call = self.backup(host, tags).sets(environment);
        let call = call.args(["--stdin-filename", name, "--stdin-from-command", "--"]).args(command);
        self.save("the dump", call, reasons::DUMP_FAILED).await
    }

    /// The call that writes a file of a snapshot to stdout.
    #[must_use]
    pub fn dump(&self, snapshot: &str, file: &str) -> Call {
        self.call("dump").args(["--no-lock", snapshot, file])
    }

    /// A small file of a snapshot.
    ///
    /// # Errors
    /// It isn't there, or damaged.
    pub async fn read(&self, snapshot: &str, file: &str) -> Result<Vec<u8>, Failure> {
        let doing = format!("reading {file} of snapshot {snapshot}");
        Ok(self.good(&doing, self.dump(snapshot, file), reasons::DAMAGED).await?.out)
    }

    /// A lock; none when it is gone meanwhile.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn lock(&self, id: &str) -> Result<Option<Lock>, Failure> {
        let call = self.call("cat").args(["lock", id, "--no-lock"]);
        match self.good("reading a lock", call, reasons::LOCK_HELD).await {
            Ok(output) => Ok(serde_json::from_slice(&output.out).ok()),
            Err(failure) if failure.reason == reasons::DAMAGED => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Packs that a file of the index names.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn packs(&self, index: &str) -> Result<Vec<String>, Failure> {
        let call = self.call("cat").args(["index", index, "--no-lock"]);
        let output = self.good("reading the index back", call, reasons::NOT_DURABLE).await?;
        let wrong = |_| Failure::new(reasons::NOT_DURABLE, format!("index {index} can't be read back"));
        let index: Index = serde_json::from_slice(&output.out).map_err(wrong)?;
        Ok(index.packs.into_iter().map(|pack| pack.id).collect())
    }

    /// Removes snapshots by their full ids, and never by a rule.
    ///
    /// # Errors
    /// An id isn't one, or restic refuses.
    pub async fn forget(&self, ids: &[String]) -> Result<(), Failure> {
        if let Some(wrong) = ids.iter().find(|id| !is_id(id)) {
            let message = format!("{wrong:?} is no id of a snapshot; nothing was removed");
            return Err(Failure::new(reasons::REPOSITORY_MISSING, message));
        }
        let call = self.call("forget").args(ids);
        self.good("removing snapshots", call, reasons::STORE_UNREACHABLE).await.map(drop)
    }

    /// Gives back the space of what no snapshot needs.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn prune(&self) -> Result<(), Failure> {
        self.good("giving space back", self.call("prune"), reasons::STORE_UNREACHABLE).await.map(drop)
    }

    /// Reads a part of all packs, and checks every byte of them and what the index says of all others.
    ///
    /// # Errors
    /// [`reasons::DAMAGED`] names the object.
    pub async fn check(&self, part: u32, of: u32) -> Result<(), Failure> {
        let call = self.call("check").arg("--no-lock").arg(format!("--read-data-subset={part}/{of}"));
        self.good("the check", call, reasons::DAMAGED).await.map(drop)
    }

    /// `restic 0.18.1 …`.
    ///
    /// # Errors
    /// It can't be started, or is too old.
    pub async fn version(&self) -> Result<String, Failure> {
        let call = Call::new(&self.program, &self.folder).arg("version");
        let line = self.run(call).await?.text().lines().next().unwrap_or_default().to_owned();
        let mut numbers = line.split_whitespace().nth(1).unwrap_or_default().split('.');
        let mut number = || numbers.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or_default();
        // Older ones save what a failed dump wrote until then.
        if (number(), number()) < (0, 17) {
            let message = format!("restic 0.17 or newer is needed, and there is {line:?}; change the image");
            return Err(Failure::new(reasons::INTERRUPTED, message));
        }
        Ok(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    }
}
