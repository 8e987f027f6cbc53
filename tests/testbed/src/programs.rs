//! The helper programs: real Kubernetes and kwok, built from Go sources that are
//! pinned in this repository, once per machine.
//!
//! A binary is keyed by everything it is made of (sources, go.mod, go.sum, Go
//! version, platform) and lives in a cache folder: `$TENANTRY_CACHE`, else the
//! platform's cache folder for the user.

mod clusters;
mod every;
pub mod stores;

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result, io, tail};
pub(crate) use clusters::{Csi, etcd_copy, local_path, metrics_server, snapshot_crds};
pub use clusters::{cyclonus, fsck, gitea, gitea_sources};
pub use every::every;

/// The Kubernetes version of the control plane.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

const GET_GO: &str =
    "get Go 1.26 or newer from https://go.dev/dl (Debian: apt install golang, macOS: brew install go)";
const GET_GIT: &str = "get it from https://git-scm.com (Debian: apt install git, macOS: brew install git)";

/// A program that the testbed builds by itself.
struct Recipe {
    name: &'static str,
    /// The folder of its sources below `tests/programs`.
    sources: &'static str,
    /// Build tags of Go.
    tags: &'static str,
    label: &'static str,
    package: &'static str,
    ldflags: &'static str,
    /// Names under which the same binary acts as another command.
    links: &'static [&'static str],
}

const KUBERNETES: Recipe = Recipe {
    name: "kubernetes",
    sources: "kubernetes",
    tags: "",
    label: "kubernetes v1.36.3 control plane",
    package: ".",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
    links: &["etcd", "kube-apiserver", "kubectl"],
};

/// The same with kubelet and kube-proxy; only real nodes need it.
const NODES: Recipe = Recipe {
    name: "nodes",
    tags: "nodes",
    label: "kubernetes v1.36.3 with kubelet and kube-proxy",
    ..KUBERNETES
};

const KWOK: Recipe = Recipe {
    name: "kwok",
    sources: "kwok",
    tags: "",
    label: "kwok v0.8.0 (simulated nodes)",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    ldflags: "-s -w",
    links: &[],
};

const HELM: Recipe = Recipe {
    name: "helm",
    sources: "helm",
    tags: "",
    label: "helm v4.3.1",
    package: "helm.sh/helm/v4/cmd/helm",
    ldflags: "-s -w",
    links: &[],
};

const RULES: Recipe = small("rules", "Prometheus' reading of alerts");
const GIT_SSH: Recipe = small("git-ssh", "git server over SSH");
const COREDNS: Recipe = small("coredns", "CoreDNS");
const WEB: Recipe = small("web", "small web server");

/// A program that is its folder's own, and so cached under the folder's name.
const fn small(name: &'static str, label: &'static str) -> Recipe {
    Recipe { name, sources: name, tags: "", label, package: ".", ldflags: "-s -w", links: &[] }
}

/// The control-plane program; its first argument chooses etcd, kube-apiserver, … .
/// Beside it lie links `etcd`, `kube-apiserver` and `kubectl`.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn kubernetes() -> Result<PathBuf> {
    find_or_build(&KUBERNETES)
}

/// [`kubernetes`] with `kubelet` and `kube-proxy`. Linux only.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn nodes() -> Result<PathBuf> {
    find_or_build(&NODES)
}

/// The cluster's name service.
///
/// # Errors
/// Go is missing, or the build fails.
pub(crate) fn coredns() -> Result<PathBuf> {
    find_or_build(&COREDNS)
}

/// A small web server that can also be a client, for containers; see its own documentation.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn web() -> Result<PathBuf> {
    find_or_build(&WEB)
}

/// kwok, which simulates nodes and the life of their pods.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn kwok() -> Result<PathBuf> {
    find_or_build(&KWOK)
}

/// Helm, which installs charts.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn helm() -> Result<PathBuf> {
    find_or_build(&HELM)
}

/// Which alerts of a file hold, by Prometheus' own code: `tests/programs/rules`.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn rules() -> Result<PathBuf> {
    find_or_build(&RULES)
}

/// The Git server over SSH.
///
/// # Errors
/// Go is missing, or the build fails.
pub fn git_ssh() -> Result<PathBuf> {
    find_or_build(&GIT_SSH)
}

/// Checks that git is there; the Git server runs `git http-backend`.
///
/// # Errors
/// [`Error::Missing`].
pub fn git() -> Result<()> {
    let found = Command::new("git").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Error::Missing { program: "git", get: GET_GIT }),
    }
}

/// True if a test must be skipped because a program is missing that the testbed can't
/// build itself; says so in one line. With `CI=true` that is a failure, never a skip.
///
/// # Panics
/// A program is missing, and `CI=true`.
#[must_use]
pub fn skip() -> bool {
    let go = || Command::new("go").arg("version").output().map(drop).map_err(|_| GET_GO);
    let missing = git().err().or_else(|| go().err().map(|get| Error::Missing { program: "go", get }));
    let Some(missing) = missing else { return false };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("skipped: {missing}");
    true
}

/// The repository's root folder.
#[must_use]
pub fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder for what is built once per machine.
///
/// # Errors
/// No home folder is known.
pub fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("TENANTRY_CACHE") {
        return Ok(folder);
    }
    if let Some(folder) = set("XDG_CACHE_HOME") {
        return Ok(folder.join("tenantry"));
    }
    let home = set("HOME").ok_or_else(|| {
        Error::Invalid(
            "no home folder is known; set TENANTRY_CACHE to a folder for built helper programs".into(),
        )
    })?;
    let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    Ok(home.join(caches).join("tenantry"))
}

