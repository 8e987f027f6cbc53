//! restic itself with each role's credentials: it needs no more than they give.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tenantry::backup::store::policy::Role;
use tenantry::store::Credentials;
use tenantry_testbed::{REGION, programs};

use crate::Outcome;
use crate::scoped::{self, Bed};

struct Restic<'a> {
    program: PathBuf,
    folder: &'a Path,
    url: String,
}

impl Restic<'_> {
    /// A fresh cache each time: every pod has its own.
    fn run(&self, credentials: &Credentials, args: &[&str]) -> Outcome<Output> {
        let cache = tempfile::tempdir_in(self.folder)?;
        let mut command = Command::new(&self.program);
        command.args(["-o", "s3.bucket-lookup=path", "--cache-dir"]).arg(cache.path()).args(args);
        command.env("RESTIC_REPOSITORY", format!("s3:{}/backups/b/shop/acme/g0001", self.url));
        command.env("RESTIC_PASSWORD", "of-a-test").env("AWS_DEFAULT_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", credentials.access_key_id());
        command.env("AWS_SECRET_ACCESS_KEY", credentials.expose_secret());
        command.env("AWS_SESSION_TOKEN", credentials.expose_token().unwrap_or_default());
        Ok(command.current_dir(self.folder).output()?)
    }

    fn good(&self, credentials: &Credentials, args: &[&str]) -> Outcome<String> {
        let output = self.run(credentials, args)?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "restic {args:?}: {}", said(&output.stderr));
        Ok(said(&output.stdout))
    }

    fn ids(&self, credentials: &Credentials) -> Outcome<Vec<String>> {
        let said = self.good(credentials, &["snapshots", "--no-lock", "--json"])?;
        let list: Vec<serde_json::Value> = serde_json::from_str(said.trim())?;
        Ok(list.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect())
    }
}

#[tokio::test]
async fn restic_works_with_what_each_role_gives() -> Outcome {
    let Some(bed) = scoped::bed().await? else { return Ok(()) };
    let program = tokio::task::spawn_blocking(programs::stores::restic).await??;
    let folder = tempfile::tempdir()?;
    let restic = Restic { program, folder: folder.path(), url: bed.url() };
    let (backup, prune, read) = roles(&bed).await?;
    restic.good(&backup, &["init"])?;
    for text in ["first", "second"] {
        // As a run does it: nothing on disk, no shell, and no parent, which would have to be read.
        let dump =
            ["backup", "--force", "--stdin-from-command", "--stdin-filename", "app.dump", "--", "echo", text];
        restic.good(&backup, &dump)?;
    }
    let ids = restic.ids(&read)?;
    assert_eq!(ids.len(), 2);
    assert!(!restic.run(&backup, &["dump", "--no-lock", &ids[0], "app.dump"])?.status.success());
    // restic may call it a success although the store refused.
    restic.run(&backup, &["forget", &ids[0]])?;
    restic.run(&read, &["forget", "--no-lock", &ids[0]])?;
    assert_eq!(restic.ids(&read)?.len(), 2, "nothing was removed");
    let mut texts = Vec::new();
    for id in &ids {
        texts.push(restic.good(&read, &["dump", "--no-lock", id, "app.dump"])?);
    }
    texts.sort();
    assert_eq!(texts, ["first\n", "second\n"]);
    restic.good(&read, &["check", "--no-lock", "--read-data-subset=1/1"])?;
    restic.good(&prune, &["forget", &ids[0], "--prune"])?;
    assert_eq!(restic.ids(&read)?, [ids[1].clone()]);
    restic.good(&read, &["check", "--no-lock", "--read-data"])?;
    Ok(())
}

async fn roles(bed: &Bed) -> Outcome<(Credentials, Credentials, Credentials)> {
    let of = |role| bed.credentials(role, "acme");
    Ok((of(Role::Backup).await?, of(Role::Prune).await?, of(Role::Read).await?))
}
