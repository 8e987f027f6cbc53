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
    flags_of(run, &policy.to_string())
}

/// Flags for an API server that records what a policy says.
pub(super) fn flags_of(run: &Run, policy: &str) -> Result<Vec<String>> {
    let file = run.folder("audit")?.join("policy.yaml");
    write_private(&file, policy)?;
    Ok(vec![
        format!("--audit-policy-file={}", file.display()),
        format!("--audit-log-path={}", log(run.dir()).display()),
    ])
}

fn log(run: &Path) -> PathBuf {
    run.join("audit/log")
}

impl Cluster {
    /// The API server's own record: of a cluster with [`crate::Options::audit`] or a policy.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        log(self.run.dir())
    }

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
