//! The brake between reading a head and taking it over: does it do too much at once to what runs?

use std::sync::Arc;

use kube::ResourceExt;

use crate::{
    api::{Platform, marks},
    plan::{
        brake::{Acknowledged, judge},
        live::{self, Standing},
    },
    source::{CommitId, SourceError},
    validate::platform::validate,
};

use super::{
    super::context::Context,
    gate::blocking,
    hold::Hold,
    look::{Found, Parsed},
    owners,
};

/// Judges a head that came through the gate and was read. `known` are the files of the accepted revision.
pub(super) async fn pass(
    ctx: &Context,
    platform: &Arc<Platform>,
    accepted: Option<CommitId>,
    known: &Parsed,
    found: &Found,
) -> Result<Option<Hold>, SourceError> {
    let head = found.head();
    // After a restart: it was judged then.
    if accepted == Some(head) {
        return Ok(None);
    }
    let (set, before) = found.sets(known);
    let (ctx, platform) = (ctx.clone(), Arc::clone(platform));
    blocking(found.settings(), move |settings| {
        // Who has a source and wrong rules isn't looked at: see `step`.
        let (Some(source), Ok(rules)) = (&platform.spec.source, validate(&platform)) else { return Ok(None) };
        let tenants = ctx.world().tenants_of(&rules.name);
        let standing = Standing {
            platform: &platform,
            rules: &rules,
            tenants: &tenants,
            owners: &owners(&ctx),
            accepted: before,
        };
        let plan = live::plan(&standing, set, &ctx.schemas);
        let Err(held) = judge(&plan, &rules.name, &source.brake, tenants.len()) else { return Ok(None) };
        let said = platform.annotations().get(marks::ACKNOWLEDGE).map(|text| Acknowledged::read(text));
        let commit = head.to_string();
        if said.is_some_and(|said| held.released(&said, &commit)) {
            return Ok(None);
        }
        let changed = said.is_some_and(|said| said.commit == commit && said.hash.is_some());
        Ok(Some(Hold::braked(head, accepted, &held, settings, changed)))
    })
    .await
}
