//! Runs: a folder and ports of one's own, and nothing left behind.
//!
//! Every run has a folder in one well-known place, with a file for each process
//! it started. Three nets catch what it leaves: dropping the [`Run`]; a tiny shell
//! (the reaper) that notices at once when the owner is gone, even by SIGKILL,
//! because its standard input ends; and the next start on this machine, which
//! removes the runs of dead owners.

use std::fs::{self, DirBuilder, File};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal};

use crate::error::{Error, Result, io};

/// Ports are taken from here: outside the range that systems use for outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The folders of reservations.
const RESERVED: [&str; 2] = ["ports", "networks"];

/// What a run leaves beside processes and its folder, as a script in that folder.
const CLEAN: &str = "clean.sh";

/// Kills every process that a file in `$1/pids` names, runs the clean-up script if there
/// is one, then removes the folder, as soon as its input ends.
const REAPER: &str = r#"
cat >/dev/null
for round in 1 2; do
  for file in "$1"/pids/*; do
    [ -f "$file" ] || continue
    read -r pid rest <"$file" || continue
    [ "$round" = 1 ] && { kill -KILL -"$pid" || kill -KILL "$pid"; } 2>/dev/null
  done
  [ -f "$1/clean.sh" ] && sh "$1/clean.sh" "$1" >/dev/null 2>&1
  rm -rf "$1"
  [ -d "$1" ] && sleep 1
done
"#;

/// A folder, ports and processes that live together and go together.
#[derive(Debug)]
pub struct Run {
    dir: PathBuf,
    reaper: Mutex<Option<Child>>,
}

impl Run {
    /// Removes what dead runs left, then makes a new folder and its reaper.
    ///
    /// # Errors
    /// The temporary folder can't be used.
    pub fn start() -> Result<Arc<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let root = root()?;
        let _lock = lock(&root)?;
        sweep(&root);
        let pid = std::process::id();
        let dir = root.join(format!("run-{pid}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).map_err(io("create", &dir))?;
        let pids = dir.join("pids");
        fs::create_dir(&pids).map_err(io("create", &pids))?;
        let owner = dir.join("owner");
        fs::write(&owner, identity(pid).unwrap_or_default()).map_err(io("write", &owner))?;
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "tenantry-reaper"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|_| Error::Missing { program: "sh", get: "a POSIX shell must be on the PATH" })?;
        Ok(Arc::new(Self { dir, reaper: Mutex::new(Some(reaper)) }))
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder inside the run's folder.
    ///
    /// # Errors
    /// It can't be created.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).map_err(io("create", &path))?;
        Ok(path)
    }

    /// A free loopback port that no other run on this machine will pick.
    ///
    /// # Errors
    /// No port is free.
    pub fn port(&self) -> Result<u16> {
        let span = u32::from(PORTS.end - PORTS.start);
        let seed = std::process::id().wrapping_mul(2_654_435_761) >> 8;
        let ports = (0..span).map(|step| PORTS.start + u16::try_from((seed + step) % span).unwrap_or(0));
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        self.reserve("ports", ports, free)?.ok_or_else(|| {
            Error::Invalid(
                "no free port between 20000 and 32000; stop other programs that listen there".into(),
            )
        })
    }

    /// The first number of a kind that is free and that no other run on this machine has.
    pub(crate) fn reserve(
        &self,
        kind: &str,
        mut numbers: impl Iterator<Item = u16>,
        free: impl Fn(u16) -> bool,
    ) -> Result<Option<u16>> {
        let root = root()?;
        let _lock = lock(&root)?;
        let folder = root.join(kind);
        fs::create_dir_all(&folder).map_err(io("create", &folder))?;
        let found = numbers.find(|number| !folder.join(number.to_string()).exists() && free(*number));
        if let Some(number) = found {
            let (reservation, name) = (folder.join(number.to_string()), self.dir.file_name());
            fs::write(&reservation, name.unwrap_or_default().as_encoded_bytes())
                .map_err(io("write", &reservation))?;
        }
        Ok(found)
    }

    /// A script that removes what this run makes beside processes and its folder; it gets the folder as
    /// its argument, once the run's processes are dead, and may run more than once.
    pub(crate) fn clean_with(&self, script: &str) -> Result<()> {
        let path = self.dir.join(CLEAN);
        fs::write(&path, script).map_err(io("write", &path))
    }

    /// The process id of the reaper.
    #[must_use]
    pub fn reaper_id(&self) -> Option<u32> {
        self.reaper.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Child::id)
    }

    /// Where the pid of the process `name` is noted.
    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.dir.join("pids").join(name)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        kill_noted(&self.dir);
        clean(&self.dir);
        if std::env::var_os("TENANTRY_KEEP_RUN").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
            release(&self.dir);
        }
        let reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut reaper) = reaper {
            let _ = reaper.kill();
            let _ = reaper.wait();
        }
    }
}

/// `<pid> <something that no other process of that pid shares>`.
pub(crate) fn identity(pid: u32) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // After the name: state is field 0, the start time field 19. A zombie is dead.
        if fields.first() == Some(&"Z") {
            return None;
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{pid} {} {}\n", fields.get(19)?, boot.trim()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let ps = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
        let started = String::from_utf8_lossy(&ps.stdout).trim().to_string();
        (!started.is_empty()).then(|| format!("{pid} {started}\n"))
    }
}

/// True if the process that `note` describes still lives.
fn lives(note: &str) -> bool {
    let pid = note.split_whitespace().next().and_then(|pid| pid.parse().ok());
    pid.and_then(identity).is_some_and(|now| now == note)
}

/// The folder of all runs of this user.
fn root() -> Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let root = std::env::temp_dir().join(format!("tenantry-testbed-{uid}"));
    match DirBuilder::new().mode(0o700).create(&root) {
        Ok(()) => Ok(root),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(&root).map_err(io("read", &root))?;
            if meta.is_dir() && meta.uid() == uid && meta.mode() & 0o077 == 0 {
                return Ok(root);
            }
            Err(Error::Invalid(format!("{} is not a private folder of yours; remove it", root.display())))
        }
        Err(error) => Err(io("create", &root)(error)),
    }
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join("lock");
    let file = File::create(&path).map_err(io("create", &path))?;
    file.lock().map_err(io("lock", &path))?;
    Ok(file)
}

/// Removes the folders, processes and ports of runs whose owner is dead.
fn sweep(root: &Path) {
    for run in entries(root) {
        let is_run = run.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run-"));
        let owner = fs::read_to_string(run.join("owner")).unwrap_or_default();
        if is_run && !lives(&owner) {
            kill_noted(&run);
            clean(&run);
            let _ = fs::remove_dir_all(&run);
        }
    }
    for reservation in reservations(root) {
        let run = fs::read_to_string(&reservation).unwrap_or_default();
        if run.is_empty() || !root.join(run).is_dir() {
            let _ = fs::remove_file(reservation);
        }
    }
}

/// Kills the processes that a run noted and that are still the same processes.
fn kill_noted(run: &Path) {
    for file in entries(&run.join("pids")) {
        let note = fs::read_to_string(file).unwrap_or_default();
        let pid = note.split_whitespace().next().and_then(|pid| pid.parse::<i32>().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| lives(&note)) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

/// Runs the run's clean-up script, if it has one.
fn clean(run: &Path) {
    if run.join(CLEAN).is_file() {
        let mut command = Command::new("sh");
        command.arg(run.join(CLEAN)).arg(run).stdin(Stdio::null());
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What all runs have reserved.
fn reservations(root: &Path) -> Vec<PathBuf> {
    RESERVED.iter().flat_map(|kind| entries(&root.join(kind))).collect()
}

fn release(run: &Path) {
    let (Some(root), Some(name)) = (run.parent(), run.file_name()) else { return };
    let Ok(_lock) = lock(root) else { return };
    for reservation in reservations(root) {
        if fs::read(&reservation).is_ok_and(|content| content == name.as_encoded_bytes()) {
            let _ = fs::remove_file(reservation);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        .unwrap_or_default()
}
