//! The forge loop: open pull requests → plans → a comment and a status each; and a status for what is applied.
//!
//! - [`access`]: the Secret, and a client made of it
//! - [`plan`]: what one pull request would do
//!
//! The outbox is derived from state: what should be on the forge follows from its open pull requests and the
//! Platform, and what is there is read before anything is written. What is remembered here only saves calls. The
//! source loop never waits for this one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::ResourceExt;
use tracing::{Instrument, info, info_span, warn};

use crate::{
    api::{Platform, marks, platform::GitSource},
    forge::{Client, ForgeError, Pull, State, Status, Wrote, types::DESCRIPTION},
    plan::{markdown, report::Standing},
    runtime::backoff::{self, Backoff},
    source::{CommitId, SourceError},
    status::{
        applied::{Applied, applied},
        platform::PostReport,
    },
    validate::{platform::validate, text::sanitize},
};

use super::context::{Context, Wake};

pub(super) mod access;
mod plan;

/// Wait of a loop that has nothing due.
const IDLE: Duration = Duration::from_secs(600);
/// What a forge that fails gets: it is somebody else's machine.
const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(600) };
/// Most pull requests that get a plan; of more, the newest.
const MOST: usize = 200;

/// What one forge loop remembers.
#[derive(Debug, Default)]
struct Memory {
    /// The source that the memory belongs to.
    git: Option<GitSource>,
    access: access::Access,
    /// What each pull request's plan was made of, once it is on the forge.
    posted: BTreeMap<u64, Basis>,
    /// The status that a commit has for being applied.
    applied: Option<(String, Status)>,
    /// Answered `tenantry.dev/reconcile-requested-at`.
    requested: Option<String>,
    due: Option<Instant>,
    failures: u32,
    /// The forge asked for patience: a hook doesn't shorten it.
    patient: bool,
}

/// What a plan is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Basis {
    head: String,
    accepted: String,
    generation: Option<i64>,
}

/// Runs the forge loop of a Platform until it is aborted.
pub async fn run(ctx: Context, name: String, wake: Arc<Wake>) {
    let span = info_span!("forge", platform = name);
    let mut memory = Memory::default();
    async {
        loop {
            let Some(platform) = ctx.world().platform(&name) else { return };
            step(&ctx, &platform, &mut memory, wake.taken()).await;
            let wait = memory.due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            // Rung or not: the next round finds out what is to be done.
            let _ = tokio::time::timeout(wait, wake.rung()).await;
        }
    }
    .instrument(span)
    .await;
}

/// One round, if one is due or something is to be said of what is applied.
async fn step(ctx: &Context, platform: &Platform, memory: &mut Memory, asked: bool) {
    let name = platform.name_any();
    let git = platform.spec.source.as_ref().map(|source| &source.git);
    let Some(git) = git.filter(|git| git.forge.is_some() && validate(platform).is_ok()) else {
        *memory = Memory::default();
        publish(ctx, &name, None);
        return;
    };
    if memory.git.as_ref() != Some(git) {
        *memory = Memory { git: Some(git.clone()), ..Memory::default() };
    }
    let requested = platform.annotations().get(marks::RECONCILE_REQUESTED_AT).cloned();
    let asked = asked || (memory.due.is_some() && requested != memory.requested);
    memory.requested = requested;
    let due = memory.due.is_none_or(|due| due <= Instant::now()) || (asked && !memory.patient);
    let news =
        memory.failures == 0 && wanted(ctx, platform, git).is_some_and(|one| memory.applied != Some(one));
    if !due && !news {
        return;
    }
    let result = round(ctx, platform, git, memory, due).await;
    settle(ctx, &name, git, memory, result, due);
}

/// Says what came of a round, and when the next one is due.
fn settle(
    ctx: &Context,
    name: &str,
    git: &GitSource,
    memory: &mut Memory,
    result: Result<Vec<String>, ForgeError>,
    was_due: bool,
) {
    let pulls = memory.posted.len();
    match result {
        Ok(problems) => {
            memory.failures = 0;
            memory.patient = false;
            if was_due {
                memory.due = Some(Instant::now() + backoff::stretched(git.interval.0, backoff::unit()));
                publish(ctx, name, Some(PostReport { pulls, problems, failure: None }));
            }
        }
        Err(error) => {
            warn!(%error, "the forge");
            ctx.metrics.forge(error.label());
            memory.failures += 1;
            memory.patient = error.wait().is_some();
            let wait = error.wait().unwrap_or_else(|| BACKOFF.delay(memory.failures, backoff::unit()));
            memory.due = Some(Instant::now() + wait);
            let failure = Some((error.reason(), error.to_string()));
            publish(ctx, name, Some(PostReport { pulls, problems: Vec::new(), failure }));
        }
    }
}

fn publish(ctx: &Context, name: &str, report: Option<PostReport>) {
    let before = match report.clone() {
        Some(report) => ctx.board().posts.insert(name.to_owned(), report),
        None => ctx.board().posts.remove(name),
    };
    if before != report {
        ctx.platforms.add_urgent(name.to_owned());
    }
}