/// The folder of a Go module that a program of ours requires: some read more of it than what is built.
///
/// # Errors
/// Go is missing, or doesn't have it.
fn module_folder(sources: &str, module: &str) -> Result<PathBuf> {
    let folder = repository_root().join("tests/programs").join(sources);
    let args = ["mod", "download", "-json", module];
    let output = Command::new("go").args(args).current_dir(folder).output();
    let output = output.map_err(|_| Error::Missing { program: "go", get: GET_GO })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \"")?.strip_suffix("\","));
    found.map(PathBuf::from).ok_or_else(|| Error::Command {
        command: format!("go {}", args.join(" ")),
        output: format!("{said}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned(),
    })
}

fn find_or_build(recipe: &Recipe) -> Result<PathBuf> {
    let sources = repository_root().join("tests/programs").join(recipe.sources);
    let key = key(&sources)?;
    let bin = cache_folder()?.join("bin");
    fs::create_dir_all(&bin).map_err(io("create", &bin))?;
    let folder = bin.join(format!("{}-{key}", recipe.name));
    let program = folder.join(format!("tenantry-{}", recipe.name));
    if !program.is_file() {
        let lock_path = bin.join(format!("{}.lock", recipe.name));
        let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
        lock.lock().map_err(io("lock", &lock_path))?;
        if !program.is_file() {
            build(recipe, &sources, &folder)?;
        }
    }
    mark_used(&folder);
    remove_old(&bin, recipe.name);
    Ok(program)
}

/// A digest over everything that the binary is made of.
fn key(sources: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let go = Command::new("go").args(["env", "GOVERSION", "GOOS", "GOARCH"]).current_dir(sources).output();
    match go {
        Ok(output) if output.status.success() => digest.update(&output.stdout),
        Ok(output) => {
            return Err(Error::Command {
                command: "go env".into(),
                output: String::from_utf8_lossy(&output.stderr).trim().to_string(),
            });
        }
        Err(_) => return Err(Error::Missing { program: "go", get: GET_GO }),
    }
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .map_err(io("read", sources))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "go" || ext == "mod" || ext == "sum"))
        .collect();
    files.sort();
    for file in files {
        let content = fs::read(&file).map_err(io("read", &file))?;
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn build(recipe: &Recipe, sources: &Path, folder: &Path) -> Result<()> {
    let work = folder.with_extension("building");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(io("create", &work))?;
    let log = folder.with_extension("log");
    let log_file = File::create(&log).map_err(io("create", &log))?;
    let errors = log_file.try_clone().map_err(io("write", &log))?;
    let program = work.join(format!("tenantry-{}", recipe.name));
    let mut child = Command::new("go")
        .args(["build", "-trimpath", "-tags", recipe.tags, "-ldflags", recipe.ldflags, "-o"])
        .arg(&program)
        .arg(recipe.package)
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(log_file)
        .stderr(errors)
        .spawn()
        .map_err(|_| Error::Missing { program: "go", get: GET_GO })?;
    let mut progress = Progress::start(format!("building {} (first run only)", recipe.label));
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io("build", &program))? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(200));
        progress.tick();
    };
    progress.end(status.success());
    if !status.success() {
        return Err(Error::Build { program: recipe.label.into(), tail: tail(&log, 20), log });
    }
    for link in recipe.links {
        let path = work.join(link);
        std::os::unix::fs::symlink(format!("tenantry-{}", recipe.name), &path).map_err(io("link", &path))?;
    }
    fs::rename(&work, folder).map_err(io("move the built program to", folder))
}

fn mark_used(folder: &Path) {
    let _ = fs::write(folder.join("used"), b"");
}

/// Keeps the two binaries of a program that were used last.
fn remove_old(bin: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(bin) else { return };
    let prefix = format!("{name}-");
    let used = |path: &Path| {
        fs::metadata(path.join("used")).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&prefix)))
        .filter(|path| path.is_dir() && path.extension().is_none())
        .collect();
    folders.sort_by_key(|path| std::cmp::Reverse(used(path)));
    for old in folders.into_iter().skip(2) {
        let _ = fs::remove_file(old.with_extension("log"));
        let _ = fs::remove_dir_all(old);
    }
}

/// A line on stderr that says what is being done and for how long: in place on a
/// terminal, a plain line every 15 s otherwise.
pub struct Progress {
    what: String,
    start: Instant,
    last: Instant,
    in_place: bool,
}

impl Progress {
    /// Starts, and says so.
    #[must_use]
    pub fn start(what: String) -> Self {
        let now = Instant::now();
        let in_place = std::io::stderr().is_terminal();
        eprint!("{what} …{}", if in_place { "" } else { "\n" });
        Self { what, start: now, last: now, in_place }
    }

    /// To be called often; writes only when it is time to.
    pub fn tick(&mut self) {
        let pause = Duration::from_secs(if self.in_place { 1 } else { 15 });
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let seconds = self.start.elapsed().as_secs();
        let mut err = std::io::stderr();
        let _ = if self.in_place {
            write!(err, "\r{} … {seconds} s", self.what)
        } else {
            writeln!(err, "{} … {seconds} s", self.what)
        };
    }

    /// Says how it ended.
    pub fn end(self, success: bool) {
        let seconds = self.start.elapsed().as_secs_f32();
        let before = if self.in_place { "\r" } else { "" };
        let outcome = if success { "done" } else { "failed" };
        eprintln!("{before}{}: {outcome} in {seconds:.1} s", self.what);
    }
}
