//! `tenantry plan`: what a pull request would do, without a cluster.

mod human;
mod markdown;
mod words;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use serde::Serialize;

use crate::{
    plan::{
        self, Doors, Plan, Planned, Revision,
        brake::{Held, judge},
    },
    source::{CommitId, Door, Local, Snapshot},
    validate::{
        cross::through_door,
        manifest::{self, Manifests, Schemas},
        offline::review,
    },
};

use super::{Outcome, crds::schemas, files::Files, out};

/// Arguments of `tenantry plan`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Say what a change of the repository would do: Tenants, children, restarts, stops",
    long_about = "Say what a change of the repository would do: Tenants, children field by field, what restarts, what \
                  stops, quotas and zones afterwards, and whether the brake would hold it.\n\n\
                  Both revisions are read from the repository's objects; the work tree is not looked at and not \
                  touched. BASE stands for what the cluster has: what HEAD leaves out or gets wrong stays as it is \
                  there. What only a cluster knows is not in a plan: drift, pauses, Tenants that came through \
                  another door. No content of a Secret is shown, and no password in a URL.\n\n\
                  Ends with 0 when there is a plan, 1 when HEAD has findings that BASE has not, 2 when something \
                  can't be read. With --exit-code also 3 when something changes, and 4 when the brake would hold it.",
    after_help = "Examples:\n  \
                  tenantry plan main..HEAD --path tenants --platform-path platform\n  \
                  tenantry plan origin/main...HEAD --path tenants --platform platform.yaml\n  \
                  tenantry plan main..feature --output markdown > comment.md\n  \
                  tenantry plan HEAD~1..HEAD --exit-code"
)]
pub struct Args {
    /// Two revisions; with three dots (BASE...HEAD) what HEAD did since it left BASE
    #[arg(value_name = "BASE..HEAD")]
    pub range: String,
    /// Folder of the repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// Folder of the Tenants' files, from the top of the repository; all of it when absent
    #[arg(long, value_name = "FOLDER")]
    pub path: Option<String>,
    /// Folder of the Platforms' files, from the top of the repository; without it, Platforms among the Tenants' files
    /// are taken
    #[arg(long, value_name = "FOLDER", conflicts_with = "platform")]
    pub platform_path: Option<String>,
    /// File with the Platform that the Tenants belong to, where it does not come from the repository
    #[arg(long, value_name = "FILE")]
    pub platform: Option<PathBuf>,
    /// Form of the plan
    #[arg(long, value_name = "FORM", value_enum, default_value = "human")]
    pub output: Form,
    /// End with 3 when something changes, and with 4 when the brake would hold it
    #[arg(long)]
    pub exit_code: bool,
}

/// The form of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A table, and every field below it
    #[default]
    Human,
    /// A comment for a pull request, summary first, details folded
    Markdown,
    /// One object with the plan, its hash and the brake's verdicts
    Json,
}

/// What is printed.
#[derive(Debug)]
struct Report {
    /// Full id of the first commit.
    base: String,
    /// Full id of the second commit.
    head: String,
    planned: Planned,
    verdicts: Vec<Verdict>,
}

/// What a Platform's brake says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    platform: String,
    /// Whether its settings are the defaults, because its source is not among the files.
    assumed: bool,
    held: Option<Held>,
    /// The line that lets the commit pass, where it is held.
    acknowledge: Option<String>,
}

/// `--output json`. The names are API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    base: &'a str,
    head: &'a str,
    hash: String,
    changes: bool,
    plan: &'a Plan,
    brake: &'a [Verdict],
}

/// Prints the plan.
///
/// # Errors
/// The repository, a revision or a file can't be read.
pub fn main(args: &Args) -> Outcome {
    let repository = Local::open(&args.repo)?;
    let (base, head) = range(&repository, &args.range)?;
    let given = Given::read(args)?;
    let path = args.path.as_deref().unwrap_or_default();
    let platform_path = args.platform_path.as_deref();
    let old = repository.read(base, path, platform_path, true)?;
    let new = repository.read(head, path, platform_path, false)?;
    let doors = Doors { strict: args.platform.is_some(), git_platforms: platform_path.is_some() };
    let before = revision(&old, &given, doors, None);
    let after = revision(&new, &given, doors, Some((&old, &before)));
    let planned = plan::plan(before, after, &given.schemas, doors);
    let verdicts = verdicts(&planned, &head.to_string());
    let report = Report { base: base.to_string(), head: head.to_string(), planned, verdicts };
    print(args, &report, given.bytes(&new))?;
    Ok(ExitCode::from(code(args, &report)))
}