/// One round: what is applied, then each open pull request. What is wrong with one of them keeps no other waiting.
async fn round(
    ctx: &Context,
    platform: &Platform,
    git: &GitSource,
    memory: &mut Memory,
    due: bool,
) -> Result<Vec<String>, ForgeError> {
    let client = memory.access.client(ctx, git).await?;
    let mut problems = Vec::new();
    if let Some((commit, status)) =
        wanted(ctx, platform, git).filter(|one| memory.applied.as_ref() != Some(one))
    {
        match wrote(ctx, "applied", client.status(&commit, &status).await) {
            Err(error) if error.is_everywhere() => return Err(error),
            Err(error) => problems.push(error.to_string()),
            Ok(()) => {}
        }
        // Also where it is refused, as by a full list: the next commit gets another try.
        memory.applied = Some((commit, status));
    }
    let branch = git.branch.as_deref().unwrap_or("main");
    if !due || git.tag.is_some() || git.commit.is_some() {
        return Ok(problems);
    }
    let mut pulls = client.open_pulls(branch).await?;
    memory.posted.retain(|number, _| pulls.iter().any(|pull| pull.number == *number));
    pulls.drain(..pulls.len().saturating_sub(MOST));
    let accepted = ctx.board().reports.get(&platform.name_any()).map(|report| report.status.accepted.clone());
    // Before anything was accepted there is nothing to compare with; the source loop rings when there is.
    let Some(accepted) = accepted.and_then(|id| id.parse::<CommitId>().ok()) else { return Ok(problems) };
    for pull in pulls {
        let generation = platform.metadata.generation;
        let basis = Basis { head: pull.head.clone(), accepted: accepted.to_string(), generation };
        if memory.posted.get(&pull.number) == Some(&basis) {
            continue;
        }
        match post(ctx, platform, git, &client, &pull, accepted).await {
            Err(Trouble::Forge(error)) if error.is_everywhere() => return Err(error),
            Err(trouble) => {
                warn!(pull = pull.number, %trouble, "no plan is posted");
                problems.push(format!("pull request {}: {trouble}", pull.number));
            }
            Ok(()) => drop(memory.posted.insert(pull.number, basis)),
        }
    }
    Ok(problems)
}

/// Why a pull request has no plan.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Forge(ForgeError),
    #[error("{0}")]
    Source(SourceError),
}

/// Plans one pull request, and posts that.
async fn post(
    ctx: &Context,
    platform: &Platform,
    git: &GitSource,
    client: &Client,
    pull: &Pull,
    accepted: CommitId,
) -> Result<(), Trouble> {
    let Some(forge) = &git.forge else { return Ok(()) };
    let name = called(platform, git);
    let head: CommitId = pull.head.parse().map_err(Trouble::Source)?;
    let planned = match plan::plan(ctx, platform, accepted, head).await {
        Ok(report) => Ok(report),
        // What its author can mend is said there; what is wrong with our own source is nobody's business there.
        Err(error) if is_of_content(&error) => Err(error.to_string()),
        Err(error) => return Err(Trouble::Source(error)),
    };
    let (state, line) = match &planned {
        Ok(report) => (state(report.standing()), report.line()),
        Err(problem) => (State::Failure, format!("no plan: {problem}")),
    };
    if forge.post.comment
        && let Ok(report) = &planned
    {
        let wrote_it = client.comment(pull.number, &name, &markdown::render(report)).await;
        wrote(ctx, "comment", wrote_it).map_err(Trouble::Forge)?;
    }
    if forge.post.status {
        let status = status("plan", &name, state, &line);
        wrote(ctx, "plan", client.status(&pull.head, &status).await).map_err(Trouble::Forge)?;
    }
    Ok(())
}

fn is_of_content(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::TooLarge { .. }
            | SourceError::TooManyFiles { .. }
            | SourceError::PathNotFound { .. }
            | SourceError::NoMergeBase { .. }
    )
}

fn state(standing: Standing) -> State {
    match standing {
        Standing::Clean => State::Success,
        Standing::Held => State::Pending,
        Standing::Findings => State::Failure,
    }
}

fn status(what: &str, name: &str, state: State, line: &str) -> Status {
    let context = format!("tenantry/{what}/{name}");
    Status { context, state: Some(state), description: sanitize(line, DESCRIPTION) }
}

/// What a Platform is called on the forge.
fn called(platform: &Platform, git: &GitSource) -> String {
    let given = git.forge.as_ref().and_then(|forge| forge.name.clone());
    given.unwrap_or_else(|| platform.name_any())
}

/// The status that the newest commit should have for being applied, or not; `None` while nobody knows.
fn wanted(ctx: &Context, platform: &Platform, git: &GitSource) -> Option<(String, Status)> {
    git.forge.as_ref().filter(|forge| forge.post.status)?;
    let report = ctx.board().reports.get(&platform.name_any()).cloned()?;
    let (commit, outcome) = applied(&platform.name_any(), &report)?;
    let (state, words) = match outcome {
        Applied::Yes(words) => (State::Success, words),
        Applied::Held(words) => (State::Pending, words),
        Applied::No(words) => (State::Failure, words),
    };
    Some((commit, status("applied", &called(platform, git), state, &words)))
}

/// Counts a write, and says that it was made.
fn wrote(ctx: &Context, what: &'static str, result: Result<Wrote, ForgeError>) -> Result<(), ForgeError> {
    match result? {
        Wrote::Same => ctx.metrics.forge("same"),
        done => {
            ctx.metrics.forge("written");
            info!(what, ?done, "written to the forge");
        }
    }
    Ok(())
}
