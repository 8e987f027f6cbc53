//! Brings Tenants to what their files say, and nothing else: a Tenant is written only when its own
//! content differs, whatever else a commit changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{StreamExt, stream};
use kube::ResourceExt;
use serde_json::Value;
use tracing::{info, warn};

use crate::{
    api::{Platform, Tenant, conditions::reasons, finding::Finding, marks},
    apply::customers::Origin,
    desired::meta::short_hash,
    plan::live::with_source,
    runtime::call::CallError,
    validate::cross::{Decision, Wanted},
};

use super::{
    super::context::Context,
    look::Look,
    note::{Facts, Noted, State, note},
};

/// What we write ourselves, whatever a file says.
const WRITTEN: [&str; 5] = [marks::PLATFORM, marks::SOURCE, marks::COMMIT, marks::COMMITTED_AT, marks::BLOB];

/// Writes under way at once.
const AT_ONCE: usize = 8;

/// What came of the writes.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Whether every Tenant is as its file says now.
    pub(super) complete: bool,
    /// Whether another try may help before anything changes.
    pub(super) retry: bool,
    /// Tenants that couldn't be written: name, reason, message.
    pub(super) failed: Vec<(String, &'static str, String)>,
    /// What the API server has against a file.
    pub(super) findings: Vec<Finding>,
}

/// What the API server refused, by Tenant: the content, and its answer. The same content is not sent
/// again before the next look at the repository.
pub(super) type Refused = HashMap<String, (String, String)>;

/// Writes every Tenant that differs from its file, and the Platform's own rules.
pub(super) async fn all(
    ctx: &Context,
    platform: &Platform,
    look: &Look,
    decision: &Decision,
    refused: &mut Refused,
    noted: &mut Noted,
) -> Written {
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    let mut written = Written { complete: true, ..Written::default() };
    own_rules(ctx, platform, look, decision, noted, &mut written).await;
    let (known, jobs): (Vec<_>, Vec<_>) =
        decision.wanted.values().filter_map(|wanted| job(ctx, name, look, wanted)).partition(|job| {
            refused.get(&job.wanted.manifest.name).is_some_and(|(blob, _)| *blob == job.origin.blob)
        });
    for job in known {
        let answer = refused[&job.wanted.manifest.name].1.clone();
        written.refused(&job.wanted, &answer);
    }
    let futures = jobs.into_iter().map(|job| one(ctx.clone(), job));
    let mut results = stream::iter(futures).buffer_unordered(AT_ONCE);
    while let Some((job, result)) = results.next().await {
        let name = &job.wanted.manifest.name;
        job.note(ctx, look, noted, &result).await;
        let Err(error) = result else {
            refused.remove(name);
            continue;
        };
        warn!(tenant = name, %error, "not written");
        if matches!(error, CallError::Invalid(_) | CallError::Forbidden(_)) {
            refused.insert(name.clone(), (job.origin.blob.clone(), error.to_string()));
            written.refused(&job.wanted, &error.to_string());
        } else {
            written.retry = true;
            written.failed(&job.wanted, reasons::APPLY_FAILED, &error.to_string());
        }
    }
    written
}

impl Written {
    fn refused(&mut self, wanted: &Wanted, answer: &str) {
        let (file, name) = (&wanted.manifest.file, &wanted.manifest.name);
        let finding = Finding::of_file(file, format!("the API server refuses Tenant {name}: {answer}"));
        self.findings.push(finding.at(wanted.manifest.line, 1));
        self.failed(wanted, reasons::APPLY_REFUSED, answer);
    }

    fn failed(&mut self, wanted: &Wanted, reason: &'static str, answer: &str) {
        self.complete = false;
        let message = format!("{}: the API server answers: {answer}", wanted.manifest.file);
        self.failed.push((wanted.manifest.name.clone(), reason, message));
    }
}

/// Brings the Platform's own rules to what the file says, if one does.
async fn own_rules(
    ctx: &Context,
    platform: &Platform,
    look: &Look,
    decision: &Decision,
    noted: &mut Noted,
    written: &mut Written,
) {
    let Some(rules) = decision.rules.as_ref().filter(|rules| differs(platform, rules)) else { return };
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    let result = write_rules(ctx, name, rules).await;
    let blob = short_hash(rules.to_string().as_bytes(), 24);
    let file = &decision.rules_file;
    let facts = Facts { kind: "Platform", name, platform: name, file, blob: &blob, healed: false };
    let before = Some(State::of(&platform.metadata, &platform.spec));
    let after = result.as_ref().map(|after| State::of(&after.metadata, &after.spec));
    note(ctx, look, noted, &facts, before, after).await;
    if let Err(error) = result {
        warn!(%error, "the Platform's rules are not written");
        written.complete = false;
        written.retry = true;
    }
}

