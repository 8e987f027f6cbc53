//! The source loop: Git → source → validate → Tenants written to the cluster.
//!
//! - [`look`]: asks the repository, and reads what changed
//! - [`gate`]: whether a new head is taken over, with [`signed`] and [`approvals`] as its last stages; a [`hold`] says
//!   why not
//! - [`brake`]: whether it does too much at once to what runs
//! - [`write`]: brings Tenants to what their files say
//! - [`note`]: writes down what came of it
//!
//! Two rhythms: the network at the Platform's interval (or when a push hook or an annotation asks), and the
//! cluster whenever a Tenant changes, so that a Tenant owned by Git is healed like a child.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::ResourceExt;
use tracing::{Instrument, info, info_span, warn};

use crate::{
    api::{
        Platform,
        conditions::reasons,
        marks,
        platform::Source,
        platform_status::{MOST_FINDINGS, SourceStatus},
    },
    runtime::backoff::{self, Backoff},
    source::{Class, SourceError},
    status::{platform::SourceReport, promises::SourceState},
    validate::{
        cross::{Decision, Owner, decide},
        platform::{ValidatedPlatform, validate},
    },
};

use super::{
    context::{Context, Wake},
    pause,
};

mod approvals;
mod brake;
mod gate;
mod hold;
mod look;
mod note;
mod settings;
mod signed;
mod write;

pub(super) use gate::blocking;
pub(super) use settings::settings;

/// Least time between two looks at the cluster: Tenants change in crowds.
const CALM: Duration = Duration::from_millis(100);

/// Wait of a loop that has nothing due.
const IDLE: Duration = Duration::from_secs(60);

