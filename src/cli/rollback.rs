//! `tenantry rollback`: a commit that takes one back, on a new branch of the user's own repository.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    source::{Checkout, Reverted},
    validate::manifest::{self, Schemas},
};

use super::{Outcome, crds::schemas, out};

/// Arguments of `tenantry rollback`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Write a commit that takes one back, on a new branch of your repository",
    long_about = "Write a commit that takes one back, on a new branch of your repository.\n\n\
                  Of a commit everything is taken back; of a Tenant, the last change of its file. Nothing is \
                  pushed, no branch is moved and no file is checked out: push the branch and open a pull request, \
                  as for every change.\n\n\
                  Ends with 0 when the branch is there, 2 when nothing was written.",
    after_help = "Examples:\n  \
                  tenantry rollback 182bbef1 --branch undo-182bbef1\n  \
                  tenantry rollback acme --repo ~/config --branch acme-back"
)]
pub struct Args {
    /// At least 7 digits of a commit's id, or the name of a Tenant
    #[arg(value_name = "COMMIT|TENANT")]
    pub what: String,
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub repo: PathBuf,
    /// Name of the new branch
    #[arg(long, value_name = "NAME")]
    pub branch: String,
}

/// Writes the commit.
///
/// # Errors
/// It conflicts, or what was named isn't there.
pub fn main(args: &Args) -> Outcome {
    let checkout = Checkout::open(&args.repo)?;
    let made = match checkout.find(&args.what) {
        Some(commit) => checkout.revert(commit, &args.branch)?,
        None => checkout.restore(&args.what, &file_of(&checkout, &args.what)?, &args.branch)?,
    };
    out::stdout(&words(&made, &args.branch))?;
    Ok(ExitCode::SUCCESS)
}

/// The one file of a Tenant, which must be alone in it.
fn file_of(checkout: &Checkout, tenant: &str) -> Result<String, Box<dyn std::error::Error>> {
    let schemas = schemas();
    let mut files = Vec::new();
    for (path, bytes) in checkout.files()? {
        let names = tenants(&schemas, &path, &bytes);
        if names.iter().any(|name| name == tenant) {
            files.push((path, names.len()));
        }
    }
    match files.as_slice() {
        [] => Err(format!(
            "{tenant} is neither a commit nor a Tenant of the files at HEAD; write at least 7 digits of a commit's id, \
             and name the repository with --repo"
        )
        .into()),
        [(path, 1)] => Ok(path.clone()),
        [(path, _)] => Err(format!(
            "{path} holds other Tenants besides {tenant}; take back its commit: git log -- {path}"
        )
        .into()),
        [(one, _), (two, _), ..] => Err(format!(
            "both {one} and {two} hold Tenant {tenant}; take back the commit that you mean: git log -- {one} {two}"
        )
        .into()),
    }
}

fn tenants(schemas: &Schemas, path: &str, bytes: &[u8]) -> Vec<String> {
    let found = manifest::read(path, bytes, schemas);
    found.tenants.iter().map(|tenant| tenant.name.clone()).collect()
}

fn words(made: &Reverted, branch: &str) -> String {
    let mut text = format!(
        "branch {branch}: commit {} takes back {} ({})\n",
        made.commit.short(),
        made.undone.short(),
        made.subject
    );
    for (path, gone) in &made.files {
        let note = match gone {
            true => ": gone; a Tenant in it stays in the cluster, lifecycle: Cancelled ends it",
            false => "",
        };
        text.push_str(&format!("  {path}{note}\n"));
    }
    text + &format!("next: git push origin {branch}, and open a pull request\n")
}
