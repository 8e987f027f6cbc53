//! The platform loop: its rules checked, its Secrets read, its Tenants summed up.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::warn;

use crate::{
    api::{Platform, platform_status::PlatformStatus},
    observe::secrets,
    runtime::call::CallError,
    status::platform::{self as status, Facts},
    trail::record,
    validate::platform::validate,
};

use super::{context::Context, health, hooks, outcome::Next};

/// One pass over a Platform.
pub async fn reconcile(ctx: &Context, name: &str) -> Next {
    let Some(platform) = ctx.world().platform(name) else {
        forget(ctx, name);
        return Next::Rest;
    };
    let next = read_pull_secrets(ctx, name, &platform)
        .await
        .sooner(hooks::read_key(ctx, name, &platform).await)
        .sooner(hooks::ask_issuer(ctx, name, &platform));
    let problems = validate(&platform).err().unwrap_or_default();
    let report = ctx.board().reports.get(name).cloned();
    let posts = ctx.board().posts.get(name).cloned();
    let store = ctx.board().stores.get(name).cloned();
    let audit = ctx.board().audits.get(name).cloned();
    let (tenants, orphans) = {
        let world = ctx.world();
        (world.tenants_of(name), world.orphans(name))
    };
    let facts = Facts {
        platform: &platform,
        problems: &problems,
        tenants: &tenants,
        orphans,
        source: report.as_ref(),
        posts: posts.as_ref(),
        store: store.as_ref(),
        audit: audit.as_ref(),
        now: Timestamp::now(),
    };
    let status = status::status(&facts);
    count(ctx);
    let object = record::object(&*platform);
    let before = platform.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    // Nothing else tells when a look at the store has become too old.
    let next = if store.is_some() { next.sooner(Next::After(status::AGAIN)) } else { next };
    if platform.status.as_ref() == Some(&status) {
        health::said(ctx, &object, before, before);
        return next;
    }
    match ctx.writer.platform_status(&platform, &status).await {
        Ok(written) => {
            health::said(ctx, &object, before, &status.conditions);
            let signals = ctx.world().platform_written(Arc::new(written));
            signals.into_iter().for_each(|signal| ctx.signal(signal));
            // The source waits for its word to be said: see there.
            if accepted(platform.status.as_ref()) != accepted(Some(&status)) {
                ctx.wake_source(name);
            }
            next
        }
        Err(CallError::NotFound(_)) => {
            health::gone(ctx, &object);
            next
        }
        Err(error) => {
            health::unsure(ctx, &object, before);
            warn!(%error, platform = name, "status not written");
            Next::Retry
        }
    }
}

/// The newest revision that passed.
fn accepted(status: Option<&PlatformStatus>) -> Option<&str> {
    Some(status?.source.as_ref()?.accepted.as_str())
}

fn forget(ctx: &Context, name: &str) {
    let mut board = ctx.board();
    board.reports.remove(name);
    board.waves.remove(name);
    board.pull_secrets.remove(name);
    board.hook_keys.remove(name);
    board.issuers.remove(name);
    board.posts.remove(name);
    board.stores.remove(name);
    board.audits.remove(name);
}

/// Reads the Secrets that the Platform names and tells its Tenants when they changed. Nothing watches
/// them (that would take the right to list Secrets), so they are read again now and then.
async fn read_pull_secrets(ctx: &Context, name: &str, platform: &Platform) -> Next {
    let references = &platform.spec.images.pull_secret_refs;
    if references.is_empty() {
        ctx.board().pull_secrets.remove(name);
        return Next::Rest;
    }
    let read = secrets::pull_secret(&ctx.client, &ctx.namespace, references)
        .await
        .map_err(|error| error.to_string());
    let next = if read.is_ok() { Next::After(secrets::REFRESH) } else { Next::Retry };
    let before = ctx.board().pull_secrets.insert(name.to_owned(), read.clone());
    if before != Some(read) {
        let tenants = ctx.world().tenants_of(name);
        tenants
            .iter()
            .filter_map(|tenant| tenant.metadata.name.clone())
            .for_each(|tenant| ctx.tenants.add(tenant));
    }
    next
}

/// Tenants by readiness, and services by what the loss of a zone would do, over all Platforms.
fn count(ctx: &Context) {
    let ((ready, not_ready, unknown), losses) = {
        let world = ctx.world();
        (world.readiness(), world.zone_losses())
    };
    ctx.metrics.tenants(ready, not_ready, unknown);
    losses.into_iter().for_each(|(answer, services)| ctx.metrics.zone_loss(answer.as_str(), services));
}
