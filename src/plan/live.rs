//! What a revision does to the Tenants that stand in a cluster: the operator's own plan, for the brake.
//!
//! It is held against the cluster and not against the files that were accepted before: what is in the cluster
//! is what runs, and it is there after a restart, over rewritten history and for another repository. A Tenant
//! of which accepted files say the same is none of the new revision's doing.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use crate::{
    api::{
        Platform, Tenant,
        platform::{PlatformSpec, Source},
    },
    validate::{
        cross::{Decision, Owner, decide},
        manifest::Schemas,
        offline::{PLACEHOLDER, Ruler},
        platform::{self, ValidatedPlatform},
        set::Set,
        tenant::{self as rules, ValidatedTenant},
    },
};

use super::{
    change,
    tenant::{self, Side},
    types::{Change, Plan, TenantPlan},
};

/// What stands.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The Platform whose source it is.
    pub platform: &'a Platform,
    /// Its rules.
    pub rules: &'a ValidatedPlatform,
    /// Its Tenants.
    pub tenants: &'a [Arc<Tenant>],
    /// Every Tenant of the cluster, and whose it is.
    pub owners: &'a BTreeMap<String, Owner>,
    /// What the files of the accepted revision declare; `None` when nobody knows.
    pub accepted: Option<Set>,
}

/// What the files of `head` would do to what stands. New Tenants are left out: they are no effect.
pub fn plan(standing: &Standing<'_>, mut head: Set, schemas: &Schemas) -> Plan {
    let present = Ruler { platform: standing.platform.clone(), rules: standing.rules.clone() };
    let accepted = standing.accepted.as_ref();
    let before = accepted.and_then(|set| ruler(standing, set)).unwrap_or_else(|| present.clone());
    let after = ruler(standing, &head).unwrap_or(present);
    if let Some(accepted) = accepted.filter(|_| before.rules == after.rules) {
        keep_changed(&mut head, accepted);
    }
    let decision = decide(head, &after.platform, &after.rules, standing.owners);
    let mut plan = Plan::default();
    for live in standing.tenants {
        match one(live, &decision, [&before, &after], schemas) {
            Some(change) => plan.tenants.push(change),
            None => plan.unchanged += 1,
        }
    }
    plan
}

/// The Platform as it is once the rules are written that files set; `None` when none does.
fn ruler(standing: &Standing<'_>, set: &Set) -> Option<Ruler> {
    if set.platforms.is_empty() {
        return None;
    }
    let platforms = Set { platforms: set.platforms.clone(), ..Set::default() };
    let set = decide(platforms, standing.platform, standing.rules, standing.owners).rules?;
    let spec = with_source(&set, standing.platform.spec.source.as_ref()).ok()?;
    let platform = Platform { spec, ..standing.platform.clone() };
    let rules = platform::validate(&platform).ok()?;
    Some(Ruler { platform, rules })
}

/// A Platform's spec: the rules that a file sets, and the trust root that none does.
///
/// # Errors
/// The rules don't fit.
pub fn with_source(
    rules: &serde_json::Value,
    source: Option<&Source>,
) -> Result<PlatformSpec, serde_json::Error> {
    let mut spec = rules.clone();
    spec["source"] = json!(source);
    serde_json::from_value(spec)
}

/// Leaves the Tenants of which the accepted files say something else, or nothing.
fn keep_changed(head: &mut Set, accepted: &Set) {
    let said: BTreeMap<&str, &str> =
        accepted.tenants.iter().map(|one| (one.name.as_str(), one.given.text())).collect();
    head.tenants.retain(|one| said.get(one.name.as_str()) != Some(&one.given.text()));
}

/// What happens to one Tenant; `None` when nothing does.
fn one(
    live: &Tenant,
    decision: &Decision,
    [before, after]: [&Ruler; 2],
    schemas: &Schemas,
) -> Option<TenantPlan> {
    let wanted = decision.wanted.get(live.metadata.name.as_deref()?);
    let is_same = wanted.is_none_or(|wanted| wanted.tenant.spec == live.spec);
    if is_same && before.rules == after.rules {
        return None;
    }
    let was = json!({
        "apiVersion": crate::api::marks::API_VERSION, "kind": "Tenant",
        "metadata": {"name": live.metadata.name}, "spec": live.spec,
    });
    // The API server refuses it: nothing happens.
    if wanted.is_some_and(|wanted| !change::transitions(&was, &wanted.manifest, schemas).is_empty()) {
        return None;
    }
    // What the rules will refuse stays as it is.
    let new = checked(rules::validate(wanted.map_or(live, |wanted| &wanted.tenant), &after.rules).ok()?);
    let new = Side::of(&new, after);
    match rules::examine(live, &before.rules).0.map(checked) {
        Some(old) => tenant::compare(&Side::of(&old, before), &new),
        None => Some(tenant::fresh(&new, Change::Mended)),
    }
}

/// One uid for both sides: the file of a Tenant doesn't know it.
fn checked(tenant: ValidatedTenant) -> ValidatedTenant {
    ValidatedTenant { uid: PLACEHOLDER.to_owned(), ..tenant }
}

#[cfg(test)]
mod tests;
