//! etcd as it was: a copy of its files, put back later.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::error::{Error, Result, io};

const DEADLINE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Copies what etcd has stored; it and the API server are away for a moment.
    ///
    /// # Errors
    /// The cluster is not ours, or does not come up again.
    pub async fn save_etcd(&self) -> Result<PathBuf> {
        let copy = self.run().dir().join("etcd-saved");
        self.own()?.plane().while_etcd_sleeps(self.run(), |folder| replace(&copy, folder))?;
        self.wait_api(DEADLINE).await?;
        Ok(copy)
    }

    /// Puts a copy back, as after a disaster: what was written since is forgotten, and revisions start
    /// over from where they were.
    ///
    /// # Errors
    /// As [`Cluster::save_etcd`].
    pub async fn restore_etcd(&self, copy: &Path) -> Result<()> {
        self.own()?.plane().while_etcd_sleeps(self.run(), |folder| replace(folder, copy))?;
        self.wait_api(DEADLINE).await
    }
}

/// Makes the folder `to` a copy of `from`.
fn replace(to: &Path, from: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(io("remove", to))?;
    }
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output().map_err(io("copy", from))?;
    let failed = || Error::Command {
        command: format!("cp -a {} {}", from.display(), to.display()),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    };
    output.status.success().then_some(()).ok_or_else(failed)
}
