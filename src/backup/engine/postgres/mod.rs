//! PostgreSQL: its programs, a session that holds a snapshot open, what a database holds, and an engine for drills.
//!
//! - [`manifest`]: what a database held in one snapshot; pure
//! - [`session`]: psql as a co-process: it understands what pg_dump understands
//! - [`observe`]: what a database holds; [`neighbours`]: what else its server has
//! - [`transfer`]: from the repository into a database
//! - [`server`]: an engine on a socket in the scratch folder

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::failure::{Failure, of_postgres};
use super::program::{Call, Deadline};
use super::secrets::Variables;
use crate::backup::record::reasons;

pub mod manifest;
pub mod neighbours;
pub mod observe;
pub mod server;
pub mod session;
pub mod transfer;

/// Where Debian keeps each version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one version.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    /// Where programs may write.
    pub scratch: PathBuf,
}

impl Programs {
    /// Those of the image: on the `PATH`, else the newest where Debian keeps them.
    ///
    /// # Errors
    /// There are none.
    pub fn find(scratch: &Path) -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|(_, folder)| folder));
        // Debian's /usr/bin has wrappers of some of them, which choose a version by themselves.
        let whole =
            |folder: &&PathBuf| ["postgres", "pg_dump", "psql"].iter().all(|one| folder.join(one).is_file());
        let none = || {
            let message = "no folder of the PATH has postgres, pg_dump and psql; name an image of PostgreSQL";
            Failure::new(reasons::ENGINE_VERSION_MISMATCH, message)
        };
        let folder = folders.iter().find(whole).ok_or_else(none)?;
        Ok(Self { folder: folder.clone(), scratch: scratch.to_owned() })
    }

    /// Where a program lies.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// A call of a program.
    #[must_use]
    pub fn call(&self, program: &str, variables: &Variables) -> Call {
        Call::new(self.path(program), &self.scratch).sets(variables)
    }

    /// `postgres (PostgreSQL) 17.2 …` and its major version.
    ///
    /// # Errors
    /// It can't be asked.
    pub async fn version(&self, deadline: Deadline) -> Result<(String, u32), Failure> {
        let output = self.call("postgres", &Vec::new()).arg("--version").run(deadline).await?;
        let line = output.text().trim().to_owned();
        let number = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let major =
            number.and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        let wrong = || Failure::new(reasons::ENGINE_VERSION_MISMATCH, format!("no version in {line:?}"));
        Ok((line.clone(), major.ok_or_else(wrong)?))
    }

    /// One SQL command from `-c`, which knows no commands of psql's own; what it brings, line by line.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn sql(
        &self,
        variables: &Variables,
        doing: &str,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Vec<String>, Failure> {
        if sql.trim_start().starts_with('\\') {
            let message = format!("{doing}: this is a command of psql's, and no SQL");
            return Err(Failure::new(reasons::CHECK_FAILED, message));
        }
        let call = self.call("psql", variables).args(session::QUIET).arg("-c").arg(sql);
        let output = call.run(deadline).await?;
        if !output.good() {
            return Err(of_postgres(doing, &output.words, reasons::SOURCE_UNREACHABLE));
        }
        Ok(output.text().lines().map(str::to_owned).collect())
    }

    /// pg_dump of the exported snapshot: custom form for pg_restore, not compressed, so that restic finds what it has
    /// already.
    #[must_use]
    pub fn dump(&self, snapshot: &str, deadline: Deadline) -> Vec<OsString> {
        let wait = format!("--lock-wait-timeout={}s", deadline.left());
        let snapshot = format!("--snapshot={snapshot}");
        let arguments = ["-Fc", "-Z0", "--no-password", &snapshot, &wait];
        let program = self.path("pg_dump").into_os_string();
        std::iter::once(program).chain(arguments.into_iter().map(OsString::from)).collect()
    }
}
