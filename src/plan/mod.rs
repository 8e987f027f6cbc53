//! What becomes of the cluster when one revision of the configuration follows another: Tenants, their
//! children field by field, what restarts and what stops. Pure: files in, [`Plan`] out.
//!
//! ```text
//! files of BASE ─► review ─┐
//!                          ├─► Plan ─► brake
//! files of HEAD ─► review ─┘
//! ```
//!
//! - [`types`]: what a plan says
//! - [`change`]: what HEAD may not say after BASE
//! - [`tenant`], [`objects`], [`diff`]: one Tenant, its children, their fields
//! - [`cluster`]: the same, held against what a cluster has
//! - [`live`]: what a revision does to the Tenants that stand in a cluster
//! - [`effects`], [`brake`]: what is counted, and whether it is too much at once
//! - [`waves`]: how what no Tenant asked for reaches them, a few at a time
//! - [`report`], [`words`], [`markdown`]: how it is told

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::finding::Finding,
    validate::{
        manifest::{Manifests, Schemas},
        offline::{Review, Sound, Standing, review, review_after},
    },
};

pub mod brake;
pub mod change;
pub mod cluster;
pub mod diff;
pub mod effects;
pub mod live;
pub mod markdown;
pub mod objects;
pub mod report;
pub mod tenant;
pub mod types;
pub mod waves;
pub mod words;

use tenant::Side;
pub use types::{Change, Effect, FieldChange, ObjectChange, Plan, PlatformPlan, TenantPlan, Verb};

/// What one revision holds.
#[derive(Clone, Debug, Default)]
pub struct Revision {
    /// Its files, parsed.
    pub files: Vec<Manifests>,
    /// What the repository itself has against its files: links, sizes, names.
    pub findings: Vec<Finding>,
}

/// How the revisions are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// Every Tenant has to name one of the Platforms given.
    pub strict: bool,
    /// Platforms come from Git: their trust root doesn't.
    pub git_platforms: bool,
}

/// A plan, and what it was made of.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What the first revision means.
    pub base: Review,
    /// What the second revision means where the first one stands.
    pub head: Review,
}

/// Compares two revisions. What HEAD leaves out or gets wrong stays as BASE has it.
pub fn plan(base: Revision, mut head: Revision, schemas: &Schemas, doors: Doors) -> Planned {
    change::refuse(&base.files, &mut head.files, schemas, doors.git_platforms);
    let before = review(base.files, doors.strict);
    let standing = Standing {
        platforms: before.platforms.clone(),
        namespaces: before
            .sound
            .iter()
            .map(|one| (one.tenant.namespace.clone(), one.tenant.name.clone()))
            .collect(),
    };
    let after = review_after(head.files, doors.strict, &standing);
    let mut plan = Plan { notes: after.notes.clone(), ..Plan::default() };
    let was: BTreeSet<Finding> = findings(&before, base.findings).into_iter().map(placeless).collect();
    for finding in findings(&after, head.findings) {
        let known = was.contains(&placeless(finding.clone()));
        if known { plan.known.push(finding) } else { plan.findings.push(finding) }
    }
    plan.platforms = platforms(&before, &after);
    tenants(&before, &after, &mut plan);
    Planned { plan, base: before, head: after }
}

/// Everything that is wrong with a revision. A Tenant without a Platform can't be planned, which is wrong here
/// though it may be right.
fn findings(review: &Review, of_repository: Vec<Finding>) -> Vec<Finding> {
    let unruled = review.unruled.iter().map(|(name, place)| {
        let message = format!("Tenant {name} can't be planned without Platform \"{}\"", place.message);
        Finding { message, ..place.clone() }
            .hint("name its file with --platform, or its folder in the repository with --platform-path")
    });
    let mut all: Vec<Finding> = review.findings.iter().cloned().chain(of_repository).chain(unruled).collect();
    all.sort();
    all
}

/// A finding by what it says: lines above it that come or go don't make it another one.
fn placeless(finding: Finding) -> Finding {
    Finding { line: 0, column: 0, ..finding }
}

