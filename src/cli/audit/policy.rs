//! `tenantry audit policy`: a good audit policy for kube-apiserver, or what is wrong with another one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;

use crate::audit::policy::lint::{Flags, Severity, lint};
use crate::audit::policy::{GOOD, Policy};
use crate::cli::style::{BAD, GOOD as FINE, OPEN, paint};
use crate::cli::{Outcome, out};

/// Arguments of `tenantry audit policy`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Print a good audit policy for kube-apiserver, or say what is wrong with another one",
    long_about = "Print a good audit policy for kube-apiserver, or say what is wrong with another one.\n\n\
                  A policy is asked what it says of requests that an audit log is for. With --lint it ends with 0 when \
                  nothing is wrong, 1 when events would be lost or secrets kept, 2 when that can't be said.",
    after_help = "Examples:\n  tenantry audit policy > /etc/kubernetes/audit-policy.yaml\n  \
                  tenantry audit policy --lint /etc/kubernetes/audit-policy.yaml --apiserver /etc/kubernetes/manifests/kube-apiserver.yaml"
)]
pub struct Args {
    /// Judge this policy
    #[arg(long, value_name = "FILE")]
    lint: Option<PathBuf>,
    /// The API server's static pod, for its --audit-* flags
    #[arg(long, value_name = "FILE", requires = "lint")]
    apiserver: Option<PathBuf>,
}

/// Prints or judges.
///
/// # Errors
/// A file can't be read, or isn't what it should be.
pub fn main(args: &Args) -> Outcome {
    let Some(file) = &args.lint else {
        out::stdout(GOOD)?;
        return Ok(ExitCode::SUCCESS);
    };
    let policy: Policy = read(file)?;
    let flags = args.apiserver.as_ref().map_or_else(|| Ok(Flags::default()), |file| flags(file))?;
    let found = lint(&policy, &flags);
    for finding in &found {
        let word = match finding.severity {
            Severity::Error => paint(BAD, "error"),
            Severity::Warning => paint(OPEN, "warning"),
        };
        out::stderr(&format!("{word}: {}: {}: {}", file.display(), finding.at, finding.message));
    }
    let is_refused = found.iter().any(|finding| finding.severity == Severity::Error);
    if found.is_empty() {
        out::stderr(&format!("{}: nothing is wrong with {}", paint(FINE, "good"), file.display()));
    }
    Ok(ExitCode::from(u8::from(is_refused)))
}

fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))
}

fn read<T: for<'a> Deserialize<'a>>(file: &Path) -> Result<T, String> {
    serde_saphyr::from_str(&text(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    cluster: Server,
}

#[derive(Deserialize)]
struct Server {
    server: String,
}

/// The flags of a static pod. A webhook's address is read where its kubeconfig lies at the same path outside the pod.
fn flags(file: &Path) -> Result<Flags, String> {
    let pod: Pod = read(file)?;
    let words: Vec<&String> = pod
        .spec
        .containers
        .iter()
        .flat_map(|container| container.command.iter().chain(&container.args))
        .collect();
    let value = |name: &str| {
        let inline =
            words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
        inline.or_else(|| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).map(|word| (*word).clone())
        })
    };
    let server = value("--audit-webhook-config-file").map(|path| {
        let found: Result<Kubeconfig, _> = read(Path::new(&path));
        let server = found.ok().and_then(|config| config.clusters.into_iter().next());
        server.map_or_else(|| format!("the server in {path}"), |named| named.cluster.server)
    });
    Ok(Flags {
        webhook_mode: value("--audit-webhook-mode"),
        webhook_server: server,
        webhook_truncate: value("--audit-webhook-truncate-enabled").is_some_and(|on| on == "true")
            || words.iter().any(|word| *word == "--audit-webhook-truncate-enabled"),
        log_path: value("--audit-log-path"),
        log_mode: value("--audit-log-mode"),
    })
}
