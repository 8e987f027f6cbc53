//! A Platform's status.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        Platform, Tenant,
        conditions::{ConditionStatus, ConditionType, find, reasons},
        platform_status::{Orphan, PlatformStatus, PlatformSummary, SourceStatus},
    },
    plan::waves,
    store::verdict::Judgement,
    validate::problem::Problem,
};

use super::audit::{self, Report};
use super::set::{Conditions, Verdict, whole_second};

/// What a look at the source brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Head, applied revision, counts, findings.
    pub status: SourceStatus,
    /// Why the source isn't synced: reason constant, message, and whether only a human can go on.
    pub failure: Option<(&'static str, String, bool)>,
}

/// What the forge loop says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostReport {
    /// Open pull requests whose plan is on the forge.
    pub pulls: usize,
    /// Pull requests whose plan isn't, and why.
    pub problems: Vec<String>,
    /// Why the forge can't be used at all: reason constant and message.
    pub failure: Option<(&'static str, String)>,
}

/// Everything that a status is made of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The Platform, with its previous status.
    pub platform: &'a Platform,
    /// What is wrong with its spec.
    pub problems: &'a [Problem],
    /// Its Tenants.
    pub tenants: &'a [Arc<Tenant>],
    /// Namespaces whose Tenant is gone, with that Tenant's name.
    pub orphans: Vec<(String, String)>,
    /// What the source loop reported last; `None` before its first look.
    pub source: Option<&'a SourceReport>,
    /// What the forge loop reported last.
    pub posts: Option<&'a PostReport>,
    /// What the last look at the store of backups found, and when that was.
    pub store: Option<&'a (Judgement, Timestamp)>,
    /// What the audit agents said last.
    pub audit: Option<&'a Report>,
    /// The time.
    pub now: Timestamp,
}

/// How old a look at the store may be: three are missed then.
const STORE_LASTS: SignedDuration = SignedDuration::from_mins(15);

/// When a status is due again by which a look at the store is too old.
pub const AGAIN: std::time::Duration = std::time::Duration::from_secs(16 * 60);

/// Most Tenants that a message names.
const MOST_NAMED: usize = 5;

/// Most orphans that a status lists.
const MOST_ORPHANS: usize = 100;

/// A Platform's status.
pub fn status(facts: &Facts<'_>) -> PlatformStatus {
    let previous = facts.platform.status.clone().unwrap_or_default();
    let generation = facts.platform.metadata.generation.unwrap_or_default();
    let mut conditions = Conditions::new(&previous.conditions, generation, facts.now);
    asked_for(facts, &mut conditions);
    let ready = facts.tenants.iter().filter(|tenant| is_ready(tenant)).count();
    let (verdict, stalled) = overall(facts, ready);
    if let Some(message) = rolling_out(facts) {
        conditions.set(ConditionType::Reconciling, Verdict::yes(reasons::ROLLING_OUT, message));
    }
    conditions.set_if(stalled, ConditionType::Stalled, verdict.reason, verdict.message.clone());
    conditions.set(ConditionType::Ready, verdict);
    let source = facts.source.map(|report| report.status.clone()).or(previous.source);
    let source = source.filter(|_| facts.platform.spec.source.is_some());
    let audit = facts.audit.map(audit::figures).or(previous.audit);
    let audit = audit.filter(|_| facts.platform.spec.audit.is_some());
    let orphans = facts
        .orphans
        .iter()
        .map(|(namespace, tenant)| Orphan { namespace: namespace.clone(), tenant: tenant.clone() });
    PlatformStatus {
        observed_generation: Some(generation),
        conditions: conditions.finish(),
        summary: PlatformSummary {
            tenants: format!("{ready}/{}", facts.tenants.len()),
            revision: source
                .as_ref()
                .map(|source| source.applied.chars().take(8).collect())
                .unwrap_or_default(),
            orphans: i32::try_from(facts.orphans.len()).unwrap_or(i32::MAX),
        },
        source,
        audit,
        orphans: orphans.take(MOST_ORPHANS).collect(),
    }
}

