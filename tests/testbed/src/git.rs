//! A real Git server: bare repositories over smart HTTP, with `git http-backend`.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;

/// The branch that every repository starts with.
const BRANCH: &str = "main";
/// The time of the first commit; each further one is a second later.
const FIRST_COMMIT: u64 = 1_767_225_600;

/// What every request must carry.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password or token.
    pub password: String,
}

/// A server for bare repositories in a folder of its run.
#[derive(Debug)]
pub struct GitServer {
    process: Mutex<Option<Process>>,
    program: PathBuf,
    folder: PathBuf,
    credentials: Option<Credentials>,
    host: Ipv4Addr,
    port: u16,
    run: Arc<Run>,
}

impl GitServer {
    /// Starts a server in a run of its own; with credentials, every request needs them.
    ///
    /// # Errors
    /// git is missing, or the server does not come up.
    pub async fn start(credentials: Option<Credentials>) -> Result<Self> {
        Self::start_in(&Run::start()?, credentials).await
    }

    /// Starts a server whose folder and process belong to `run`.
    ///
    /// # Errors
    /// As [`GitServer::start`].
    pub async fn start_in(run: &Arc<Run>, credentials: Option<Credentials>) -> Result<Self> {
        Self::start_at(run, Ipv4Addr::LOCALHOST, credentials).await
    }

