//! A plan, held against a cluster: what BASE's files are taken for is replaced by what is there. Pure: the edge reads
//! and tries, and hands in what came of it.
//!
//! ```text
//! Asked ─► Wanted ─► (read its objects) ─► Trials ─► (try its writes) ─► TenantThere
//! ```
//!
//! What is written and deleted is decided by the very function that the operator decides with, from the inventory
//! that it recorded; what becomes of an object is said by the API server. An object may need a write that is none
//! of the change's doing: somebody changed it. To tell the two apart, what the cluster's own Tenant asks for is built
//! as well, and tried where somebody was at work.
//!
//! No Secret is read or tried: of the one that the operator copies, only coming, going and a change of the Platform's
//! list are known.

use std::collections::BTreeSet;

use crate::{
    api::{
        Platform, Tenant,
        conditions::reasons,
        kinds::{Kind, ObjectId},
        marks,
        tenant::Mode,
        tenant_status::InventoryEntry,
    },
    apply::{
        manifest::Manifest,
        order::{self, Listed},
    },
    desired::{self, Scale},
    observe::world::id,
    validate::{
        cross::{Owner, consents},
        ground::{self, Ground, Inputs},
        offline::{PLACEHOLDER, Ruler, inputs},
        platform,
        tenant::{self as rules, ValidatedTenant},
    },
};

pub mod trial;
pub mod types;
pub mod words;

pub use trial::Trials;
pub use types::{ClusterPlan, Drift, Refusal, TenantThere, Untried};

/// A Tenant under its Platform's rules, as files have them.
pub type Ruled<'a> = (&'a ValidatedTenant, &'a Ruler);

/// What is asked of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// As BASE has it.
    pub base: Option<Ruled<'a>>,
    /// As HEAD has it.
    pub head: Ruled<'a>,
    /// The Tenant that is there.
    pub tenant: Option<&'a Tenant>,
    /// The Platform that is there.
    pub platform: Option<&'a Platform>,
    /// What a pass over it would know, but for its pull Secret.
    pub inputs: &'a Inputs,
    /// Until when nothing is written, if somebody said so.
    pub paused: Option<&'a str>,
}

/// What a Tenant is to have, and what is recorded of it.
#[derive(Debug)]
pub struct Wanted {
    pub(super) there: TenantThere,
    pub(super) manifests: Vec<Manifest>,
    pub(super) scales: Vec<Scale>,
    /// What the cluster's own Tenant asks for; `None` where there is none that makes sense.
    pub(super) before: Option<Listed>,
    pub(super) inventory: Vec<InventoryEntry>,
    pub(super) injectors: Vec<String>,
    pub(super) install_id: String,
    /// There is no namespace yet.
    pub(super) fresh: bool,
}

impl Wanted {
    /// What has to be read before anything can be tried.
    pub fn ids(&self) -> BTreeSet<ObjectId> {
        let recorded = self.inventory.iter().filter_map(id);
        let wanted = self.manifests.iter().map(|one| one.id.clone());
        recorded.chain(wanted).filter(|id| !self.fresh || id.kind == Kind::Namespace).collect()
    }
}

/// Begins with a Tenant.
///
/// # Errors
/// Nothing would be done for it, for the reasons that are in what is returned.
#[allow(clippy::result_large_err)] // both ways are taken once a Tenant
pub fn wanted(asked: &Asked<'_>) -> Result<Wanted, TenantThere> {
    let (tenant, ruler) = asked.head;
    let mut there = TenantThere { name: tenant.name.clone(), notes: notes(asked), ..TenantThere::default() };
    let object = format!("Tenant {}", tenant.name);
    if let Some(message) = elsewhere(asked) {
        there.refuse(object, message);
        return Err(there);
    }
    let ground = match ground::check(tenant, asked.inputs) {
        Ok(ground) => ground,
        Err(held) if held.reason == reasons::CANCELLED => {
            there.notes.push(held.message);
            return Err(there);
        }
        Err(held) => {
            there.refuse(object, format!("{}: {}", held.reason, held.message));
            return Err(there);
        }
    };
    if tenant.mode == Mode::Observe {
        there.notes.push(super::tenant::OBSERVED.to_owned());
        return Err(there);
    }
    let uid = asked.tenant.and_then(|live| live.metadata.uid.clone());
    let tenant = ValidatedTenant { uid: uid.unwrap_or_else(|| PLACEHOLDER.to_owned()), ..tenant.clone() };
    let Listed { manifests, scales, .. } = build(&tenant, ruler, asked.inputs);
    let status = asked.tenant.and_then(|live| live.status.as_ref());
    Ok(Wanted {
        there,
        manifests,
        scales,
        before: before(asked),
        inventory: status.map(|status| status.inventory.clone()).unwrap_or_default(),
        injectors: ruler.rules.isolation.injectors.clone(),
        install_id: asked.inputs.install_id.clone(),
        fresh: ground == Ground::Free,
    })
}