/// Conditions of what the spec asks for; one that nobody looked at yet keeps its word.
fn asked_for(facts: &Facts<'_>, conditions: &mut Conditions<'_>) {
    if facts.platform.spec.source.is_some() {
        match facts.source {
            Some(report) => {
                conditions.set(ConditionType::SourceSynced, synced(report, tells_secrets(facts.platform)));
            }
            None => conditions.keep(ConditionType::SourceSynced),
        }
    }
    if facts.platform.spec.source.as_ref().is_some_and(|source| source.git.forge.is_some()) {
        match facts.posts {
            Some(report) => conditions.set(ConditionType::PlansPosted, posted(report)),
            None => conditions.keep(ConditionType::PlansPosted),
        }
    }
    if facts.platform.spec.backups.is_some() {
        match facts.store {
            Some((judgement, at)) => {
                conditions.set(ConditionType::StoreReady, stored(judgement, *at, facts.now))
            }
            None => conditions.keep(ConditionType::StoreReady),
        }
    }
    if facts.platform.spec.audit.is_some() {
        match facts.audit {
            Some(report) => conditions.set(ConditionType::AuditComplete, audit::verdict(report)),
            None => conditions.keep(ConditionType::AuditComplete),
        }
    }
}

fn is_ready(tenant: &Tenant) -> bool {
    let conditions = tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    find(conditions, ConditionType::Ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True && Some(ready.observed_generation) == tenant.metadata.generation
    })
}

/// How far a change of the rules or of the operator is; `None` when no Tenant waits for one.
fn rolling_out(facts: &Facts<'_>) -> Option<String> {
    let waits = |tenant: &&Arc<Tenant>| {
        let conditions =
            tenant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        find(conditions, ConditionType::Reconciling)
            .is_some_and(|one| one.reason == reasons::WAITING_FOR_WAVE)
    };
    let waiting = facts.tenants.iter().filter(waits).count();
    let out = facts.tenants.iter().filter(|tenant| waves::is_out(tenant));
    let out: Vec<&str> = out.filter_map(|tenant| tenant.metadata.name.as_deref()).collect();
    if waiting == 0 && out.is_empty() {
        return None;
    }
    let size = waves::size(facts.tenants.len(), facts.platform.spec.rollout.max_percent);
    let named: Vec<&str> = out.iter().take(MOST_NAMED).copied().collect();
    let more = if out.len() > MOST_NAMED { ", …" } else { "" };
    let next = if out.is_empty() {
        String::new()
    } else {
        format!("; the next wave begins when the services of these are available: {}{more}", named.join(", "))
    };
    Some(format!(
        "a change of the rules or of the operator reaches {size} of {} Tenants at a time; {waiting} wait{next}",
        facts.tenants.len()
    ))
}

/// Whether whoever is between us and the Git server can read its credentials.
fn tells_secrets(platform: &Platform) -> bool {
    let git = platform.spec.source.as_ref().map(|source| &source.git);
    git.is_some_and(|git| git.credentials.is_some() && git.url.starts_with("http://"))
}

fn synced(report: &SourceReport, tells_secrets: bool) -> Verdict {
    if let Some((reason, message, _)) = &report.failure {
        return Verdict::no(reason, message.clone());
    }
    let status = &report.status;
    if status.finding_count > 0 {
        let first = status.findings.first().map(ToString::to_string).unwrap_or_default();
        let message = format!("{} findings in the files; the first: {first}", status.finding_count);
        return Verdict::no(reasons::FINDINGS, message);
    }
    let short = |id: &str| id.chars().take(8).collect::<String>();
    if status.applied.is_empty() {
        let message =
            format!("revision {} is accepted, and its Tenants are written", short(&status.accepted));
        return Verdict::unknown(reasons::PROGRESSING, message);
    }
    let short = short(&status.applied);
    let warning = if tells_secrets {
        "; the credentials travel unencrypted: use https in spec.source.git.url"
    } else {
        ""
    };
    Verdict::yes(
        reasons::SUCCEEDED,
        format!(
            "revision {short} is applied: {} Tenants from {} files{warning}",
            status.tenants, status.files
        ),
    )
}

fn posted(report: &PostReport) -> Verdict {
    if let Some((reason, message)) = &report.failure {
        return Verdict::no(reason, message.clone());
    }
    if let Some(first) = report.problems.first() {
        let more = report.problems.len() - 1;
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        return Verdict::no(reasons::FORGE_REFUSED, format!("{first}{more}"));
    }
    Verdict::yes(
        reasons::SUCCEEDED,
        format!("the plans of {} open pull requests are on the forge", report.pulls),
    )
}