    /// Starts a server at another address of this machine than loopback, so that pods reach it: see
    /// [`crate::Cluster::machine`].
    ///
    /// # Errors
    /// As [`GitServer::start`].
    pub async fn start_at(run: &Arc<Run>, host: Ipv4Addr, credentials: Option<Credentials>) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(|| programs::git().and_then(|()| programs::kubernetes()));
        let program = programs.await.map_err(|error| Error::Invalid(error.to_string()))??;
        let port = run.port()?;
        let folder = run.folder(&format!("git-{port}"))?;
        let run = Arc::clone(run);
        let server = Self { process: Mutex::new(None), program, folder, credentials, host, port, run };
        server.start_again().await?;
        Ok(server)
    }

    /// Stops answering; the repositories stay.
    pub fn stop(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Answers again, on the same port.
    ///
    /// # Errors
    /// The server does not come up.
    pub async fn start_again(&self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg("git-http").arg(format!("--addr={}", self.address()));
        command.arg(format!("--root={}", self.folder.display()));
        if let Some(credentials) = &self.credentials {
            command.arg(format!("--user={}", credentials.user));
            command.arg(format!("--password={}", credentials.password));
        }
        let process = Process::start(&self.run, &format!("git-http-{}", self.port), command)?;
        process.answers(&self.address(), "the Git server to answer", Duration::from_secs(20)).await?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Creates an empty bare repository.
    ///
    /// # Errors
    /// git fails.
    pub fn create(&self, name: &str) -> Result<Repo> {
        let bare = self.folder.join(format!("{name}.git"));
        let work = self.run.folder("work")?.join(format!("{}-{name}", self.port));
        let text = |path: &Path| path.display().to_string();
        git(
            &self.folder,
            0,
            ["init", "--quiet", "--bare", &format!("--initial-branch={BRANCH}"), &text(&bare)],
        )?;
        for (key, value) in [
            ("http.receivepack", "true"),
            ("uploadpack.allowReachableSHA1InWant", "true"),
            ("gc.auto", "0"),
            ("receive.autogc", "false"),
        ] {
            git(&bare, 0, ["config", key, value])?;
        }
        git(&self.folder, 0, ["init", "--quiet", &format!("--initial-branch={BRANCH}"), &text(&work)])?;
        git(&work, 0, ["config", "gc.auto", "0"])?;
        git(&work, 0, ["remote", "add", "origin", &text(&bare)])?;
        let url = format!("http://{}/{name}.git", self.address());
        Ok(Repo { bare, work, url, commits: AtomicU64::new(0) })
    }
}

/// A bare repository on the server, and a work tree that pushes to it. Authors and
/// times are fixed, so that the same commits have the same ids in every run.
#[derive(Debug)]
pub struct Repo {
    bare: PathBuf,
    work: PathBuf,
    url: String,
    commits: AtomicU64,
}

impl Repo {
    /// The address to clone from, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bare repository's folder.
    #[must_use]
    pub fn bare(&self) -> &Path {
        &self.bare
    }

    /// The work tree: change files here, then [`Repo::commit_all`].
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Writes (or with `None` removes) files, commits and pushes; returns the commit id.
    ///
    /// # Errors
    /// A file can't be written, or git fails.
    pub fn commit(&self, files: &[(&str, Option<&str>)], message: &str) -> Result<String> {
        let files: Vec<_> = files.iter().map(|(path, content)| (*path, content.map(str::as_bytes))).collect();
        self.commit_bytes(&files, message)
    }

    /// Like [`Repo::commit`], for content that need not be text.
    ///
    /// # Errors
    /// As [`Repo::commit`].
    pub fn commit_bytes(&self, files: &[(&str, Option<&[u8]>)], message: &str) -> Result<String> {
        for (name, content) in files {
            let path = self.work.join(name);
            match content {
                Some(content) => {
                    create_parent(&path)?;
                    fs::write(&path, content).map_err(io("write", &path))?;
                }
                None => fs::remove_file(&path).map_err(io("remove", &path))?,
            }
        }
        self.commit_all(message)
    }

    /// Copies a folder's content over the work tree, commits and pushes.
    ///
    /// # Errors
    /// The folder can't be read, or git fails.
    pub fn commit_dir(&self, folder: impl AsRef<Path>, message: &str) -> Result<String> {
        copy_dir(folder.as_ref(), &self.work)?;
        self.commit_all(message)
    }

    /// Commits a symbolic link.
    ///
    /// # Errors
    /// The link can't be made, or git fails.
    pub fn commit_symlink(&self, name: &str, target: &str, message: &str) -> Result<String> {
        let path = self.work.join(name);
        create_parent(&path)?;
        std::os::unix::fs::symlink(target, &path).map_err(io("link", &path))?;
        self.commit_all(message)
    }

    /// Commits a submodule: a link to a commit in another repository.
    ///
    /// # Errors
    /// git fails.
    pub fn commit_submodule(&self, name: &str, url: &str, message: &str) -> Result<String> {
        let modules = format!("[submodule \"{name}\"]\n\tpath = {name}\n\turl = {url}\n");
        let path = self.work.join(".gitmodules");
        fs::write(&path, modules).map_err(io("write", &path))?;
        self.git(["add", "--all"])?;
        let entry = format!("160000,{},{name}", "1".repeat(40));
        self.git(["update-index", "--add", "--cacheinfo", &entry])?;
        self.commit_index(message)
    }

    /// Commits whatever changed in the work tree and pushes; returns the commit id.
    ///
    /// # Errors
    /// git fails.
    pub fn commit_all(&self, message: &str) -> Result<String> {
        self.git(["add", "--all"])?;
        self.commit_index(message)
    }

    /// Throws the last `count` commits away, also on the server (a forced push).
    ///
    /// # Errors
    /// git fails.
    pub fn rewind(&self, count: u32) -> Result<String> {
        self.git(["reset", "--quiet", "--hard", &format!("HEAD~{count}")])?;
        self.git(["push", "--quiet", "--force", "origin", &format!("HEAD:{BRANCH}")])?;
        self.head()
    }

    /// Replaces the branch on the server by a new root commit with the present files.
    ///
    /// # Errors
    /// git fails.
    pub fn rewrite(&self, message: &str) -> Result<String> {
        self.git(["checkout", "--quiet", "--orphan", "rewritten"])?;
        self.git(["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.git(["branch", "-M", BRANCH])?;
        self.git(["push", "--quiet", "--force", "origin", &format!("HEAD:{BRANCH}")])?;
        self.head()
    }

    /// Pushes the present commit to another branch or tag (`refs/tags/v1`).
    ///
    /// # Errors
    /// git fails.
    pub fn push_to(&self, reference: &str) -> Result<()> {
        let full =
            if reference.starts_with("refs/") { reference.into() } else { format!("refs/heads/{reference}") };
        self.git(["push", "--quiet", "--force", "origin", &format!("HEAD:{full}")]).map(drop)
    }

    /// Deletes a branch on the server.
    ///
    /// # Errors
    /// git fails.
    pub fn delete_branch(&self, branch: &str) -> Result<()> {
        git(&self.bare, 0, ["update-ref", "-d", &format!("refs/heads/{branch}")]).map(drop)
    }

    /// The commit id of the work tree.
    ///
    /// # Errors
    /// There is no commit yet.
    pub fn head(&self) -> Result<String> {
        self.git(["rev-parse", "HEAD"])
    }

    /// Runs git in the work tree; returns what it printed.
    ///
    /// # Errors
    /// git ends with an error.
    pub fn git<I, S>(&self, args: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        git(&self.work, self.commits.load(Ordering::Relaxed), args)
    }

    fn commit_index(&self, message: &str) -> Result<String> {
        self.git(["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.git(["push", "--quiet", "origin", &format!("HEAD:{BRANCH}")])?;
        self.head()
    }
}

/// Runs git as the bed, at the time of its commit of this number.
fn git<I, S>(folder: &Path, commits: u64, args: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let date = format!("{} +0000", FIRST_COMMIT + commits);
    let mut command = git_command(folder, "Tess Bed", "tess@example.com");
    command.args(args).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
    said(&mut command, folder)
}

/// Runs git as somebody; returns what it says, trimmed.
///
/// # Errors
/// Git is missing, or fails.
pub fn git_as(folder: &Path, name: &str, address: &str, args: &[&str]) -> Result<String> {
    said(git_command(folder, name, address).args(args), folder)
}

/// Git in a folder as somebody, without the user's or machine's configuration.
#[must_use]
pub fn git_command(folder: &Path, name: &str, address: &str) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), address);
    }
    // Set inside Git hooks, where tests may run.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    command
}

fn said(command: &mut Command, folder: &Path) -> Result<String> {
    let output = command.output().map_err(io("run git in", folder))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_string());
    }
    let line: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let output = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(Error::Command { command: format!("git {}", line.join(" ")), output })
}

fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(io("create", parent)))
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(io("create", to))?;
    for entry in fs::read_dir(from).map_err(io("read", from))? {
        let path = entry.map_err(io("read", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_dir(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(io("copy", &path))?;
        }
    }
    Ok(())
}