fn print(
    args: &Args,
    report: &Report,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let text = match args.output {
        Form::Human => human::render(report, &files),
        Form::Markdown => markdown::render(report),
        Form::Json => serde_json::to_string_pretty(&Json {
            base: &report.base,
            head: &report.head,
            hash: report.planned.plan.hash(),
            changes: !report.planned.plan.is_empty(),
            plan: &report.planned.plan,
            brake: &report.verdicts,
        })
        .map(|text| text + "\n")?,
    };
    out::stdout(&text)?;
    if args.output == Form::Human {
        out::stderr(&human::last(report));
    }
    Ok(())
}

fn code(args: &Args, report: &Report) -> u8 {
    let plan = &report.planned.plan;
    if !plan.findings.is_empty() {
        return 1;
    }
    match args.exit_code {
        true if report.verdicts.iter().any(|verdict| verdict.held.is_some()) => 4,
        true if !plan.is_empty() => 3,
        _ => 0,
    }
}

/// The two commits that `BASE..HEAD` or `BASE...HEAD` names; a side that is left out is `HEAD`, as in Git.
fn range(repository: &Local, text: &str) -> Result<(CommitId, CommitId), Box<dyn std::error::Error>> {
    let (base, head, since) = match (text.split_once("..."), text.split_once("..")) {
        (Some((base, head)), _) => (base, head, true),
        (None, Some((base, head))) => (base, head, false),
        (None, None) => {
            let shown = crate::validate::text::quote(text);
            return Err(format!("{shown} names one revision; write BASE..HEAD, such as main..HEAD").into());
        }
    };
    let commit = |name: &str| repository.commit(if name.is_empty() { "HEAD" } else { name });
    let (base, head) = (commit(base)?, commit(head)?);
    let base = if since { repository.merge_base(base, head)? } else { base };
    Ok((base, head))
}

/// What both revisions are held against.
struct Given {
    schemas: Schemas,
    platforms: Vec<Manifests>,
    files: Files,
}

impl Given {
    fn read(args: &Args) -> Result<Self, Box<dyn std::error::Error>> {
        let schemas = schemas();
        let mut files = Files::default();
        let mut platforms = Vec::new();
        if let Some(path) = &args.platform {
            files.add(path)?;
            platforms = files.manifests(&schemas);
            let (shown, found) = (path.display(), review(platforms.clone(), false));
            if !found.findings.is_empty() {
                return Err(format!("{shown} has findings; tenantry validate {shown} shows them").into());
            }
            if found.platforms.is_empty() {
                return Err(format!("{shown} has no Platform; name the file that has it").into());
            }
        }
        Ok(Self { schemas, platforms, files })
    }

    /// What findings cite lines of.
    fn bytes(self, head: &Snapshot) -> BTreeMap<String, Vec<u8>> {
        let mut bytes = self.files.bytes;
        bytes.extend(head.files.iter().map(|(path, file)| (path.clone(), file.bytes.to_vec())));
        bytes
    }
}

/// One revision's files, parsed; those that are as in `before` are not parsed again.
fn revision(
    snapshot: &Snapshot,
    given: &Given,
    doors: Doors,
    before: Option<(&Snapshot, &Revision)>,
) -> Revision {
    let mut files = given.platforms.clone();
    let parsed = before.into_iter().flat_map(|(_, revision)| revision.files.iter().skip(files.len()));
    let parsed: BTreeMap<&str, &Manifests> = parsed.map(|found| (found.file.as_str(), found)).collect();
    for (path, file) in &snapshot.files {
        let same = |(snapshot, _): (&Snapshot, _)| {
            snapshot.files.get(path).is_some_and(|old| old.blob == file.blob && old.door == file.door)
        };
        if let Some(known) = parsed.get(path.as_str()).filter(|_| before.is_some_and(same)) {
            files.push((*known).clone());
            continue;
        }
        let mut found = manifest::read(path, &file.bytes, &given.schemas);
        if doors.git_platforms {
            through_door(&mut found, file.door == Door::Platform);
        }
        files.push(found);
    }
    Revision { files, findings: snapshot.findings.clone() }
}

/// What the brake of each Platform says: as BASE has it, since HEAD can't loosen it.
fn verdicts(planned: &Planned, head: &str) -> Vec<Verdict> {
    let verdict = |platform: &plan::PlatformPlan| {
        let name = &platform.name;
        let ruler = planned.base.platforms.get(name).or_else(|| planned.head.platforms.get(name));
        let source = ruler.and_then(|ruler| ruler.platform.spec.source.as_ref());
        let brake = source.map(|source| source.brake.clone()).unwrap_or_default();
        let held = judge(&planned.plan, name, &brake, platform.tenants).err();
        let acknowledge = held.as_ref().map(|held| held.acknowledge(head));
        Verdict { platform: name.clone(), assumed: source.is_none(), held, acknowledge }
    };
    planned.plan.platforms.iter().map(verdict).collect()
}