fn platforms(before: &Review, after: &Review) -> Vec<PlatformPlan> {
    let spec = |review: &Review, name: &str| {
        let ruler = review.platforms.get(name)?;
        serde_json::to_value(&ruler.platform.spec).ok()
    };
    let one = |name: &String| {
        let (old, new) = (spec(before, name), spec(after, name));
        let fields = match (old, new) {
            (Some(old), Some(new)) => {
                diff::fields(&serde_json::json!({ "spec": old }), &serde_json::json!({ "spec": new }))
            }
            (None, Some(_)) => vec![FieldChange {
                path: "spec".into(),
                old: None,
                new: Some("this Platform is new among the files".into()),
                hidden: false,
            }],
            _ => Vec::new(),
        };
        let tenants = before.sound.iter().filter(|tenant| tenant.platform == *name).count();
        PlatformPlan { name: name.clone(), tenants, fields }
    };
    after.platforms.keys().map(one).collect()
}

fn tenants(before: &Review, after: &Review, plan: &mut Plan) {
    let names: BTreeSet<&str> = [before, after].into_iter().flat_map(named).collect();
    let (olds, news) = (by_name(before), by_name(after));
    for name in names {
        let (old, new) = (olds.get(name), news.get(name));
        if old.zip(new).is_some_and(|(old, new)| is_same(before, after, old, new)) {
            plan.unchanged += 1;
            continue;
        }
        let (old, new) = (old.and_then(|one| side(before, one)), new.and_then(|one| side(after, one)));
        let change = match (old, new) {
            (Some(old), Some(new)) => tenant::compare(&old, &new),
            (None, Some(new)) if before.refused.contains_key(name) || is_unruled(before, name) => {
                let message = "BASE has findings against it: what it has in the cluster is not known here";
                Some(TenantPlan { message: Some(message.into()), ..tenant::fresh(&new, Change::Mended) })
            }
            (None, Some(new)) => Some(tenant::fresh(&new, Change::Added)),
            (old, None) => stays(name, old.as_ref(), before, after),
        };
        match change {
            Some(change) => plan.tenants.push(change),
            None => plan.unchanged += 1,
        }
    }
}

/// A Tenant that HEAD doesn't have, or gets wrong: nothing happens to it. `None` when that was so before.
fn stays(name: &str, old: Option<&Side<'_>>, before: &Review, after: &Review) -> Option<TenantPlan> {
    let known = |change| TenantPlan {
        platform: old.map(|old| old.ruler.rules.name.clone()).unwrap_or_default(),
        namespace: old.map(|old| old.tenant.namespace.clone()).unwrap_or_default(),
        ..tenant::untouched(name, change)
    };
    if let Some(refused) = after.refused.get(name) {
        let message = Some(refused.message.clone());
        return (before.refused.get(name) != Some(refused)).then(|| TenantPlan {
            reason: Some(refused.reason),
            message,
            ..known(Change::Refused)
        });
    }
    if is_unruled(after, name) {
        return None; // the finding says it
    }
    let file = before.sound.iter().find(|one| one.tenant.name == name).map(|one| one.file.clone());
    if let Some(file) = file.filter(|file| after.incomplete.contains(file)) {
        let reason = Some(crate::api::conditions::reasons::INVALID_FILE);
        let message = Some(format!("{file} has findings, and the Tenant may be in it"));
        return Some(TenantPlan { reason, message, ..known(Change::Refused) });
    }
    let message = "no file names it any more; to end it, bring the file back with lifecycle: Cancelled";
    Some(TenantPlan { message: Some(message.into()), ..known(Change::Missing) })
}

fn named(review: &Review) -> impl Iterator<Item = &str> {
    let sound = review.sound.iter().map(|one| one.tenant.name.as_str());
    let unruled = review.unruled.iter().map(|(name, _)| name.as_str());
    sound.chain(unruled).chain(review.refused.keys().map(String::as_str))
}

fn is_unruled(review: &Review, name: &str) -> bool {
    review.unruled.iter().any(|(one, _)| one == name)
}

fn by_name(review: &Review) -> BTreeMap<&str, &Sound> {
    review.sound.iter().map(|one| (one.tenant.name.as_str(), one)).collect()
}

/// Whether a Tenant and its rules are what they were: then nothing has to be built to know that nothing happens.
fn is_same(before: &Review, after: &Review, old: &Sound, new: &Sound) -> bool {
    let [was, is] = [(before, old), (after, new)]
        .map(|(review, one)| review.platforms.get(&one.platform).map(|ruler| &ruler.rules));
    old.tenant == new.tenant && was == is
}

fn side<'a>(review: &'a Review, one: &'a Sound) -> Option<Side<'a>> {
    Some(Side::new(one, review.platforms.get(&one.platform)?))
}