/// What one source loop remembers.
#[derive(Debug, Default)]
struct Memory {
    look: look::Look,
    /// The spec that the memory belongs to: another repository starts anew.
    source: Option<Source>,
    /// Answered `tenantry.dev/reconcile-requested-at`.
    requested: Option<String>,
    /// What `tenantry.dev/acknowledge` said at the last look.
    acknowledged: Option<String>,
    /// When the network is next due.
    due: Option<Instant>,
    /// The look under way, and when it began.
    looking: Option<Looking>,
    failures: u32,
    /// The server asked for patience: a hook doesn't shorten it.
    patient: bool,
    failure: Option<(&'static str, String, bool)>,
    decided: Option<Decided>,
    /// What the API server refused since the last look.
    refused: write::Refused,
    /// The status doesn't say yet that the revision is accepted: nothing of it is written before.
    unsaid: bool,
    /// Failures that are in the change trail already.
    noted: note::Noted,
    /// Writes that failed in a row, and when they are tried again.
    stumbles: u32,
    again: Option<Instant>,
}

/// A decision and what it was made of.
#[derive(Debug)]
struct Decided {
    revision: String,
    rules: ValidatedPlatform,
    owners: BTreeMap<String, Owner>,
    decision: Decision,
}

/// A look at the network under way; it ends with the loop.
#[derive(Debug)]
struct Looking {
    start: Instant,
    task: tokio::task::JoinHandle<Result<look::Found, SourceError>>,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs the source loop of a Platform until it is aborted.
pub async fn run(ctx: Context, name: String, wake: Arc<Wake>) {
    let span = info_span!("source", platform = name);
    let mut memory = Memory::default();
    async {
        loop {
            let Some(platform) = ctx.world().platform(&name) else { return };
            step(&ctx, &platform, &mut memory, &wake).await;
            let stepped = Instant::now();
            let due = memory.due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            let calm = if memory.unsaid { Duration::ZERO } else { CALM };
            let found = tokio::select! {
                found = landed(&mut memory.looking) => Some(found),
                () = tokio::time::sleep(due), if memory.looking.is_none() => None,
                () = sleep_until(memory.again) => None,
                () = wake.rung() => {
                    tokio::time::sleep(calm.saturating_sub(stepped.elapsed())).await;
                    None
                }
            };
            if let Some((found, took)) = found {
                took_a_look(&ctx, &platform, &mut memory, found, took);
            }
        }
    }
    .instrument(span)
    .await;
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the look under way; for ever when there is none.
async fn landed(looking: &mut Option<Looking>) -> (Result<look::Found, SourceError>, Duration) {
    let Some(under_way) = looking else { return std::future::pending().await };
    let result = (&mut under_way.task).await.unwrap_or_else(|error| {
        Err(SourceError::Child { detail: format!("the look ended early: {error}"), source: None })
    });
    let took = under_way.start.elapsed();
    *looking = None;
    (result, took)
}

/// One round: begins a look at the network if it is due, then brings the cluster to what is known.
async fn step(ctx: &Context, platform: &Arc<Platform>, memory: &mut Memory, wake: &Wake) {
    let Some(source) = &platform.spec.source else { return };
    let Ok(rules) = validate(platform) else {
        // The Platform's own status says what is wrong with it.
        memory.due = Some(Instant::now() + source.git.interval.0);
        return;
    };
    if memory.source.as_ref() != Some(source) {
        *memory = Memory { source: Some(source.clone()), ..Memory::default() };
    }
    if memory.looking.is_none() && is_due(platform, memory, wake.taken()) {
        let look = look::look(ctx.clone(), Arc::clone(platform), memory.look.seen());
        memory.looking = Some(Looking { start: Instant::now(), task: tokio::spawn(look) });
    }
    let Some(report) = bring(ctx, platform, &rules, memory).await else { return };
    let before = ctx.board().reports.insert(rules.name.clone(), report.clone());
    if before.as_ref() != Some(&report) {
        ctx.wake_forge(&rules.name);
        ctx.platforms.add_urgent(rules.name);
    }
}

/// Brings the cluster to what the files say; `None` before the first look has ended.
async fn bring(
    ctx: &Context,
    platform: &Platform,
    rules: &ValidatedPlatform,
    memory: &mut Memory,
) -> Option<SourceReport> {
    let Some(snapshot) = memory.look.snapshot.clone() else {
        let failure = failure(memory)?;
        let mut status = previous(platform);
        status.head = memory.look.head.map_or(status.head, |head| head.to_string());
        return Some(SourceReport { failure: Some(failure), status });
    };
    decide_anew(memory, platform, rules, owners(ctx));
    let plan_only = is_plan_only(platform);
    let paused = plan_only || pause::until(&platform.metadata, jiff::Timestamp::now()).is_some();
    let revision = snapshot.revision.to_string();
    // Acceptance is said before anything of it is done: an operator that is killed in between goes on, and doesn't judge
    // what is half done once more, by other signers, or by an acknowledgement that no longer fits what is left to do.
    memory.unsaid = !paused && previous(platform).accepted != revision;
    if memory.unsaid {
        return Some(report(memory, &revision, &write::Written::default(), platform));
    }
    let Memory { look, decided, refused, noted, .. } = &mut *memory;
    let written = match decided {
        Some(decided) if !paused => write::all(ctx, platform, look, &decided.decision, refused, noted).await,
        _ => write::Written::default(),
    };
    memory.stumbles = if written.retry { memory.stumbles + 1 } else { 0 };
    let wait = || Backoff::RECONCILE.delay(memory.stumbles, backoff::unit());
    memory.again = written.retry.then(|| Instant::now() + wait());
    let mut report = report(memory, &revision, &written, platform);
    if plan_only {
        let message = format!(
            "revision {revision} is read and planned, and nothing of it is applied: the annotation {} is true; take it away to apply",
            marks::PLAN_ONLY
        );
        report.failure.get_or_insert((reasons::PLAN_ONLY, message, false));
    } else {
        publish(ctx, memory.decided.as_ref().map(|decided| &decided.decision), &written, platform);
    }
    Some(report)
}

fn is_plan_only(platform: &Platform) -> bool {
    platform.annotations().get(marks::PLAN_ONLY).is_some_and(|value| value == "true")
}

/// Why the source isn't at its head: it can't be read, or the head is held.
fn failure(memory: &Memory) -> Option<(&'static str, String, bool)> {
    let held = || memory.look.hold.as_ref().map(|hold| (hold.reason, hold.message.clone(), true));
    memory.failure.clone().or_else(held)
}

fn previous(platform: &Platform) -> SourceStatus {
    platform.status.as_ref().and_then(|status| status.source.clone()).unwrap_or_default()
}

fn is_due(platform: &Platform, memory: &mut Memory, hooked: bool) -> bool {
    let annotation = |key: &str| platform.annotations().get(key).cloned();
    let (asked, acknowledged) = (annotation(marks::RECONCILE_REQUESTED_AT), annotation(marks::ACKNOWLEDGE));
    let same = asked == memory.requested && acknowledged == memory.acknowledged;
    let anew = memory.due.is_some() && !same;
    memory.requested = asked;
    memory.acknowledged = acknowledged;
    anew || (hooked && !memory.patient) || memory.due.is_none_or(|due| due <= Instant::now())
}

/// Takes what a look brought, and says when the next one is due.
fn took_a_look(
    ctx: &Context,
    platform: &Platform,
    memory: &mut Memory,
    found: Result<look::Found, SourceError>,
    took: Duration,
) {
    let interval = platform.spec.source.as_ref().map_or(IDLE, |source| source.git.interval.0);
    ctx.metrics.git_fetch(if found.is_ok() { "ok" } else { "error" }, took);
    memory.refused.clear();
    memory.patient = matches!(&found, Err(error) if matches!(error.class(), Class::Waiting { .. }));
    let wait = match found {
        Ok(found) => {
            let held = memory.look.hold.clone();
            if memory.look.take(found) {
                let head = memory.look.snapshot.as_ref().map(|snapshot| snapshot.revision.short());
                info!(commit = head, "new revision");
            }
            if let Some(hold) = memory.look.hold.as_ref().filter(|hold| held.as_ref() != Some(hold)) {
                warn!(commit = %hold.commit, reason = hold.reason, why = hold.message, "the head is held");
            }
            memory.failures = 0;
            memory.failure = None;
            backoff::stretched(interval, backoff::unit())
        }
        Err(error) => {
            let (class, reason) = (error.class(), error.reason());
            warn!(%error, reason, "the repository can't be read");
            memory.failures += 1;
            memory.failure = Some((reason, error.to_string(), class == Class::Rejected));
            match class {
                Class::Rejected => backoff::stretched(interval, backoff::unit()),
                Class::Waiting { retry_after } => retry_after,
                Class::Transient => {
                    Backoff::RECONCILE.delay(memory.failures, backoff::unit()).min(interval.max(CALM))
                }
            }
        }
    };
    memory.due = Some(Instant::now() + wait);
}

/// Tenants in the cluster, and whose they are.
fn owners(ctx: &Context) -> BTreeMap<String, Owner> {
    let world = ctx.world();
    let names = world.tenant_names();
    let owner = |name: String| {
        let tenant = world.tenant(&name)?;
        let source = tenant.annotations().get(marks::SOURCE).cloned();
        Some((name, Owner { source, namespace: tenant.namespace().to_owned() }))
    };
    names.into_iter().filter_map(owner).collect()
}

/// Decides again only when something that the decision was made of has changed.
fn decide_anew(
    memory: &mut Memory,
    platform: &Platform,
    rules: &ValidatedPlatform,
    owners: BTreeMap<String, Owner>,
) {
    let Some(revision) = memory.look.snapshot.as_ref().map(|snapshot| snapshot.revision.to_string()) else {
        return;
    };
    let same = memory.decided.as_ref().is_some_and(|decided| {
        decided.revision == revision && decided.rules == *rules && decided.owners == owners
    });
    if !same {
        let mut decision = decide(memory.look.set(), platform, rules, &owners);
        decision.findings.extend(memory.look.findings());
        decision.findings.sort();
        memory.decided = Some(Decided { revision, rules: rules.clone(), owners, decision });
    }
}

/// Tells the tenant loop what is known of each file.
fn publish(ctx: &Context, decision: Option<&Decision>, written: &write::Written, platform: &Platform) {
    let Some(decision) = decision else { return };
    let mut states: BTreeMap<String, SourceState> = BTreeMap::new();
    for (name, wanted) in &decision.wanted {
        let state = match written.failed.iter().find(|(failed, ..)| failed == name) {
            Some((_, reason, message)) => SourceState::Behind { reason, message: message.clone() },
            None => SourceState::Synced { origin: wanted.manifest.file.clone() },
        };
        states.insert(name.clone(), state);
    }
    for (name, behind) in &decision.behind {
        states.insert(
            name.clone(),
            SourceState::Behind { reason: behind.reason, message: behind.message.clone() },
        );
    }
    let known = ctx.world().tenants_of(platform.metadata.name.as_deref().unwrap_or_default());
    let mut board = ctx.board();
    for (name, state) in states {
        let before = board.sources.insert(name.clone(), state.clone());
        if before.as_ref() != Some(&state)
            && known.iter().any(|tenant| tenant.metadata.name.as_ref() == Some(&name))
        {
            ctx.tenants.add(name);
        }
    }
}

fn report(memory: &Memory, accepted: &str, written: &write::Written, platform: &Platform) -> SourceReport {
    let mut findings =
        memory.decided.as_ref().map(|decided| decided.decision.findings.clone()).unwrap_or_default();
    findings.extend(written.findings.iter().cloned());
    let tenants = memory.decided.as_ref().map_or(0, |decided| decided.decision.wanted.len());
    let applied = if written.complete { accepted.to_owned() } else { previous(platform).applied };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let status = SourceStatus {
        head: memory.look.head.map_or_else(|| accepted.to_owned(), |head| head.to_string()),
        accepted: accepted.to_owned(),
        applied,
        files: count(memory.look.files()),
        tenants: count(tenants),
        finding_count: count(findings.len()),
        findings: findings.into_iter().take(MOST_FINDINGS).collect(),
    };
    SourceReport { status, failure: failure(memory) }
}
