//! `tenantry plan`: what a pull request would do, without a cluster or held against one.

mod approvals;
mod cluster;
mod human;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use serde::Serialize;

use crate::{
    plan::{
        self, Doors, Plan, Revision,
        cluster::ClusterPlan,
        markdown,
        report::{Approved, Report, Standing, Verdict},
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
                  there. No content of a Secret is shown, and no password in a URL.\n\n\
                  With --cluster the plan is held against what is there: every object that it touches is sent as a dry \
                  run, and nothing is written. So it also tells what admission refuses, what somebody changed by hand \
                  and the same pass would heal, pauses, and Tenants that came through another door. The guards let \
                  only the operator write its objects: plan with the rights of manifests/ci/planner.yaml, which may do \
                  nothing but dry runs (--as, or a kubeconfig of its own). No Secret is read; in a namespace that does \
                  not exist yet nothing can be tried.\n\n\
                  Ends with 0 when there is a plan, 1 when HEAD has findings that BASE has not or the cluster refuses \
                  an object, 2 when something can't be read or asked. With --exit-code also, the first that is true: \
                  4 when the brake would hold it, 5 when approvals are missing (with --signers), 3 when something \
                  changes.",
    after_help = "Examples:\n  \
                  tenantry plan main..HEAD --path tenants --platform-path platform\n  \
                  tenantry plan origin/main...HEAD --path tenants --platform platform.yaml\n  \
                  tenantry plan main..feature --output markdown > comment.md\n  \
                  tenantry plan main..HEAD --cluster --as system:serviceaccount:tenantry-system:tenantry-planner\n  \
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
    /// File with the Platform that the Tenants belong to, where it does not come from the repository; with --cluster
    /// Platforms that no file has are those of the cluster
    #[arg(long, value_name = "FILE")]
    pub platform: Option<PathBuf>,
    /// File with the allowed signers: says which approvals are missing, where the Platform asks for some; the notes are
    /// those of this repository (git fetch origin refs/notes/tenantry-approvals:refs/notes/tenantry-approvals)
    #[arg(long, value_name = "FILE")]
    pub signers: Option<PathBuf>,
    /// Form of the plan
    #[arg(long, value_name = "FORM", value_enum, default_value = "human")]
    pub output: Form,
    /// End with 4 when the brake would hold it, 5 when approvals are missing, 3 when something changes
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten, next_help_heading = "Cluster")]
    #[allow(missing_docs)] // clap would print it as help
    pub live: cluster::LiveArgs,
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
    /// What the rules for approvals say, with `--signers`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    approvals: &'a [Approved],
    /// What the cluster says, with `--cluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ClusterPlan>,
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
    let mut before = revision(&old, &given, doors, None);
    let mut after = revision(&new, &given, doors, Some((&old, &before)));
    if args.platform.is_none() {
        let found = args.live.platforms([&before, &after], &given.schemas)?;
        before.files.extend(found.iter().cloned());
        after.files.extend(found);
    }
    let manifests = after.files.iter().flat_map(|file| &file.tenants).filter(|one| one.valid);
    let manifests = manifests.map(|one| (one.name.clone(), Arc::clone(one))).collect();
    let planned = plan::plan(before, after, &given.schemas, doors);
    let mut report = Report::new(base.to_string(), head.to_string(), planned, None);
    report.approved = approvals::judge(&repository, args.signers.as_ref(), &report.planned, [base, head])?;
    if let Some(cluster) = args.live.ask(&report.planned, &manifests, &report.head)? {
        report.held_against(cluster);
    }
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
        Form::Markdown => format!("{}{}\n", markdown::render(report), markdown::MARK),
        Form::Json => serde_json::to_string_pretty(&Json {
            base: &report.base,
            head: &report.head,
            hash: report.planned.plan.hash(),
            changes: !report.planned.plan.is_empty(),
            plan: &report.planned.plan,
            brake: &report.verdicts,
            approvals: &report.approved,
            cluster: report.cluster.as_ref(),
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
    match report.standing() {
        Standing::Findings => 1,
        Standing::Held if args.exit_code => 4,
        _ if args.exit_code && report.approved.iter().any(|approved| !approved.passes) => 5,
        _ if args.exit_code && !report.planned.plan.is_empty() => 3,
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