/// What a Platform is there, where that isn't what BASE says. Its trust root isn't BASE's to say.
pub fn platform_note(base: &Ruler, live: Option<&Platform>) -> Option<String> {
    let name = &base.rules.name;
    let Some(live) = live else {
        return Some(format!("Platform {name}: the cluster has none of that name"));
    };
    let rules = |platform: &Platform| {
        let mut spec = platform.spec.clone();
        spec.source = None;
        spec
    };
    (rules(&base.platform) != rules(live)).then(|| {
        format!("Platform {name}: its rules in the cluster are not those of BASE; the cluster's are taken for what was")
    })
}

/// Another door than Git has the Tenant, and the Platform's source won't take it over.
fn elsewhere(asked: &Asked<'_>) -> Option<String> {
    let (live, platform) = (asked.tenant?, asked.platform?);
    platform.spec.source.as_ref()?;
    let annotations = live.metadata.annotations.as_ref();
    let source = annotations.and_then(|map| map.get(marks::SOURCE)).cloned();
    let name = &asked.head.1.rules.name;
    let owner = Owner { source, namespace: live.namespace().to_owned() };
    if consents(&owner, name) {
        return None;
    }
    let holder = owner.source.map_or_else(|| "kubectl".to_owned(), |source| format!("source {source}"));
    Some(format!(
        "{}: it belongs to {holder} already, and this change will not reach it; to hand it over: kubectl annotate --overwrite tenant {} {}={name}",
        reasons::OWNED_ELSEWHERE,
        asked.head.0.name,
        marks::SOURCE
    ))
}

fn notes(asked: &Asked<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    match (asked.base, asked.tenant) {
        (Some(_), None) => notes.push("BASE has it, and the cluster has not: it is made anew".to_owned()),
        (Some((base, ruler)), Some(live)) => {
            let live = rules::examine(live, &ruler.rules).0;
            let live = live.map(|live| ValidatedTenant { uid: base.uid.clone(), ..live });
            if live.as_ref() != Some(base) {
                notes.push(
                    "the cluster's Tenant is not as BASE has it (not applied yet, or changed by somebody); the cluster's is taken for what was".to_owned(),
                );
            }
        }
        (None, Some(_)) => notes.push("it is in the cluster already, which BASE does not know".to_owned()),
        (None, None) => {}
    }
    if let Some(until) = asked.paused {
        notes.push(format!("{}: nothing of this is written before {until}", marks::PAUSED_UNTIL));
    }
    notes
}

/// What the Tenant and the Platform of the cluster ask for; nothing where the operator only observes.
fn before(asked: &Asked<'_>) -> Option<Listed> {
    let (live, platform) = (asked.tenant?, asked.platform?);
    let ruler = Ruler { platform: platform.clone(), rules: platform::validate(platform).ok()? };
    let tenant = rules::examine(live, &ruler.rules).0.filter(|tenant| tenant.mode != Mode::Observe)?;
    Some(build(&tenant, &ruler, asked.inputs))
}

fn build(tenant: &ValidatedTenant, ruler: &Ruler, given: &Inputs) -> Listed {
    let inputs = Inputs { pull_secret: inputs(&ruler.platform).pull_secret, ..given.clone() };
    let plan = desired::Plan { tenant, platform: &ruler.rules, inputs: &inputs };
    order::list(desired::objects(plan))
}

#[cfg(test)]
mod tests;
