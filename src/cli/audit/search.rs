//! `tenantry audit search`: which events an archive has.

use std::process::ExitCode;

use anstyle::Style;
use jiff::Timestamp;

use super::place::Place;
use crate::audit::archive::Archive;
use crate::audit::frame::{Found, scan};
use crate::audit::layout::segment_of;
use crate::audit::pack::unpack;
use crate::audit::search::{Hit, Query, SOURCES, Seen};
use crate::cli::status::Form;
use crate::cli::table::table;
use crate::cli::{Outcome, out};
use crate::validate::text::sanitize;

/// Arguments of `tenantry audit search`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Search an archive by tenant, user, verb and time",
    long_about = "Search an archive by tenant, user, verb and time: events of the API server, changes from Git, \
                  conditions that turned, runs of backups and drills.\n\n\
                  An event that came by file and by webhook is shown once. What is shown is not verified: `tenantry \
                  audit verify` does that, and `audit prove` proves one event.\n\n\
                  Ends with 0 when something was found, 1 when nothing was, 2 when that can't be said.",
    after_help = "Examples:\n  tenantry audit search ./archive --tenant acme --verb delete --since 2026-11-01T00:00:00Z\n  \
                  tenantry audit search ./archive --tenant acme --source Health"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// In the namespaces of this Tenant, or the Tenant itself
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// By this user, as the API server names it
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// With this verb: get, list, create, patch, delete, …; or change, condition, backup, drill, restore, …
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// From this source alone
    #[arg(long, value_name = "SOURCE", value_parser = SOURCES)]
    source: Option<String>,
    /// Received at this time or later
    #[arg(long, value_name = "RFC 3339")]
    since: Option<Timestamp>,
    /// Received before
    #[arg(long, value_name = "RFC 3339")]
    until: Option<Timestamp>,
    /// Most events that are shown
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
    /// Form of the output; json is one object a line
    #[arg(long, value_name = "FORM", value_enum, default_value = "table")]
    output: Form,
}

/// Searches.
///
/// # Errors
/// The archive can't be read.
pub fn main(args: &Args) -> Outcome {
    let query = Query {
        tenant: args.tenant.clone(),
        user: args.user.clone(),
        verb: args.verb.clone(),
        source: args.source.clone(),
        since: args.since,
        until: args.until,
    };
    let mut hits = Vec::new();
    for (_, door) in &mut args.place.open()?.streams {
        find(door, &query, args.limit, &mut hits)?;
    }
    hits.sort_by(|one, other| one.time.cmp(&other.time));
    match args.output {
        Form::Table if hits.is_empty() => {}
        Form::Table => out::stdout(&table(&HEAD, &hits.iter().map(row).collect::<Vec<_>>()))?,
        Form::Json => {
            for hit in &hits {
                out::stdout(&(serde_json::to_string(hit)? + "\n"))?;
            }
        }
    }
    if hits.len() >= args.limit {
        out::stderr(&format!("there may be more: --limit is {}", args.limit));
    }
    Ok(if hits.is_empty() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn find(
    door: &mut impl Archive,
    query: &Query,
    limit: usize,
    hits: &mut Vec<Hit>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = door.list()?;
    paths.retain(|path| segment_of(path).is_some());
    paths.sort_unstable();
    let mut seen = Seen::default();
    for path in paths {
        let Some(packed) = door.get(&path)? else { continue };
        let segment = unpack(&packed).map_err(|error| format!("{path}: {error}"))?;
        for found in scan(&segment) {
            let Found::Record { record, .. } = found else { continue };
            if hits.len() >= limit {
                return Ok(());
            }
            hits.extend(query.hit(&record).filter(|hit| {
                let (id, of) = hit.identity();
                seen.is_new(id, of)
            }));
        }
    }
    Ok(())
}

const HEAD: [&str; 7] = ["TIME", "USER", "VERB", "OBJECT", "CODE", "STAGE OR WORDS", "ID"];

fn row(hit: &Hit) -> Vec<(String, Style)> {
    let plain = |text: &str, most| (sanitize(text, most), Style::new());
    vec![
        plain(&hit.time, 24),
        plain(&hit.user, 60),
        plain(&hit.verb, 20),
        plain(&hit.object, 120),
        plain(&hit.code.map(|code| code.to_string()).unwrap_or_default(), 5),
        plain(if hit.said.is_empty() { &hit.stage } else { &hit.said }, 160),
        plain(&hit.audit_id, 64),
    ]
}
