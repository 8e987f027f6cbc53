//! The real Helm.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tenantry_testbed::{Cluster, programs};

use super::{Outcome, world::SYSTEM};

/// Runs Helm in a home of its own: nobody's settings and plugins. Ok with what it printed, Err with what it
/// complained of.
pub fn helm(home: &Path, args: &[&str]) -> Outcome<Result<String, String>> {
    let mut command = Command::new(programs::helm()?);
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, home.join(name));
    }
    command.env_remove("KUBECONFIG").env("HELM_NAMESPACE", SYSTEM).current_dir(programs::repository_root());
    let output = command.args(args).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    })
}

/// Runs Helm against a cluster, off this thread; what it printed.
pub async fn helm_on(
    cluster: &Cluster,
    home: &Path,
    args: &[&str],
    values: Option<&Value>,
) -> Outcome<String> {
    let mut all: Vec<String> = args.iter().map(ToString::to_string).collect();
    all.extend(["--kubeconfig".into(), cluster.kubeconfig().display().to_string()]);
    if let Some(values) = values {
        let file = home.join("values.json");
        std::fs::write(&file, values.to_string())?;
        all.extend(["--values".into(), file.display().to_string()]);
    }
    let home: PathBuf = home.to_path_buf();
    let run = move || {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        helm(&home, &all).map_err(|error| error.to_string())
    };
    Ok(tokio::task::spawn_blocking(run).await???)
}
