//! Brings Tenants to what their files say, and nothing else: a Tenant is written only when its own
//! content differs, whatever else a commit changed.

use std::sync::Arc;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::{
    api::{Platform, Tenant, conditions::reasons, finding::Finding, marks},
    apply::customers::Origin,
    desired::meta::short_hash,
    runtime::call::CallError,
    validate::cross::{Decision, Wanted},
};

use super::{super::context::Context, look::Look};

/// Writes under way at once.
const AT_ONCE: usize = 8;

/// What came of the writes.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Whether every Tenant is as its file says now.
    pub(super) complete: bool,
    /// Tenants that couldn't be written: name, reason, message.
    pub(super) failed: Vec<(String, &'static str, String)>,
    /// What the API server has against a file.
    pub(super) findings: Vec<Finding>,
}

/// Writes every Tenant that differs from its file, and the Platform's own rules.
pub(super) async fn all(ctx: &Context, platform: &Platform, look: &Look, decision: &Decision) -> Written {
    let name = platform.metadata.name.as_deref().unwrap_or_default();
    let mut written = Written { complete: true, ..Written::default() };
    if let Some(rules) = &decision.rules
        && differs(platform, rules)
        && let Err(error) = ctx.writer.platform_rules(name, rules).await
    {
        warn!(%error, "the Platform's rules are not written");
        written.complete = false;
    }
    let jobs = decision.wanted.values().filter_map(|wanted| job(ctx, name, look, wanted));
    let jobs: Vec<_> = jobs.collect();
    let futures = jobs.into_iter().map(|job| one(ctx.clone(), job));
    let mut results = stream::iter(futures).buffer_unordered(AT_ONCE);
    while let Some((wanted, result)) = results.next().await {
        let Err(error) = result else { continue };
        warn!(tenant = wanted.manifest.name, %error, "not written");
        written.complete = false;
        let message = format!("{}: the API server answers: {error}", wanted.manifest.file);
        let refused = matches!(error, CallError::Invalid(_) | CallError::Forbidden(_));
        let reason = if refused { reasons::APPLY_REFUSED } else { reasons::APPLY_FAILED };
        if refused {
            let finding = Finding::of_file(
                &wanted.manifest.file,
                format!("the API server refuses Tenant {}: {error}", wanted.manifest.name),
            );
            written.findings.push(finding.at(wanted.manifest.line, 1));
        }
        written.failed.push((wanted.manifest.name.clone(), reason, message));
    }
    written
}

/// A Tenant that has to be written.
struct Job {
    wanted: Wanted,
    live: Option<Arc<Tenant>>,
    origin: Origin,
}

/// What has to be done for a Tenant; `None` when it is right.
fn job(ctx: &Context, platform: &str, look: &Look, wanted: &Wanted) -> Option<Job> {
    let live = ctx.world().tenant(&wanted.manifest.name);
    let value = &wanted.manifest.document.value;
    let content =
        json!([value.pointer("/metadata/labels"), value.pointer("/metadata/annotations"), value.get("spec")]);
    let source = format!("{platform}/{}", wanted.manifest.file);
    let blob = short_hash(content.to_string().as_bytes(), 24);
    if let Some(live) = &live {
        let annotation =
            |key: &str| live.metadata.annotations.as_ref().and_then(|map| map.get(key)).map(String::as_str);
        let marked = annotation(marks::SOURCE) == Some(&source) && annotation(marks::BLOB) == Some(&blob);
        if marked && live.spec == wanted.tenant.spec {
            return None;
        }
    }
    let (commit, committed_at) = look.commit(&wanted.manifest.file).unwrap_or_default();
    Some(Job {
        wanted: wanted.clone(),
        live,
        origin: Origin { source, commit, committed_at, blob, platform: platform.to_owned() },
    })
}

async fn one(ctx: Context, job: Job) -> (Wanted, Result<(), CallError>) {
    let result = write(&ctx, &job).await;
    (job.wanted, result)
}

async fn write(ctx: &Context, job: &Job) -> Result<(), CallError> {
    let name = &job.wanted.manifest.name;
    let empty = Value::Null;
    let value = &job.wanted.manifest.document.value;
    let metadata = value.get("metadata").unwrap_or(&empty);
    let spec = value.get("spec").unwrap_or(&empty);
    let mut tenant = ctx.writer.tenant(name, metadata, spec, &job.origin).await?;
    if tenant.spec != job.wanted.tenant.spec {
        // Somebody added fields that the file doesn't have: apply leaves them, Git's word doesn't.
        tenant = ctx.writer.tenant_spec(&tenant, spec).await?;
    }
    let what = if job.live.is_some() { "Tenant brought to its file" } else { "Tenant created" };
    info!(tenant = name, commit = job.origin.commit, file = job.wanted.manifest.file, "{what}");
    drop(tenant);
    Ok(())
}

/// Whether the Platform's rules in the cluster aren't what the file says.
fn differs(platform: &Platform, rules: &Value) -> bool {
    let mut wanted = rules.clone();
    wanted["source"] = json!(platform.spec.source);
    serde_json::from_value::<crate::api::platform::PlatformSpec>(wanted)
        .map_or(true, |wanted| wanted != platform.spec)
}
