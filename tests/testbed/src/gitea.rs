//! A real forge: Gitea, built from its Go module, with SQLite and without its web pages. Forgejo speaks the same API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;

/// A running Gitea with its own folder, port and database.
#[derive(Debug)]
pub struct Gitea {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl Gitea {
    /// Starts one that belongs to `run`.
    ///
    /// # Errors
    /// It can't be built, or does not come up.
    pub async fn start_in(run: &Arc<Run>) -> Result<Self> {
        let built = tokio::task::spawn_blocking(|| {
            programs::git()?;
            Ok((programs::gitea()?, programs::gitea_sources()?))
        });
        let (program, sources) = built.await.map_err(|error| Error::Invalid(error.to_string()))??;
        let port = run.port()?;
        let folder = run.folder(&format!("gitea-{port}"))?;
        let config = folder.join("app.ini");
        fs::write(&config, settings(&folder, &sources, port)).map_err(io("write", &config))?;
        ran(&mut command(&program, &folder, &["migrate"]))?;
        let process = Process::start(run, &format!("gitea-{port}"), command(&program, &folder, &["web"]))?;
        process.answers(&format!("127.0.0.1:{port}"), "Gitea to answer", Duration::from_secs(60)).await?;
        Ok(Self { program, folder, port, process })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a user; returns a token that may do everything that the user may.
    ///
    /// # Errors
    /// Gitea refuses.
    pub fn user(&self, name: &str, admin: bool) -> Result<String> {
        let mail = format!("{name}@example.com");
        let mut args = vec!["admin", "user", "create", "--username", name, "--email", &mail];
        args.extend(["--random-password", "--must-change-password=false", "--access-token"]);
        args.extend(["--access-token-name", "test", "--access-token-scopes", "all"]);
        if admin {
            args.push("--admin");
        }
        let said = ran(&mut command(&self.program, &self.folder, &args))?;
        let word = |word: &&str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let token = said.split_whitespace().find(word).map(str::to_owned);
        token.ok_or_else(|| Error::Invalid("Gitea told no token".into()))
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }
}

fn command(program: &Path, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(folder.join("app.ini")).arg("--work-path").arg(folder).args(args);
    command.env("HOME", folder).env("GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT", "true");
    command
}

fn ran(command: &mut Command) -> Result<String> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(io("run", &program))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    let output = format!("{}\n{}", said(&output.stdout), said(&output.stderr));
    Err(Error::Command { command: "gitea".into(), output })
}

/// Nothing that talks to anybody else, and nothing that a test doesn't need.
fn settings(folder: &Path, sources: &Path, port: u16) -> String {
    let (folder, sources) = (folder.display(), sources.display());
    format!(
        "RUN_MODE = prod
WORK_PATH = {folder}

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {sources}
DISABLE_SSH = true
OFFLINE_MODE = true

[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db

[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
SECRET_KEY = of-a-test-and-nothing-else

[service]
DISABLE_REGISTRATION = true

[indexer]
ISSUE_INDEXER_TYPE = db

[log]
MODE = console
LEVEL = warn

[actions]
ENABLED = false

[packages]
ENABLED = false

[cron]
ENABLED = false

[cron.update_checker]
ENABLED = false
"
    )
}
