//! What real nodes need of the machine: root on Linux, and a few system packages, which are installed
//! where that is possible.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::space::call;
use crate::error::{Error, Result, tail};
use crate::programs::Progress;
use crate::registry::Run;

/// Programs, and the Debian package that has each.
const PROGRAMS: [(&str, &str); 10] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("timeout", "coreutils"),
];
/// The package of the network plugins below.
const CNI_PACKAGE: &str = "containernetworking-plugins";
const CNI_PLUGINS: [&str; 3] = ["ptp", "host-local", "loopback"];
/// Where distributions put them.
const CNI_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// The folder of the network plugins.
pub(crate) fn cni_folder() -> Option<PathBuf> {
    let has_all = |folder: &&str| CNI_PLUGINS.iter().all(|plugin| Path::new(folder).join(plugin).is_file());
    CNI_FOLDERS.into_iter().find(has_all).map(PathBuf::from)
}

/// Why this machine can't have real nodes, whatever is installed.
fn impossible() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("real nodes need Linux: run this in a Linux machine, as root".into());
    }
    let root = rustix::process::geteuid().is_root();
    (!root).then(|| "real nodes need root (namespaces, cgroups, containers): run this as root".into())
}

/// The packages that are missing, in order and once each.
fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let programs = PROGRAMS.iter().filter(|(name, _)| !is_there(name)).map(|(_, package)| *package);
    let plugins = cni_folder().is_none().then_some(CNI_PACKAGE);
    let mut packages: Vec<_> = programs.chain(plugins).collect();
    packages.dedup();
    packages
}

/// Installs what is missing, where apt-get can.
///
/// # Errors
/// This machine can't have real nodes; the message says in one line why, or what to install.
pub(crate) fn ensure() -> Result<()> {
    if let Some(reason) = impossible() {
        return Err(Error::Invalid(reason));
    }
    let packages = missing();
    if packages.is_empty() {
        return allowed();
    }
    let names = packages.join(" ");
    let by_hand = |why: &str| {
        Error::Invalid(format!("real nodes need the packages {names} (their names on Debian); {why}"))
    };
    let apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !apt.is_ok_and(|status| status.success()) {
        return Err(by_hand("install them: there is no apt-get that could do it here"));
    }
    let mut progress = Progress::start(format!("installing {names}"));
    let mut outcome = install(&packages, &mut progress);
    if outcome.is_err() {
        // The list of packages may be absent or old.
        outcome = apt_get(&["update"], &mut progress).and_then(|()| install(&packages, &mut progress));
    }
    progress.end(outcome.is_ok());
    outcome.map_err(|log| by_hand(&format!("`apt-get install {names}` failed: {log}")))?;
    let left = missing();
    if left.is_empty() { allowed() } else { Err(by_hand(&format!("still missing: {}", left.join(" ")))) }
}

/// Root in a container is often not allowed to make namespaces.
fn allowed() -> Result<()> {
    let words = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"];
    call(&words.map(str::to_owned), "").map(drop).map_err(|error| {
        Error::Invalid(format!("real nodes need a virtual machine or a privileged container: {error}"))
    })
}

fn install(packages: &[&str], progress: &mut Progress) -> Result<(), String> {
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat(), progress)
}

/// Ten minutes at the most; what it says in the end is the error.
fn apt_get(args: &[&str], progress: &mut Progress) -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let run = Run::start().map_err(said)?;
    let mut command = Command::new("timeout");
    command.args(["600", "apt-get"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    let process = crate::process::Process::start(&run, "apt-get", command).map_err(said)?;
    let status = loop {
        if let Some(status) = process.ended() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        progress.tick();
    };
    if status.success() { Ok(()) } else { Err(tail(process.log_path(), 3).replace('\n', "; ")) }
}

/// True if a test must be skipped because this machine can't have real nodes; says why in one line. With
/// `CI=true` that is a failure, never a skip.
///
/// # Panics
/// The machine can't have them, and `CI=true`.
#[must_use]
pub fn skip_real_nodes() -> bool {
    let Err(error) = ensure() else { return crate::programs::skip() };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
    eprintln!("skipped: {error}");
    true
}
