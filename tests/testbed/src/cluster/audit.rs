//! The API server's own record of who wrote what.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::OPERATOR_USER;
use crate::certs::write_private;
use crate::cluster::Cluster;
use crate::error::{Error, Result, io};
use crate::registry::Run;

/// Flags for an API server that records the operator's writes with their bodies, and nothing else.
pub(super) fn flags(run: &Run) -> Result<Vec<String>> {
    let folder = run.folder("audit")?;
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {
                "level": "Request", "users": [OPERATOR_USER],
                "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            },
            {"level": "None"},
        ],
    });
    let file = folder.join("policy.json");
    write_private(&file, &policy.to_string())?;
    Ok(vec![
        format!("--audit-policy-file={}", file.display()),
        format!("--audit-log-path={}", log(run.dir()).display()),
    ])
}

fn log(run: &Path) -> PathBuf {
    run.join("audit/log")
}

impl Cluster {
    /// All writes of the operator so far, as `audit.k8s.io/v1` Events in the order in which they ended; of a
    /// cluster with [`crate::Options::audit`].
    ///
    /// # Errors
    /// The cluster keeps no record.
    pub fn audit(&self) -> Result<Vec<Value>> {
        self.own()?;
        let path = log(self.run.dir());
        let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
        // The last line may be under way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse =
            |line| serde_json::from_str(line).map_err(|error| Error::Invalid(format!("{line}: {error}")));
        whole.lines().map(parse).collect()
    }
}
