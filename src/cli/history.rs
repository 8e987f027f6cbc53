//! `tenantry history`: what was changed of a Tenant, by whose commit, from the operator's change trail.

use std::{fs, path::PathBuf, process::ExitCode};

use anstyle::Style;
use serde_json::json;

use crate::{
    trail::{
        chain::{Piece, Verified, verify_some},
        disk,
        keeper::TRAIL,
        record::{Change, Outcome as What},
    },
    validate::text::sanitize,
};

use super::{
    Outcome, out,
    run::DATA,
    status::Form,
    style::{BAD, GOOD, OPEN, count, paint},
    table::table,
};

/// Arguments of `tenantry history`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Show who changed a Tenant, from which commit, from the operator's change trail",
    long_about = "Show who changed a Tenant, from which commit, from the operator's change trail.\n\n\
                  The trail is a chain: each record has the digest of the one before. All of it is verified, and \
                  what doesn't verify is named.\n\n\
                  Ends with 0 when the trail verifies, 1 when it does not, 2 when it can't be read.",
    after_help = "Examples:\n  \
                  tenantry history acme\n  \
                  tenantry history acme --data-dir /backup/tenantry --output json\n  \
                  tenantry history acme 000001.jsonl 000002.jsonl    # segments that were copied\n  \
                  kubectl -n tenantry-system exec deploy/tenantry -- tenantry history acme"
)]
pub struct Args {
    /// The Tenant, or a Platform whose rules come from Git
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Segments that follow each other, instead of the whole trail: then nothing says where it ends
    #[arg(value_name = "FILE", conflicts_with = "data_dir")]
    pub files: Vec<PathBuf>,
    /// The operator's folder
    #[arg(long, value_name = "FOLDER", env = "TENANTRY_DATA", default_value = DATA)]
    pub data_dir: PathBuf,
    /// Form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value = "table")]
    pub output: Form,
}

/// Shows the records.
///
/// # Errors
/// The trail can't be read.
pub fn main(args: &Args) -> Outcome {
    let verified = read(args)?;
    let total = verified.changes.len();
    let records: Vec<&Change> =
        verified.changes.iter().filter(|change| change.object.name == args.tenant).collect();
    let text = match args.output {
        Form::Json => {
            let all = json!({"records": records, "verified": verified.problems.is_empty(), "problems": verified.problems});
            serde_json::to_string_pretty(&all)? + "\n"
        }
        Form::Table if records.is_empty() => String::new(),
        Form::Table => table(&HEAD, &rows(&records)),
    };
    out::stdout(&text)?;
    if records.is_empty() {
        out::stderr(&format!("there is no record of {}", args.tenant));
    }
    for problem in &verified.problems {
        out::stderr(&format!("{}: {problem}", paint(BAD, "broken")));
    }
    if verified.problems.is_empty() {
        out::stderr(&format!(
            "{}: all {} of the trail verify",
            paint(GOOD, "verified"),
            count(total, "record")
        ));
        return Ok(ExitCode::SUCCESS);
    }
    out::stderr(
        "the record before a break may be the one that was changed; what follows it in the same segment is not shown",
    );
    Ok(ExitCode::from(1))
}

fn read(args: &Args) -> Result<Verified, String> {
    let error = |path: &PathBuf, error| {
        format!("{} can't be read: {error}; name the operator's folder with --data-dir", path.display())
    };
    if args.files.is_empty() {
        let folder = args.data_dir.join(TRAIL);
        return disk::read(&folder).map_err(|problem| error(&folder, problem));
    }
    let read = |path: &PathBuf| {
        Ok((path.display().to_string(), fs::read(path).map_err(|problem| error(path, problem))?))
    };
    let files: Vec<(String, Vec<u8>)> = args.files.iter().map(read).collect::<Result<_, String>>()?;
    let pieces: Vec<Piece<'_>> = files.iter().map(|(name, bytes)| Piece { name, bytes }).collect();
    Ok(verify_some(&pieces))
}

const HEAD: [&str; 7] = ["TIME", "OUTCOME", "COMMIT", "AUTHOR", "BEFORE", "AFTER", "FILE"];

/// One line a change. An object that does not begin as the last record left it was changed in between, and Git
/// did not do it.
fn rows(records: &[&Change]) -> Vec<Vec<(String, Style)>> {
    let short = |text: Option<&String>| text.map(|text| text.chars().take(8).collect()).unwrap_or_default();
    let mut last: Option<&String> = None;
    let mut rows = Vec::new();
    for change in records {
        let strange = last.is_some() && change.before.as_ref() != last;
        last = change.after.as_ref().or(last);
        let colour = match change.outcome {
            What::Created | What::Updated => GOOD,
            What::Healed | What::Unknown => OPEN,
            What::Refused | What::Failed => BAD,
        };
        rows.push(vec![
            (change.time.chars().take(19).collect::<String>() + "Z", Style::new()),
            (change.outcome.as_str().to_owned(), colour),
            (short(Some(&change.commit)), Style::new()),
            (sanitize(&change.author.name, 40), Style::new()),
            (short(change.before.as_ref()), if strange { OPEN } else { Style::new() }),
            (short(change.after.as_ref()), Style::new()),
            (sanitize(&change.file, 120), Style::new()),
        ]);
    }
    rows
}