fn stored(judgement: &Judgement, at: Timestamp, now: Timestamp) -> Verdict {
    if now.duration_since(at) > STORE_LASTS {
        let message =
            format!("the store was last looked at at {}; then: {}", whole_second(at), judgement.message);
        return Verdict::unknown(reasons::STORE_UNREACHABLE, message);
    }
    let verdict = if judgement.fit { Verdict::yes } else { Verdict::no };
    verdict(judgement.reason, judgement.message.clone())
}

fn overall(facts: &Facts<'_>, ready: usize) -> (Verdict, bool) {
    if facts.platform.metadata.deletion_timestamp.is_some() {
        let message = format!(
            "is being deleted, and {} Tenants refer to it; move or cancel and delete them first",
            facts.tenants.len()
        );
        return (Verdict::no(reasons::IN_USE, message), true);
    }
    if !facts.problems.is_empty() {
        let text: Vec<String> = facts.problems.iter().map(ToString::to_string).collect();
        return (Verdict::no(reasons::INVALID_SPEC, text.join("; also ")), true);
    }
    if let Some((reason, message, stalled)) = facts.source.and_then(|report| report.failure.as_ref()) {
        return (Verdict::no(reason, message.clone()), *stalled);
    }
    if ready < facts.tenants.len() {
        let names = facts
            .tenants
            .iter()
            .filter(|tenant| !is_ready(tenant))
            .filter_map(|tenant| tenant.metadata.name.as_deref());
        let names: Vec<&str> = names.take(MOST_NAMED).collect();
        let message = format!(
            "{} of {} Tenants are Ready; not: {}{}",
            ready,
            facts.tenants.len(),
            names.join(", "),
            if facts.tenants.len() - ready > MOST_NAMED { ", …" } else { "" }
        );
        return (Verdict::no(reasons::TENANTS_NOT_READY, message), false);
    }
    (Verdict::yes(reasons::SUCCEEDED, "its rules hold, and all of its Tenants are Ready"), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(backups: bool) -> Platform {
        let mut spec = serde_json::json!({});
        if backups {
            spec["backups"] = serde_json::json!({
                "store": {"region": "r", "bucket": "backups", "credentials": {"name": "store"}},
                "key": {"secret": {"name": "key"}},
            });
        }
        let object = serde_json::json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform", "metadata": {"name": "shop"}, "spec": spec,
        });
        serde_json::from_value(object).unwrap()
    }

    fn said(
        backups: bool,
        store: Option<&(Judgement, Timestamp)>,
        now: Timestamp,
    ) -> Option<(ConditionStatus, String, String)> {
        let platform = platform(backups);
        let facts = Facts {
            platform: &platform,
            problems: &[],
            tenants: &[],
            orphans: Vec::new(),
            source: None,
            posts: None,
            store,
            audit: None,
            now,
        };
        let status = status(&facts);
        let found = find(&status.conditions, ConditionType::StoreReady)?;
        Some((found.status, found.reason.clone(), found.message.clone()))
    }

    #[test]
    fn an_old_look_at_the_store_says_nothing() {
        let at: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let good = Judgement { fit: true, reason: reasons::SUCCEEDED, message: "all good".into() };
        let bad = Judgement::no(reasons::NOT_IMMUTABLE, "no lock");
        let soon = at + SignedDuration::from_mins(15);
        let later = soon + SignedDuration::from_secs(1);
        for (judgement, status) in [(good, ConditionStatus::True), (bad, ConditionStatus::False)] {
            let (reason, message) = (judgement.reason.to_owned(), judgement.message.clone());
            let report = (judgement, at);
            assert_eq!(said(true, Some(&report), soon), Some((status, reason, message.clone())));
            let (old, reason, words) = said(true, Some(&report), later).unwrap();
            assert_eq!((old, reason.as_str()), (ConditionStatus::Unknown, "StoreUnreachable"));
            assert!(words.contains("2026-11-22T03:00:00Z") && words.ends_with(&message), "{words}");
            assert_eq!(said(false, Some(&report), soon), None, "nothing is backed up");
        }
        assert_eq!(said(true, None, at), None, "nobody has looked yet");
    }
}
