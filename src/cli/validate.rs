//! `tenantry validate`: what the cluster would say of files, without a cluster.

use std::{path::PathBuf, process::ExitCode};

use crate::validate::offline::{Review, review};

use super::{
    Outcome,
    crds::schemas,
    files::Files,
    out,
    report::{self, Form},
    style::count,
};

/// Arguments of `tenantry validate`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Check files offline: the same parser, schema and rules as in the cluster",
    long_about = "Check files offline: the same parser, schema and rules as in the cluster.\n\n\
                  What only a cluster knows is not checked: whether a namespace is somebody else's, whether a \
                  field that can't change has changed, and the rules of a Platform that is not among the files.\n\n\
                  Ends with 0 when nothing is wrong, 1 with findings, 2 when something can't be read.",
    after_help = "Examples:\n  \
                  tenantry validate tenants\n  \
                  tenantry validate tenants --platform platform.yaml\n  \
                  tenantry validate --output github tenants    # in a GitHub workflow\n  \
                  helm template shop | tenantry validate -"
)]
pub struct Args {
    #[command(flatten)]
    #[allow(missing_docs)] // clap would print it as help
    pub input: Input,
    /// Form of the findings
    #[arg(long, value_name = "FORM", value_enum, default_value = "human")]
    pub output: Form,
}

/// Which files.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// Files, folders (with all *.yaml and *.yml below, but for folders that begin with a dot), or - for stdin
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// File with the Platform that the Tenants belong to; without it, Platforms among the files are taken
    #[arg(long, value_name = "FILE")]
    pub platform: Option<PathBuf>,
}

/// Checks files.
///
/// # Errors
/// A path can't be read.
pub fn main(args: &Args) -> Outcome {
    let (files, review) = args.input.review()?;
    out::stdout(&report::render(args.output, &review.findings, &review.notes, &files.bytes))?;
    out::stderr(&summary(&files, &review));
    Ok(if review.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Input {
    /// Reads and judges the files.
    ///
    /// # Errors
    /// A path can't be read, or the file of `--platform` has no Platform.
    pub fn review(&self) -> Result<(Files, Review), Box<dyn std::error::Error>> {
        let schemas = schemas();
        let mut files = Files::default();
        let mut manifests = Vec::new();
        if let Some(path) = &self.platform {
            files.add(path)?;
            manifests = files.manifests(&schemas);
            if manifests.iter().all(|file| file.platforms.is_empty() && file.findings.is_empty()) {
                return Err(format!("{} has no Platform; name the file that has it", path.display()).into());
            }
        }
        for path in &self.paths {
            files.add(path)?;
        }
        manifests.extend(files.manifests(&schemas));
        let mut review = review(manifests, self.platform.is_some());
        review.findings.append(&mut files.findings);
        review.findings.sort();
        Ok((files, review))
    }
}

/// `3 Tenants, 1 Platform in 4 files: no findings`.
pub fn summary(files: &Files, review: &Review) -> String {
    let found = match review.findings.len() {
        0 => "no findings".to_owned(),
        some => count(some, "finding"),
    };
    let notes = match review.notes.len() {
        0 => String::new(),
        some => format!(", {}", count(some, "note")),
    };
    format!(
        "{}, {} in {}: {found}{notes}",
        count(review.tenants_named, "Tenant"),
        count(review.platforms_named, "Platform"),
        count(files.len(), "file"),
    )
}
