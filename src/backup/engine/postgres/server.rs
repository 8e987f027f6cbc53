//! An engine of the Job's own, for drills: on a socket in the scratch folder, and nowhere on the network.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::Programs;
use super::manifest::{Header, identifier, literal};
use crate::backup::engine::disk;
use crate::backup::engine::failure::{Failure, of_postgres};
use crate::backup::engine::program::{Deadline, Running, end_of};
use crate::backup::engine::secrets::Variables;
use crate::backup::record::reasons;

/// Who owns the engine, who owns what is restored, and who runs the user's checks. The last two are no superusers:
/// what a tenant wrote into its database must not become a program in the Job.
const SUPERUSER: &str = "postgres";
const OWNER: &str = "tenantry_restored";
const READER: &str = "tenantry_checks";

/// The database that is restored.
const DATABASE: &str = "restored";

/// Nobody keeps what is written here, so nothing waits for the disk.
const SETTINGS: [&str; 10] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_wal_size=128MB",
    "logging_collector=off",
];

/// A running engine; dropped, it is killed. [`Server::remove`] leaves nothing.
pub struct Server {
    programs: Programs,
    folder: PathBuf,
    running: Running,
    words: JoinHandle<Vec<u8>>,
    deadline: Deadline,
}

impl Server {
    /// Makes a cluster in a folder that must not be there yet, and starts it.
    ///
    /// # Errors
    /// The programs fail, or the disk is full.
    pub async fn start(programs: &Programs, folder: &Path, deadline: Deadline) -> Result<Self, Failure> {
        // Whoever reaches the socket is let in.
        let private = || std::fs::set_permissions(folder, Permissions::from_mode(0o700));
        let made = std::fs::create_dir(folder).and_then(|()| private());
        made.map_err(|error| disk("the engine's folder", folder, &error))?;
        let initdb = programs.call("initdb", &Vec::new()).arg("-D").arg(folder.join("data"));
        let initdb = initdb.args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let output = initdb.run(deadline).await?;
        if !output.good() {
            return Err(of_postgres("making an engine", &output.words, reasons::RESTORE_FAILED));
        }
        let call = programs.call("postgres", &Vec::new()).arg("-D").arg(folder.join("data"));
        let call = call.arg("-k").arg(folder);
        let call = SETTINGS.iter().fold(call, |call, setting| call.args(["-c", setting]));
        let mut running = call.start(Stdio::null())?;
        let errors = running.child.stderr.take();
        let words = tokio::spawn(async move {
            let mut kept = Vec::new();
            end_of(errors, &mut kept).await;
            kept
        });
        let (programs, folder) = (programs.clone(), folder.to_owned());
        let mut server = Self { programs, folder, running, words, deadline };
        server.answers().await?;
        Ok(server)
    }

    async fn answers(&mut self) -> Result<(), Failure> {
        let mut last = Failure::new(reasons::RESTORE_FAILED, "the engine does not start");
        loop {
            match self.running.child.try_wait() {
                Ok(None) => {}
                _ => return Err(self.failed(last).await),
            }
            match self.sql(SUPERUSER, "postgres", "waiting for the engine", "SELECT 1").await {
                Ok(_) => return Ok(()),
                Err(failure) => last = failure,
            }
            // The server tells nobody when it is ready.
            self.deadline.of("starting the engine", tokio::time::sleep(Duration::from_millis(50))).await?;
        }
    }

    /// The failure with the server's own words, where they tell more.
    async fn failed(&mut self, failure: Failure) -> Failure {
        self.running.kill().await;
        let words = (&mut self.words).await.unwrap_or_default();
        let own = of_postgres("the engine", &String::from_utf8_lossy(&words), failure.reason);
        if own.log_line.is_empty() { failure } else { own }
    }

    /// How a user reaches a database.
    #[must_use]
    fn variables(&self, user: &str, database: &str) -> Variables {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let host = self.folder.to_string_lossy().into_owned();
        vec![
            set("PGHOST", &host),
            set("PGUSER", user),
            set("PGDATABASE", database),
            set("PGAPPNAME", "tenantry"),
        ]
    }

    async fn sql(&self, user: &str, database: &str, doing: &str, sql: &str) -> Result<Vec<String>, Failure> {
        self.programs.sql(&self.variables(user, database), doing, sql, self.deadline).await
    }

    /// Makes the database that is restored to, with the roles and extensions that the dump takes for granted.
    ///
    /// # Errors
    /// The image lacks an extension, or the disk is full.
    pub async fn prepare(&self, header: &Header) -> Result<Variables, Failure> {
        let doing = "preparing the engine";
        for sql in [
            format!("CREATE ROLE {OWNER} LOGIN BYPASSRLS"),
            format!("CREATE ROLE {READER} LOGIN BYPASSRLS IN ROLE {OWNER}"),
        ] {
            self.sql(SUPERUSER, "postgres", doing, &sql).await?;
        }
        for role in header.roles.iter().filter(|role| ![SUPERUSER, OWNER, READER].contains(&role.as_str())) {
            self.sql(SUPERUSER, "postgres", doing, &format!("CREATE ROLE {} NOLOGIN", identifier(role)))
                .await?;
        }
        let create = |locale: &str| {
            let encoding = literal(&header.encoding);
            format!("CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0 ENCODING {encoding}{locale}")
        };
        let (collate, ctype) = (literal(&header.collate), literal(&header.ctype));
        let as_it_was = create(&format!(" LC_COLLATE {collate} LC_CTYPE {ctype}"));
        if self.sql(SUPERUSER, "postgres", doing, &as_it_was).await.is_err() {
            // The image has no such language: order and upper case of letters beyond ASCII may differ.
            self.sql(SUPERUSER, "postgres", doing, &create(" LC_COLLATE 'C' LC_CTYPE 'C'")).await?;
        }
        for (name, schema) in header.extensions.iter().filter(|(name, _)| name != "plpgsql") {
            let (name, schema) = (identifier(name), identifier(schema));
            let doing = format!("making the extension {name} (is it in the image?)");
            if !schema.starts_with("\"pg_") {
                let sql = format!("CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {OWNER}");
                self.sql(SUPERUSER, DATABASE, &doing, &sql).await?;
            }
            let sql = format!("CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {schema} CASCADE");
            self.sql(SUPERUSER, DATABASE, &doing, &sql)
                .await
                .map_err(|failure| Failure { reason: reasons::RESTORE_FAILED, ..failure })?;
        }
        Ok(self.variables(OWNER, DATABASE))
    }

    /// For the user's checks: may read everything and change nothing, with a limit on each statement.
    #[must_use]
    pub fn reader(&self, seconds: u64) -> Variables {
        let mut variables = self.variables(READER, DATABASE);
        let options = format!("-c default_transaction_read_only=on -c statement_timeout={seconds}s");
        variables.push(("PGOPTIONS".to_owned(), options));
        variables
    }

    /// How the superuser asks what was restored.
    #[must_use]
    pub fn superuser(&self) -> Variables {
        self.variables(SUPERUSER, DATABASE)
    }

    /// Ends the engine and removes its folder.
    ///
    /// # Errors
    /// Something is left.
    pub async fn remove(mut self) -> Result<(), Failure> {
        // At once, without a checkpoint: nobody keeps what is there.
        self.running.ask_to_end(Signal::QUIT);
        if tokio::time::timeout(Duration::from_secs(10), self.running.child.wait()).await.is_err() {
            self.running.kill().await;
        }
        std::fs::remove_dir_all(&self.folder)
            .map_err(|error| disk("what the drill left", &self.folder, &error))
    }
}