/// Writes the Platform's rules, and takes out what the file doesn't have.
async fn write_rules(ctx: &Context, name: &str, rules: &Value) -> Result<Platform, CallError> {
    let mut platform = ctx.writer.platform_rules(name, rules).await?;
    if differs(&platform, rules) {
        platform = ctx.writer.platform_spec(&platform, rules).await?;
    }
    info!(platform = name, "Platform brought to its file");
    Ok(platform)
}

/// A Tenant that has to be written.
struct Job {
    wanted: Wanted,
    live: Option<Arc<Tenant>>,
    origin: Origin,
}

impl Job {
    /// Writes down what came of it.
    async fn note(&self, ctx: &Context, look: &Look, noted: &mut Noted, result: &Result<Tenant, CallError>) {
        let manifest = &self.wanted.manifest;
        let annotations = self.live.as_ref().and_then(|live| live.metadata.annotations.as_ref());
        let healed = annotations.and_then(|map| map.get(marks::BLOB)) == Some(&self.origin.blob);
        let (name, file, platform) = (&manifest.name, &manifest.file, &self.origin.platform);
        let facts = Facts { kind: "Tenant", name, platform, file, blob: &self.origin.blob, healed };
        let before = self.live.as_ref().map(|live| State::of(&live.metadata, &live.spec));
        let after = result.as_ref().map(|after| State::of(&after.metadata, &after.spec));
        note(ctx, look, noted, &facts, before, after).await;
    }
}

/// What has to be done for a Tenant; `None` when it is right.
fn job(ctx: &Context, platform: &str, look: &Look, wanted: &Wanted) -> Option<Job> {
    let live = ctx.world().tenant(&wanted.manifest.name);
    let source = format!("{platform}/{}", wanted.manifest.file);
    let blob = short_hash(wanted.manifest.given.text().as_bytes(), 24);
    if let Some(live) = &live {
        let annotation = |key: &str| live.annotations().get(key).map(String::as_str);
        let marked = annotation(marks::SOURCE) == Some(&source) && annotation(marks::BLOB) == Some(&blob);
        let given = &wanted.tenant.metadata;
        let has = |given: Option<&BTreeMap<String, String>>, live: Option<&BTreeMap<String, String>>| {
            let mut pairs = given.into_iter().flatten().filter(|(key, _)| !WRITTEN.contains(&key.as_str()));
            pairs.all(|(key, value)| live.and_then(|map| map.get(key)) == Some(value))
        };
        let labelled = has(given.labels.as_ref(), live.metadata.labels.as_ref())
            && has(given.annotations.as_ref(), live.metadata.annotations.as_ref());
        if marked && labelled && live.spec == wanted.tenant.spec {
            return None;
        }
    }
    let (commit, info) = look.commit(&wanted.manifest.file).unzip();
    let commit = commit.map(|commit| commit.to_string()).unwrap_or_default();
    let committed_at = info.flatten().map(|info| info.author.time.to_string()).unwrap_or_default();
    Some(Job {
        wanted: wanted.clone(),
        live,
        origin: Origin { source, commit, committed_at, blob, platform: platform.to_owned() },
    })
}

async fn one(ctx: Context, job: Job) -> (Job, Result<Tenant, CallError>) {
    let result = write(&ctx, &job).await;
    (job, result)
}

async fn write(ctx: &Context, job: &Job) -> Result<Tenant, CallError> {
    let name = &job.wanted.manifest.name;
    let empty = Value::Null;
    let value = job.wanted.manifest.given.value();
    let metadata = value.get("metadata").unwrap_or(&empty);
    let spec = value.get("spec").unwrap_or(&empty);
    let mut tenant = ctx.writer.tenant(name, metadata, spec, &job.origin).await?;
    if tenant.spec != job.wanted.tenant.spec {
        // Somebody added fields that the file doesn't have: apply leaves them, Git's word doesn't.
        tenant = ctx.writer.tenant_spec(&tenant, spec).await?;
    }
    let what = if job.live.is_some() { "Tenant brought to its file" } else { "Tenant created" };
    info!(tenant = name, commit = job.origin.commit, file = job.wanted.manifest.file, "{what}");
    Ok(tenant)
}

/// Whether the Platform's rules in the cluster aren't what the file says.
fn differs(platform: &Platform, rules: &Value) -> bool {
    with_source(rules, platform.spec.source.as_ref()).map_or(true, |wanted| wanted != platform.spec)
}
