//! A real PostgreSQL: the programs of this machine, a cluster of its own for each test.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result, io};
use crate::process::Process;
use crate::programs::{Progress, cache_folder};
use crate::registry::Run;
use crate::wait::eventually;

/// Where Debian keeps each version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

const GET: &str = "get PostgreSQL 13 or newer with its server (Debian: apt install postgresql, macOS: brew install postgresql)";

/// Who runs databases when we are root, which PostgreSQL refuses to be.
const USER: &str = "postgres";

/// The superuser's password. Tests search all output for it.
const PASSWORD: &str = "canary-postgres-password";

/// A running server with its own folder and port.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl PostgresServer {
    /// Starts one on 127.0.0.1 that belongs to `run` and asks for passwords.
    ///
    /// # Errors
    /// There is no PostgreSQL and it can't be installed, or it doesn't come up.
    pub async fn start_in(run: &Arc<Run>) -> Result<Self> {
        Self::start_at(run, "127.0.0.1").await
    }

    /// The same on another address of this machine, for pods on real nodes.
    ///
    /// # Errors
    /// As [`Self::start_in`].
    pub async fn start_at(run: &Arc<Run>, host: &str) -> Result<Self> {
        let found = tokio::task::spawn_blocking(postgres_programs);
        let programs = found.await.map_err(|error| Error::Invalid(error.to_string()))??;
        let port = run.port()?;
        let folder = database_folder(run, &format!("postgres-{port}"))?;
        let password = folder.join("password");
        fs::write(&password, PASSWORD).map_err(io("write", &password))?;
        give_to_database_user(&folder)?;
        let data = folder.join("data");
        let mut initdb = as_database_user(programs.join("initdb"));
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password);
        initdb.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        ran(initdb.current_dir(&folder))?;
        let mut command = as_database_user(programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(&folder);
        command.args([
            "-c",
            &format!("listen_addresses={host}"),
            "-c",
            "fsync=off",
            "-c",
            "max_connections=50",
        ]);
        if host != "127.0.0.1" {
            let rules = data.join("pg_hba.conf");
            let text = fs::read_to_string(&rules).map_err(io("read", &rules))?;
            fs::write(&rules, format!("{text}host all all 0.0.0.0/0 scram-sha-256\n"))
                .map_err(io("write", &rules))?;
        }
        let process = Process::start(run, &format!("postgres-{port}"), command)?;
        let server = Self { programs, folder, port, process };
        eventually(Duration::from_secs(60), "PostgreSQL to answer", || async {
            server.process.check().map_err(|error| error.to_string())?;
            server.sql("postgres", "SELECT 1").map(drop).map_err(|error| error.to_string())
        })
        .await?;
        Ok(server)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's name and password.
    #[must_use]
    pub fn superuser(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// The folder of `psql`, `pg_dump` and the others.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// A command of psql's as the superuser, without SQL yet.
    #[must_use]
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-qAt", "-w", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database]);
        command.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        command.env("PGPASSWORD", PASSWORD);
        command
    }

    /// Runs SQL as the superuser; what it brings, line by line.
    ///
    /// # Errors
    /// The server refuses.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        ran(self.psql(database).args(["-c", sql]))
    }

    /// Makes a database of this name, owned by a user of this name.
    ///
    /// # Errors
    /// The server refuses.
    pub fn database(&self, name: &str, password: &str) -> Result<()> {
        self.sql("postgres", &format!("CREATE ROLE \"{name}\" LOGIN CREATEDB PASSWORD '{password}'"))?;
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER \"{name}\"")).map(drop)
    }

    /// What libpq needs for a database, as a connection Secret says it.
    #[must_use]
    pub fn connection(&self, user: &str, password: &str, database: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", user.to_owned()),
            ("PGPASSWORD", password.to_owned()),
            ("PGDATABASE", database.to_owned()),
        ]
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    /// Ends it, at once.
    pub fn kill(&self) {
        self.process.kill();
    }
}

/// A command of a user who may run databases: not root.
#[must_use]
pub fn as_database_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = ids().filter(|_| rustix::process::geteuid().is_root()) {
        command.uid(user).gid(group);
    }
    command
}

/// Ids of the user for databases.
fn ids() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = [USER, "nobody"].iter().find_map(|name| {
        users.lines().find(|line| line.split(':').next() == Some(name)).map(str::to_owned)
    })?;
    let mut parts = found.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Folders of runs that the user for databases may use: a run's own are private, and so is every folder above them.
const OPEN: &str = "tenantry-databases";

/// A folder of a run that belongs to the user for databases. It goes with the run, at the latest when the next run on
/// this machine asks for one.
///
/// # Errors
/// It can't be made.
pub fn database_folder(run: &Run, name: &str) -> Result<PathBuf> {
    let Some((user, group)) = ids().filter(|_| rustix::process::geteuid().is_root()) else {
        return run.folder(name);
    };
    let own = run.dir().file_name().unwrap_or_default();
    let runs = run.dir().parent().unwrap_or(run.dir());
    let root = std::env::temp_dir().join(OPEN);
    for old in fs::read_dir(&root).into_iter().flatten().flatten() {
        if !runs.join(old.file_name()).is_dir() {
            let _ = fs::remove_dir_all(old.path());
        }
    }
    let folder = root.join(own).join(name);
    fs::create_dir_all(&folder).map_err(io("create", &folder))?;
    std::os::unix::fs::chown(&folder, Some(user), Some(group)).map_err(io("give", &folder))?;
    Ok(folder)
}

/// Gives what lies in a folder to the user for databases.
///
/// # Errors
/// It can't be given.
pub fn give_to_database_user(folder: &Path) -> Result<()> {
    let Some((user, group)) = ids().filter(|_| rustix::process::geteuid().is_root()) else { return Ok(()) };
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        std::os::unix::fs::chown(&path, Some(user), Some(group)).map_err(io("give", &path))?;
        if path.is_dir() {
            give_to_database_user(&path)?;
        }
    }
    Ok(())
}

/// The folder of the newest version on this machine; installs it where there is none and we may.
pub fn postgres_programs() -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let cache = cache_folder()?;
    fs::create_dir_all(&cache).map_err(io("create", &cache))?;
    let lock_path = cache.join("postgresql.lock");
    let lock = fs::File::create(&lock_path).map_err(io("create", &lock_path))?;
    lock.lock().map_err(io("lock", &lock_path))?;
    if find().is_none() && rustix::process::geteuid().is_root() {
        let progress = Progress::start("installing PostgreSQL (first run only)".into());
        let update = Command::new("apt-get").args(["update", "-qq"]).stdout(Stdio::null()).status();
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends", "postgresql"]);
        // No cluster of Debian's own: each test makes its own.
        install.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        let installed = update.is_ok() && ran(&mut install).is_ok();
        progress.end(installed);
    }
    find().ok_or(Error::Missing { program: "PostgreSQL's server", get: GET })
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev().map(|(_, folder)| folder));
    folders
        .into_iter()
        .find(|folder| ["postgres", "initdb", "psql"].iter().all(|one| folder.join(one).is_file()))
}

fn ran(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|_| Error::Missing { program: "PostgreSQL", get: GET })?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    let command = command.get_program().to_string_lossy().into_owned();
    Err(Error::Command { command, output: said(&output.stderr) })
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.process.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
